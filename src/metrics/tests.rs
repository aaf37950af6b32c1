//! Names, bounds and values, without a server.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{ALL, Entry, Kind};
use super::emf::IssuerLines;
use super::{ErrorClass, Exposition, KeyAge, MAX_CLIENTS, Metrics, Of, Operation};
use crate::domain::ErrorCode;
use crate::domain::client::GrantType;
use crate::domain::event::{LoginFailure, ThrottleScope};
use gatewright_authorizer::{Decided, Observer, Reason};
use std::time::Duration;

#[path = "../../authorizer/tests/it/support/emf_rules.rs"]
mod emf_rules;

/// Something of everything.
fn touched(role: Of) -> Metrics {
    let metrics = Metrics::new(role);
    let endpoints = metrics.requests.of_endpoints(["token"]);
    endpoints.answered(Some(0), 200, Duration::from_millis(3));
    metrics
        .tokens
        .issued(GrantType::ClientCredentials, "worker");
    metrics.identity.login(Ok(()));
    metrics.passwords.waited(Duration::from_millis(3));
    metrics.keys.keys(
        &[KeyAge {
            algorithm: "ES256",
            state: "active",
            seconds: 86_400,
        }],
        0,
    );
    metrics.database.connections("shared", 3, 1);
    metrics.events.happened("login_succeeded");
    metrics.events.written(Duration::from_millis(3));
    metrics.events.alerts_open("refresh_replay", 1);
    metrics.upkeep.cleaned(1_790_000_000);
    metrics.authorizer.decided(&decided("allow", None));
    metrics
}

fn decided(decision: &'static str, reason: Option<Reason>) -> Decided {
    Decided {
        decision,
        reason,
        left_out: 0,
        took_us: Some(40),
        cold: false,
    }
}

/// Series of a scrape: name and labels as they stand, and the value.
fn series(metrics: &Metrics) -> BTreeMap<String, f64> {
    let scrape = metrics.scrape(Exposition::Prometheus);
    let lines = scrape.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

fn value(metrics: &Metrics, name: &str) -> f64 {
    let all = series(metrics);
    *all.get(name)
        .unwrap_or_else(|| panic!("{name} is not in {all:#?}"))
}

/// The catalogue's entry of a series' name.
fn entry(name: &str) -> &'static Entry {
    let is_of = |entry: &&Entry| {
        let suffix = name.strip_prefix(entry.name);
        match entry.kind {
            Kind::Histogram => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
            Kind::Counter | Kind::Gauge => suffix == Some(""),
        }
    };
    ALL.iter()
        .find(is_of)
        .unwrap_or_else(|| panic!("{name} is in no catalogue"))
}

#[test]
fn a_scrape_has_what_the_catalogue_says_and_nothing_else() {
    for role in [Of::Issuer, Of::Authorizer] {
        let mut seen = BTreeSet::new();
        for series in series(&touched(role)).keys() {
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let entry = entry(name);
            assert!(entry.of.includes(role), "{name}");
            seen.insert(entry.name);
            let labels: Vec<&str> = labels
                .trim_end_matches('}')
                .split("\",")
                .filter_map(|label| label.split_once('='))
                .map(|(label, _)| label)
                .filter(|label| *label != "le")
                .collect();
            assert_eq!(labels, entry.labels, "{series}");
        }
        let all = ALL.iter().filter(|entry| entry.of.includes(role));
        let all: BTreeSet<&str> = all.map(|entry| entry.name).collect();
        assert_eq!(seen, all);
    }
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    for entry in ALL {
        let name = entry.name;
        assert!(name.starts_with("gatewright_"), "{name}");
        assert_eq!(
            name.ends_with("_total"),
            entry.kind == Kind::Counter,
            "{name}"
        );
        if entry.kind == Kind::Histogram {
            assert!(name.ends_with("_seconds"), "{name}: base units");
        }
        for unit in [
            "_ms",
            "_millis",
            "_milliseconds",
            "_micros",
            "_minutes",
            "_kib",
        ] {
            assert!(!name.contains(unit), "{name}: base units");
        }
        for label in entry.labels {
            let unbounded = ["user", "account", "address", "ip", "path", "kid", "subject"];
            assert!(!unbounded.contains(label), "{name} by {label}");
        }
        assert!(!entry.help.ends_with('.') && !entry.help.is_empty());
    }
}

#[test]
fn buckets_rise_and_the_sum_is_in_seconds() {
    let metrics = touched(Of::Issuer);
    let metrics_of_authorizer = touched(Of::Authorizer);
    let scrapes = [&metrics, &metrics_of_authorizer].map(|m| m.scrape(Exposition::Prometheus));
    let mut bounds: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in scrapes.iter().flat_map(|scrape| scrape.lines()) {
        let Some((name, rest)) = line.split_once("_bucket{") else {
            continue;
        };
        let (labels, bound) = rest.split_once("le=\"").unwrap();
        let bound = bound.split('"').next().unwrap();
        let bound = if bound == "+Inf" {
            f64::INFINITY
        } else {
            bound.parse().unwrap()
        };
        let of = bounds.entry(format!("{name} {labels}")).or_default();
        // Both programs have requests.
        if of.last().is_some_and(|last| last.is_infinite()) {
            of.clear();
        }
        of.push(bound);
    }
    assert!(bounds.len() >= 5, "{bounds:?}");
    for (name, bounds) in bounds {
        assert!(bounds.is_sorted_by(|a, b| a < b), "{name}: {bounds:?}");
        assert!(bounds.last().unwrap().is_infinite(), "{name}");
        assert!(
            (10..=20).contains(&bounds.len()),
            "{name}: {}",
            bounds.len()
        );
        let longest = bounds[bounds.len() - 2];
        assert!(
            (5.0..=10.0).contains(&longest),
            "{name}: seconds, to a time-out"
        );
    }
    let sum = value(
        &metrics,
        "gatewright_http_request_duration_seconds_sum{endpoint=\"token\"}",
    );
    assert!((sum - 0.003).abs() < 1e-9);
}

/// Ten thousand of whatever somebody can make up.
#[test]
fn nothing_from_outside_makes_series_without_end() {
    let metrics = touched(Of::Issuer);
    let before = series(&metrics).len();
    let endpoints = metrics.requests.of_endpoints(["token"]);
    for number in 0..10_000_u32 {
        let made_up = format!("client-{number}");
        let error = [ErrorCode::InvalidClient, ErrorCode::InvalidScope][number as usize % 2];
        metrics.tokens.refused(None, Some(&made_up), error);
        let grant = GrantType::AuthorizationCode;
        metrics.tokens.refused(Some(grant), Some(&made_up), error);
        endpoints.answered(None, 404, Duration::ZERO);
        endpoints.answered(Some(7 + number as usize), 404, Duration::ZERO);
        endpoints.answered(None, u16::try_from(number).unwrap(), Duration::ZERO);
        metrics.identity.login(Err(LoginFailure::UnknownAccount));
        metrics.identity.throttled(ThrottleScope::Address);
    }
    let grown = series(&metrics).len() - before;
    // Statuses 100 to 599 of `other`, its histogram, and four kinds of refusals.
    assert!(grown <= 500 + 19 + 4, "{grown} new series");

    for number in 0..10_000_u32 {
        let id = format!("client-{number}");
        metrics.tokens.issued(GrantType::ClientCredentials, &id);
    }
    let all = series(&metrics);
    let clients = all.keys().filter(|name| name.contains("result=\"issued\""));
    // The rest are `other`.
    assert_eq!(clients.count(), MAX_CLIENTS + 1);
    let sum: f64 = all
        .iter()
        .filter(|(name, _)| name.contains("result=\"issued\""))
        .map(|(_, value)| value)
        .sum();
    assert!(
        (sum - 10_001.0).abs() < f64::EPSILON,
        "each is counted once: {sum}"
    );
}

/// Else whoever asks for tokens under invented names hides the clients that there are.
#[test]
fn only_a_client_that_got_a_token_is_shown_by_its_id() {
    let metrics = Metrics::new(Of::Issuer);
    let grant = Some(GrantType::ClientCredentials);
    for number in 0..1000 {
        let made_up = format!("made-up-{number}");
        metrics
            .tokens
            .refused(grant, Some(&made_up), ErrorCode::InvalidClient);
    }
    metrics
        .tokens
        .issued(GrantType::ClientCredentials, "worker");
    metrics
        .tokens
        .refused(grant, Some("worker"), ErrorCode::InvalidScope);
    metrics
        .tokens
        .refused(grant, None, ErrorCode::InvalidClient);
    let of = |client: &str, result: &str| {
        format!(
            "gatewright_tokens_total{{grant=\"client_credentials\",client=\"{client}\",result=\"{result}\"}}"
        )
    };
    for (client, result, count) in [
        ("worker", "issued", 1.0),
        ("worker", "invalid_scope", 1.0),
        ("other", "invalid_client", 1001.0),
    ] {
        let counted = value(&metrics, &of(client, result));
        assert!((counted - count).abs() < f64::EPSILON, "{client} {result}");
    }
    let scrape = metrics.scrape(Exposition::Prometheus);
    assert!(!scrape.contains("made-up"));
}

#[test]
fn what_happens_is_counted_where_it_belongs() {
    let metrics = Metrics::new(Of::Issuer);
    metrics.identity.login(Err(LoginFailure::WrongPassword));
    metrics.identity.throttled(ThrottleScope::Account);
    metrics.identity.client_authenticated(true);
    metrics.identity.client_authenticated(false);
    metrics.identity.refresh_retried();
    metrics.identity.refresh_replayed();
    metrics.identity.code_replayed();
    metrics.events.happened("code_replayed");
    metrics.events.queue_depth(7);
    metrics.events.lost(3);
    metrics.events.alerts_open("code_replay", 2);
    metrics.passwords.depth(5);
    metrics.passwords.refused();
    metrics.upkeep.removed(500);
    metrics.upkeep.clock_skew(-1.5);
    metrics.keys.keys(&[], 2);
    metrics.spans.total(1, 1, 1);
    metrics.spans.total(9, 2, 3);
    for (name, count) in [
        ("logins_total{result=\"wrong_password\"}", 1.0),
        ("logins_total{result=\"succeeded\"}", 0.0),
        ("throttles_total{scope=\"account\"}", 1.0),
        ("throttles_total{scope=\"address\"}", 0.0),
        ("client_authentications_total{result=\"succeeded\"}", 1.0),
        ("client_authentications_total{result=\"failed\"}", 1.0),
        ("refresh_retries_total", 1.0),
        ("refresh_replays_total", 1.0),
        ("code_replays_total", 1.0),
        ("events_total{kind=\"code_replayed\"}", 1.0),
        ("event_queue_depth", 7.0),
        ("events_lost_total", 3.0),
        ("alerts_open{rule=\"code_replay\"}", 2.0),
        ("password_queue_depth", 5.0),
        ("password_queue_refused_total", 1.0),
        ("cleanup_rows_total", 500.0),
        ("clock_skew_seconds", -1.5),
        ("signing_keys_overdue", 2.0),
        ("trace_spans_total{result=\"exported\"}", 9.0),
        ("trace_spans_total{result=\"failed\"}", 2.0),
        ("trace_spans_total{result=\"dropped\"}", 3.0),
    ] {
        let counted = value(&metrics, &format!("gatewright_{name}"));
        assert!((counted - count).abs() < f64::EPSILON, "{name}: {counted}");
    }
}

/// `increase()` doesn't see the first of a series that begins with it.
#[test]
fn what_can_be_counted_is_there_before_it_is() {
    let issuer = Metrics::new(Of::Issuer);
    for name in [
        "client_authentications_total{result=\"failed\"}",
        "client_authentications_total{result=\"succeeded\"}",
        "throttles_total{scope=\"account\"}",
        "db_errors_total{class=\"busy\"}",
        "db_errors_total{class=\"unavailable\"}",
        "db_errors_total{class=\"conflict\"}",
        "db_errors_total{class=\"other\"}",
        "events_total{kind=\"notifier_failed\"}",
        "events_lost_total",
        "refresh_replays_total",
        "code_replays_total",
    ] {
        assert!(value(&issuer, &format!("gatewright_{name}")).abs() < f64::EPSILON);
    }
    let authorizer = Metrics::new(Of::Authorizer);
    let before = series(&authorizer);
    let named = |decision: &str, reason: &str| {
        format!(
            "gatewright_authorizer_decisions_total{{decision=\"{decision}\",reason=\"{reason}\"}}"
        )
    };
    assert!(before.contains_key(&named("allow", "none")));
    for reason in Reason::ALL {
        let decision = if reason.is_fault() { "fault" } else { "deny" };
        assert!(
            before.contains_key(&named(decision, reason.as_str())),
            "{reason}"
        );
    }
    assert!(before.contains_key(&named("unauthorized", Reason::Expired.as_str())));
    authorizer
        .authorizer
        .decided(&decided("unauthorized", Some(Reason::KeyUnknown)));
    assert_eq!(series(&authorizer).len(), before.len(), "no series is new");
}

#[tokio::test]
async fn a_statement_is_measured_and_its_failure_sorted() {
    let metrics = Metrics::new(Of::Issuer);
    let database = &metrics.database;
    let fine = database.observe(Operation::Read, async { Ok::<_, ErrorClass>(7) }, |class| {
        *class
    });
    assert_eq!(fine.await, Ok(7));
    for class in [ErrorClass::Busy, ErrorClass::Busy, ErrorClass::Conflict] {
        let failing = async move { Err::<(), _>(class) };
        let outcome = database.observe(Operation::Commit, failing, |class| *class);
        assert_eq!(outcome.await, Err(class));
    }
    for (name, count) in [
        (
            "db_statement_duration_seconds_count{operation=\"read\"}",
            1.0,
        ),
        (
            "db_statement_duration_seconds_count{operation=\"commit\"}",
            3.0,
        ),
        ("db_errors_total{class=\"busy\"}", 2.0),
        ("db_errors_total{class=\"conflict\"}", 1.0),
        ("db_errors_total{class=\"other\"}", 0.0),
    ] {
        let counted = value(&metrics, &format!("gatewright_{name}"));
        assert!((counted - count).abs() < f64::EPSILON, "{name}: {counted}");
    }
}

#[test]
fn a_key_that_is_gone_has_no_age() {
    let metrics = touched(Of::Issuer);
    let active = "gatewright_signing_key_age_seconds{alg=\"ES256\",state=\"active\"}";
    assert!((value(&metrics, active) - 86_400.0).abs() < f64::EPSILON);
    metrics.keys.keys(&[], 0);
    assert!(!series(&metrics).contains_key(active));
}

#[test]
fn an_issuers_line_is_what_happened_since_the_last_one() {
    let metrics = Metrics::new(Of::Issuer);
    let mut lines = IssuerLines::default();
    let at_ms = 1_790_000_000_000;
    let mut next = || emf_rules::read(&lines.next(&metrics, at_ms));

    let first = next();
    assert_eq!(first["service"], "issuer");
    assert_eq!(first["ColdStart"], 1);
    assert_eq!(first["HttpRequests"], 0);
    assert!(!first.contains_key("Latency"), "no requests have none");
    assert_eq!(emf_rules::dimensions(&first, "Faults"), [["service"]]);

    let endpoints = metrics.requests.of_endpoints(["token"]);
    endpoints.answered(Some(0), 200, Duration::from_millis(10));
    endpoints.answered(None, 503, Duration::from_millis(30));
    metrics
        .tokens
        .issued(GrantType::ClientCredentials, "worker");
    metrics.tokens.refused(None, None, ErrorCode::InvalidClient);
    metrics.tokens.refused(None, None, ErrorCode::InvalidScope);
    metrics.identity.login(Ok(()));
    metrics.identity.login(Err(LoginFailure::WrongPassword));
    metrics.identity.login(Err(LoginFailure::Throttled));
    metrics.identity.throttled(ThrottleScope::Account);
    metrics.identity.client_authenticated(false);
    metrics.identity.refresh_replayed();
    metrics.identity.code_replayed();
    metrics.events.lost(4);
    let second = next();
    for (name, count) in [
        ("AuthnFailed", 2),
        ("AuthzDenied", 1),
        ("Allowed", 1),
        ("Faults", 1),
        ("TokensIssued", 1),
        ("TokensRefused", 2),
        ("LoginSucceeded", 1),
        ("LoginFailed", 1),
        ("Throttled", 1),
        ("RefreshReplayed", 1),
        ("CodeReplayed", 1),
        ("EventsLost", 4),
        ("DbErrors", 0),
        ("HttpRequests", 2),
        ("Http5xx", 1),
        ("ColdStart", 0),
    ] {
        assert_eq!(second[name], count, "{name}");
    }
    let latency = second["Latency"].as_f64().unwrap();
    assert!((latency - 20.0).abs() < 1e-6, "{latency}");

    let third = next();
    for name in ["AuthnFailed", "Allowed", "EventsLost", "HttpRequests"] {
        assert_eq!(third[name], 0, "{name}: nothing is told twice");
    }
}

/// With `GATEWRIGHT_TEST_WRITE=1` the table is written anew instead.
#[test]
fn the_documentation_has_the_table_of_the_code() {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let (begin, end) = ("<!-- metrics: begin -->\n\n", "\n<!-- metrics: end -->");
    let text = std::fs::read_to_string(FILE).unwrap();
    let (head, rest) = text.split_once(begin).unwrap();
    let (table, tail) = rest.split_once(end).unwrap();
    let of_code = super::catalogue::table();
    if std::env::var_os("GATEWRIGHT_TEST_WRITE").is_some() {
        std::fs::write(FILE, [head, begin, &of_code, end, tail].concat()).unwrap();
    } else {
        assert_eq!(
            table, of_code,
            "write it anew: GATEWRIGHT_TEST_WRITE=1 cargo test --lib metrics"
        );
    }
}
