//! argon2id on a bounded pool: never on an async thread, never more memory than the slots allow.

use super::entropy::Entropy;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use gatewright_authorizer::jwks::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// Costs of one hash and how many may run and wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashSettings {
    /// Memory of one hash, KiB.
    pub memory_kib: u32,
    /// Passes.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// Hashes at once.
    pub slots: usize,
    /// Callers that may wait for a slot.
    pub queue: usize,
}

/// Why there is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashError {
    /// The queue is full: tell the caller to come back.
    Busy,
    /// The parameters or the stored hash are unusable, or there is no entropy.
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

/// What came of asking for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It came after so many microseconds.
    Came(u64),
    /// The queue was full.
    Refused,
}

/// Who is told of every turn, and the clock that it's measured by.
#[derive(Clone)]
struct Watch {
    clock: Arc<dyn Clock>,
    tell: Arc<dyn Fn(Turn) + Send + Sync>,
}

/// The bounded pool.
#[derive(Clone)]
pub struct PasswordHasher {
    settings: HashSettings,
    argon2: Argon2<'static>,
    slots: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    entropy: Entropy,
    watch: Option<Watch>,
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl PasswordHasher {
    /// A pool with these costs.
    ///
    /// # Errors
    /// [`HashError::Broken`] for costs that argon2 doesn't take.
    pub fn new(settings: HashSettings, entropy: Entropy) -> Result<Self, HashError> {
        let params = Params::new(
            settings.memory_kib,
            settings.iterations,
            settings.parallelism,
            Some(32),
        )
        .map_err(|_| HashError::Broken)?;
        Ok(Self {
            settings,
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            slots: Arc::new(Semaphore::new(settings.slots)),
            waiting: Arc::new(AtomicUsize::new(0)),
            entropy,
            watch: None,
        })
    }

    /// Tells `tell` of every turn.
    #[must_use]
    pub fn watched_by(
        mut self,
        clock: Arc<dyn Clock>,
        tell: impl Fn(Turn) + Send + Sync + 'static,
    ) -> Self {
        let tell = Arc::new(tell);
        self.watch = Some(Watch { clock, tell });
        self
    }

    /// How many are hashed or wait at this moment.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
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
        let argon2 = self.argon2.clone();
        self.run(move || {
            let hash: PasswordHash = argon2::PasswordHasher::hash_password_with_salt(
                &argon2,
                password.as_bytes(),
                &salt,
            )
            .ok()?;
            Some(hash.to_string())
        })
        .await
    }

    /// Verifies a password against a stored hash; without one, does the same work and says no, so that
    /// nobody learns from the time whether an account exists.
    ///
    /// # Errors
    /// [`HashError`]
    pub async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<Verdict, HashError> {
        let argon2 = self.argon2.clone();
        let today = (
            self.settings.memory_kib,
            self.settings.iterations,
            self.settings.parallelism,
        );
        self.run(move || {
            let Some(stored) = stored else {
                let mut output = [0_u8; 32];
                argon2
                    .hash_password_into(password.as_bytes(), b"no such account!", &mut output)
                    .ok()?;
                return Some(Verdict::Wrong);
            };
            let hash = PasswordHash::new(&stored).ok()?;
            let params = Params::try_from(&hash).ok()?;
            let costs = (params.m_cost(), params.t_cost(), params.p_cost());
            let verifier = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let right =
                argon2::PasswordVerifier::verify_password(&verifier, password.as_bytes(), &hash)
                    .is_ok();
            Some(match (right, costs == today) {
                (true, true) => Verdict::Right,
                (true, false) => Verdict::RightButStale,
                (false, _) => Verdict::Wrong,
            })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Option<T> + Send + 'static,
    ) -> Result<T, HashError> {
        let waiting = self.waiting.fetch_add(1, Ordering::AcqRel);
        let place = Waiting(&self.waiting);
        if waiting >= self.settings.slots + self.settings.queue {
            if let Some(watch) = &self.watch {
                (watch.tell)(Turn::Refused);
            }
            return Err(HashError::Busy);
        }
        let came_at = self.watch.as_ref().map(|watch| watch.clock.now_us());
        let slot = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(|_| HashError::Broken)?;
        if let Some((watch, came_at)) = self.watch.as_ref().zip(came_at) {
            (watch.tell)(Turn::Came(watch.clock.now_us().saturating_sub(came_at)));
        }
        let result = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work()
        })
        .await;
        drop(place);
        result.ok().flatten().ok_or(HashError::Broken)
    }
}
