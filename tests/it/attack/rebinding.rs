//! DNS rebinding: a page of the web whose name leads to this machine talks to what listens on its loopback.

use crate::cli::program::Program;
use crate::journey::demo::Demo;
use crate::journey::process::{Installation, head, read, until};
use crate::support::{Answer, TestApp};
use gatewright::cli::metrics::listen;
use gatewright::config::Config;
use gatewright::http::guard::{self, GuardSettings, OwnHosts};
use gatewright::http::server::PeerAddr;
use http::Request;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use tower::ServiceExt as _;

const EVIL: &str = "rebound.evil.example";

/// Asks as a browser does that was led here by this name.
fn asked_as(address: SocketAddr, host: &str, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let sent = head(address, "GET", path, &[], 0)
        .replace(&format!("host: {address}"), &format!("host: {host}"));
    stream.write_all(sent.as_bytes()).unwrap();
    read(stream).unwrap()
}

#[track_caller]
fn is_misdirected(answer: &Answer) {
    assert_eq!(answer.status, 421, "{}", answer.body);
    assert!(
        answer.body.contains("isn't known by this Host"),
        "{}",
        answer.body
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn the_demo_tells_its_secrets_to_its_own_names_only() {
    let program = Program::sqlite();
    let demo = Demo::start(&program);
    let password = demo.after("with the password ").to_owned();
    let port = demo.address.port();
    for host in [
        EVIL.to_owned(),
        format!("{EVIL}:{port}"),
        format!("127.0.0.1.{EVIL}"),
        format!("0.0.0.0:{port}"),
    ] {
        for path in [
            "/",
            "/demo/login",
            "/api/orders/7",
            "/jwks.json",
            "/nothing",
            "/admin/activity",
        ] {
            let answer = asked_as(demo.address, &host, path);
            is_misdirected(&answer);
            assert!(!answer.body.contains(&password));
        }
    }
    for host in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
    ] {
        let answer = asked_as(demo.address, &host, "/");
        assert_eq!(answer.status, 200, "{host}");
        assert!(answer.body.contains(&password));
    }
}

#[test]
fn an_issuer_on_loopback_answers_to_names_that_its_configuration_has() {
    let installation = Installation::new(&[("GATEWRIGHT_HTTP_HOSTS", "id.internal")]);
    let node = installation.start();
    is_misdirected(&asked_as(installation.address, EVIL, "/jwks.json"));
    is_misdirected(&asked_as(installation.address, EVIL, "/health/ready"));
    for host in ["id.internal", "ID.internal:8080", "localhost", "127.0.0.1"] {
        assert_eq!(
            asked_as(installation.address, host, "/jwks.json").status,
            200,
            "{host}"
        );
    }
    drop(node);
    // A proxy on the same machine that is trusted may send whatever it knows the server by.
    let installation = Installation::new(&[("GATEWRIGHT_TRUSTED_PROXIES", "127.0.0.1")]);
    let _node = installation.start();
    assert_eq!(
        asked_as(installation.address, "gatewright_upstream", "/jwks.json").status,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_on_loopback_are_not_a_web_pages_to_read() {
    let app = TestApp::sqlite().await;
    let metrics = app.issuer.store.metrics();
    let (address, running) = listen("127.0.0.1:0".parse().unwrap(), metrics)
        .await
        .unwrap();
    tokio::task::spawn_blocking(move || {
        is_misdirected(&asked_as(address, EVIL, "/metrics"));
        let own = until("metrics are read", || {
            Some(asked_as(address, "localhost", "/metrics"))
        });
        assert_eq!(own.status, 200);
    })
    .await
    .unwrap();
    drop(running);
}

#[tokio::test]
async fn the_host_is_judged_in_http2_too_and_only_where_the_listener_is_this_machines() {
    let asked = async |listen: &str, peer: &str, request: Request<axum::body::Body>| {
        let config = Config {
            listen: listen.parse().unwrap(),
            issuer: "https://id.example.com".to_owned(),
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..Config::default()
        };
        let guarded = guard::layer(
            GuardSettings::new(&config),
            crate::http_server::support::echo(),
        );
        let mut request = request;
        let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
        request.extensions_mut().insert(PeerAddr(peer));
        guarded.oneshot(request).await.unwrap().status().as_u16()
    };
    let by_header = |host: &str| {
        Request::get("/x")
            .header("host", host)
            .body(axum::body::Body::empty())
            .unwrap()
    };
    let by_authority = |host: &str| {
        Request::get(format!("http://{host}/x"))
            .version(http::Version::HTTP_2)
            .body(axum::body::Body::empty())
            .unwrap()
    };
    for (listen, peer, host, status) in [
        ("127.0.0.1:8080", "127.0.0.1", "id.example.com", 200),
        ("127.0.0.1:8080", "127.0.0.1", EVIL, 421),
        ("127.0.0.1:8080", "10.1.2.3", EVIL, 200),
        ("[::1]:8080", "::1", EVIL, 421),
        ("0.0.0.0:8080", "127.0.0.1", EVIL, 200),
        ("192.0.2.1:8080", "198.51.100.7", EVIL, 200),
    ] {
        assert_eq!(
            asked(listen, peer, by_header(host)).await,
            status,
            "{listen} {peer} {host}"
        );
        assert_eq!(
            asked(listen, peer, by_authority(host)).await,
            status,
            "{listen} {peer} {host} in HTTP/2"
        );
    }
    assert!(OwnHosts::of("127.0.0.1:1".parse().unwrap(), []).is_some());
}
