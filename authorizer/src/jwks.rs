//! One issuer's keys, fetched when they are needed and kept while they are good.
//!
//! - At most one fetch is under way, in a task of its own, so a caller that goes away can't cut it off.
//! - A set is fresh for as long as the issuer says, within bounds; later it's refreshed while it goes on being used.
//! - When the issuer is down, the last good set serves for a bounded time; then verifying fails as a fault.
//! - An unknown `kid` may ask for a new fetch only once in a cool-down: a real rotation gets through, a flood doesn't.
//! - A set that can't be read never replaces a good one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::jose::JwkSet;
use crate::reason::Reason;

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

/// The keys of one issuer. Clones share one cache.
#[derive(Clone)]
pub struct KeyCache(Arc<Inner>);

struct Inner {
    fetch: Arc<dyn FetchKeys>,
    clock: Arc<dyn Clock>,
    settings: CacheSettings,
    state: Mutex<State>,
    /// Counts finished fetches.
    finished: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    in_flight: bool,
    last_attempt_ms: Option<u64>,
    failures: u32,
    /// No fetch before this moment, because of failures.
    wait_until_ms: u64,
}

#[derive(Clone)]
struct Held {
    keys: Arc<JwkSet>,
    fresh_until_ms: u64,
    stale_until_ms: u64,
}

/// What to do for a caller.
enum Plan {
    Use(Arc<JwkSet>),
    Fail,
    Wait(watch::Receiver<u64>),
}

impl KeyCache {
    /// A cache that holds nothing yet.
    pub fn new(fetch: Arc<dyn FetchKeys>, clock: Arc<dyn Clock>, settings: CacheSettings) -> Self {
        let (finished, _) = watch::channel(0);
        Self(Arc::new(Inner {
            fetch,
            clock,
            settings,
            state: Mutex::default(),
            finished,
        }))
    }

    /// The keys to look for `kid` in. A set without it means that the issuer doesn't publish it, as far as we know.
    ///
    /// # Errors
    /// [`Reason::KeysUnavailable`] when there is no usable set and none could be fetched.
    pub async fn keys(&self, kid: &str) -> Result<Arc<JwkSet>, Reason> {
        let mut fetched = match self.plan(kid) {
            Plan::Use(keys) => return Ok(keys),
            Plan::Fail => return Err(Reason::KeysUnavailable),
            Plan::Wait(fetched) => fetched,
        };
        // The sender lives in `self`: this ends when the fetch does, and every fetch is bounded.
        let _ = fetched.changed().await;
        self.settled(kid)
    }

    /// Fetches now if nothing usable is held: warms a cold cache.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn warm(&self) -> Result<Arc<JwkSet>, Reason> {
        let usable = { self.0.state().usable(self.0.clock.now_ms()) };
        match usable {
            Some(held) => Ok(held.keys),
            None => self.keys("").await,
        }
    }

    fn plan(&self, kid: &str) -> Plan {
        let now = self.0.clock.now_ms();
        let mut state = self.0.state();
        let Some(held) = state.usable(now) else {
            return if state.in_flight || now >= state.wait_until_ms {
                self.wait(&mut state, now)
            } else {
                Plan::Fail
            };
        };
        let may_fetch = !state.in_flight && now >= state.wait_until_ms;
        if held.keys.has_kid(kid) {
            if now >= held.fresh_until_ms && may_fetch {
                self.start(&mut state, now);
            }
            return Plan::Use(held.keys);
        }
        let cooled = state.last_attempt_ms.is_none_or(|last| {
            now >= last.saturating_add(ms(self.0.settings.unknown_kid_cooldown))
        });
        if state.in_flight || (cooled && may_fetch) {
            return self.wait(&mut state, now);
        }
        if now >= held.fresh_until_ms {
            Plan::Fail
        } else {
            Plan::Use(held.keys)
        }
    }

    /// After a fetch: a stale set can't prove that a kid is unknown, so that is our fault and not the token's.
    fn settled(&self, kid: &str) -> Result<Arc<JwkSet>, Reason> {
        let now = self.0.clock.now_ms();
        let held = self.0.state().usable(now).ok_or(Reason::KeysUnavailable)?;
        if now >= held.fresh_until_ms && !held.keys.has_kid(kid) {
            return Err(Reason::KeysUnavailable);
        }
        Ok(held.keys)
    }

    fn wait(&self, state: &mut State, now: u64) -> Plan {
        let fetched = self.0.finished.subscribe();
        if !state.in_flight {
            self.start(state, now);
        }
        Plan::Wait(fetched)
    }

    fn start(&self, state: &mut State, now: u64) {
        state.in_flight = true;
        state.last_attempt_ms = Some(now);
        // Stands if the fetch never reports: it panicked, or its runtime went away.
        state.wait_until_ms = now.saturating_add(ms(self.0.settings.backoff_min));
        let landing = Landing(self.clone());
        tokio::spawn(async move {
            let inner = &landing.0.0;
            let fetched = tokio::time::timeout(inner.settings.timeout, inner.fetch.fetch()).await;
            let fetched =
                fetched.unwrap_or_else(|_| Err(FetchError("no answer in time".to_owned())));
            inner.accept(fetched);
        });
    }
}

/// Ends a flight whatever happens to its task.
struct Landing(KeyCache);

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.0.state().in_flight = false;
        self.0
            .0
            .finished
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Inner {
    /// A panic while the lock is held leaves plain values behind, which are still sound.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, fetched: Result<Fetched, FetchError>) {
        let read = fetched.and_then(|fetched| {
            let keys =
                JwkSet::parse(&fetched.body).map_err(|error| FetchError(error.to_string()))?;
            Ok((keys, fetched.max_age_s))
        });
        let now = self.clock.now_ms();
        let mut state = self.state();
        match read {
            Ok((keys, max_age_s)) => {
                let settings = &self.settings;
                let fresh = max_age_s
                    .map_or(settings.fresh, Duration::from_secs)
                    .clamp(settings.fresh_min, settings.fresh_max);
                let fresh_until_ms = now.saturating_add(ms(fresh));
                let stale_until_ms = fresh_until_ms.saturating_add(ms(settings.stale_max));
                state.held = Some(Held {
                    keys: Arc::new(keys),
                    fresh_until_ms,
                    stale_until_ms,
                });
                state.failures = 0;
                state.wait_until_ms = now;
            }
            Err(error) => {
                let doubled = self
                    .settings
                    .backoff_min
                    .saturating_mul(1 << state.failures.min(16));
                state.wait_until_ms =
                    now.saturating_add(ms(doubled.min(self.settings.backoff_max)));
                state.failures = state.failures.saturating_add(1);
                tracing::warn!(%error, failures = state.failures, "could not refresh the issuer's keys");
            }
        }
    }
}

impl State {
    fn usable(&self, now: u64) -> Option<Held> {
        self.held.clone().filter(|held| now < held.stale_until_ms)
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
