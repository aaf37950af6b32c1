//! The listener of metrics: one document, for whoever only reads.

use super::{accepted_by_prometheus, series};
use crate::journey::process::{ask, until};
use crate::support::TestApp;
use gatewright::cli::metrics::listen;
use gatewright::http::scrape::router;
use std::net::SocketAddr;
use tower::ServiceExt as _;

const ANYWHERE: &str = "127.0.0.1:0";

async fn asked(
    address: SocketAddr,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
) -> crate::support::Answer {
    tokio::task::spawn_blocking(move || ask(address, method, path, headers, ""))
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_answers_nothing_but_get_metrics() {
    let app = TestApp::sqlite().await;
    app.get("/jwks.json").await;
    let metrics = app.issuer.store.metrics();
    let (address, running) = listen(ANYWHERE.parse().unwrap(), metrics).await.unwrap();
    let answer = asked(address, "GET", "/metrics", &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let jwks = "gatewright_http_requests_total{endpoint=\"jwks\",status=\"200\"}";
    assert_eq!(series(&answer.body)[jwks], 1.0);
    accepted_by_prometheus(&answer.body);

    for method in ["POST", "DELETE", "OPTIONS"] {
        let answer = asked(address, method, "/metrics", &[]).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET"), "{method}");
    }
    let head = http::Request::head("/metrics")
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = router(metrics.clone()).oneshot(head).await.unwrap();
    assert_eq!(answer.status(), 405);
    for path in ["/", "/token", "/metrics/", "/health/live", "/metricsx"] {
        let answer = asked(address, "GET", path, &[]).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("GET /metrics"), "{path}");
    }
    // And the other way round: the issuer's own listener has none.
    assert_eq!(app.get("/metrics").await.status, 404);

    drop(running);
    until("its port is free", || {
        std::net::TcpListener::bind(address).ok()
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_speaks_openmetrics_to_whoever_accepts_it() {
    let app = TestApp::sqlite().await;
    let metrics = app.issuer.store.metrics();
    let (address, _running) = listen(ANYWHERE.parse().unwrap(), metrics).await.unwrap();
    // As Prometheus asks.
    const ACCEPT: &[(&str, &str)] = &[(
        "accept",
        "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    )];
    let answer = asked(address, "GET", "/metrics", ACCEPT).await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(answer.body.ends_with("# EOF\n"));
    assert!(answer.body.contains("# TYPE gatewright_logins counter\n"));
    assert!(
        answer
            .body
            .contains("gatewright_logins_total{result=\"succeeded\"} 0\n")
    );
}
