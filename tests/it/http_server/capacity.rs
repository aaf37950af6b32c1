//! Many connections at once.

use std::time::{Duration, Instant};

use super::support::{TestServer, echo, waiting};

#[tokio::test]
async fn when_full_the_connection_that_waits_longest_makes_room() {
    let server = TestServer::start(echo(), |settings| settings.server.max_connections = 3).await;
    let mut held = Vec::new();
    for number in 0..3 {
        let mut client = server.connect().await;
        client.get(&format!("/{number}")).await;
        held.push(client);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    let mut newcomer = server.connect().await;
    assert_eq!(newcomer.get("/new").await.body, "/new 0");
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(held[0].closed().await, b"", "the first has waited longest");
    assert_eq!(held[2].get("/still").await.body, "/still 0");
}

#[tokio::test]
async fn connections_that_say_half_a_word_make_room_too() {
    let server = TestServer::start(echo(), |settings| settings.server.max_connections = 4).await;
    let mut held = Vec::new();
    for said in [
        "",
        "GET / HT",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
        "PRI * HT",
    ] {
        let mut client = server.connect().await;
        client.send(said).await;
        held.push(client);
    }
    for _ in 0..8 {
        let mut newcomer = server.connect().await;
        assert_eq!(newcomer.get("/new").await.status, 200);
        held.push(newcomer);
    }
}

#[tokio::test]
async fn a_request_that_is_being_answered_never_makes_room() {
    let (router, entered, leave) = waiting();
    let server = TestServer::start(router, |settings| settings.server.max_connections = 1).await;
    let mut busy = server.connect().await;
    busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    entered.acquire().await.unwrap().forget();
    let mut newcomer = server.connect().await;
    newcomer.send("GET /new HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    leave.add_permits(1);
    assert_eq!(busy.answer().await.unwrap().body, "done");
    assert_eq!(newcomer.answer().await.unwrap().body, "/new 0");
}

#[tokio::test]
async fn when_thousands_are_all_that_may_be_open_a_newcomer_is_served_at_once() {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let open_files = limits.lines().find_map(|line| {
        line.strip_prefix("Max open files")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    // Both ends are ours.
    let count = open_files.map_or(400, |limit: usize| 5_000.min(limit.saturating_sub(500) / 2));
    let server = TestServer::start(echo(), |settings| {
        settings.server.max_connections = count;
        settings.server.max_connections_per_address = count;
    })
    .await;
    let mut idle = Vec::new();
    for number in 0..count {
        let mut client = server.connect().await;
        if number % 2 == 0 {
            client.get("/").await;
        }
        idle.push(client);
    }
    for _ in 0..20 {
        let began = Instant::now();
        let mut newcomer = server.connect().await;
        assert_eq!(newcomer.get("/new").await.status, 200);
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?} beside {count}",
            began.elapsed()
        );
        idle.push(newcomer);
    }
    assert_eq!(idle[0].closed().await, b"");
    assert_eq!(idle[count - 2].get("/still").await.status, 200);
}
