//! The database: how long statements take, how they fail, and who holds connections.

use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::catalogue::{DB_CONNECTIONS, DB_DURATION, DB_ERRORS, Of};
use super::parts::{Counters, Gauges, Histograms, labels, of_statements};

/// What a statement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Outside of a transaction that writes.
    Read,
    /// A statement that writes, or in a transaction that does; its beginning too.
    Write,
    /// The end of such a transaction.
    Commit,
}

/// How a statement failed, as the store sorts its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// A lock, a serialization failure, a full pool.
    Busy,
    /// It can't be reached, or can't write.
    Unavailable,
    /// A row exists already, or is gone.
    Conflict,
    /// A defect or a damaged row.
    Other,
}

impl ErrorClass {
    /// The value of the label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Conflict => "conflict",
            Self::Other => "other",
        }
    }
}

/// Statements and connections; cheap to clone.
#[derive(Clone, Debug)]
pub struct DatabaseMetrics {
    read: Histogram,
    write: Histogram,
    commit: Histogram,
    busy: Counter,
    unavailable: Counter,
    conflict: Counter,
    other: Counter,
    connections: Gauges<2>,
}

impl DatabaseMetrics {
    pub(super) fn new(registry: &mut Registry, role: Of) -> Self {
        let durations = Histograms::new_with_constructor(of_statements);
        let errors = Counters::default();
        let connections = Gauges::default();
        DB_DURATION.register(registry, role, durations.clone());
        DB_ERRORS.register(registry, role, errors.clone());
        DB_CONNECTIONS.register(registry, role, connections.clone());
        let duration = |operation: &'static str| {
            durations.get_or_create_owned(&labels(DB_DURATION.labels, [operation.into()]))
        };
        let error = |class: &'static str| {
            errors.get_or_create_owned(&labels(DB_ERRORS.labels, [class.into()]))
        };
        Self {
            read: duration("read"),
            write: duration("write"),
            commit: duration("commit"),
            busy: error("busy"),
            unavailable: error("unavailable"),
            conflict: error("conflict"),
            other: error("other"),
            connections,
        }
    }

    /// Runs a statement, and notes how long it took and how it failed.
    ///
    /// # Errors
    /// Those of the statement.
    #[expect(
        clippy::disallowed_methods,
        reason = "measures how long a statement took; nothing depends on it"
    )]
    pub async fn observe<T, E>(
        &self,
        operation: Operation,
        statement: impl Future<Output = Result<T, E>>,
        class: fn(&E) -> ErrorClass,
    ) -> Result<T, E> {
        let began = Instant::now();
        let outcome = statement.await;
        let histogram = match operation {
            Operation::Read => &self.read,
            Operation::Write => &self.write,
            Operation::Commit => &self.commit,
        };
        histogram.observe(began.elapsed().as_secs_f64());
        if let Err(error) = &outcome {
            self.failed(class(error));
        }
        outcome
    }

    fn failed(&self, class: ErrorClass) {
        let counter = match class {
            ErrorClass::Busy => &self.busy,
            ErrorClass::Unavailable => &self.unavailable,
            ErrorClass::Conflict => &self.conflict,
            ErrorClass::Other => &self.other,
        };
        counter.inc();
    }

    /// The connections of a pool at this moment.
    pub fn connections(&self, pool: &'static str, idle: usize, used: usize) {
        for (state, number) in [("idle", idle), ("used", used)] {
            let labels = labels(DB_CONNECTIONS.labels, [pool.into(), state.into()]);
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            self.connections.get_or_create(&labels).set(number);
        }
    }
}
