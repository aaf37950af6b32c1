//! From the caller through the gateway, the authorizer and to the API: one trace.

use super::collector::{Collector, Manner};
use super::{SPAN, TRACE, traceparent};
use crate::cli::program::Program;
use crate::forward_auth::stage::{Api, Got, Issuer, Process, Server, installed};
use crate::journey::process::{ask, until};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;

/// `gatewright gateway` before an API.
struct Gateway {
    _process: Process,
    address: SocketAddr,
}

impl Gateway {
    fn start(program: &Program, api: &Api) -> Self {
        let mut command = program.command(env!("CARGO_BIN_EXE_gatewright"));
        command
            .args([
                "gateway",
                "--policy",
                "policy.toml",
                "--listen",
                "127.0.0.1:0",
            ])
            .args(["--upstream", &format!("http://{}", api.address)])
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = Process::start(&mut command);
        let mut line = String::new();
        let mut output = BufReader::new(process.child().stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        Self {
            _process: process,
            address: address.unwrap().parse().unwrap(),
        }
    }
}

fn header<'g>(got: &'g Got, name: &str) -> &'g str {
    let found = got.headers.iter().find(|(own, _)| own == name);
    found.map_or("", |(_, value)| value)
}

#[test]
fn the_gateway_takes_part_in_the_trace_and_hands_it_on() {
    let (issuer, collector, api) = (Issuer::new(), Collector::start(Manner::Takes), Api::start());
    let program = installed(&issuer).with("GATEWRIGHT_TRACES_ENDPOINT", &collector.url());
    let gateway = Gateway::start(&program, &api);
    let bearer = format!("Bearer {}", issuer.token("orders:read"));
    let own = traceparent("01");
    let headers = [
        ("authorization", bearer.as_str()),
        ("traceparent", &own),
        ("tracestate", "vendor=1"),
        (
            "x-amzn-trace-id",
            "Root=1-00000001-000000000000000000000001",
        ),
        ("x-authorizer-trace-id", "forged"),
    ];
    let answer = ask(
        gateway.address,
        "GET",
        "/orders/7?x=canary-of-a-query",
        &headers,
        "",
    )
    .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let request_id = answer.headers["x-request-id"].to_str().unwrap();
    let x_ray = format!("1-{}-{}", &TRACE[..8], &TRACE[8..]);
    assert_eq!(
        answer.headers["x-amzn-trace-id"],
        format!("Root={x_ray}").as_str()
    );

    let server = until("the gateway's span is exported", || {
        collector
            .spans()
            .into_iter()
            .find(|seen| seen.parent() == SPAN)
    });
    assert_eq!(server.resource["service.name"], "gatewright-gateway");
    assert_eq!(
        (
            server.span.name.as_str(),
            server.attribute("gatewright.decision")
        ),
        ("GET", "allow")
    );
    assert_eq!(server.attribute("gatewright.request_id"), request_id);
    let calls = collector.inside(&server);
    assert_eq!(calls.len(), 1, "{calls:#?}");
    let call = &calls[0];
    assert_eq!(
        (call.span.kind, call.attribute("http.response.status_code")),
        (3, "200")
    );
    assert_eq!(call.attribute("server.address"), api.address.to_string());

    let got = &api.got()[0];
    assert_eq!(
        header(got, "traceparent"),
        format!("00-{TRACE}-{}-01", call.id())
    );
    assert_eq!(
        header(got, "x-amzn-trace-id"),
        format!("Root={x_ray};Parent={};Sampled=1", call.id())
    );
    assert_eq!(
        header(got, "tracestate"),
        "vendor=1",
        "it belongs to the trace that goes on"
    );
    assert_eq!(header(got, "x-authorizer-trace-id"), TRACE);
    assert_eq!(header(got, "x-authorizer-request-id"), request_id);
    assert_eq!(
        got.named("traceparent").len() + got.named("x-amzn-trace-id").len(),
        2,
        "{got:?}"
    );
    for canary in ["canary-of-a-query", "orders/7", &bearer] {
        assert!(!collector.bodies().contains(canary), "{canary:.30}");
    }

    // A denial begins a trace, and tells the reason.
    let other = format!("Bearer {}", issuer.token("profile"));
    let headers = [("authorization", other.as_str())];
    let answer = ask(gateway.address, "GET", "/admin/1", &headers, "").unwrap();
    assert_eq!(answer.status, 403);
    let root = answer.headers["x-amzn-trace-id"].to_str().unwrap();
    let id = root.trim_start_matches("Root=1-").replace('-', "");
    let denied = until("the denial is exported", || {
        collector
            .spans()
            .into_iter()
            .find(|seen| seen.trace_id() == id)
    });
    assert_eq!(denied.attribute("gatewright.decision"), "deny");
    assert_eq!(denied.attribute("gatewright.reason"), "insufficient_scope");

    // What belongs to a trace that was not understood goes no further.
    let malformed = [
        ("authorization", bearer.as_str()),
        ("traceparent", "00-nonsense"),
        ("tracestate", "vendor=1"),
    ];
    ask(gateway.address, "GET", "/orders/8", &malformed, "").unwrap();
    let got = &api.got()[0];
    assert_eq!(header(got, "tracestate"), "", "{got:?}");
    assert!(header(got, "traceparent").ends_with("-01"), "{got:?}");
}

#[test]
fn while_nothing_is_recorded_the_gateway_passes_headers_on_as_they_came() {
    let (issuer, api) = (Issuer::new(), Api::start());
    let program = installed(&issuer);
    let gateway = Gateway::start(&program, &api);
    let bearer = format!("Bearer {}", issuer.token("orders:read"));
    let own = traceparent("01");
    let headers = [
        ("authorization", bearer.as_str()),
        ("traceparent", &own),
        ("tracestate", "vendor=1"),
    ];
    let answer = ask(gateway.address, "GET", "/orders/7", &headers, "").unwrap();
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.headers.get("x-amzn-trace-id")
        ),
        (200, None)
    );
    let got = &api.got()[0];
    assert_eq!(
        (header(got, "traceparent"), header(got, "tracestate")),
        (own.as_str(), "vendor=1")
    );
    assert_eq!(header(got, "x-amzn-trace-id"), "");
    assert_eq!(header(got, "x-authorizer-trace-id"), TRACE);
}

#[test]
fn forward_auth_takes_part_in_the_trace_and_tells_the_proxy() {
    let (issuer, collector) = (Issuer::new(), Collector::start(Manner::Takes));
    let program = installed(&issuer).with("GATEWRIGHT_TRACES_ENDPOINT", &collector.url());
    let server = Server::start(&program, &["--from", "nginx"]);
    let bearer = format!("Bearer {}", issuer.token("orders:read"));
    let own = traceparent("01");
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders/7"),
        ("traceparent", &own),
    ];
    let answer = ask(server.address, "GET", "/auth", &headers, "").unwrap();
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["x-auth-trace-id"]),
        (200, &TRACE.parse().unwrap())
    );
    assert_eq!(
        answer.headers["x-auth-request-id"],
        answer.headers["x-request-id"]
    );
    let line = &server.decisions("worker", 1)[0];
    assert_eq!(
        crate::forward_auth::stage::field(line, "trace_id").unwrap(),
        TRACE
    );
    let span = collector.only("GET /auth");
    assert_eq!(
        (span.trace_id().as_str(), span.parent().as_str()),
        (TRACE, SPAN)
    );
    assert_eq!(span.resource["service.name"], "gatewright-authorizer");
    assert_eq!(span.attribute("gatewright.decision"), "allow");

    // Where the caller has none, the trace begins here, and the API can be told of it.
    let answer = ask(server.address, "GET", "/auth", &headers[..3], "").unwrap();
    let id = answer.headers["x-auth-trace-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let lines = server.decisions("worker", 2);
    assert_eq!(
        crate::forward_auth::stage::field(&lines[1], "trace_id").unwrap(),
        &id
    );
    until("it is exported", || {
        collector
            .spans()
            .into_iter()
            .find(|seen| seen.trace_id() == id)
    });
}
