//! Decisions of an authorizer in this process.

use std::sync::atomic::Ordering;

use gatewright_authorizer::{Decided, Observer, Reason};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::catalogue::{
    DECISION_DURATION, DECISIONS, DECISIONS_LEFT_OUT, DECISIONS_LOST, DECISIONS_SHIPPED,
    DECISIONS_WAITING, JWKS_FETCHES, JWKS_PASSED_OVER, Of,
};
use super::parts::{Counters, labels, of_decisions};

/// The reason of what was allowed.
const NO_REASON: &str = "none";

/// Decisions and fetches; cheap to clone.
#[derive(Clone, Debug)]
pub struct AuthorizerMetrics {
    decisions: Counters<2>,
    duration: Histogram,
    fetched: Counter,
    not_fetched: Counter,
    passed_over: Counter,
    left_out: Counter,
    shipped: Counter,
    lost: Counter,
    waiting: Gauge,
}

impl AuthorizerMetrics {
    pub(super) fn new(registry: &mut Registry, role: Of) -> Self {
        let fetches = Counters::default();
        JWKS_FETCHES.register(registry, role, fetches.clone());
        let fetch = |result: &'static str| {
            fetches.get_or_create_owned(&labels(JWKS_FETCHES.labels, [result.into()]))
        };
        let new = Self {
            decisions: Counters::default(),
            duration: of_decisions(),
            fetched: fetch("ok"),
            not_fetched: fetch("failed"),
            passed_over: Counter::default(),
            left_out: Counter::default(),
            shipped: Counter::default(),
            lost: Counter::default(),
            waiting: Gauge::default(),
        };
        JWKS_PASSED_OVER.register(registry, role, new.passed_over.clone());
        DECISIONS_LEFT_OUT.register(registry, role, new.left_out.clone());
        DECISIONS_SHIPPED.register(registry, role, new.shipped.clone());
        DECISIONS_LOST.register(registry, role, new.lost.clone());
        DECISIONS_WAITING.register(registry, role, new.waiting.clone());
        DECISIONS.register(registry, role, new.decisions.clone());
        // A series that begins at 0 shows the first that it counts.
        new.decisions_of("allow", NO_REASON);
        for reason in Reason::ALL {
            let decisions: &[&'static str] = if reason.is_fault() {
                &["fault"]
            } else if reason.refuses_token() {
                &["deny", "unauthorized"]
            } else {
                &["deny"]
            };
            for decision in decisions {
                new.decisions_of(decision, reason.as_str());
            }
        }
        DECISION_DURATION.register(registry, role, new.duration.clone());
        new
    }

    fn decisions_of(&self, decision: &'static str, reason: &'static str) -> Counter {
        let labels = labels(DECISIONS.labels, [decision.into(), reason.into()]);
        self.decisions.get_or_create_owned(&labels)
    }
}

impl AuthorizerMetrics {
    /// An issuer took so many.
    pub fn decisions_shipped(&self, count: u64) {
        self.shipped.inc_by(count);
    }

    /// So many wait to be sent, and so many were lost so far.
    pub fn decisions_stand(&self, waiting: usize, lost: u64) {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.lost.inner().store(lost, Ordering::Relaxed);
    }
}

impl Observer for AuthorizerMetrics {
    fn decided(&self, decided: &Decided) {
        let reason = decided.reason.map_or(NO_REASON, |reason| reason.as_str());
        let labels = labels(DECISIONS.labels, [decided.decision.into(), reason.into()]);
        self.decisions.get_or_create(&labels).inc();
        if decided.left_out > 0 {
            self.left_out.inc();
        }
        if let Some(us) = decided.took_us {
            let took = std::time::Duration::from_micros(us);
            self.duration.observe(took.as_secs_f64());
        }
    }

    fn fetched_keys(&self, succeeded: bool) {
        if succeeded {
            self.fetched.inc();
        } else {
            self.not_fetched.inc();
        }
    }

    fn passed_over_keys(&self, members: usize) {
        let members = u64::try_from(members).unwrap_or(u64::MAX);
        self.passed_over.inc_by(members);
    }
}
