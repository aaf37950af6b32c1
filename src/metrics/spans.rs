//! Spans of traces, where some are recorded.

use std::sync::atomic::Ordering;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::catalogue::{Of, TRACE_SPANS};
use super::parts::{Counters, labels};

/// What became of spans; cheap to clone.
#[derive(Clone, Debug)]
pub struct SpanMetrics {
    exported: Counter,
    failed: Counter,
    dropped: Counter,
}

impl SpanMetrics {
    pub(super) fn new(registry: &mut Registry, role: Of) -> Self {
        let family: Counters<1> = Counters::default();
        TRACE_SPANS.register(registry, role, family.clone());
        let of = |result: &'static str| {
            family.get_or_create_owned(&labels(TRACE_SPANS.labels, [result.into()]))
        };
        Self {
            exported: of("exported"),
            failed: of("failed"),
            dropped: of("dropped"),
        }
    }

    /// So many there were of each until now, as those who count them say.
    pub fn total(&self, exported: u64, failed: u64, dropped: u64) {
        for (counter, total) in [
            (&self.exported, exported),
            (&self.failed, failed),
            (&self.dropped, dropped),
        ] {
            counter.inner().store(total, Ordering::Relaxed);
        }
    }
}
