//! Whatever is presented as a token, nobody but the issuer made a valid one.
#![no_main]

use gatewright_authorizer::jose::JwkSet;
use gatewright_authorizer::token::verify;
use gatewright_authorizer_fuzz::{NOW, keys, rules};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static KEYS: LazyLock<JwkSet> = LazyLock::new(keys);

fuzz_target!(|token: &str| {
    assert!(verify(token, &KEYS, &rules(), NOW).is_err());
});
