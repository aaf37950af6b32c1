//! The webhook behind a proxy: the guard of addresses stays, as far as an address is known.

use super::proxy::Proxy;
use super::{ELSEWHERE, environment};
use crate::alerts::servers::{Pki, Receiver, answer};
use gatewright::config::network;
use gatewright::crypto::webhook::WebhookSecret;
use gatewright::notify::webhook::{Resolve, Webhook, system_resolver};
use gatewright_authorizer::outbound::Environment;
use std::net::SocketAddr;
use std::sync::Arc;

fn webhook(
    pki: &Pki,
    environment: &Environment,
    url: &str,
    allowed: &[&str],
    resolve: Resolve,
) -> Webhook {
    let allowed = allowed.iter().map(|net| network(net).unwrap()).collect();
    let secret = WebhookSecret::new(b"a secret of the test".to_vec());
    Webhook::new(url, secret, allowed, pki.outbound_in(environment), resolve).unwrap()
}

/// Names lead nowhere.
fn no_names() -> Resolve {
    Arc::new(|_, _| Box::pin(async { Err(std::io::Error::other("no names here")) }))
}

#[tokio::test]
async fn a_message_goes_through_the_proxy_which_looks_the_name_up() {
    let pki = Pki::new();
    let receiver = Receiver::start(&pki, vec![answer("204 No Content", "")]).await;
    let proxy = Proxy::to(receiver.address).await;
    let url = format!("https://{ELSEWHERE}:8443/hook");
    for variable in ["HTTPS_PROXY", "https_proxy"] {
        let through = environment(&[(variable, &proxy.url())]);
        let hook = webhook(&pki, &through, &url, &[], no_names());
        hook.send("m", "{}", 0).await.unwrap();
    }
    assert_eq!(receiver.received().len(), 2);
    for head in proxy.asked() {
        assert!(
            head.starts_with("CONNECT receiver.example.com:8443 HTTP/1.1\r\n"),
            "{head}"
        );
        let credentials = "Proxy-Authorization: Basic cHJveHktdXNlcjpwcm94eS1wYXNzd29yZA==\r\n";
        assert!(head.contains(credentials), "{head}");
        assert!(
            !head.contains("hook"),
            "the proxy isn't told the path: {head}"
        );
    }
}

#[tokio::test]
async fn no_proxy_is_asked_for_an_address_that_is_not_public() {
    let pki = Pki::new();
    let receiver = Receiver::start(&pki, vec![answer("204 No Content", "")]).await;
    let proxy = Proxy::to(receiver.address).await;
    let through = environment(&[("HTTPS_PROXY", &proxy.url())]);
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "localhost",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[fd00:ec2::254]",
    ] {
        let url = format!("https://{host}:{}/", receiver.address.port());
        let hook = webhook(&pki, &through, &url, &[], system_resolver());
        let refused = hook.send("m", "{}", 0).await.unwrap_err();
        assert!(
            refused.contains("alerts.outbound_allow"),
            "{host}: {refused}"
        );
    }
    assert_eq!((proxy.asked().len(), receiver.connections()), (0, 0));
}

#[tokio::test]
async fn what_no_proxy_names_is_looked_up_and_judged_here() {
    let pki = Pki::new();
    let receiver = Receiver::start(&pki, vec![answer("204 No Content", "")]).await;
    let proxy = Proxy::closed().await;
    let url = format!("https://{ELSEWHERE}:{}/", receiver.address.port());
    let here: Resolve = Arc::new(|_, port| {
        Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
    });
    for (variable, exceptions) in [
        ("NO_PROXY", "example.org, .example.com"),
        ("no_proxy", "receiver.example.com"),
        ("NO_PROXY", "*"),
    ] {
        let around = environment(&[("HTTPS_PROXY", &proxy.url()), (variable, exceptions)]);
        let allowed = webhook(&pki, &around, &url, &["127.0.0.1"], Arc::clone(&here));
        allowed.send("m", "{}", 0).await.unwrap();
        let refused = webhook(&pki, &around, &url, &[], Arc::clone(&here));
        let refused = refused.send("m", "{}", 0).await.unwrap_err();
        assert!(refused.contains("alerts.outbound_allow"), "{refused}");
    }
    assert_eq!((receiver.received().len(), proxy.asked().len()), (3, 0));
}

#[tokio::test]
async fn a_proxy_that_gives_no_way_is_named_without_its_password() {
    let pki = Pki::new();
    let proxy = Proxy::closed().await;
    let through = environment(&[("HTTPS_PROXY", &proxy.url())]);
    let hook = webhook(
        &pki,
        &through,
        "https://receiver.example.com/",
        &[],
        no_names(),
    );
    let failed = hook.send("m", "{}", 0).await.unwrap_err();
    assert!(
        failed.contains("HTTPS_PROXY") && failed.contains(&proxy.address.to_string()),
        "{failed}"
    );
    assert!(!failed.contains("proxy-password"), "{failed}");
}
