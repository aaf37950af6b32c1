//! HTTP/2, without TLS.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, routing::any};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Frame},
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, time::timeout};

use super::support::{NEVER, SHORT, TestServer, echo, waiting};

async fn connect(server: &TestServer) -> SendRequest<Body> {
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn request(path: &str) -> http::request::Builder {
    Request::get(format!("http://a{path}"))
}

#[tokio::test]
async fn requests_are_answered_and_named() {
    let server = TestServer::start(echo(), |_| {}).await;
    let mut client = connect(&server).await;
    let response = client
        .send_request(request("/2").body(Body::from("hello")).unwrap())
        .await
        .unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["x-request-id"].len()
        ),
        (200, 22)
    );
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "/2 5"
    );
}

#[tokio::test]
async fn the_limits_hold_and_a_refusal_leaves_the_connection() {
    let server = TestServer::start(echo(), |settings| {
        settings.guard.body_timeout = SHORT;
        settings.guard.body_limit = 1000;
    })
    .await;
    let mut client = connect(&server).await;
    let mut many = request("/");
    for number in 0..101 {
        many = many.header(format!("x-{number}"), "y");
    }
    for (request, status) in [
        (request("/").header("host", "b").body(Body::empty()), 400),
        (
            request("/")
                .header("host", "a")
                .header("host", "a")
                .body(Body::empty()),
            400,
        ),
        (
            request("/")
                .header("content-encoding", "gzip")
                .body(Body::from("x")),
            415,
        ),
        (request("/").body(Body::from(vec![b'x'; 1001])), 413),
        (request("/").body(Body::new(Never)), 408),
        (many.body(Body::empty()), 431),
        (request("/").header("host", "A").body(Body::empty()), 200),
    ] {
        let response = client.send_request(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), status);
        assert!(!response.headers().contains_key("connection"));
    }
}

/// A body that never comes.
struct Never;

impl hyper::body::Body for Never {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn streams_in_flight_complete_at_shutdown() {
    let (router, entered, leave) = waiting();
    let mut server = TestServer::start(router, |_| {}).await;
    let mut idle = connect(&server).await;
    idle.send_request(request("/").body(Body::empty()).unwrap())
        .await
        .unwrap();
    let mut busy = connect(&server).await;
    let answer = busy.send_request(request("/wait").body(Body::empty()).unwrap());
    let answer = tokio::spawn(answer);
    entered.acquire().await.unwrap().forget();
    server.signal();
    while !idle.is_closed() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    leave.add_permits(1);
    let response = timeout(NEVER, answer).await.unwrap().unwrap().unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "done"
    );
    assert_eq!(server.drained().await.cut, 0);
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time() {
    let server = TestServer::start(echo(), |settings| settings.server.idle_timeout = SHORT).await;
    let mut client = connect(&server).await;
    client
        .send_request(request("/").body(Body::empty()).unwrap())
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    let closed = async {
        while !client.is_closed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(NEVER, closed).await.expect("it stays open");
}

/// CVE-2023-44487: streams opened and reset without end.
#[tokio::test]
async fn a_rapid_reset_ends_the_connection() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let router = Router::new().fallback(any(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::pending::<String>()
    }));
    let server = TestServer::start(router, |_| {}).await;
    let mut client = server.connect().await;
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    // :method GET, :path /, :scheme http, :authority a
    let head = [0x82, 0x84, 0x86, 0x41, 1, b'a'];
    let mut flood = Vec::new();
    for stream in (1..20_000_u32).step_by(2) {
        flood.extend_from_slice(&[0, 0, 6, 1, 5]);
        flood.extend_from_slice(&stream.to_be_bytes());
        flood.extend_from_slice(&head);
        flood.extend_from_slice(&[0, 0, 4, 3, 0]);
        flood.extend_from_slice(&stream.to_be_bytes());
        flood.extend_from_slice(&[0, 0, 0, 8]);
    }
    let (mut read, mut write) = client.io.into_split();
    let flooding = tokio::spawn(async move {
        // The write half goes with the task, so the end of the connection is the server's doing or the flood's.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut write, &flood).await;
        write
    });
    let mut said = Vec::new();
    let _ = timeout(
        NEVER,
        tokio::io::AsyncReadExt::read_to_end(&mut read, &mut said),
    )
    .await
    .expect("it goes on");
    let _write = flooding.await.unwrap();
    assert!(
        calls.load(Ordering::Relaxed) < 1_000,
        "{calls:?} of 10000 streams got through"
    );
}

#[tokio::test]
async fn what_a_refused_body_is_does_not_matter() {
    let server = TestServer::start(echo(), |_| {}).await;
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let (mut sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let body = Full::new(Bytes::from(vec![b'x'; 100_000]));
    let response = sender
        .send_request(request("/").body(body).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), 413);
}
