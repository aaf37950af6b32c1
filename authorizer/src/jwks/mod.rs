//! One issuer's keys, fetched when they are needed and kept while they are good.
//!
//! - At most one fetch is under way, in a task of its own, so a caller that goes away can't cut it off.
//! - A set is fresh for as long as the issuer says, within bounds; later it's refreshed while it goes on being used.
//! - When the issuer is down, the last good set serves for a bounded time; then verifying fails as a fault.
//! - An unknown `kid` may ask for a new fetch only once in a cool-down: a real rotation gets through, a flood doesn't.
//! - A set that can't be read never replaces a good one.
//! - A fetch that the process slept through (a Lambda is frozen between its calls) is no failure of the issuer: the
//!   next caller waits for a new one, which then runs while the process is awake.

mod cache;
mod state;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::jose::JwkSet;
use crate::policy::JwksRules;

pub use cache::KeyCache;
pub(crate) use state::tell_of_passed_over;

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Time that only moves forward, from any fixed point.
pub trait Clock: Send + Sync {
    /// The present moment in microseconds.
    fn now_us(&self) -> u64;

    /// The present moment in milliseconds.
    fn now_ms(&self) -> u64 {
        self.now_us() / 1000
    }
}

/// A key set document as it was fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The document, not yet read.
    pub body: Vec<u8>,
    /// `max-age` of its `Cache-Control`, in seconds.
    pub max_age_s: Option<u64>,
}

/// A fetch that failed, in words for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchError(pub String);

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FetchError {}

/// Fetches the key set of one issuer.
pub trait FetchKeys: Send + Sync {
    /// Fetches it once.
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, FetchError>>;
}

/// The bounds of a [`KeyCache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// How long a set is fresh when the issuer doesn't say.
    pub fresh: Duration,
    /// Least that `max-age` is taken for.
    pub fresh_min: Duration,
    /// Most that `max-age` is taken for.
    pub fresh_max: Duration,
    /// How long a set still serves after it stopped being fresh, while it can't be refreshed.
    pub stale_max: Duration,
    /// Least time between fetches that unknown kids cause.
    pub unknown_kid_cooldown: Duration,
    /// How long one fetch may take.
    pub timeout: Duration,
    /// Wait after the first failure; it doubles with each further one.
    pub backoff_min: Duration,
    /// Longest wait after failures.
    pub backoff_max: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            fresh: Duration::from_mins(10),
            fresh_min: Duration::from_secs(30),
            fresh_max: Duration::from_hours(1),
            stale_max: Duration::from_hours(1),
            unknown_kid_cooldown: Duration::from_secs(10),
            timeout: Duration::from_millis(1500),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(30),
        }
    }
}

impl CacheSettings {
    /// The bounds that a policy file sets. What a `Cache-Control` may ask for is clamped to 30 seconds and an hour, or
    /// to `fresh_s` where that lies outside.
    pub fn of(rules: &JwksRules) -> Self {
        let usual = Self::default();
        let fresh = Duration::from_secs(rules.fresh_s);
        Self {
            fresh,
            fresh_min: usual.fresh_min.min(fresh),
            fresh_max: usual.fresh_max.max(fresh),
            stale_max: Duration::from_secs(rules.stale_max_s),
            unknown_kid_cooldown: Duration::from_secs(rules.unknown_kid_cooldown_s),
            timeout: Duration::from_millis(rules.timeout_ms),
            ..usual
        }
    }
}

/// How the keys came to hand, for the decision log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwksState {
    /// From a file of the deployment.
    Pinned,
    /// Fetched before, and still fresh.
    Fresh,
    /// No longer fresh, and used while a fetch is under way.
    Refreshing,
    /// No longer fresh, and the issuer can't be reached at present.
    Stale,
    /// Fetched for this very call.
    Fetched,
    /// There are none to use.
    Unavailable,
}

impl JwksState {
    /// The word in the decision log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Fresh => "fresh",
            Self::Refreshing => "refreshing",
            Self::Stale => "stale",
            Self::Fetched => "fetched",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Keys to look for a `kid` in. A set without it means that the issuer doesn't publish it, as far as we know.
#[derive(Clone, Debug)]
pub struct FoundKeys {
    /// The set. It's the same one for as long as the issuer publishes the same document.
    pub keys: Arc<JwkSet>,
    /// How it came to hand.
    pub state: JwksState,
}
