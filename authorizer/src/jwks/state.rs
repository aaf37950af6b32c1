//! What a cache holds, and what it does about it.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;

use super::{CacheSettings, FetchError, Fetched, FoundKeys, JwksState};
use crate::jose::{JwkSet, PassedOver};

type BodyDigest = [u8; digest::SHA256_OUTPUT_LEN];

#[derive(Default)]
pub(super) struct State {
    /// Whose keys they are, for the log.
    issuer: String,
    held: Option<Held>,
    flight: Option<Flight>,
    /// The number of the latest flight.
    flights: u64,
    last_attempt_ms: Option<u64>,
    failures: u32,
    /// No fetch before this moment, because of failures.
    wait_until_ms: u64,
    /// The process slept through the latest fetch.
    interrupted: bool,
}

/// A fetch under way.
struct Flight {
    number: u64,
    started_ms: u64,
}

#[derive(Clone)]
struct Held {
    keys: Arc<JwkSet>,
    /// `None` for a pinned set.
    body: Option<BodyDigest>,
    fresh_until_ms: u64,
    stale_until_ms: u64,
}

impl Held {
    fn found(&self, state: JwksState) -> FoundKeys {
        let keys = Arc::clone(&self.keys);
        FoundKeys { keys, state }
    }

    fn is_fresh(&self, now: u64) -> bool {
        now < self.fresh_until_ms
    }

    fn fresh(&self) -> FoundKeys {
        self.found(if self.body.is_none() {
            JwksState::Pinned
        } else {
            JwksState::Fresh
        })
    }
}

/// What to do for a caller.
pub(super) enum Plan {
    Use(FoundKeys),
    /// Use these, and fetch in the background.
    UseAndFetch(FoundKeys),
    Fail,
    /// Wait for the fetch under way.
    Wait,
    /// Fetch, and wait for it.
    FetchAndWait,
}

impl State {
    /// Starts with nothing.
    pub fn of(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            ..Self::default()
        }
    }

    /// Starts with a set that needs no fetch.
    pub fn pinned(issuer: &str, keys: JwkSet, settings: &CacheSettings, now: u64) -> Self {
        let mut state = Self::of(issuer);
        state.hold(Arc::new(keys), None, settings.fresh, settings, now);
        state
    }

    pub fn plan(&mut self, kid: &str, settings: &CacheSettings, now: u64) -> Plan {
        self.give_up_on_an_overdue_flight(settings, now);
        match self.usable(now) {
            None => self.plan_without_keys(now),
            Some(held) if held.keys.has_kid(kid) => self.plan_for_known_kid(&held, now),
            Some(held) => self.plan_for_unknown_kid(&held, settings, now),
        }
    }

    fn plan_without_keys(&self, now: u64) -> Plan {
        if self.flight.is_some() {
            Plan::Wait
        } else if self.may_fetch(now) {
            Plan::FetchAndWait
        } else {
            Plan::Fail
        }
    }

    fn plan_for_known_kid(&self, held: &Held, now: u64) -> Plan {
        if held.is_fresh(now) {
            Plan::Use(held.fresh())
        } else if self.flight.is_some() {
            Plan::Use(held.found(JwksState::Refreshing))
        } else if !self.may_fetch(now) {
            Plan::Use(held.found(JwksState::Stale))
        } else if self.interrupted {
            Plan::FetchAndWait
        } else {
            Plan::UseAndFetch(held.found(JwksState::Refreshing))
        }
    }

    fn plan_for_unknown_kid(&self, held: &Held, settings: &CacheSettings, now: u64) -> Plan {
        let cooldown = ms(settings.unknown_kid_cooldown);
        let cooled = self
            .last_attempt_ms
            .is_none_or(|last| now >= last.saturating_add(cooldown));
        if self.flight.is_some() {
            Plan::Wait
        } else if cooled && self.may_fetch(now) {
            Plan::FetchAndWait
        } else if held.is_fresh(now) {
            Plan::Use(held.fresh())
        } else {
            Plan::Fail
        }
    }

    fn may_fetch(&self, now: u64) -> bool {
        self.flight.is_none() && now >= self.wait_until_ms
    }

    /// After a fetch: a stale set can't prove that a kid is unknown, so that is our fault and not the token's.
    pub fn settled(&self, kid: &str, now: u64) -> Option<FoundKeys> {
        let held = self.usable(now)?;
        if !held.is_fresh(now) {
            return held.keys.has_kid(kid).then(|| held.found(JwksState::Stale));
        }
        Some(if self.failures == 0 && held.body.is_some() {
            held.found(JwksState::Fetched)
        } else {
            held.fresh()
        })
    }

    /// The set in use, if it may be used.
    pub fn fresh_enough(&self, now: u64) -> Option<FoundKeys> {
        let held = self.usable(now)?;
        Some(if held.is_fresh(now) {
            held.fresh()
        } else {
            held.found(JwksState::Stale)
        })
    }

    /// Notes that a fetch starts; gives its number.
    pub fn start(&mut self, settings: &CacheSettings, now: u64) -> u64 {
        self.flights = self.flights.wrapping_add(1);
        self.flight = Some(Flight {
            number: self.flights,
            started_ms: now,
        });
        self.interrupted = false;
        self.last_attempt_ms = Some(now);
        // Stands if the fetch never reports: it panicked, or its runtime went away.
        self.wait_until_ms = now.saturating_add(ms(settings.backoff_min));
        self.flights
    }

    /// Takes what a fetch brought, unless it was given up on.
    pub fn accept(
        &mut self,
        number: u64,
        fetched: Result<(Fetched, JwkSet), FetchError>,
        settings: &CacheSettings,
        now: u64,
    ) {
        let Some(flight) = self.flight.as_ref().filter(|own| own.number == number) else {
            return;
        };
        let slept = is_overdue(flight, settings, now);
        match fetched {
            Ok((document, keys)) => self.replace(&document, keys, settings, now),
            Err(_) if slept => {
                self.interrupted = true;
                self.wait_until_ms = now;
            }
            Err(error) => self.back_off(&error, settings, now),
        }
    }

    /// Ends a flight; false if it was given up on and another one is under way.
    pub fn land(&mut self, number: u64) -> bool {
        let another = |flight: &Flight| flight.number != number;
        if self.flight.as_ref().is_some_and(another) {
            return false;
        }
        self.flight = None;
        true
    }

    fn replace(&mut self, document: &Fetched, keys: JwkSet, settings: &CacheSettings, now: u64) {
        let fresh = document
            .max_age_s
            .map_or(settings.fresh, Duration::from_secs)
            .clamp(settings.fresh_min, settings.fresh_max);
        let body = body_digest(&document.body);
        let unchanged = self.held.as_ref().filter(|held| held.body == Some(body));
        if unchanged.is_none() {
            tell_of_passed_over(&self.issuer, &keys);
        }
        let keys = unchanged.map_or_else(|| Arc::new(keys), |held| Arc::clone(&held.keys));
        self.hold(keys, Some(body), fresh, settings, now);
        self.failures = 0;
        self.wait_until_ms = now;
    }

    fn hold(
        &mut self,
        keys: Arc<JwkSet>,
        body: Option<BodyDigest>,
        fresh: Duration,
        settings: &CacheSettings,
        now: u64,
    ) {
        let fresh_until_ms = now.saturating_add(ms(fresh));
        self.held = Some(Held {
            keys,
            body,
            fresh_until_ms,
            stale_until_ms: fresh_until_ms.saturating_add(ms(settings.stale_max)),
        });
    }

    fn back_off(&mut self, error: &FetchError, settings: &CacheSettings, now: u64) {
        let doubled = settings
            .backoff_min
            .saturating_mul(1 << self.failures.min(16));
        self.wait_until_ms = now.saturating_add(ms(doubled.min(settings.backoff_max)));
        self.failures = self.failures.saturating_add(1);
        tracing::warn!(
            issuer = self.issuer,
            %error,
            failures = self.failures,
            "could not refresh the issuer's keys"
        );
    }

    fn give_up_on_an_overdue_flight(&mut self, settings: &CacheSettings, now: u64) {
        let overdue = self
            .flight
            .as_ref()
            .is_some_and(|flight| is_overdue(flight, settings, now));
        if overdue {
            self.flight = None;
            self.interrupted = true;
        }
    }

    fn usable(&self, now: u64) -> Option<Held> {
        self.held.clone().filter(|held| now < held.stale_until_ms)
    }
}

/// Says which members of a new document can't be used. Keys for other purposes are nothing to worry about.
pub(crate) fn tell_of_passed_over(issuer: &str, keys: &JwkSet) {
    let passed_over = keys.passed_over();
    let (count, members) = (passed_over.len(), PassedOver::listed(passed_over));
    if keys.iter().next().is_none() {
        tracing::warn!(
            issuer,
            passed_over = count,
            members,
            "the issuer publishes no key that tokens can be verified with: they are refused until it does"
        );
    } else if passed_over.iter().any(|member| member.why.is_fault()) {
        tracing::warn!(
            issuer,
            passed_over = count,
            members,
            "members of the issuer's key set are no sound keys, and are passed over: tokens that name them are refused"
        );
    } else if count > 0 {
        tracing::info!(
            issuer,
            passed_over = count,
            members,
            "members of the issuer's key set are for other purposes, and are passed over"
        );
    }
}

/// Every fetch is over by its time-out, unless the process wasn't running.
fn is_overdue(flight: &Flight, settings: &CacheSettings, now: u64) -> bool {
    now > flight
        .started_ms
        .saturating_add(ms(settings.timeout.saturating_mul(2)))
}

fn body_digest(body: &[u8]) -> BodyDigest {
    let digest = digest::digest(&digest::SHA256, body);
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    fn document() -> (Fetched, JwkSet) {
        let fetched = Fetched {
            body: KEYS.into(),
            max_age_s: None,
        };
        (fetched, JwkSet::parse(KEYS.as_bytes()).unwrap())
    }

    #[test]
    fn a_fetch_that_was_given_up_on_has_no_say() {
        let settings = CacheSettings::default();
        let mut state = State::default();
        let asleep = state.start(&settings, 0);
        assert!(matches!(
            state.plan("a", &settings, 60_000),
            Plan::FetchAndWait
        ));
        let awake = state.start(&settings, 60_000);

        state.accept(asleep, Ok(document()), &settings, 60_001);
        assert!(!state.land(asleep), "nobody waits for this one");
        assert!(state.settled("a", 60_001).is_none());

        state.accept(awake, Ok(document()), &settings, 60_002);
        assert!(state.land(awake));
        assert!(state.settled("a", 60_002).is_some());
    }

    #[test]
    fn whoever_waits_for_a_fetch_that_was_given_up_on_hears_of_its_end() {
        let settings = CacheSettings::default();
        let mut state = State::default();
        let number = state.start(&settings, 0);
        state.accept(number, Ok(document()), &settings, 1);
        assert!(state.land(number));
        let asleep = state.start(&settings, 20_000);
        assert!(matches!(state.plan("a", &settings, 60_000), Plan::Use(_)));
        assert!(state.land(asleep));
    }
}
