//! Decisions of an authorizer in this process.

use gatewright_authorizer::{Decided, Observer, Reason};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::catalogue::{DECISION_DURATION, DECISIONS, JWKS_FETCHES, Of};
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
        };
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

impl Observer for AuthorizerMetrics {
    fn decided(&self, decided: &Decided) {
        let reason = decided.reason.map_or(NO_REASON, |reason| reason.as_str());
        let labels = labels(DECISIONS.labels, [decided.decision.into(), reason.into()]);
        self.decisions.get_or_create(&labels).inc();
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
}
