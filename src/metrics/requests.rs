//! Requests by endpoint and status: the labels are looked up once, a request only adds.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::catalogue::{HTTP_DURATION, HTTP_REQUESTS, Of};
use super::parts::{Counters, Histograms, labels, of_requests};

/// The name of whatever is no endpoint.
pub const OTHER: &str = "other";
/// Status codes are 100 to 599.
const STATUSES: usize = 500;

/// Requests of one listener.
#[derive(Clone, Debug)]
pub struct RequestMetrics {
    requests: Counters<2>,
    durations: Histograms<1>,
}

impl RequestMetrics {
    pub(super) fn new(registry: &mut Registry, role: Of) -> Self {
        let new = Self {
            requests: Counters::default(),
            durations: Histograms::new_with_constructor(of_requests),
        };
        HTTP_REQUESTS.register(registry, role, new.requests.clone());
        HTTP_DURATION.register(registry, role, new.durations.clone());
        new
    }

    /// Counters for endpoints with these names, by their place in the list, and for all that is none of them.
    pub fn of_endpoints(&self, names: impl IntoIterator<Item = &'static str>) -> EndpointMetrics {
        let of = |name| Endpoint {
            name,
            family: self.clone(),
            duration: OnceLock::new(),
            statuses: (0..STATUSES).map(|_| OnceLock::new()).collect(),
        };
        EndpointMetrics(Arc::new(Endpoints {
            known: names.into_iter().map(of).collect(),
            other: of(OTHER),
        }))
    }
}

/// The same, ready for use; cheap to clone.
#[derive(Clone, Debug)]
pub struct EndpointMetrics(Arc<Endpoints>);

#[derive(Debug)]
struct Endpoints {
    known: Vec<Endpoint>,
    other: Endpoint,
}

#[derive(Debug)]
struct Endpoint {
    name: &'static str,
    family: RequestMetrics,
    duration: OnceLock<Histogram>,
    statuses: Box<[OnceLock<Counter>]>,
}

impl EndpointMetrics {
    /// A request was answered: which endpoint it was for, if it was for one.
    pub fn answered(&self, endpoint: Option<usize>, status: u16, took: Duration) {
        endpoint
            .and_then(|at| self.0.known.get(at))
            .unwrap_or(&self.0.other)
            .answered(status, took);
    }
}

impl Endpoint {
    fn answered(&self, status: u16, took: Duration) {
        let place = usize::from(status).checked_sub(100);
        if let Some(counter) = place.and_then(|at| self.statuses.get(at)) {
            counter.get_or_init(|| self.counter(status)).inc();
        }
        self.duration
            .get_or_init(|| self.histogram())
            .observe(took.as_secs_f64());
    }

    fn counter(&self, status: u16) -> Counter {
        let values = [self.name.into(), status.to_string().into()];
        let labels = labels(HTTP_REQUESTS.labels, values);
        self.family.requests.get_or_create_owned(&labels)
    }

    fn histogram(&self) -> Histogram {
        let labels = labels(HTTP_DURATION.labels, [self.name.into()]);
        self.family.durations.get_or_create_owned(&labels)
    }
}
