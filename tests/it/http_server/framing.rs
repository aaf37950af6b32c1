//! Requests that two servers could read differently are refused, whole and for good.

use super::support::{TestServer, echo};

/// Status of the refusal, for each of the requests.
const REFUSED: &[(u16, &str)] = &[
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: a\r\n\r\n",
    ),
    (400, "GET / HTTP/1.1\nHost: a\n\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
    (400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    (400, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET http://a/ HTTP/1.1\r\n\r\n"),
    (400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    (400, "\u{16}\u{3}\u{1}\u{2}\n"),
    (505, "GET / HTTP/3.0\r\nHost: a\r\n\r\n"),
];

#[tokio::test]
async fn an_ambiguous_request_is_refused_and_its_connection_closed() {
    let server = TestServer::start(echo(), |_| {}).await;
    for (status, request) in REFUSED {
        let mut client = server.connect().await;
        // Were the refused request read to its end, the second one would be answered.
        client
            .send(format!(
                "{request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
            ))
            .await;
        let answer = client
            .answer()
            .await
            .unwrap_or_else(|| panic!("no answer to {request:?}"));
        assert_eq!(answer.status, *status, "{request:?}\n{answer:?}");
        assert_eq!(
            answer.header("connection"),
            Some("close"),
            "{request:?}\n{answer:?}"
        );
        assert_eq!(
            answer.all("x-request-id").len(),
            1,
            "{request:?}\n{answer:?}"
        );
        assert!(
            answer.body.contains(answer.header("x-request-id").unwrap()),
            "{request:?}\n{answer:?}"
        );
        assert_eq!(client.closed().await, b"", "{request:?}");
    }
}

#[tokio::test]
async fn a_request_in_pieces_is_judged_as_one() {
    let server = TestServer::start(echo(), |_| {}).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let mut client = server.connect().await;
    for byte in request.as_bytes().chunks(1) {
        if tokio::io::AsyncWriteExt::write_all(&mut client.io, byte)
            .await
            .is_err()
        {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(client.answer().await.unwrap().status, 400);
    assert_eq!(client.closed().await, b"");
}

#[tokio::test]
async fn requests_on_one_connection_are_told_apart() {
    let server = TestServer::start(echo(), |_| {}).await;
    let pipeline = "\r\nPOST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
        GET /2 HTTP/1.1\r\nHost: A:80\r\n\r\n\
        POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n\
        GET http://a/4?x HTTP/1.1\r\nHost: A\r\n\r\n\
        POST /5 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let expected = ["/1 5", "/2 0", "/3 7", "/4 0", "/5 0"];
    for step in [1, 7, 64, pipeline.len()] {
        let mut client = server.connect().await;
        for piece in pipeline.as_bytes().chunks(step) {
            client.send(piece).await;
            tokio::task::yield_now().await;
        }
        for body in expected {
            let answer = client.answer().await.unwrap();
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (200, body),
                "in steps of {step}"
            );
        }
    }
}

#[tokio::test]
async fn what_came_before_a_refusal_is_answered_and_what_comes_after_is_not() {
    let server = TestServer::start(echo(), |_| {}).await;
    let mut client = server.connect().await;
    client
        .send(
            "GET /before HTTP/1.1\r\nHost: a\r\n\r\n\
             POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
             GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await.unwrap().body, "/before 0");
    assert_eq!(client.answer().await.unwrap().status, 400);
    assert_eq!(client.closed().await, b"");
}

#[tokio::test]
async fn http_10_needs_no_host() {
    let server = TestServer::start(echo(), |_| {}).await;
    let mut client = server.connect().await;
    client.send("GET /old HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().body, "/old 0");
}

/// Behind the listener the guard never sees both; in front of another server it would.
#[tokio::test]
async fn the_guard_itself_refuses_both_framings() {
    use gatewright::{
        config::Config,
        http::guard::{GuardSettings, layer},
    };
    use tower::ServiceExt as _;

    let request = http::Request::post("/")
        .header("host", "a")
        .header("content-length", "5")
        .header("transfer-encoding", "chunked")
        .body(axum::body::Body::from("hello"))
        .unwrap();
    let settings = GuardSettings {
        hosts: None,
        ..GuardSettings::new(&Config::default())
    };
    let response = layer(settings, echo()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 400);
}
