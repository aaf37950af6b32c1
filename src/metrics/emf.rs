//! An issuer's metrics as a line a minute for `CloudWatch`: what the counters of a scrape grew by.

use gatewright_authorizer::emf::{Metric, Source, line};

use super::{Exposition, Metrics};

/// All nodes of an issuer count together.
const SOURCE: Source<'_> = Source {
    service: "issuer",
    function: None,
};

/// One metric: its name, the counter it's taken from, and which of its series.
struct Measure {
    name: &'static str,
    counter: &'static str,
    takes: fn(&str) -> bool,
}

const fn measure(name: &'static str, counter: &'static str, takes: fn(&str) -> bool) -> Measure {
    Measure {
        name,
        counter,
        takes,
    }
}

const TOKENS: &str = "gatewright_tokens_total";
const LOGINS: &str = "gatewright_logins_total";
const REQUESTS: &str = "gatewright_http_requests_total";

fn all(_labels: &str) -> bool {
    true
}
fn is_issued(labels: &str) -> bool {
    labels.contains(r#"result="issued""#)
}
fn is_refused(labels: &str) -> bool {
    !is_issued(labels)
}
/// Of a client that is known: the others failed to authenticate.
fn is_denied(labels: &str) -> bool {
    is_refused(labels) && !labels.contains(r#"result="invalid_client""#)
}
fn is_success(labels: &str) -> bool {
    labels.contains(r#"result="succeeded""#)
}
fn is_failure(labels: &str) -> bool {
    ["wrong_password", "unknown_account", "disabled", "failed"]
        .iter()
        .any(|result| labels.contains(&format!(r#"result="{result}""#)))
}
fn is_5xx(labels: &str) -> bool {
    labels.contains(r#"status="5"#)
}
/// A lost race is no trouble.
fn is_trouble(labels: &str) -> bool {
    !labels.contains(r#"class="conflict""#)
}

/// A name that comes twice is the sum of both.
const MEASURES: &[Measure] = &[
    measure("AuthnFailed", LOGINS, is_failure),
    measure(
        "AuthnFailed",
        "gatewright_client_authentications_total",
        is_failure,
    ),
    measure("AuthzDenied", TOKENS, is_denied),
    measure("Allowed", TOKENS, is_issued),
    measure("Faults", REQUESTS, is_5xx),
    measure("TokensIssued", TOKENS, is_issued),
    measure("TokensRefused", TOKENS, is_refused),
    measure("LoginSucceeded", LOGINS, is_success),
    measure("LoginFailed", LOGINS, is_failure),
    measure("Throttled", "gatewright_throttles_total", all),
    measure("RefreshReplayed", "gatewright_refresh_replays_total", all),
    measure("CodeReplayed", "gatewright_code_replays_total", all),
    measure("EventsLost", "gatewright_events_lost_total", all),
    measure("DbErrors", "gatewright_db_errors_total", is_trouble),
    measure("HttpRequests", REQUESTS, all),
    measure("Http5xx", REQUESTS, is_5xx),
];

const DURATION_SUM: &str = "gatewright_http_request_duration_seconds_sum";
const DURATION_COUNT: &str = "gatewright_http_request_duration_seconds_count";

/// What the counters stood at when the last line was written.
#[derive(Debug, Default)]
pub struct IssuerLines {
    before: Option<Totals>,
}

#[derive(Debug, Default)]
struct Totals {
    counts: Vec<u64>,
    seconds: f64,
    requests: u64,
}

impl IssuerLines {
    /// The line for the time since the last one, or since the start; `at_ms` in Unix milliseconds.
    pub fn next(&mut self, metrics: &Metrics, at_ms: i64) -> String {
        let now = Totals::of(&metrics.scrape(Exposition::Prometheus));
        let cold = self.before.is_none();
        let before = self.before.take().unwrap_or_default();
        let mut counts: Vec<(&'static str, u64)> = Vec::new();
        let old = before.counts.iter().copied().chain(std::iter::repeat(0));
        for ((measure, total), old) in MEASURES.iter().zip(&now.counts).zip(old) {
            let grown = total.saturating_sub(old);
            match counts.iter_mut().find(|(name, _)| *name == measure.name) {
                Some((_, sum)) => *sum += grown,
                None => counts.push((measure.name, grown)),
            }
        }
        counts.push(("ColdStart", u64::from(cold)));
        let mut values: Vec<Metric> = counts
            .into_iter()
            .map(|(name, value)| Metric::count(name, value))
            .collect();
        let requests = now.requests.saturating_sub(before.requests);
        // Without requests there is no latency, and 0 would be one.
        if requests > 0 {
            // Requests of a minute are fewer than 2^53.
            #[allow(clippy::cast_precision_loss)]
            let mean = (now.seconds - before.seconds) * 1000.0 / requests as f64;
            values.push(Metric::milliseconds("Latency", mean));
        }
        self.before = Some(now);
        line(SOURCE, at_ms, &values, None)
    }
}

impl Totals {
    fn of(scrape: &str) -> Self {
        let mut totals = Self {
            counts: vec![0; MEASURES.len()],
            ..Self::default()
        };
        for (name, labels, value) in scrape.lines().filter_map(series) {
            let count = || value.parse().unwrap_or(0);
            for (measure, total) in MEASURES.iter().zip(&mut totals.counts) {
                if measure.counter == name && (measure.takes)(labels) {
                    *total += count();
                }
            }
            if name == DURATION_COUNT {
                totals.requests += count();
            } else if name == DURATION_SUM {
                totals.seconds += value.parse().unwrap_or(0.0);
            }
        }
        totals
    }
}

/// Name, labels and value of a line that is a series.
fn series(line: &str) -> Option<(&str, &str, &str)> {
    let (name_and_labels, value) = line.rsplit_once(' ')?;
    if line.starts_with('#') {
        return None;
    }
    let end = name_and_labels.find('{').unwrap_or(name_and_labels.len());
    let (name, labels) = name_and_labels.split_at_checked(end)?;
    Some((name, labels, value))
}
