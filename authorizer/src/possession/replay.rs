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
        if !seen.proofs.insert(proof) {
            return false;
        }
        seen.order.push_back((until, proof));
        true
    }

    /// How many proofs are remembered.
    pub fn len(&self) -> usize {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.proofs.len()
    }

    /// Whether no proof is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Seen {
    /// Drops what is over, and makes room for one more.
    fn forget(&mut self, now: i64) {
        while let Some((until, proof)) = self.order.front().copied() {
            if until > now && self.order.len() < MAX_PROOFS {
                break;
            }
            self.order.pop_front();
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
