//! The cache: one state behind a lock, and the task that fetches.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch;

use super::state::{Plan, State};
use super::{CacheSettings, Clock, FetchError, FetchKeys, Fetched, FoundKeys};
use crate::jose::JwkSet;
use crate::observer::Observer;
use crate::reason::Reason;

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
    observer: OnceLock<Arc<dyn Observer>>,
}

impl KeyCache {
    /// A cache of this issuer's keys that holds nothing yet.
    pub fn new(
        issuer: &str,
        fetch: Arc<dyn FetchKeys>,
        clock: Arc<dyn Clock>,
        settings: CacheSettings,
    ) -> Self {
        Self::starting_with(State::of(issuer), fetch, clock, settings)
    }

    /// A cache that starts with keys from elsewhere, as fresh as if it had just fetched them.
    pub fn pinned(
        issuer: &str,
        keys: JwkSet,
        fetch: Arc<dyn FetchKeys>,
        clock: Arc<dyn Clock>,
        settings: CacheSettings,
    ) -> Self {
        let state = State::pinned(issuer, keys, &settings, clock.now_ms());
        Self::starting_with(state, fetch, clock, settings)
    }

    fn starting_with(
        state: State,
        fetch: Arc<dyn FetchKeys>,
        clock: Arc<dyn Clock>,
        settings: CacheSettings,
    ) -> Self {
        let (finished, _) = watch::channel(0);
        Self(Arc::new(Inner {
            fetch,
            clock,
            settings,
            state: Mutex::new(state),
            finished,
            observer: OnceLock::new(),
        }))
    }

    /// Tells `observer` of every fetch from here on; the first that is named stays.
    pub(crate) fn tell(&self, observer: Arc<dyn Observer>) {
        let _ = self.0.observer.set(observer);
    }

    /// The keys to look for `kid` in.
    ///
    /// # Errors
    /// [`Reason::KeysUnavailable`] when there is no usable set and none could be fetched.
    pub async fn keys(&self, kid: &str) -> Result<FoundKeys, Reason> {
        let mut fetched = match self.plan(kid)? {
            Step::Use(found) => return Ok(found),
            Step::Wait(fetched) => fetched,
        };
        // The sender lives in `self`: this ends when the fetch does, and every fetch is bounded.
        let _ = fetched.changed().await;
        let now = self.0.clock.now_ms();
        let found = self.0.state().settled(kid, now);
        found.ok_or(Reason::KeysUnavailable)
    }

    /// Fetches now if nothing usable is held: warms a cold cache.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn warm(&self) -> Result<FoundKeys, Reason> {
        let usable = { self.0.state().fresh_enough(self.0.clock.now_ms()) };
        match usable {
            Some(found) => Ok(found),
            None => self.keys("").await,
        }
    }

    fn plan(&self, kid: &str) -> Result<Step, Reason> {
        let now = self.0.clock.now_ms();
        let mut state = self.0.state();
        match state.plan(kid, &self.0.settings, now) {
            Plan::Use(found) => Ok(Step::Use(found)),
            Plan::UseAndFetch(found) => {
                self.start(&mut state, now);
                Ok(Step::Use(found))
            }
            Plan::Wait => Ok(Step::Wait(self.0.finished.subscribe())),
            Plan::FetchAndWait => {
                let fetched = self.0.finished.subscribe();
                self.start(&mut state, now);
                Ok(Step::Wait(fetched))
            }
            Plan::Fail => Err(Reason::KeysUnavailable),
        }
    }

    fn start(&self, state: &mut State, now: u64) {
        let landing = Landing {
            cache: self.clone(),
            number: state.start(&self.0.settings, now),
        };
        tokio::spawn(async move {
            let inner = &landing.cache.0;
            let fetched = inner.fetch_once().await;
            if let Some(observer) = inner.observer.get() {
                observer.fetched_keys(fetched.is_ok());
                if let Ok((_, keys)) = &fetched {
                    observer.passed_over_keys(keys.passed_over().len());
                }
            }
            let now = inner.clock.now_ms();
            inner
                .state()
                .accept(landing.number, fetched, &inner.settings, now);
        });
    }
}

enum Step {
    Use(FoundKeys),
    Wait(watch::Receiver<u64>),
}

/// Ends a flight whatever happens to its task.
struct Landing {
    cache: KeyCache,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let inner = &self.cache.0;
        if inner.state().land(self.number) {
            inner
                .finished
                .send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}

impl Inner {
    /// A panic while the lock is held leaves plain values behind, which are still sound.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch_once(&self) -> Result<(Fetched, JwkSet), FetchError> {
        let late = |_| Err(FetchError("no answer in time".to_owned()));
        let fetched = tokio::time::timeout(self.settings.timeout, self.fetch.fetch())
            .await
            .unwrap_or_else(late)?;
        let keys = JwkSet::parse(&fetched.body)
            .map_err(|error| FetchError(format!("what it publishes can't be used: {error}")))?;
        Ok((fetched, keys))
    }
}
