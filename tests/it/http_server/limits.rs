//! Slow, large and encoded requests.

use std::time::Duration;

use axum::{body::Body, routing::get};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    time::timeout,
};

use super::support::{NEVER, SHORT, TestServer, echo};

#[tokio::test]
async fn a_dribble_of_headers_is_cut() {
    let server = TestServer::start(echo(), |settings| settings.server.header_timeout = SHORT).await;
    for warm_up in [false, true] {
        let mut client = server.connect().await;
        if warm_up {
            client.get("/").await;
        }
        let (mut read, mut write) = client.io.into_split();
        let dribble = tokio::spawn(async move {
            let _ = write.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await;
            while write.write_all(b"X: y\r\n").await.is_ok() {
                tokio::time::sleep(SHORT / 10).await;
            }
        });
        let mut end = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut end);
        let _ = timeout(NEVER, read)
            .await
            .expect("the server waits for ever");
        assert_eq!(end, b"");
        timeout(NEVER, dribble).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn silence_is_cut() {
    let server = TestServer::start(echo(), |settings| {
        settings.server.header_timeout = SHORT;
        settings.server.idle_timeout = 2 * SHORT;
    })
    .await;
    let mut silent = server.connect().await;
    let mut idle = server.connect().await;
    idle.get("/").await;
    assert_eq!(silent.closed().await, b"");
    assert_eq!(idle.closed().await, b"");
}

#[tokio::test]
async fn an_idle_connection_may_wait_longer_than_a_slow_one() {
    let server = TestServer::start(echo(), |settings| settings.server.header_timeout = SHORT).await;
    let mut client = server.connect().await;
    client.get("/").await;
    let mut slow = server.connect().await;
    assert_eq!(
        slow.closed().await,
        b"",
        "by now the header time-out has passed"
    );
    assert_eq!(client.get("/again").await.status, 200);
}

#[tokio::test]
async fn a_dribble_of_a_body_is_408() {
    let server = TestServer::start(echo(), |settings| settings.guard.body_timeout = SHORT).await;
    for framing in [
        "Content-Length: 100\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let mut client = server.connect().await;
        client
            .send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}"))
            .await;
        let answer = client.answer().await.unwrap();
        assert_eq!(
            (answer.status, answer.header("connection")),
            (408, Some("close"))
        );
        assert_eq!(client.closed().await, b"");
    }
}

#[tokio::test]
async fn an_announced_body_too_large_is_413_before_it_is_sent() {
    let server = TestServer::start(echo(), |settings| settings.guard.body_limit = 1000).await;
    let mut client = server.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
        .await;
    let answer = client.answer().await.unwrap();
    assert_eq!(
        (answer.status, answer.header("connection")),
        (413, Some("close"))
    );

    let mut client = server.connect().await;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{}",
            "x".repeat(1000)
        ))
        .await;
    assert_eq!(client.answer().await.unwrap().body, "/ 1000");
}

#[tokio::test]
async fn a_streamed_body_too_large_is_413() {
    let server = TestServer::start(echo(), |settings| settings.guard.body_limit = 1000).await;
    let mut client = server.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    for _ in 0..11 {
        client.send(format!("64\r\n{}\r\n", "x".repeat(100))).await;
    }
    assert_eq!(client.answer().await.unwrap().status, 413);

    let mut client = server.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    for _ in 0..10 {
        client.send(format!("64\r\n{}\r\n", "x".repeat(100))).await;
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().body, "/ 1000");
}

#[tokio::test]
async fn a_client_that_sends_all_the_same_gets_to_see_the_413() {
    let server = TestServer::start(echo(), |_| {}).await;
    for _ in 0..20 {
        let mut client = server.connect().await;
        client
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n")
            .await;
        client.send(vec![b'x'; 600_000]).await;
        assert_eq!(
            client
                .answer()
                .await
                .expect("the answer was taken back")
                .status,
            413
        );
        // A reset behind the answer can overtake it.
        let end = timeout(NEVER, client.io.read(&mut [0; 1])).await.unwrap();
        assert_eq!(end.expect("the connection was reset"), 0);
        let reset = client.io.take_error().unwrap();
        assert!(reset.is_none(), "{reset:?}");
    }
}

#[tokio::test]
async fn an_encoded_body_is_415() {
    let server = TestServer::start(echo(), |_| {}).await;
    for (encoding, status) in [
        ("gzip", 415),
        ("identity, gzip", 415),
        ("br", 415),
        ("", 415),
        ("Identity", 200),
    ] {
        let mut client = server.connect().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: {encoding}\r\nContent-Length: 1\r\n\r\nx")).await;
        assert_eq!(client.answer().await.unwrap().status, status, "{encoding}");
    }
}

#[tokio::test]
async fn a_body_that_ends_too_early_is_no_request() {
    let server = TestServer::start(echo(), |_| {}).await;
    let mut client = server.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc")
        .await;
    client.io.shutdown().await.unwrap();
    if let Some(answer) = client.answer().await {
        assert_eq!(answer.status, 400);
    }
}

#[tokio::test]
async fn large_heads_are_refused_with_a_name() {
    let server = TestServer::start(echo(), |_| {}).await;
    let long = "x".repeat(70_000);
    let half = "x".repeat(40_000);
    for (head, status) in [
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}"), 431),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {half}\r\nY: {half}\r\n\r\n"),
            431,
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
                "X: y\r\n".repeat(100)
            ),
            431,
        ),
        (format!("GET /{half} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET /{long}{long}"), 414),
        (
            format!(
                "GET /?{} HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
                "x".repeat(20_000),
                "x".repeat(30_000)
            ),
            200,
        ),
    ] {
        let mut client = server.connect().await;
        client.send(head).await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(answer.all("x-request-id").len(), 1);
    }
}

/// Tells when the server lets go of it.
struct Endless(#[expect(dead_code, reason = "its drop is what counts")] oneshot::Sender<()>);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(
            &[b'x'; 16 * 1024],
        )))))
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut() {
    let (sender, dropped) = oneshot::channel();
    let endless = std::sync::Arc::new(std::sync::Mutex::new(Some(Endless(sender))));
    let handler =
        get(move || std::future::ready(Body::new(endless.lock().unwrap().take().unwrap())));
    let server = TestServer::start(axum::Router::new().route("/", handler), |settings| {
        settings.server.response_timeout = Duration::from_millis(300);
    })
    .await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let _ = timeout(NEVER, dropped)
        .await
        .expect("the server holds on to it");
}
