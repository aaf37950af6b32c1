//! Whoever waits for its client is never busy: it makes room, and the one that has waited longest goes first.

use std::time::{Duration, Instant};

use super::{
    frames::{
        CONTINUATION, DATA, END_HEADERS, HEADERS, Http2, INITIAL_WINDOW_SIZE, PRIORITY, SETTINGS,
        WINDOW_UPDATE, frame, get, half_post, post, reset,
    },
    support::{TestServer, echo, waiting},
};

/// Long enough for a clock that counts in milliseconds.
const A_WHILE: Duration = Duration::from_millis(3);

#[tokio::test]
async fn streams_whose_bodies_never_come_make_room_however_often_they_are_renewed() {
    let server = TestServer::start(echo(), |settings| settings.server.max_connections = 4).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut client = Http2::connect(&server, &[]).await;
        client.send(&post(1)).await;
        assert!(client.is_seen().await);
        held.push(client);
    }
    let mut newcomers = Vec::new();
    let mut stream = 1;
    while let Some(mut longest) = (!held.is_empty()).then(|| held.remove(0)) {
        let began = Instant::now();
        let mut newcomer = server.connect().await;
        assert_eq!(newcomer.get("/new").await.status, 200);
        assert!(began.elapsed() < Duration::from_secs(1), "it waits");
        newcomers.push(newcomer);
        assert!(longest.is_closed().await);
        for client in &mut held {
            client.send(&reset(stream)).await;
            client.send(&post(stream + 2)).await;
            assert!(client.is_seen().await);
        }
        stream += 2;
    }
    for newcomer in &mut newcomers {
        assert_eq!(newcomer.get("/still").await.status, 200);
    }
}

#[tokio::test]
async fn frames_that_let_us_do_nothing_make_no_connection_fresh() {
    let noise = [
        frame(SETTINGS, 0, 0, &[]),
        frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
        frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]),
        frame(DATA, 0, 1, &[]),
        frame(DATA, 0, 1, b"x"),
        reset(1),
        post(3),
        reset(3),
        half_post(5, 10),
        frame(CONTINUATION, 0, 5, &[]),
        frame(CONTINUATION, END_HEADERS, 5, &[0x90; 10]),
    ];
    let server = TestServer::start(echo(), |settings| settings.server.max_connections = 2).await;
    let mut noisy = Http2::connect(&server, &[]).await;
    noisy.send(&post(1)).await;
    assert!(noisy.is_seen().await);
    let mut honest = server.connect().await;
    honest.get("/").await;
    let began = Instant::now();
    while began.elapsed() < A_WHILE {
        assert!(noisy.is_seen().await);
    }
    noisy.send(&noise.concat()).await;
    assert!(noisy.is_seen().await);
    assert_eq!(server.connect().await.get("/new").await.status, 200);
    assert!(noisy.is_closed().await);
    assert_eq!(honest.get("/still").await.status, 200);
}

#[tokio::test]
async fn a_body_that_trickles_makes_no_connection_fresh() {
    let server = TestServer::start(echo(), |settings| settings.server.max_connections = 2).await;
    let mut slow = server.connect().await;
    slow.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n")
        .await;
    let mut honest = server.connect().await;
    honest.get("/").await;
    let began = Instant::now();
    while began.elapsed() < A_WHILE {
        slow.send("x").await;
        tokio::task::yield_now().await;
    }
    assert_eq!(server.connect().await.get("/new").await.status, 200);
    assert_eq!(slow.closed().await, b"");
    assert_eq!(honest.get("/still").await.status, 200);
}

#[tokio::test]
async fn half_a_head_makes_no_connection_fresh() {
    let server = TestServer::start(echo(), |settings| settings.server.max_connections = 2).await;
    let mut idle = server.connect().await;
    idle.get("/").await;
    let mut honest = server.connect().await;
    let began = Instant::now();
    while began.elapsed() < A_WHILE {
        honest.get("/").await;
    }
    idle.send("GET / HT").await;
    assert_eq!(server.connect().await.get("/new").await.status, 200);
    assert_eq!(idle.closed().await, b"");
    assert_eq!(honest.get("/still").await.status, 200);
}

#[tokio::test]
async fn an_answer_that_is_not_read_makes_room() {
    let server = TestServer::start(echo(), |settings| settings.server.max_connections = 1).await;
    let mut deaf = Http2::connect(&server, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    deaf.send(&get(1, "/unread")).await;
    assert_eq!(deaf.next_of(HEADERS).await.unwrap().stream, 1);
    assert_eq!(server.connect().await.get("/new").await.status, 200);
    assert!(deaf.is_closed().await);
}

#[tokio::test]
async fn a_stream_that_is_worked_on_keeps_its_connection_whatever_waits_beside_it() {
    let (router, entered, leave) = waiting();
    let server = TestServer::start(router, |settings| settings.server.max_connections = 1).await;
    let mut busy = Http2::connect(&server, &[]).await;
    busy.send(&get(1, "/wait")).await;
    entered.acquire().await.unwrap().forget();
    busy.send(&post(3)).await;
    let mut newcomer = server.connect().await;
    newcomer.send("GET /new HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(60) {
        assert!(busy.is_seen().await, "it is closed");
    }
    leave.add_permits(1);
    assert_eq!(busy.next_of(HEADERS).await.unwrap().stream, 1);
    assert_eq!(newcomer.answer().await.unwrap().body, "/new 0");
    assert!(busy.is_closed().await, "now it waits only");
}
