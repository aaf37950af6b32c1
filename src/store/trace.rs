//! The span of a store call: which statement of which table, and never a value.

use super::backend::Backend;
use super::error::StoreError;
use crate::domain::trace::TARGET;
use std::fmt;
use tracing::field::Empty;
use tracing::{Instrument as _, Level, Span};

/// Makes the call inside a span, if the request that it's made for is recorded.
pub(super) async fn traced<T>(
    backend: Backend,
    sql: &'static str,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    if !is_recorded() {
        return call.await;
    }
    let span = tracing::info_span!(
        target: TARGET,
        "store",
        otel.name = %Summary(sql),
        otel.kind = "client",
        db.system.name = backend.as_str(),
        db.query.summary = %Summary(sql),
        error.type = Empty,
    );
    let outcome = call.instrument(span.clone()).await;
    if let Err(error) = &outcome {
        span.record("error.type", error.class().as_str());
    }
    outcome
}

/// Whether this is part of a recorded request. While traces are off that is one comparison.
fn is_recorded() -> bool {
    let in_a_trace = || {
        let around = Span::current();
        around
            .metadata()
            .is_some_and(|outer| outer.target() == TARGET)
    };
    tracing::span_enabled!(target: TARGET, Level::INFO) && in_a_trace()
}

/// `UPDATE authorization_code`: what a statement does, and to which table.
struct Summary(&'static str);

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.0.split_whitespace();
        let verb = words.next().unwrap_or_default();
        f.write_str(verb)?;
        let table = match verb {
            "UPDATE" => words.next(),
            "INSERT" | "DELETE" | "SELECT" => words
                .find(|word| matches!(*word, "INTO" | "FROM"))
                .and_then(|_| words.next()),
            _ => None,
        };
        match table {
            Some(table) => write!(f, " {table}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn a_summary_is_the_verb_and_the_table() {
        for (sql, summary) in [
            ("\n    UPDATE client\n       SET a = $1", "UPDATE client"),
            (
                "\n    INSERT INTO client (a)\n    VALUES ($1)",
                "INSERT client",
            ),
            (
                "SELECT a, b\n      FROM client\n     WHERE a = $1",
                "SELECT client",
            ),
            ("DELETE FROM client WHERE a = $1", "DELETE client"),
            ("SELECT CAST(strftime('%s', 'now') AS BIGINT)", "SELECT"),
            ("BEGIN", "BEGIN"),
            ("COMMIT", "COMMIT"),
        ] {
            assert_eq!(Summary(sql).to_string(), summary);
        }
    }
}
