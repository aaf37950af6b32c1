//! Proofs that have been used.
//!
//! A bounded memory that many share can be made to forget by whoever fills it. So it is shared out: among clients, of a
//! client among its subjects, of a subject among its keys. When it's full, the client that holds most gives a proof up,
//! of that client the subject, of that subject the key, and of that key the proof that would end first. A key therefore
//! keeps all of its proofs for as long as it holds no more than its share: the memory divided by the clients, the
//! subjects of its client and the keys of its subject that are in it. New keys cost an attacker nothing, so they divide
//! the share of one subject only; new subjects are accounts, and new clients registrations.
//!
//! It must know nothing of tokens, headers or whoever serves the call.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;

/// Most proofs that one process remembers. Each takes about 250 bytes, and 600 if no two are of the same key: 4 to 10 MB.
pub const MAX_PROOFS: usize = 16_384;
/// Most of them by one key: 136 calls a second for all of the minute that a proof lives.
pub const MAX_PROOFS_OF_KEY: usize = 8_192;

/// 128 bits of a proof's SHA-256 digest: nobody finds another proof with the same.
type ProofId = [u8; 16];
/// Who shares the memory: a hash by a key of this process, so nobody finds another with the same.
type HolderId = u64;

/// A proof that was checked, and who it counts against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsedProof<'p> {
    /// The issuer of the client; another one's may have the same name.
    pub issuer: &'p str,
    /// The client.
    pub client: &'p str,
    /// On whose behalf it calls.
    pub subject: &'p str,
    /// The thumbprint of the key that signed it.
    pub key: &'p str,
    /// What the key calls it.
    pub jti: &'p str,
    /// The moment from which it would be refused anyway, Unix seconds.
    pub until: i64,
}

/// The `jti` of each proof that this process has accepted, for as long as the proof would still be accepted.
///
/// It's bounded and belongs to one process: another Lambda instance doesn't know what this one has seen. Past
/// [`MAX_PROOFS`], and of one key past [`MAX_PROOFS_OF_KEY`], those who hold most are forgotten from. What bounds a replay
/// beyond that is the minute that a proof lives.
#[derive(Debug, Default)]
pub struct ReplayCache(Mutex<Memory>);

impl ReplayCache {
    /// Notes a proof; false if it has been used before. `now` in Unix seconds.
    pub fn first_use(&self, proof: &UsedProof<'_>, now: i64) -> bool {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.first_use(proof, now)
    }

    /// How many proofs are remembered.
    pub fn len(&self) -> usize {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.proofs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Everything that is known of the proofs in use, by proof, by time and by who holds them.
#[derive(Debug, Default)]
struct Memory {
    proofs: HashMap<ProofId, Held>,
    by_end: BTreeSet<(i64, ProofId)>,
    by_key: BTreeSet<(HolderId, i64, ProofId)>,
    shares: HashMap<HolderId, Share>,
    /// Within its parent the share that holds most, and of equals the one that was used longest ago, comes last.
    ranks: BTreeSet<(HolderId, Rank, HolderId)>,
    /// Counts uses.
    uses: u64,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    until: i64,
    by: Holder,
}

/// Client, subject and key: each within the one before.
type Holder = [HolderId; 3];
type Rank = (usize, Reverse<u64>);

/// What a client, a subject or a key holds.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    proofs: usize,
    used: u64,
}

impl Share {
    fn rank(self) -> Rank {
        (self.proofs, Reverse(self.used))
    }
}

/// All clients are parts of this.
const EVERYBODY: HolderId = 0;
const LOWEST: Rank = (0, Reverse(u64::MAX));
const HIGHEST: Rank = (usize::MAX, Reverse(0));

impl Memory {
    fn first_use(&mut self, used: &UsedProof<'_>, now: i64) -> bool {
        self.forget_ended(now);
        let proof = proof_id(used);
        if self.proofs.contains_key(&proof) {
            return false;
        }
        let client = self.hasher.hash_one((used.issuer, used.client));
        let subject = self.hasher.hash_one((client, used.subject));
        let key = self.hasher.hash_one((subject, used.key));
        self.keep(
            proof,
            Held {
                until: used.until,
                by: [client, subject, key],
            },
        );
        let of_key = self.shares.get(&key).map_or(0, |share| share.proofs);
        if of_key > MAX_PROOFS_OF_KEY {
            self.forget_first_of(key);
        }
        if self.proofs.len() > MAX_PROOFS {
            self.forget_of_the_busiest();
        }
        true
    }

    fn keep(&mut self, proof: ProofId, held: Held) {
        self.uses = self.uses.wrapping_add(1);
        self.proofs.insert(proof, held);
        self.by_end.insert((held.until, proof));
        let [.., key] = held.by;
        self.by_key.insert((key, held.until, proof));
        let used = self.uses;
        self.account(held.by, |share| Share {
            proofs: share.proofs + 1,
            used,
        });
    }

    fn forget(&mut self, proof: &ProofId) {
        let Some(held) = self.proofs.remove(proof) else {
            return;
        };
        self.by_end.remove(&(held.until, *proof));
        let [.., key] = held.by;
        self.by_key.remove(&(key, held.until, *proof));
        self.account(held.by, |share| Share {
            proofs: share.proofs.saturating_sub(1),
            ..share
        });
    }

    /// Changes what client, subject and key hold, and so their ranks.
    fn account(&mut self, holder: Holder, change: impl Fn(Share) -> Share) {
        let mut parent = EVERYBODY;
        for part in holder {
            let share = self.shares.get(&part).copied().unwrap_or_default();
            self.ranks.remove(&(parent, share.rank(), part));
            let share = change(share);
            if share.proofs == 0 {
                self.shares.remove(&part);
            } else {
                self.shares.insert(part, share);
                self.ranks.insert((parent, share.rank(), part));
            }
            parent = part;
        }
    }

    fn forget_ended(&mut self, now: i64) {
        while let Some((until, proof)) = self.by_end.first().copied() {
            if until > now {
                break;
            }
            self.forget(&proof);
        }
    }

    fn forget_of_the_busiest(&mut self) {
        let mut part = EVERYBODY;
        for _ in 0..Holder::default().len() {
            let within = (part, LOWEST, 0)..=(part, HIGHEST, HolderId::MAX);
            let Some((.., busiest)) = self.ranks.range(within).next_back() else {
                return;
            };
            part = *busiest;
        }
        self.forget_first_of(part);
    }

    /// Forgets the proof of a key that would end first.
    fn forget_first_of(&mut self, key: HolderId) {
        let of_key = (key, i64::MIN, [0; 16])..;
        let first = self.by_key.range(of_key).next().copied();
        if let Some((.., proof)) = first.filter(|(owner, ..)| *owner == key) {
            self.forget(&proof);
        }
    }
}

/// The key's length goes first, so the two parts can't run into each other.
fn proof_id(used: &UsedProof<'_>) -> ProofId {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&used.key.len().to_be_bytes());
    context.update(used.key.as_bytes());
    context.update(used.jti.as_bytes());
    let digest = context.finish();
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
