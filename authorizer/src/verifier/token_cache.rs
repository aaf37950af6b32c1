//! Tokens that were verified before: a repeated one costs a digest and a look-up.
//!
//! Only success is kept, under the SHA-256 digest of the whole token, and only for as long as the key set that
//! verified it is the one in use. Whoever takes a token out still holds it to the present time and to its binding.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use aws_lc_rs::digest;

use crate::jose::JwkSet;
use crate::token::AccessToken;

/// Most tokens that are kept.
pub const MAX_TOKENS: usize = 1024;
/// Larger tokens are not kept, so that the memory is bounded too.
const MAX_TOKEN_BYTES: usize = 4096;

/// The SHA-256 digest of a compact token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenDigest([u8; digest::SHA256_OUTPUT_LEN]);

impl TokenDigest {
    pub fn of(token: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, token.as_bytes());
        Self(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

/// A token that was verified.
#[derive(Clone)]
pub(super) struct Verified {
    pub token: Arc<AccessToken>,
    /// Which issuer of the verifier made it.
    pub issuer: usize,
    /// The set that verified it. A newer set says anew whether the key is good.
    keys: Weak<JwkSet>,
}

impl Verified {
    pub fn new(token: AccessToken, issuer: usize, keys: &Arc<JwkSet>) -> Self {
        Self {
            token: Arc::new(token),
            issuer,
            keys: Arc::downgrade(keys),
        }
    }

    pub fn was_verified_with(&self, keys: &Arc<JwkSet>) -> bool {
        std::ptr::eq(self.keys.as_ptr(), Arc::as_ptr(keys))
    }
}

/// At most [`MAX_TOKENS`] of them; the one to go is one that wasn't used lately (second chance).
#[derive(Default)]
pub(super) struct TokenCache(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    ring: Vec<Slot>,
    index: HashMap<TokenDigest, usize>,
    hand: usize,
}

struct Slot {
    digest: TokenDigest,
    verified: Verified,
    used: bool,
}

impl TokenCache {
    pub fn get(&self, digest: &TokenDigest) -> Option<Verified> {
        let mut slots = self.lock();
        let at = *slots.index.get(digest)?;
        let slot = slots.ring.get_mut(at)?;
        slot.used = true;
        Some(slot.verified.clone())
    }

    pub fn keep(&self, token: &str, digest: TokenDigest, verified: Verified) {
        if token.len() <= MAX_TOKEN_BYTES {
            self.lock().insert(digest, verified);
        }
    }

    pub fn forget(&self, digest: &TokenDigest) {
        self.lock().remove(digest);
    }

    pub fn len(&self) -> usize {
        self.lock().ring.len()
    }

    /// A panic while the lock is held leaves plain values behind; a look-up that no longer fits finds nothing.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn insert(&mut self, digest: TokenDigest, verified: Verified) {
        self.remove(&digest);
        if self.ring.len() >= MAX_TOKENS {
            self.evict();
        }
        self.index.insert(digest, self.ring.len());
        self.ring.push(Slot {
            digest,
            verified,
            used: false,
        });
    }

    /// Passes over the slots that were used since the last time.
    fn evict(&mut self) {
        let count = self.ring.len().max(1);
        while let Some(slot) = self.ring.get_mut(self.hand % count) {
            let digest = slot.digest;
            self.hand = (self.hand + 1) % count;
            if !std::mem::take(&mut slot.used) {
                self.remove(&digest);
                return;
            }
        }
    }

    fn remove(&mut self, digest: &TokenDigest) {
        let Some(at) = self.index.remove(digest) else {
            return;
        };
        if at < self.ring.len() {
            self.ring.swap_remove(at);
        }
        if let Some(moved) = self.ring.get(at) {
            self.index.insert(moved.digest, at);
        }
    }
}
