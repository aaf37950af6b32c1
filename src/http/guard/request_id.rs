//! Ids of requests, and the chance that they and the ids of traces are made of.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// Names a request in its response (`x-request-id`) and in every line logged on its behalf: 128 random bits, ours.
/// An extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

/// Bits are drawn for so many ids at once.
const DRAWN: usize = 32;

thread_local! {
    static BITS: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
}

/// Chance for ids, at most 16 bytes. Nothing depends on it but that they differ.
#[expect(
    clippy::disallowed_methods,
    reason = "ids for log and traces; nothing depends on them"
)]
pub(super) fn chance<const LENGTH: usize>() -> [u8; LENGTH] {
    let bits = BITS.with_borrow_mut(|drawn| {
        drawn.pop().unwrap_or_else(|| {
            drawn.resize(DRAWN, [0; 16]);
            // Without entropy nothing else here works either; the id alone is no reason to fail.
            let _ = SystemRandom::new().fill(drawn.as_flattened_mut());
            drawn.pop().unwrap_or_default()
        })
    });
    bits.first_chunk().copied().unwrap_or([0; LENGTH])
}

impl RequestId {
    pub(super) fn random() -> Self {
        let mut text = [0; 22];
        let length = URL_SAFE_NO_PAD
            .encode_slice(chance::<16>(), &mut text)
            .unwrap_or_default();
        Self(
            text.get(..length)
                .and_then(|text| std::str::from_utf8(text).ok())
                .unwrap_or_default()
                .into(),
        )
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
