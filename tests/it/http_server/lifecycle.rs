//! The end of the server.

use std::time::{Duration, Instant};

use tokio::{net::TcpStream, time::timeout};

use super::support::{NEVER, SHORT, TestServer, waiting};

#[tokio::test]
async fn requests_in_flight_complete_and_idle_connections_close_at_once() {
    let (router, entered, leave) = waiting();
    let mut server = TestServer::start(router, |_| {}).await;
    let addr = server.addr;
    let mut idle = server.connect().await;
    idle.get("/").await;
    let mut fresh = server.connect().await;
    let mut busy = server.connect().await;
    busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    entered.acquire().await.unwrap().forget();

    server.signal();
    assert_eq!(idle.closed().await, b"");
    assert_eq!(fresh.closed().await, b"");
    assert!(
        TcpStream::connect(addr).await.is_err(),
        "nobody listens any more"
    );
    leave.add_permits(1);
    let answer = busy.answer().await.unwrap();
    assert_eq!(
        (answer.body.as_str(), answer.header("connection")),
        ("done", Some("close"))
    );
    assert_eq!(busy.closed().await, b"");
    assert_eq!(server.drained().await.cut, 0);
}

#[tokio::test]
async fn the_deadline_cuts_what_does_not_complete() {
    let (router, entered, _leave) = waiting();
    let mut server = TestServer::start(router, |settings| settings.server.drain = SHORT).await;
    let mut busy = server.connect().await;
    busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    entered.acquire().await.unwrap().forget();
    let mut slow = server.connect().await;
    slow.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
        .await;
    let mut dribbling = server.connect().await;
    dribbling.send("GET / HT").await;
    // Answered after the bytes above have been seen.
    server.connect().await.get("/").await;

    let began = Instant::now();
    server.signal();
    let report = server.drained().await;
    assert_eq!(report.cut, 3, "{report:?}");
    assert!(
        began.elapsed() >= SHORT && began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(busy.closed().await, b"");
}

#[tokio::test]
async fn whoever_is_connected_but_not_yet_accepted_is_answered() {
    let (router, entered, leave) = waiting();
    let mut server = TestServer::start(router, |_| {}).await;
    let mut busy = server.connect().await;
    busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    entered.acquire().await.unwrap().forget();
    let addr = server.addr;
    // No await from here to the signal: this runtime has one thread, so nothing is accepted in between.
    let backlog: Vec<_> = (0..20)
        .map(|_| std::net::TcpStream::connect(addr).unwrap())
        .collect();
    for stream in &backlog {
        std::io::Write::write_all(&mut &*stream, b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }
    server.signal();
    for stream in backlog {
        stream.set_nonblocking(true).unwrap();
        let mut client = super::support::Raw::new(TcpStream::from_std(stream).unwrap());
        assert_eq!(client.answer().await.expect("reset").body, "/late 0");
    }
    leave.add_permits(1);
    assert_eq!(server.drained().await.cut, 0);
}

#[tokio::test]
async fn during_the_delay_requests_are_taken_and_connections_asked_to_close() {
    let (router, _entered, _leave) = waiting();
    let mut server = TestServer::start(router, |settings| {
        settings.server.shutdown_delay = 2 * SHORT;
    })
    .await;
    let mut known = server.connect().await;
    known.get("/").await;
    let began = Instant::now();
    server.signal();
    tokio::task::yield_now().await;
    let answer = loop {
        // Until the signal has been seen.
        let answer = server.connect().await.get("/new").await;
        if answer.header("connection") == Some("close") {
            break answer;
        }
    };
    assert_eq!(answer.status, 200);
    assert_eq!(
        known.get("/known").await.header("connection"),
        Some("close")
    );
    assert_eq!(server.drained().await.cut, 0);
    assert!(began.elapsed() >= 2 * SHORT);
}

#[tokio::test]
async fn a_client_that_is_gone_costs_nothing() {
    let (router, entered, _leave) = waiting();
    let mut server = TestServer::start(router, |_| {}).await;
    let mut busy = server.connect().await;
    busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    entered.acquire().await.unwrap().forget();
    drop(busy);
    server.signal();
    assert_eq!(timeout(NEVER, server.drained()).await.unwrap().cut, 0);
}
