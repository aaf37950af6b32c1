//! argon2id in a fixed set of threads: never on an async thread, never more memory than they have, fair to those who wait.
//!
//! A verification does the same work whatever it is held against: a hash of today's costs, of former ones, or none.

mod costs;
mod memory;
mod queue;
mod threads;

pub use costs::Costs;
pub use queue::Waiter;

use super::entropy::Entropy;
use gatewright_authorizer::jwks::Clock;
use std::sync::Arc;
use threads::{Done, Pool, Task};
use tokio::runtime::Handle;

/// Costs of one hash and how many may run and wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashSettings {
    /// Memory of one hash, KiB.
    pub memory_kib: u32,
    /// Passes.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// Hashes at once: threads, each with memory of its own.
    pub slots: usize,
    /// Callers that may wait for a slot; strangers and those that are known apart.
    pub queue: usize,
}

impl HashSettings {
    /// The costs of a hash that is made today.
    pub fn costs(&self) -> Costs {
        Costs {
            memory_kib: self.memory_kib,
            iterations: self.iterations,
            parallelism: self.parallelism,
        }
    }
}

/// Why there is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashError {
    /// The queue is full: tell the caller to come back.
    Busy,
    /// The parameters or the stored hash are unusable, or there is no memory, thread or entropy.
    Broken,
}

/// What came of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right, and the hash has today's costs.
    Right,
    /// The password is right; the hash should be made again with today's costs.
    RightButStale,
    /// It isn't.
    Wrong,
}

/// What a password is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against {
    /// A stored PHC string.
    Hash(String),
    /// Nothing: the same work, and no.
    Nobody,
    /// Nothing, nor is it worth any work: the same time, and no.
    Throttled,
}

/// What came of asking for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It came after so many microseconds.
    Came(u64),
    /// The queue was full.
    Refused,
}

/// Who is told of every turn, and the clock that all is measured by.
struct Watch {
    clock: Arc<dyn Clock>,
    tell: Arc<dyn Fn(Turn) + Send + Sync>,
}

/// The bounded pool. Clones share it.
#[derive(Clone)]
pub struct PasswordHasher {
    pool: Arc<Pool>,
    entropy: Entropy,
}

impl PasswordHasher {
    /// A pool with these costs. Its threads start when they are first needed.
    ///
    /// # Errors
    /// [`HashError::Broken`] for costs that argon2 doesn't take.
    pub fn new(settings: HashSettings, entropy: Entropy) -> Result<Self, HashError> {
        if settings.costs().params(Some(32)).is_none() {
            return Err(HashError::Broken);
        }
        Ok(Self {
            pool: Arc::new(Pool::new(settings)),
            entropy,
        })
    }

    /// Tells `tell` of every turn. By this clock it is known, too, how long a throttled attempt must take; without one
    /// it does the work. The first watcher stays.
    #[must_use]
    pub fn watched_by(
        self,
        clock: Arc<dyn Clock>,
        tell: impl Fn(Turn) + Send + Sync + 'static,
    ) -> Self {
        let tell = Arc::new(tell);
        let _ = self.pool.0.watch.set(Watch { clock, tell });
        self
    }

    /// How many are hashed or wait at this moment.
    pub fn waiting(&self) -> usize {
        self.pool.0.waiting()
    }

    /// Turns this one away if there is no place at this moment, before anything is counted for it.
    pub fn refuses(&self, waiter: &Waiter) -> bool {
        self.pool.0.refuses(waiter)
    }

    /// Memory that the threads hold for hashing, KiB: at most the slots times the costliest hash there is.
    pub fn held_kib(&self) -> u64 {
        self.pool.0.counts.held()
    }

    /// Work done since the start: blocks of 1 KiB filled, over all passes.
    pub fn work_done(&self) -> u64 {
        self.pool.0.counts.filled()
    }

    /// Costs of a hash that is made today.
    pub fn costs(&self) -> Costs {
        self.pool.0.settings.costs()
    }

    /// Takes note of all costs that stored hashes have. The costliest are the work of every verification, so that
    /// nobody learns from the time whose hash is older.
    pub fn stored_costs(&self, all: impl IntoIterator<Item = Costs>) {
        self.pool.0.learn(all, true);
    }

    /// Hashes a password (canonical form) to a PHC string.
    ///
    /// # Errors
    /// [`HashError`]
    pub async fn hash(&self, password: String) -> Result<String, HashError> {
        let mut salt = [0_u8; 16];
        self.entropy
            .fill(&mut salt)
            .map_err(|_| HashError::Broken)?;
        match self
            .served(&Waiter::own(), Task::Hash { password, salt })
            .await?
        {
            Done::Hashed(hash) => Ok(hash),
            Done::Judged(_) => Err(HashError::Broken),
        }
    }

    /// Verifies a password. Whatever it is held against, the wait is the same, and so is the time: the work of the
    /// costliest hash there is, or a timer that imitates the last ones.
    ///
    /// # Errors
    /// [`HashError`]
    pub async fn verify(
        &self,
        waiter: &Waiter,
        password: String,
        against: Against,
    ) -> Result<Verdict, HashError> {
        let task = match against {
            Against::Hash(stored) => Task::Verify {
                password,
                stored: Some(stored),
            },
            Against::Nobody => Task::Verify {
                password,
                stored: None,
            },
            Against::Throttled => Task::Wait(Handle::current()),
        };
        match self.served(waiter, task).await? {
            Done::Judged(verdict) => Ok(verdict),
            Done::Hashed(_) => Err(HashError::Broken),
        }
    }

    async fn served(&self, waiter: &Waiter, task: Task) -> Result<Done, HashError> {
        let outcome = self.pool.join(waiter, task)?;
        outcome.await.unwrap_or(Err(HashError::Broken))
    }
}

#[cfg(test)]
mod tests;
