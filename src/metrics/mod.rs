//! Metrics: what is counted, and how it's read.
//!
//! Owns the registry of one node, and the only names and labels that there are. Imports `domain` only. A label never
//! has a value from outside: no user, address, path or key id; of clients the first hundred that got a token. Counting
//! waits for nothing, and reading asks nobody: a scrape is answered while the database is down.

mod authorizer;
pub mod catalogue;
mod database;
pub mod emf;
mod identity;
mod node;
mod parts;
mod requests;
mod saw;
mod spans;
mod tokens;

use std::fmt;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

pub use authorizer::AuthorizerMetrics;
pub use catalogue::Of;
pub use database::{DatabaseMetrics, ErrorClass, Operation};
pub use identity::IdentityMetrics;
pub use node::{EventMetrics, KeyAge, KeyMetrics, PasswordMetrics, UpkeepMetrics};
pub use requests::{EndpointMetrics, OTHER, RequestMetrics};
pub use spans::SpanMetrics;
pub use tokens::{MAX_CLIENTS, TokenMetrics};

use parts::{Gauges, labels};

/// How a scrape is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus text format 0.0.4.
    Prometheus,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Exposition {
    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

type Look = Box<dyn Fn(&Metrics) + Send + Sync>;

/// All metrics of one node.
pub struct Metrics {
    registry: Registry,
    /// What is looked at when somebody reads.
    looks: Mutex<Vec<Look>>,
    /// Requests by endpoint.
    pub requests: RequestMetrics,
    /// Tokens by grant, client and result.
    pub tokens: TokenMetrics,
    /// Logins, clients' authentications and replays.
    pub identity: IdentityMetrics,
    /// The queue before argon2.
    pub passwords: PasswordMetrics,
    /// Signing keys.
    pub keys: KeyMetrics,
    /// The database.
    pub database: DatabaseMetrics,
    /// Events and alerts.
    pub events: EventMetrics,
    /// Clean-up and clock.
    pub upkeep: UpkeepMetrics,
    /// Decisions.
    pub authorizer: AuthorizerMetrics,
    /// Spans of traces.
    pub spans: SpanMetrics,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// All at zero. What a program of this role doesn't have is counted for nobody.
    pub fn new(role: Of) -> Self {
        let mut registry = Registry::default();
        let build: Gauges<1> = Gauges::default();
        let version = [env!("CARGO_PKG_VERSION").into()];
        build
            .get_or_create(&labels(catalogue::BUILD_INFO.labels, version))
            .set(1);
        catalogue::BUILD_INFO.register(&mut registry, role, build);
        Self {
            requests: RequestMetrics::new(&mut registry, role),
            tokens: TokenMetrics::new(&mut registry, role),
            identity: IdentityMetrics::new(&mut registry, role),
            passwords: PasswordMetrics::new(&mut registry, role),
            keys: KeyMetrics::new(&mut registry, role),
            database: DatabaseMetrics::new(&mut registry, role),
            events: EventMetrics::new(&mut registry, role),
            upkeep: UpkeepMetrics::new(&mut registry, role),
            authorizer: AuthorizerMetrics::new(&mut registry, role),
            spans: SpanMetrics::new(&mut registry, role),
            registry,
            looks: Mutex::default(),
        }
    }

    /// Has `look` set values of the moment before each scrape. It must not wait, and must not hold these metrics: they
    /// hold it.
    pub fn before_scrape(&self, look: impl Fn(&Self) + Send + Sync + 'static) {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.push(Box::new(look));
    }

    /// Everything at this moment. One reader at a time, so that none sees what another is about to set.
    pub fn scrape(&self, exposition: Exposition) -> String {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        for look in &*looks {
            look(self);
        }
        let mut written = String::new();
        // Writing to a string fails only if a value refuses to be written, and numbers and words don't.
        let _ = match exposition {
            Exposition::Prometheus => prometheus_text::encode(&mut written, &self.registry),
            Exposition::OpenMetrics => text::encode(&mut written, &self.registry),
        };
        written
    }
}

#[cfg(test)]
mod tests;
