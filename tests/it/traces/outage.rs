//! A collector that is slow, refuses, or is not there costs spans, and never a request or the end of the program.

use super::collector::{Collector, Manner};
use super::{Issuer, traceparent};
use crate::cli::program::Program;
use crate::forward_auth::stage::free_address;
use crate::journey::process::{ask, until};
use crate::metrics::series;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// More spans than the queue takes, one request after another on one connection.
const MANY: usize = 5_000;
/// What a request may take on a busy machine: less than what the exporter waits for its collector.
const LIMIT: Duration = Duration::from_secs(2);

/// Asks, and returns the longest that an answer took.
fn ask_many(issuer: &Issuer) -> Duration {
    let mut stream = TcpStream::connect(issuer.address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut longest = Duration::ZERO;
    for _ in 0..MANY {
        let began = Instant::now();
        let head = format!(
            "GET /health/live HTTP/1.1\r\nhost: {}\r\n\r\n",
            issuer.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        let (mut status, mut length) = (String::new(), 0);
        reader.read_line(&mut status).unwrap();
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        longest = longest.max(began.elapsed());
    }
    longest
}

fn withstands(endpoint: &str, problem: &str) {
    let more = [
        ("GATEWRIGHT_TRACES_ENDPOINT", endpoint),
        ("GATEWRIGHT_HTTP_DRAIN_S", "1"),
    ];
    let mut issuer = Issuer::start(Program::sqlite(), None, &more);
    let longest = ask_many(&issuer);
    assert!(longest < LIMIT, "{longest:?}");
    until("the operator is told", || {
        let lines = issuer.lines("gatewright::telemetry");
        let told = |line: &serde_json::Value| {
            let words = line["problem"].as_str().unwrap_or_default();
            words.contains(problem)
                && line["message"]
                    .as_str()
                    .unwrap()
                    .contains("traces.endpoint")
        };
        lines.iter().any(told).then_some(())
    });
    let began = Instant::now();
    assert!(issuer.stop().success());
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(4),
        "the end took {took:?}, and a second to drain is given"
    );
}

#[test]
fn a_collector_that_never_answers_holds_nothing_up() {
    let collector = Collector::start(Manner::Hangs);
    withstands(&collector.url(), "too long");
}

#[test]
fn a_collector_that_refuses_holds_nothing_up() {
    let collector = Collector::start(Manner::Refuses);
    withstands(&collector.url(), "503");
}

#[test]
fn a_collector_that_is_not_there_holds_nothing_up() {
    withstands(&format!("http://{}", free_address()), "refused");
}

#[test]
fn what_waits_is_delivered_at_the_end() {
    let collector = Collector::start(Manner::Takes);
    let mut issuer = Issuer::start(Program::sqlite(), Some(&collector), &[]);
    for _ in 0..20 {
        issuer.get("/jwks.json", &[("traceparent", traceparent("01"))]);
    }
    assert!(issuer.stop().success());
    // It has ended: what is not here by now never will be.
    let spans = collector.spans();
    assert_eq!(
        spans
            .iter()
            .filter(|seen| seen.span.name == "GET /jwks.json")
            .count(),
        20
    );
}

/// The names of a process's threads.
fn threads(issuer: &Issuer) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", issuer.process.id())).unwrap();
    tasks
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap())
        .collect()
}

fn exports(issuer: &Issuer) -> bool {
    threads(issuer)
        .iter()
        .any(|name| name.starts_with("OpenTelemetry"))
}

#[test]
fn without_a_collector_nothing_of_it_exists() {
    let off = Issuer::start(Program::sqlite(), None, &[]);
    assert!(!exports(&off), "{:?}", threads(&off));
    let answer = off.get("/health/live", &[]);
    assert_eq!(off.line_of(&answer).get("trace_id"), None);
    // A caller's own id is logged none the less.
    let traced = off.get("/health/live", &[("traceparent", traceparent("01"))]);
    assert_eq!(off.line_of(&traced)["trace_id"], super::TRACE);
    let names = |answer: &crate::support::Answer| -> Vec<String> {
        answer.headers.keys().map(ToString::to_string).collect()
    };
    assert_eq!(names(&answer), names(&traced));
    assert!(!names(&answer).iter().any(|name| name.contains("trace")));

    let collector = Collector::start(Manner::Takes);
    let on = Issuer::start(Program::sqlite(), Some(&collector), &[]);
    assert!(
        exports(&on),
        "this test would not notice: {:?}",
        threads(&on)
    );
    assert_eq!(names(&on.get("/health/live", &[])), names(&answer));
}

/// What an issuer says became of its spans: exported, failed, dropped.
fn counted(metrics: SocketAddr) -> [f64; 3] {
    let scrape = ask(metrics, "GET", "/metrics", &[], "").unwrap().body;
    let series = series(&scrape);
    ["exported", "failed", "dropped"]
        .map(|result| series[&format!("gatewright_trace_spans_total{{result=\"{result}\"}}")])
}

#[test]
fn spans_that_fail_are_counted() {
    let collector = Collector::start(Manner::Refuses);
    let metrics = free_address();
    let address = metrics.to_string();
    let more = [
        ("GATEWRIGHT_METRICS_LISTEN", address.as_str()),
        ("GATEWRIGHT_HTTP_DRAIN_S", "1"),
    ];
    let issuer = Issuer::start(Program::sqlite(), Some(&collector), &more);
    assert_eq!(counted(metrics), [0.0; 3], "counted from the start");
    for _ in 0..20 {
        issuer.get("/health/live", &[("traceparent", traceparent("01"))]);
    }
    until("they have failed", || {
        (counted(metrics) == [0.0, 20.0, 0.0]).then_some(())
    });
}

#[test]
fn spans_that_are_exported_are_counted_and_without_a_collector_there_are_none() {
    let collector = Collector::start(Manner::Takes);
    for traced in [true, false] {
        let metrics = free_address();
        let address = metrics.to_string();
        let more = [("GATEWRIGHT_METRICS_LISTEN", address.as_str())];
        let to = Some(&collector).filter(|_| traced);
        let issuer = Issuer::start(Program::sqlite(), to, &more);
        for _ in 0..20 {
            issuer.get("/health/live", &[("traceparent", traceparent("01"))]);
        }
        let expected = if traced { [20.0, 0.0, 0.0] } else { [0.0; 3] };
        until("the spans are counted", || {
            (counted(metrics) == expected).then_some(())
        });
    }
}
