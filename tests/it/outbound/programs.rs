//! The programs read their own environment, whatever they call out for.

use super::proxy::Proxy;
use super::{AUDIENCE, ELSEWHERE, ISSUER, server_of_keys};
use crate::alerts::servers::{Pki, Receiver, answer};
use crate::cli::program::Program;
use crate::traces::Issuer;
use serde_json::Value;
use tokio::task::spawn_blocking;

const DECISION: &str = r#"{"timestamp":"2026-11-26T10:00:00Z","fields":{"message":"decision","decision":"deny","reason":"no_rule","request_id":"r-1"},"target":"gatewright::decision"}"#;

fn policy(uri: &str) -> String {
    format!(
        "[[issuer]]\nurl = \"{ISSUER}\"\naudiences = [\"{AUDIENCE}\"]\nalgorithms = [\"ES256\"]\n\
         jwks = {{ uri = \"{uri}\" }}\n\n\
         [[rule]]\nid = \"orders\"\nmethods = [\"GET\"]\npath = \"/orders\"\nscopes = [\"orders:read\"]\n"
    )
}

/// `policy explain` of the token, in an environment with these variables.
async fn explained(uri: &str, token: &str, variables: &[(&str, String)], pki: &Pki) -> Value {
    let mut program = Program::sqlite();
    program.file("policy.toml", &policy(uri));
    program.file("ca.pem", &pki.ca_pem);
    for (name, value) in variables {
        program = program.with(name, value);
    }
    let args = [
        "policy",
        "explain",
        "--policy",
        "policy.toml",
        "--token",
        token,
        "--method",
        "GET",
        "--path",
        "/orders",
        "--json",
    ];
    let args = args.map(str::to_owned);
    let said = spawn_blocking(move || program.run(&args.each_ref().map(String::as_str)));
    serde_json::from_str(&said.await.unwrap().stdout).unwrap()
}

#[tokio::test]
async fn keys_behind_a_private_authority_and_a_proxy_are_found_by_the_environment() {
    let pki = Pki::new();
    let (server, token) = server_of_keys(&pki).await;
    let proxy = Proxy::to(server.address).await;
    let believed = ("SSL_CERT_FILE", "ca.pem".to_owned());
    let here = format!("https://localhost:{}/jwks.json", server.address.port());
    let told = explained(&here, &token, &[], &pki).await;
    assert_eq!(told["reason"], "keys_unavailable", "{told}");
    let told = explained(&here, &token, std::slice::from_ref(&believed), &pki).await;
    assert_eq!(told["verdict"], "allow", "{told}");

    let elsewhere = format!("https://{ELSEWHERE}/jwks.json");
    let told = explained(
        &elsewhere,
        &token,
        &[believed, ("https_proxy", proxy.url())],
        &pki,
    )
    .await;
    assert_eq!(told["verdict"], "allow", "{told}");
    assert!(!proxy.asked().is_empty());
}

#[tokio::test]
async fn spans_reach_a_collector_behind_a_private_authority_and_a_proxy() {
    let pki = Pki::new();
    let collector = Receiver::start(&pki, vec![answer("200 OK", "")]).await;
    let proxy = Proxy::to(collector.address).await;
    let program = Program::sqlite();
    program.file("ca.pem", &pki.ca_pem);
    let believed = program.dir.0.join("ca.pem").display().to_string();
    let (endpoint, through) = (format!("https://{ELSEWHERE}:4318"), proxy.url());
    let ended = spawn_blocking(move || {
        let variables = [
            ("GATEWRIGHT_TRACES_ENDPOINT", endpoint.as_str()),
            ("SSL_CERT_FILE", believed.as_str()),
            ("HTTPS_PROXY", through.as_str()),
        ];
        let mut issuer = Issuer::start(program, None, &variables);
        issuer.get("/jwks.json", &[]);
        issuer.stop()
    });
    assert!(ended.await.unwrap().success());
    let received = collector.received();
    assert!(
        received[0].head.starts_with("POST /v1/traces "),
        "{received:?}"
    );
    assert!(proxy.asked()[0].starts_with("CONNECT receiver.example.com:4318 "));
}

#[tokio::test]
async fn decisions_are_sent_through_the_proxy() {
    let pki = Pki::new();
    let issuer = Receiver::start(&pki, vec![answer("400 Bad Request", "")]).await;
    let proxy = Proxy::to(issuer.address).await;
    let program = Program::sqlite()
        .with("SSL_CERT_FILE", "ca.pem")
        .with("HTTPS_PROXY", &proxy.url());
    program.file("ca.pem", &pki.ca_pem);
    program.file("secret", "gws_of_the_test");
    program.file("log", &format!("{DECISION}\n"));
    let to = format!("https://{ELSEWHERE}");
    let said = spawn_blocking(move || {
        program.run(&[
            "events",
            "import",
            "--to",
            &to,
            "--client",
            "gate",
            "--secret-file",
            "secret",
            "log",
        ])
    });
    let said = said.await.unwrap();
    said.fails(1, &["answered 400"]);
    let received = issuer.received();
    assert!(received[0].head.starts_with("POST /token "), "{received:?}");
}
