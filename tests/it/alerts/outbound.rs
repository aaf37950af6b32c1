//! Server-side request forgery by the webhook (security.md, case 109): nothing goes to an address that isn't public, unless the
//! configuration names it.

use super::servers::{Pki, Receiver, answer};
use gatewright::config::network;
use gatewright::crypto::webhook::WebhookSecret;
use gatewright::notify::webhook::{Resolve, Webhook, system_resolver};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn webhook(pki: &Pki, url: &str, allowed: &[&str], resolve: Resolve) -> Result<Webhook, String> {
    let allowed = allowed.iter().map(|net| network(net).unwrap()).collect();
    let secret = WebhookSecret::new(b"a secret of the test".to_vec());
    Webhook::new(url, secret, allowed, pki.outbound(), resolve)
}

/// Names lead where the test says; each look is counted.
fn resolver(addresses: &'static [&'static str], looks: &Arc<AtomicUsize>) -> Resolve {
    let looks = Arc::clone(looks);
    Arc::new(move |_, port| {
        let look = looks.fetch_add(1, Ordering::SeqCst);
        let all = addresses
            .iter()
            .map(|address| SocketAddr::new(address.parse().unwrap(), port));
        let found: Vec<SocketAddr> = match look {
            0 => all.collect(),
            _ => vec![SocketAddr::new("127.0.0.1".parse().unwrap(), port)],
        };
        Box::pin(async move { Ok(found) })
    })
}

#[tokio::test]
async fn no_packet_goes_to_an_address_that_is_not_public() {
    let pki = Pki::new();
    let receiver = Receiver::start(&pki, vec![answer("200 OK", "")]).await;
    let port = receiver.address.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "localhost",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[fe80::1]",
    ] {
        let url = format!("https://{host}:{port}/");
        let refused = webhook(&pki, &url, &[], system_resolver())
            .unwrap()
            .send("m", "{}", 0)
            .await
            .unwrap_err();
        assert!(
            refused.contains("alerts.outbound_allow"),
            "{host}: {refused}"
        );
    }
    for addresses in [
        &["127.0.0.1"] as &'static [&'static str],
        &["10.1.2.3"],
        // One public address among them doesn't make the other one so.
        &["1.1.1.1", "127.0.0.1"],
        &["::ffff:127.0.0.1"],
    ] {
        let url = format!("https://receiver.example.com:{port}/");
        let looks = Arc::default();
        let refused = webhook(&pki, &url, &[], resolver(addresses, &looks))
            .unwrap()
            .send("m", "{}", 0)
            .await
            .unwrap_err();
        assert!(
            refused.contains("alerts.outbound_allow"),
            "{addresses:?}: {refused}"
        );
        assert!(
            !refused.contains("127.0.0.1"),
            "the error reveals nothing: {refused}"
        );
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn what_the_configuration_allows_is_reached_and_no_more() {
    let pki = Pki::new();
    let receiver = Receiver::start(&pki, vec![answer("204 No Content", "")]).await;
    let url = format!("https://receiver.example.com:{}/", receiver.address.port());
    let looks = Arc::default();
    let allowed = webhook(&pki, &url, &["127.0.0.1"], resolver(&["127.0.0.1"], &looks)).unwrap();
    allowed.send("m", "{}", 0).await.unwrap();
    assert_eq!(receiver.connections(), 1);
    let looks = Arc::default();
    let other = webhook(&pki, &url, &["127.0.0.2"], resolver(&["127.0.0.1"], &looks)).unwrap();
    assert!(other.send("m", "{}", 0).await.is_err());
    assert_eq!(receiver.connections(), 1);
}

/// DNS rebinding: the name leads to one address when it's looked at, and would lead to another a moment later.
#[tokio::test]
async fn the_address_that_was_looked_at_is_the_one_that_is_called() {
    let pki = Pki::new();
    let internal = Receiver::start(&pki, vec![answer("200 OK", "")]).await;
    let url = format!("https://receiver.example.com:{}/", internal.address.port());
    let looks = Arc::default();
    // Nothing listens on this one; the second look, if there were one, would lead to the internal server.
    let rebinding = webhook(&pki, &url, &["127.0.0.9"], resolver(&["127.0.0.9"], &looks)).unwrap();
    let failed = rebinding.send("m", "{}", 0).await.unwrap_err();
    assert!(failed.contains("no connection"), "{failed}");
    assert_eq!(
        (looks.load(Ordering::SeqCst), internal.connections()),
        (1, 0)
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let pki = Pki::new();
    let internal = Receiver::start(&pki, vec![answer("200 OK", "")]).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let more = format!("location: {}\r\n", internal.url());
        let receiver = Receiver::start(&pki, vec![answer(status, &more)]).await;
        let hook = webhook(
            &pki,
            &receiver.url(),
            &["127.0.0.1", "::1"],
            system_resolver(),
        )
        .unwrap();
        let failed = hook.send("m", "{}", 0).await.unwrap_err();
        assert!(failed.contains("redirects are not followed"), "{failed}");
        assert_eq!(receiver.connections(), 1);
    }
    assert_eq!(internal.connections(), 0);
}

#[tokio::test]
async fn nothing_but_https_without_user_and_fragment_is_taken() {
    let pki = Pki::new();
    for url in [
        "http://alerts.example.com/",
        "https://user:password@alerts.example.com/",
        "https://alerts.example.com/#part",
        "ftp://alerts.example.com/",
        "file:///etc/passwd",
        "alerts.example.com",
        "",
    ] {
        let refused = webhook(&pki, url, &[], system_resolver()).err().unwrap();
        assert!(refused.contains("https URL"), "{url}");
        assert!(!refused.contains("password"), "{refused}");
    }
}

#[tokio::test]
async fn a_server_with_a_certificate_that_nobody_vouches_for_gets_nothing() {
    let (pki, other) = (Pki::new(), Pki::new());
    let receiver = Receiver::start(&pki, vec![answer("200 OK", "")]).await;
    let hook = webhook(
        &other,
        &receiver.url(),
        &["127.0.0.1", "::1"],
        system_resolver(),
    )
    .unwrap();
    let failed = hook.send("m", "{}", 0).await.unwrap_err();
    assert!(failed.starts_with("TLS failed"), "{failed}");
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let pki = Pki::new();
    let body = "x".repeat(100_000);
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{body}");
    let receiver = Receiver::start(&pki, vec![long]).await;
    let hook = webhook(
        &pki,
        &receiver.url(),
        &["127.0.0.1", "::1"],
        system_resolver(),
    )
    .unwrap();
    let failed = hook.send("m", "{}", 0).await.unwrap_err();
    assert!(failed.contains("64 KB"), "{failed}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let pki = Pki::new();
    let receiver = Receiver::start(&pki, vec![]).await;
    let hook = webhook(
        &pki,
        &receiver.url(),
        &["127.0.0.1", "::1"],
        system_resolver(),
    )
    .unwrap();
    let failed = hook.send("m", "{}", 0).await.unwrap_err();
    assert_eq!(failed, "no answer within 5 seconds");
}
