//! The issuer's spans, on either database.

use super::collector::{Collector, Manner};
use super::{Issuer, SPAN, TRACE, traceparent};
use crate::cli::program::Program;
use crate::journey::process::Installation;
use crate::support::database::options;
use crate::support::fixtures::{PASSWORD, VERIFIER};
use gatewright::store::Store;
use gatewright_authorizer::fetch::unix_now;

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const ERROR: i32 = 2;

/// A request with a trace, one that leads nowhere, and the end.
fn a_request_and_its_store_calls_are_spans_of_the_callers_trace(program: Program, system: &str) {
    let collector = Collector::start(Manner::Takes);
    let mut issuer = Issuer::start(program, Some(&collector), &[]);
    let answer = issuer.token(&[("traceparent", &traceparent("01"))]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let refused = issuer.get("/people/ada?token=canary-of-a-query", &[]);
    assert_eq!(refused.status, 404);
    assert!(issuer.stop().success());

    let server = collector.only("POST /token");
    assert_eq!(
        (server.trace_id(), server.parent()),
        (TRACE.into(), SPAN.into())
    );
    assert_eq!(server.span.kind, SERVER);
    assert_eq!(server.scope, "gatewright");
    assert_eq!(server.resource["service.name"], "gatewright");
    assert_eq!(
        server.resource["service.version"],
        env!("CARGO_PKG_VERSION")
    );
    let request_id = answer.headers["x-request-id"].to_str().unwrap();
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/token"),
        ("http.response.status_code", "200"),
        ("gatewright.request_id", request_id),
    ] {
        assert_eq!(server.attribute(name), value, "{server:#?}");
    }

    let calls = collector.inside(&server);
    let found = calls
        .iter()
        .find(|call| call.span.name == "SELECT client")
        .expect("a store call");
    assert_eq!(found.attribute("db.query.summary"), "SELECT client");
    for call in &calls {
        assert_eq!(
            (call.trace_id().as_str(), call.span.kind),
            (TRACE, CLIENT),
            "{call:#?}"
        );
        assert_eq!(call.attribute("db.system.name"), system);
        assert!(call.span.start_time_unix_nano >= server.span.start_time_unix_nano);
        assert!(call.span.end_time_unix_nano <= server.span.end_time_unix_nano);
        assert!(call.span.end_time_unix_nano > call.span.start_time_unix_nano);
    }

    // What leads nowhere has no name of its own, and nothing of its path or query is told.
    let nowhere = collector.only("GET");
    assert_eq!(
        (
            nowhere.attribute("http.route"),
            nowhere.attribute("http.response.status_code")
        ),
        ("", "404")
    );
    assert_ne!(nowhere.trace_id(), TRACE);
    assert_eq!(nowhere.parent(), "");
    for canary in ["people", "canary-of-a-query"] {
        assert!(!collector.bodies().contains(canary), "{canary}");
    }

    // Nobody asked for what a node does by itself.
    for seen in collector.spans() {
        let in_request = seen.span.kind == SERVER || !seen.parent().is_empty();
        assert!(in_request, "{seen:#?}");
    }
    for head in collector.requests() {
        assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        assert!(
            head.contains("content-type: application/x-protobuf"),
            "{head}"
        );
    }
}

#[test]
fn a_request_and_its_store_calls_are_spans_on_sqlite() {
    a_request_and_its_store_calls_are_spans_of_the_callers_trace(Program::sqlite(), "sqlite");
}

#[test]
fn a_request_and_its_store_calls_are_spans_on_postgres() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(program) = runtime.block_on(Program::postgres()) {
        a_request_and_its_store_calls_are_spans_of_the_callers_trace(program, "postgresql");
    }
}

#[test]
fn one_id_leads_from_the_callers_header_to_span_and_log() {
    let collector = Collector::start(Manner::Takes);
    let mut issuer = Issuer::start(Program::sqlite(), Some(&collector), &[]);
    let x_ray = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let before = unix_now();
    let known = [
        issuer.get("/jwks.json", &[("traceparent", traceparent("01"))]),
        issuer.get("/userinfo", &[("x-amzn-trace-id", x_ray.to_owned())]),
    ];
    let malformed = [
        issuer.get("/health/live", &[("traceparent", traceparent("01-extra"))]),
        issuer.get(
            "/health/live",
            &[("traceparent", format!("00-{}-{SPAN}-01", "0".repeat(32)))],
        ),
        issuer.get(
            "/health/live",
            &[("x-amzn-trace-id", "Root=1-zz".to_owned())],
        ),
        issuer.get(
            "/health/live",
            &[
                ("traceparent", traceparent("01")),
                ("traceparent", traceparent("01")),
            ],
        ),
        issuer.get("/health/live", &[]),
    ];
    let unrecorded = issuer.get("/health/live", &[("traceparent", traceparent("00"))]);
    let line = issuer.line_of(&known[0]);
    let names: Vec<&String> = line.as_object().unwrap().keys().collect();
    // Those that every line has, and none of the span's.
    let own = ["ecs.version", "log.level", "log.logger"];
    assert!(
        names
            .iter()
            .all(|name| !name.contains('.') && *name != "span_id" || own.contains(&name.as_str())),
        "{names:?}"
    );
    assert_eq!(issuer.line_of(&unrecorded)["trace_id"], TRACE);
    assert_eq!(issuer.line_of(&known[0])["trace_id"], TRACE);
    assert_eq!(
        issuer.line_of(&known[1])["trace_id"],
        "5759e988bd862e3fe1be46a994272793"
    );
    let ids: Vec<String> = malformed
        .iter()
        .map(|answer| {
            issuer.line_of(answer)["trace_id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    issuer.stop();

    assert_eq!(collector.only("GET /jwks.json").trace_id(), TRACE);
    let userinfo = collector.only("GET /userinfo");
    assert_eq!(userinfo.parent(), "53995c3f42cd8ad8");
    assert_eq!(userinfo.trace_id(), "5759e988bd862e3fe1be46a994272793");
    let mut begun: Vec<String> = collector
        .spans()
        .iter()
        .filter(|seen| seen.span.name == "GET /health/live")
        .inspect(|seen| assert_eq!(seen.parent(), "", "it begins here"))
        .map(super::collector::Seen::trace_id)
        .collect();
    let mut logged = ids.clone();
    begun.sort();
    logged.sort();
    assert_eq!(
        begun, logged,
        "each malformed one begins a trace; the unrecorded one is not exported"
    );
    for id in ids {
        let seconds = i64::from_str_radix(&id[..8], 16).unwrap();
        assert!(
            (before..=unix_now()).contains(&seconds),
            "X-Ray wants the time first: {id}"
        );
    }
}

#[test]
fn a_failure_is_marked_and_a_span_says_how_a_store_call_failed() {
    let collector = Collector::start(Manner::Takes);
    let program = Program::sqlite();
    let options = options(&program.url);
    let mut issuer = Issuer::start(program, Some(&collector), &[]);
    // The table is gone: the node can't know the client, which it has not asked for yet.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(&options).await.unwrap();
        store
            .execute("ALTER TABLE client RENAME TO gone", vec![])
            .await
            .unwrap();
        store.close().await;
    });
    let answer = issuer.token(&[("traceparent", &traceparent("01"))]);
    assert_eq!(answer.status, 500, "{}", answer.body);
    issuer.stop();
    let server = collector.only("POST /token");
    assert_eq!(server.span.status.as_ref().unwrap().code, ERROR);
    assert_eq!(server.attribute("error.type"), "500");
    let calls = collector.inside(&server);
    assert!(
        calls
            .iter()
            .any(|call| call.attribute("error.type") == "other"),
        "{calls:#?}"
    );
}

#[test]
fn no_secret_is_exported() {
    let collector = Collector::start(Manner::Takes);
    let installation = Installation::new(&[("GATEWRIGHT_TRACES_ENDPOINT", &collector.url())]);
    let mut node = installation.start();
    let tokens = installation.refresh_tokens(2);
    let refreshed = |token: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "web"),
            ("refresh_token", token),
        ];
        installation.post("/token", &fields).unwrap().json()
    };
    let new = refreshed(&tokens[0]);
    let access = new["access_token"].as_str().unwrap();
    let bearer = format!("Bearer {access}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("cookie", "canary=of-a-cookie-header"),
    ];
    let told = crate::journey::process::ask(
        installation.address,
        "GET",
        "/userinfo?access_token=of-a-query",
        &headers,
        "",
    );
    assert!(told.is_ok());
    let guessed = [
        ("grant_type", "refresh_token"),
        ("client_id", "web"),
        ("refresh_token", "canary-of-a-guess"),
    ];
    assert_eq!(installation.post("/token", &guessed).unwrap().status, 400);
    node.terminate();
    assert!(node.ended().success());

    collector.only("POST /login");
    let sent = collector.bodies();
    let of_json = |name: &str| new[name].as_str().unwrap_or("-never-").to_owned();
    let secrets = [
        PASSWORD.to_owned(),
        VERIFIER.to_owned(),
        access.to_owned(),
        access.rsplit('.').next().unwrap().to_owned(),
        of_json("refresh_token"),
        of_json("id_token"),
        tokens[0].clone(),
        tokens[1].clone(),
        "of-a-cookie-header".to_owned(),
        "of-a-query".to_owned(),
        "canary-of-a-guess".to_owned(),
        "ada".to_owned(),
        "127.0.0.1".to_owned(),
    ];
    for secret in secrets {
        assert!(!sent.contains(&secret), "{secret:.20}");
    }
    // A statement is told by its verb and table: no column, no condition, no value.
    for word in ["VALUES", "WHERE", "= $1"] {
        assert!(!sent.contains(word), "{word}");
    }
}
