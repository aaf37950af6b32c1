//! `CloudWatch`'s embedded metric format: a JSON line on standard output that `CloudWatch Logs` makes metrics of.
//!
//! A dimension costs money for each of its values, so there are three only: `service`, the Lambda `function`, and of what
//! was not allowed the `reason`, which is one of a fixed set. Whoever called, and what, is in the decision log.

use serde_json::{Map, Value, json};

use crate::observer::Decided;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Gatewright";

/// Units of `CloudWatch` that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// How long.
    Milliseconds,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// One metric with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name, such as `AuthnFailed`.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// A number.
    pub value: Value,
}

impl Metric {
    /// How many.
    pub fn count(name: &'static str, value: u64) -> Self {
        Self {
            name,
            unit: Unit::Count,
            value: value.into(),
        }
    }

    /// How long.
    pub fn milliseconds(name: &'static str, value: f64) -> Self {
        Self {
            name,
            unit: Unit::Milliseconds,
            value: value.into(),
        }
    }
}

/// Whose metrics they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// `authorizer` or `issuer`.
    pub service: &'a str,
    /// The Lambda function: one of several in an account.
    pub function: Option<&'a str>,
}

/// One line; `at_ms` in Unix milliseconds. Every metric is there by `service`, and by `function` too where it is one; those
/// in `by_reason` are told apart by their reason as well.
pub fn line(
    source: Source<'_>,
    at_ms: i64,
    metrics: &[Metric],
    by_reason: Option<(&str, &[Metric])>,
) -> String {
    let directive = |dimensions: Value, metrics: &[Metric]| {
        let metrics: Vec<Value> = metrics
            .iter()
            .map(|metric| json!({"Name": metric.name, "Unit": metric.unit.as_str()}))
            .collect();
        json!({"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": metrics})
    };
    let mut sets = vec![vec!["service"]];
    let mut root = Map::new();
    root.insert("service".to_owned(), source.service.into());
    if let Some(function) = source.function {
        sets.push(vec!["service", "function"]);
        root.insert("function".to_owned(), function.into());
    }
    let mut directives = vec![directive(json!(sets), metrics)];
    if let Some((reason, metrics)) = by_reason {
        let mut with_reason = sets.clone();
        for set in &mut with_reason {
            set.push("reason");
        }
        directives.push(directive(json!([sets, with_reason].concat()), metrics));
        root.insert("reason".to_owned(), reason.into());
    }
    let of_reason = by_reason.map_or(&[] as &[Metric], |(_, metrics)| metrics);
    for metric in metrics.iter().chain(of_reason) {
        root.insert(metric.name.to_owned(), metric.value.clone());
    }
    root.insert(
        "_aws".to_owned(),
        json!({"Timestamp": at_ms, "CloudWatchMetrics": directives}),
    );
    Value::Object(root).to_string()
}

/// The line of one decision. What didn't happen is 0, so that sums and rates are those of all calls.
pub fn of_decision(source: Source<'_>, decided: &Decided, at_ms: i64) -> String {
    let happened = kind(decided);
    let (mut metrics, mut of_reason) = (Vec::new(), Vec::new());
    for name in ["AuthnFailed", "AuthzDenied", "Allowed", "Faults"] {
        let metric = Metric::count(name, u64::from(name == happened));
        if name == happened && name != "Allowed" {
            of_reason.push(metric);
        } else {
            metrics.push(metric);
        }
    }
    if let Some(us) = decided.took_us {
        // A decision that takes 2^53 microseconds is nobody's.
        #[allow(clippy::cast_precision_loss)]
        metrics.push(Metric::milliseconds("Latency", us as f64 / 1000.0));
    }
    if decided.left_out > 0 {
        metrics.push(Metric::count("ContextLeftOut", 1));
    }
    metrics.push(Metric::count("ColdStart", u64::from(decided.cold)));
    let reason = decided
        .reason
        .filter(|_| !of_reason.is_empty())
        .map(|reason| (reason.as_str(), of_reason.as_slice()));
    if reason.is_none() {
        metrics.extend_from_slice(&of_reason);
    }
    line(source, at_ms, &metrics, reason)
}

/// A denial of a token that was refused counts as a failed authentication, whatever the API is told.
fn kind(decided: &Decided) -> &'static str {
    match (decided.decision, decided.reason) {
        ("allow", _) => "Allowed",
        ("unauthorized", _) => "AuthnFailed",
        ("deny", Some(reason)) if reason.refuses_token() => "AuthnFailed",
        ("deny", _) => "AuthzDenied",
        _ => "Faults",
    }
}
