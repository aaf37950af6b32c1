//! AWS's limits, and what is not passed on at all.

use super::support::{KINDS, Options, TOKEN, TestGateway, allowing, got};
use axum::Router;
use axum::routing::any;
use gatewright_authorizer::gateway::FrontDoorKind;

#[tokio::test]
async fn headers_over_10240_bytes_are_431_and_nobody_is_asked() {
    for kind in KINDS {
        let function = allowing(kind);
        let gateway = TestGateway::start(kind, function.clone(), Options::default()).await;
        let padded = |bytes: usize| format!("{TOKEN}X-Pad: {}\r\n", "x".repeat(bytes));
        assert_eq!(gateway.get("/", &padded(11_000)).await.status, 431);
        let target = format!("/?{}", "x".repeat(11_000));
        assert_eq!(gateway.get(&target, TOKEN).await.status, 431);
        assert_eq!(function.calls(), 0);
        assert_eq!(gateway.get("/", &padded(10_000)).await.status, 200);
    }
}

#[tokio::test]
async fn bodies_over_10_mb_are_413_announced_or_not() {
    let kind = FrontDoorKind::HttpV2Iam;
    let function = allowing(kind);
    let gateway = TestGateway::start(kind, function.clone(), Options::default()).await;
    let mut raw = gateway.server.connect().await;
    raw.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\n{TOKEN}Content-Length: 10485761\r\n\r\n"
    ))
    .await;
    assert_eq!(raw.answer().await.unwrap().status, 413);
    assert_eq!(function.calls(), 0);

    let mut raw = gateway.server.connect().await;
    raw.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\n{TOKEN}Transfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    for _ in 0..10 {
        raw.send(&chunk).await;
    }
    raw.send("1\r\nx\r\n0\r\n\r\n").await;
    assert_eq!(raw.answer().await.unwrap().status, 413);

    let body = "x".repeat(10 << 20);
    assert_eq!(
        got(&gateway.call("POST", "/", TOKEN, &body).await)["body"],
        10 << 20
    );
}

#[tokio::test]
async fn an_answer_over_10_mb_is_not_passed_on() {
    for kind in KINDS {
        let large = Router::new().fallback(any(|| async { "x".repeat((10 << 20) + 1) }));
        let options = Options {
            upstream: Some(large),
            ..Options::default()
        };
        let gateway = TestGateway::start(kind, allowing(kind), options).await;
        let status = if kind.is_rest() { 504 } else { 503 };
        assert_eq!(gateway.get("/", TOKEN).await.status, status);
    }
}

#[tokio::test]
async fn web_sockets_are_refused_plainly() {
    for kind in KINDS {
        let function = allowing(kind);
        let gateway = TestGateway::start(kind, function.clone(), Options::default()).await;
        let upgrade = format!(
            "{TOKEN}Connection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
        );
        let answer = gateway.get("/", &upgrade).await;
        assert_eq!((answer.status, function.calls()), (400, 0));
        assert!(
            answer
                .body
                .contains("WebSocket connections are not passed on")
        );
    }
}

#[tokio::test]
async fn a_request_for_no_path_is_400() {
    let kind = FrontDoorKind::HttpV2Iam;
    let gateway = TestGateway::start(kind, allowing(kind), Options::default()).await;
    assert_eq!(gateway.call("OPTIONS", "*", TOKEN, "").await.status, 400);
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_503_or_504() {
    for kind in KINDS {
        let mut gateway = TestGateway::start(kind, allowing(kind), Options::default()).await;
        gateway.upstream.stop().await;
        let answer = gateway.get("/", TOKEN).await;
        assert_eq!(answer.status, if kind.is_rest() { 504 } else { 503 });
    }
}
