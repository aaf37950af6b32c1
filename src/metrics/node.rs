//! What a node does beside answering: passwords, keys, events, alerts, clean-up and its clock.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::catalogue::{
    ALERTS_OPEN, CLEANUP_LAST_SUCCESS, CLEANUP_ROWS, CLOCK_SKEW, EVENT_QUEUE_DEPTH,
    EVENT_WRITE_DURATION, EVENTS, EVENTS_LOST, KEY_AGE, KEYS_OVERDUE, Of, PASSWORD_QUEUE_DEPTH,
    PASSWORD_QUEUE_REFUSED, PASSWORD_QUEUE_WAIT,
};
use super::parts::{Counters, FloatGauge, FloatGauges, Gauges, labels, of_statements, of_waits};
use crate::domain::event::Happening;

/// The queue before argon2; cheap to clone.
#[derive(Clone, Debug)]
pub struct PasswordMetrics {
    depth: Gauge,
    wait: Histogram,
    refused: Counter,
}

impl PasswordMetrics {
    pub(super) fn new(registry: &mut Registry, role: Of) -> Self {
        let new = Self {
            depth: Gauge::default(),
            wait: of_waits(),
            refused: Counter::default(),
        };
        PASSWORD_QUEUE_DEPTH.register(registry, role, new.depth.clone());
        PASSWORD_QUEUE_WAIT.register(registry, role, new.wait.clone());
        PASSWORD_QUEUE_REFUSED.register(registry, role, new.refused.clone());
        new
    }

    /// How many are hashed or wait at this moment.
    pub fn depth(&self, number: usize) {
        self.depth.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// One had its turn.
    pub fn waited(&self, wait: Duration) {
        self.wait.observe(wait.as_secs_f64());
    }

    /// One was turned away.
    pub fn refused(&self) {
        self.refused.inc();
    }
}

/// The age of the oldest key of an algorithm and state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAge {
    /// `ES256`, `RS256` or `EdDSA`.
    pub algorithm: &'static str,
    /// `pending`, `active` or `retiring`.
    pub state: &'static str,
    /// Since it was made.
    pub seconds: i64,
}

/// Signing keys; cheap to clone.
#[derive(Clone, Debug)]
pub struct KeyMetrics {
    ages: FloatGauges<2>,
    overdue: Gauge,
}

impl KeyMetrics {
    pub(super) fn new(registry: &mut Registry, role: Of) -> Self {
        let new = Self {
            ages: FloatGauges::default(),
            overdue: Gauge::default(),
        };
        KEY_AGE.register(registry, role, new.ages.clone());
        KEYS_OVERDUE.register(registry, role, new.overdue.clone());
        new
    }

    /// The keys there are at this moment; what isn't named is gone.
    pub fn keys(&self, ages: &[KeyAge], overdue: usize) {
        self.ages.clear();
        for key in ages {
            let labels = labels(KEY_AGE.labels, [key.algorithm.into(), key.state.into()]);
            // A key is not older than 2^53 seconds.
            #[allow(clippy::cast_precision_loss)]
            self.ages.get_or_create(&labels).set(key.seconds as f64);
        }
        self.overdue.set(i64::try_from(overdue).unwrap_or(i64::MAX));
    }
}

/// The stream of events, and the alerts that it gives rise to; cheap to clone.
#[derive(Clone, Debug)]
pub struct EventMetrics {
    events: Counters<1>,
    depth: Gauge,
    lost: Counter,
    written: Histogram,
    alerts: Gauges<1>,
}

impl EventMetrics {
    pub(super) fn new(registry: &mut Registry, role: Of) -> Self {
        let new = Self {
            events: Counters::default(),
            depth: Gauge::default(),
            lost: Counter::default(),
            written: of_statements(),
            alerts: Gauges::default(),
        };
        EVENTS.register(registry, role, new.events.clone());
        // A series that begins at 0 shows the first that it counts.
        for kind in Happening::KINDS {
            drop(
                new.events
                    .get_or_create(&labels(EVENTS.labels, [kind.name.into()])),
            );
        }
        EVENT_QUEUE_DEPTH.register(registry, role, new.depth.clone());
        EVENTS_LOST.register(registry, role, new.lost.clone());
        EVENT_WRITE_DURATION.register(registry, role, new.written.clone());
        ALERTS_OPEN.register(registry, role, new.alerts.clone());
        new
    }

    /// An event of this kind happened.
    pub fn happened(&self, kind: &'static str) {
        let labels = labels(EVENTS.labels, [kind.into()]);
        self.events.get_or_create(&labels).inc();
    }

    /// How many wait to be written at this moment.
    pub fn queue_depth(&self, number: usize) {
        self.depth.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// So many could not be kept.
    pub fn lost(&self, number: u64) {
        self.lost.inc_by(number);
    }

    /// A batch was written.
    pub fn written(&self, took: Duration) {
        self.written.observe(took.as_secs_f64());
    }

    /// How many alerts of a rule are open at this moment.
    pub fn alerts_open(&self, rule: &'static str, number: usize) {
        let labels = labels(ALERTS_OPEN.labels, [rule.into()]);
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.alerts.get_or_create(&labels).set(number);
    }
}

/// Clean-up and clock; cheap to clone.
#[derive(Clone, Debug)]
pub struct UpkeepMetrics {
    rows: Counter,
    last_success: Gauge,
    clock_skew: FloatGauge,
}

impl UpkeepMetrics {
    pub(super) fn new(registry: &mut Registry, role: Of) -> Self {
        let new = Self {
            rows: Counter::default(),
            last_success: Gauge::default(),
            clock_skew: FloatGauge::default(),
        };
        CLEANUP_ROWS.register(registry, role, new.rows.clone());
        CLEANUP_LAST_SUCCESS.register(registry, role, new.last_success.clone());
        CLOCK_SKEW.register(registry, role, new.clock_skew.clone());
        new
    }

    /// So many expired rows were removed.
    pub fn removed(&self, rows: u64) {
        self.rows.inc_by(rows);
    }

    /// None are left; `now` in Unix seconds.
    pub fn cleaned(&self, now: i64) {
        self.last_success.set(now);
    }

    /// How far this node's clock is ahead of the database's, seconds.
    pub fn clock_skew(&self, seconds: f64) {
        self.clock_skew.set(seconds);
    }
}
