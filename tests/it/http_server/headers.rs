//! What is on every response, and what the log says of a request.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex},
};

use axum::{Extension, Router, routing::get};
use gatewright::http::{
    guard::{ClientAddr, RequestId},
    server::PeerAddr,
};

use super::support::{TestServer, echo};

fn router() -> Router {
    let told = get(
        |Extension(id): Extension<RequestId>, Extension(client): Extension<ClientAddr>| async move {
            format!("{id} {}", client.0)
        },
    );
    let peer = get(|Extension(peer): Extension<PeerAddr>| async move { peer.0.to_string() });
    let forwarded = get(|headers: http::HeaderMap| async move {
        headers.contains_key("x-forwarded-for").to_string()
    });
    let panics = get(|| async {
        let secret = String::from("a secret of the handler");
        panic!("{secret}");
        #[expect(unreachable_code, reason = "a handler has to have a response")]
        "never"
    });
    Router::new()
        .route("/told", told)
        .route("/peer", peer)
        .route("/forwarded", forwarded)
        .route("/panic", panics)
}

#[tokio::test]
async fn every_response_has_an_id_of_ours_and_only_one() {
    let server = TestServer::start(router(), |_| {}).await;
    let mut client = server.connect().await;
    let mut ids = HashSet::new();
    for (line, status) in [
        ("GET /told", 200),
        ("GET /told", 200),
        ("GET /nowhere", 404),
        ("POST /told", 405),
        ("GET /panic", 500),
        ("GET /told", 200),
    ] {
        client
            .send(format!(
                "{line} HTTP/1.1\r\nHost: a\r\nX-Request-Id: theirs\r\n\r\n"
            ))
            .await;
        let answer = client.answer().await.unwrap();
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{line}"
        );
        let [id] = answer.all("x-request-id")[..] else {
            panic!("{answer:?}")
        };
        assert!(
            id.len() == 22
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
            "{id}"
        );
        assert!(ids.insert(id.to_owned()), "{id} came twice");
        if status == 200 {
            assert_eq!(answer.body, format!("{id} 127.0.0.1"));
        }
    }
}

#[tokio::test]
async fn a_panic_ends_one_request_and_tells_nothing() {
    let server = TestServer::start(router(), |_| {}).await;
    let mut client = server.connect().await;
    let answer = client.get("/panic").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (500, Some("application/json"))
    );
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({ "error": "server_error", "request_id": answer.header("x-request-id") })
    );
    assert_eq!(
        client.get("/told").await.status,
        200,
        "the connection lives on"
    );
}

#[tokio::test]
async fn hsts_is_sent_where_it_is_asked_for() {
    for hsts in [false, true] {
        let server = TestServer::start(echo(), |settings| settings.guard.hsts = hsts).await;
        let answer = server.connect().await.get("/").await;
        assert_eq!(answer.header("strict-transport-security").is_some(), hsts);
    }
}

#[tokio::test]
async fn forwarded_addresses_are_believed_from_trusted_proxies_only() {
    for (trusted, client_addr) in [
        ("192.0.2.0/24", "127.0.0.1"),
        ("127.0.0.0/8", "198.51.100.1"),
    ] {
        let server = TestServer::start(router(), |settings| {
            settings.guard.trusted_proxies = vec![trusted.parse().unwrap()];
        })
        .await;
        let mut client = server.connect().await;
        let forwarded = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 198.51.100.1\r\n";
        client
            .send(format!("GET /told HTTP/1.1\r\nHost: a\r\n{forwarded}\r\n"))
            .await;
        assert_eq!(
            client.answer().await.unwrap().body.split(' ').nth(1),
            Some(client_addr)
        );
        client
            .send(format!(
                "GET /forwarded HTTP/1.1\r\nHost: a\r\n{forwarded}\r\n"
            ))
            .await;
        assert_eq!(
            client.answer().await.unwrap().body,
            "false",
            "no handler gets to see the header"
        );
    }
}

#[tokio::test]
async fn the_peer_is_known() {
    let server = TestServer::start(router(), |_| {}).await;
    let mut client = server.connect().await;
    let local = client.io.local_addr().unwrap().to_string();
    assert_eq!(client.get("/peer").await.body, local);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_access_log_has_the_id_and_no_secret() {
    // With a single subscriber alive `tracing` asks only the thread that gets to a place in the code first, which may be
    // that of another test, and remembers for all that nobody listens. With two it asks both.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || written.clone())
        .finish();
    let _installed = tracing::subscriber::set_default(subscriber);
    let server = TestServer::start(router(), |_| {}).await;
    let mut client = server.connect().await;
    client
        .send(
            "GET /told?code=canary-query HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer canary-token\r\n\
             Cookie: canary-cookie\r\nContent-Length: 11\r\n\r\ncanary-body",
        )
        .await;
    let id = client
        .answer()
        .await
        .unwrap()
        .header("x-request-id")
        .unwrap()
        .to_owned();
    client.send("GET /canary\nrefused").await;
    let refused = client
        .answer()
        .await
        .unwrap()
        .header("x-request-id")
        .unwrap()
        .to_owned();

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let ours = |line: &&str| line.contains("gatewright::access");
    let [first, second] = text.lines().filter(ours).collect::<Vec<_>>()[..] else {
        panic!("{text}")
    };
    for field in [
        &id,
        "method=\"GET\"",
        "path=\"/told\"",
        "status=200",
        "micros=",
        "client=127.0.0.1",
    ] {
        assert!(first.contains(field), "{field} in {first}");
    }
    assert!(
        second.contains(&refused) && second.contains("status=400"),
        "{second}"
    );
    let ours = text
        .lines()
        .filter(|line| line.contains("gatewright::"))
        .collect::<Vec<_>>()
        .join("\n");
    assert!(!ours.contains("canary"), "{ours}");
}
