//! Proofs that have been used.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;

/// Most proofs that one process remembers.
pub const MAX_PROOFS: usize = 16_384;

type ProofDigest = [u8; digest::SHA256_OUTPUT_LEN];

/// The `jti` of each proof that this process has accepted, for as long as the proof would still be accepted.
///
/// It's bounded and belongs to one process: another Lambda instance doesn't know what this one has seen, and past
/// [`MAX_PROOFS`] the oldest are forgotten. What bounds a replay beyond that is the minute that a proof lives.
#[derive(Debug, Default)]
pub struct ReplayCache(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    proofs: HashSet<ProofDigest>,
    /// In the order of their use, with the moment from which each may be forgotten.
    order: VecDeque<(i64, ProofDigest)>,
}

impl ReplayCache {
    /// Notes a proof; false if it has been used before. `now` and `until` in Unix seconds.
    pub(super) fn first_use(&self, key: &str, jti: &str, now: i64, until: i64) -> bool {
        let proof = proof_digest(key, jti);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget(now);
        if seen.proofs.contains(&proof) {
            return false;
        }
        if seen.order.len() >= MAX_PROOFS {
            seen.forget_oldest();
        }
        seen.proofs.insert(proof);
        seen.order.push_back((until, proof));
        true
    }
}

impl Seen {
    /// Drops the oldest for as long as they are over.
    fn forget(&mut self, now: i64) {
        while let Some((until, _)) = self.order.front() {
            if *until > now {
                break;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, proof)) = self.order.pop_front() {
            self.proofs.remove(&proof);
        }
    }
}

/// Thumbprints have a fixed length, so the two parts can't run into each other.
fn proof_digest(key: &str, jti: &str) -> ProofDigest {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(key.as_bytes());
    context.update(jti.as_bytes());
    let digest = context.finish();
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(cache: &ReplayCache) -> usize {
        let seen = cache.0.lock().unwrap();
        assert_eq!(seen.proofs.len(), seen.order.len());
        seen.proofs.len()
    }

    #[test]
    fn a_proof_is_used_once_until_it_is_over() {
        let cache = ReplayCache::default();
        assert!(cache.first_use("key", "a", 0, 60));
        assert!(cache.first_use("key", "b", 0, 60));
        assert!(cache.first_use("kex", "a", 0, 60));
        assert!(!cache.first_use("key", "a", 59, 119));
        assert_eq!(remembered(&cache), 3);
        assert!(cache.first_use("key", "a", 60, 120));
        assert_eq!(remembered(&cache), 1, "what is over is forgotten");
    }

    #[test]
    fn past_the_bound_the_oldest_are_forgotten() {
        let cache = ReplayCache::default();
        for at in 0..=MAX_PROOFS {
            assert!(cache.first_use("key", &at.to_string(), 0, 60));
        }
        assert_eq!(remembered(&cache), MAX_PROOFS);
        assert!(!cache.first_use("key", &MAX_PROOFS.to_string(), 0, 60));
        assert!(!cache.first_use("key", "1", 0, 60));
        assert!(cache.first_use("key", "0", 0, 60), "the price of the bound");
    }
}
