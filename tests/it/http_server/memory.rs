//! What connections may hold: streams, connections of an address, and memory in all.

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, routing::any};
use hyper::body::{Bytes, Frame};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{
    frames::{
        DATA, HEADERS, Http2, INITIAL_WINDOW_SIZE, RST_STREAM, SETTINGS, frame, get, half_post,
        hello, post,
    },
    support::{NEVER, Raw, TestServer, echo, waiting},
};

#[tokio::test]
async fn a_connection_has_so_many_streams_and_is_told() {
    let server = TestServer::start(echo(), |settings| settings.server.max_streams = 2).await;
    let mut client = Http2::connect(&server, &[]).await;
    let settings = client.next_of(SETTINGS).await.unwrap().payload;
    assert!(
        settings.chunks(6).any(|pair| pair == [0, 3, 0, 0, 0, 2]),
        "{settings:?}"
    );
    client.send(&[post(1), post(3), post(5)].concat()).await;
    let refused = client.next_of(RST_STREAM).await.unwrap();
    assert_eq!(
        (refused.stream, refused.payload.as_slice()),
        (5, &[0, 0, 0, 7][..]),
        "REFUSED_STREAM: the client may try again"
    );
}

/// From an address of this machine's own.
async fn connect_from(address: &str, server: &TestServer) -> Raw<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    let from: SocketAddr = format!("{address}:0").parse().unwrap();
    socket.bind(from).unwrap();
    Raw::new(socket.connect(server.addr).await.unwrap())
}

#[tokio::test]
async fn of_an_address_that_has_all_it_may_the_longest_waiting_goes() {
    let server = TestServer::start(echo(), |settings| {
        settings.server.max_connections_per_address = 2;
    })
    .await;
    let mut other = connect_from("127.0.0.2", &server).await;
    other.get("/").await;
    let mut first = server.connect().await;
    first.get("/").await;
    let mut second = server.connect().await;
    second.get("/").await;
    let mut third = server.connect().await;
    assert_eq!(third.get("/").await.status, 200);
    assert_eq!(first.closed().await, b"");
    assert_eq!(second.get("/still").await.status, 200);
    assert_eq!(other.get("/still").await.status, 200);
}

#[tokio::test]
async fn a_trusted_proxy_has_as_many_connections_as_there_are() {
    let server = TestServer::start(echo(), |settings| {
        settings.server.max_connections_per_address = 1;
        settings.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let mut first = server.connect().await;
    first.get("/").await;
    let mut second = server.connect().await;
    second.get("/").await;
    assert_eq!(first.get("/still").await.status, 200);
}

#[tokio::test]
async fn an_address_whose_connections_are_all_worked_on_gets_no_more() {
    let (router, entered, leave) = waiting();
    let server = TestServer::start(router, |settings| {
        settings.server.max_connections_per_address = 1;
    })
    .await;
    let mut busy = server.connect().await;
    busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    entered.acquire().await.unwrap().forget();
    assert_eq!(server.connect().await.closed().await, b"");
    let mut other = connect_from("127.0.0.2", &server).await;
    assert_eq!(other.get("/").await.status, 200);
    leave.add_permits(1);
    assert_eq!(busy.answer().await.unwrap().body, "done");
}

fn is_open(client: &TcpStream) -> bool {
    loop {
        match client.try_read(&mut [0; 4096]) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

const MIB: usize = 1024 * 1024;

/// What each connection says and stops at, and how many such there may be within a MiB.
fn unfinished() -> Vec<(&'static str, Vec<u8>, usize)> {
    let long = "x".repeat(60_000);
    let streams = (0..32).map(|number| post(2 * number + 1));
    let unread = (0..32).map(|number| get(2 * number + 1, "/unread"));
    vec![
        ("nothing", Vec::new(), MIB / 24_576),
        (
            "half a head",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}").into(),
            MIB / 120_000,
        ),
        (
            "half a body",
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60001\r\n\r\n{long}").into(),
            MIB / 120_000,
        ),
        (
            "unfinished streams",
            [hello(&[]), streams.collect::<Vec<_>>().concat()].concat(),
            MIB / (32 * 4096),
        ),
        (
            "half a body in a stream",
            [
                hello(&[]),
                post(1),
                frame(DATA, 0, 1, &[0; 16_000]),
                frame(DATA, 0, 1, &[0; 16_000]),
                frame(DATA, 0, 1, &[0; 16_000]),
            ]
            .concat(),
            MIB / 96_000,
        ),
        (
            "half a header block",
            [hello(&[]), half_post(1, 1800)].concat(),
            MIB / 230_000,
        ),
        (
            "half a frame",
            [
                hello(&[]),
                frame(0xff, 0, 0, &[0; 16_000])[..15_000].to_vec(),
            ]
            .concat(),
            MIB / 40_000,
        ),
        (
            "unread answers",
            [
                hello(&[(INITIAL_WINDOW_SIZE, 0)]),
                unread.collect::<Vec<_>>().concat(),
            ]
            .concat(),
            MIB / (32 * 4096),
        ),
    ]
}

#[tokio::test]
async fn whatever_connections_hold_those_that_wait_longest_give_it_back() {
    for (what, said, fit) in unfinished() {
        let server = TestServer::start(echo(), |settings| settings.server.memory_bytes = MIB).await;
        let mut held = Vec::new();
        for _ in 0..60 {
            let mut client = server.connect().await;
            // One that is closed already is what is waited for below.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut client.io, &said).await;
            held.push(client);
        }
        let within = async {
            while held.iter().filter(|client| is_open(&client.io)).count() > fit {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let is_within = timeout(NEVER, within).await.is_ok();
        let open: Vec<_> = held.iter().map(|client| is_open(&client.io)).collect();
        assert!(is_within, "{what}: {fit} fit, and these are open: {open:?}");
        // Answers are made side by side, at once for all: whose were the last isn't known.
        let side_by_side = what == "unread answers";
        assert!(
            side_by_side || !open[0] && open[59],
            "{what}: the first go first: {open:?}"
        );
        // Answers that were made just now are on their way; then they wait, too.
        let served = async {
            while server.connect().await.get("/new").await.status != 200 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(NEVER, served).await.is_ok(), "{what}: nobody new");
    }
}

#[tokio::test]
async fn where_all_is_worked_on_a_request_that_does_not_fit_is_503() {
    let (router, entered, leave) = waiting();
    let server = TestServer::start(router, |settings| {
        settings.server.memory_bytes = 65_000;
    })
    .await;
    let mut client = Http2::connect(&server, &[]).await;
    client.send(&get(1, "/wait")).await;
    entered.acquire().await.unwrap().forget();
    client.send(&get(3, "/more")).await;
    let refused = client.next_of(HEADERS).await.unwrap();
    assert_eq!(refused.stream, 3);
    let body = String::from_utf8(client.next_of(DATA).await.unwrap().payload).unwrap();
    assert!(body.contains("temporarily_unavailable"), "{body}");
    leave.add_permits(1);
    assert_eq!(client.next_of(HEADERS).await.unwrap().stream, 1);
    client.send(&get(5, "/more")).await;
    assert_eq!(client.next_of(DATA).await.unwrap().payload, b"done");
    assert_eq!(client.next_of(DATA).await.unwrap().payload, b"/more 0");
}

/// Each is one byte on the wire.
#[tokio::test]
async fn a_head_of_a_thousand_fields_is_refused_before_its_body() {
    let server = TestServer::start(echo(), |_| {}).await;
    let mut client = Http2::connect(&server, &[]).await;
    let mut head = half_post(1, 1000);
    head[4] = 4;
    client.send(&head).await;
    let answer = client.next_of(HEADERS).await.unwrap();
    assert_eq!(answer.stream, 1);
    let body = String::from_utf8(client.next_of(DATA).await.unwrap().payload).unwrap();
    assert!(body.contains("too many headers"), "{body}");
}

/// So many pieces of 16 KiB.
struct Pieces(usize);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.0 == 0 {
            return Poll::Ready(None);
        }
        self.0 -= 1;
        let piece = Bytes::from_static(&[b'x'; 16 * 1024]);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

#[tokio::test]
async fn a_long_answer_counts_for_what_of_it_is_unread() {
    let handler = any(|| std::future::ready(Body::new(Pieces(200))));
    let router = Router::new().route("/", handler);
    let server = TestServer::start(router, |settings| {
        settings.server.memory_bytes = MIB;
    })
    .await;
    let mut beside = server.connect().await;
    beside.get("/nowhere").await;
    let mut client = server.connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(client.closed().await.len() > 200 * 16 * 1024);
    assert_eq!(beside.get("/nowhere").await.status, 404, "it had to go");
}
