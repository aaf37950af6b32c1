//! `gatewright authorizer serve`: what it refuses to start with, and how it ends.

use super::stage::{Issuer, Server, installed};
use crate::journey::process::{ask, until};
use std::net::TcpStream;
use std::process::Command;

const NGINX: [(&str, &str); 2] = [
    ("x-original-method", "GET"),
    ("x-original-uri", "/orders/7"),
];

fn serve(program: &crate::cli::program::Program, more: &[&str]) -> crate::cli::program::Said {
    let args = ["authorizer", "serve", "--policy", "policy.toml"];
    program.run(&[&args[..], more].concat())
}

#[test]
fn it_does_not_start_on_what_it_cannot_keep() {
    let program = installed(&Issuer::new());
    serve(&program, &[]).fails(2, &["--from"]);
    serve(&program, &["--from", "squid"]).fails(2, &["nginx, forwarded, envoy"]);
    let from = ["--from", "nginx"];
    let with = |more: &[&str]| serve(&program, &[&from[..], more].concat());
    with(&["--trusted-proxy", "0.0.0.0/0"]).fails(2, &["trusts everyone"]);
    with(&["--trusted-proxy", "proxy.example"]).fails(2, &["10.0.0.0/8"]);
    with(&["--public-url", "http://api.example.com"]).fails(2, &["https://HOST"]);
    with(&["--listen", "nowhere"]).fails(2, &["listen"]);
    with(&["--issuer", "https://issuer.example"]).fails(2, &["doesn't take --issuer"]);
    program.file("jwks.json", "{}");
    with(&[]).fails(2, &["jwks.json"]);
    let claims = super::stage::POLICY.replace("[\"tenant\"]", "[\"tenant_id\", \"tenant.id\"]");
    program.file("jwks.json", &Issuer::new().jwks().to_string());
    program.file("policy.toml", &claims);
    with(&[]).fails(2, &["x-auth-claim-tenant-id", "leave out one"]);
    program.file("policy.toml", "rule = 7");
    with(&[]).fails(2, &["policy.toml", "line 1"]);
}

#[test]
fn an_address_that_is_no_trusted_proxy_is_told_nothing_but_health() {
    let issuer = Issuer::new();
    let program = installed(&issuer);
    let args = ["--from", "nginx", "--trusted-proxy", "192.0.2.0/24"];
    let server = Server::start(&program, &args);
    let bearer = format!("Bearer {}", issuer.token("orders:read"));
    let mut headers = NGINX.to_vec();
    headers.push(("authorization", &bearer));
    headers.push(("x-forwarded-for", "192.0.2.7"));
    let answer = ask(server.address, "GET", "/auth", &headers, "").unwrap();
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("--trusted-proxy"));
    assert!(!answer.headers.contains_key("x-auth-subject"));
    let health = ask(server.address, "GET", "/health/ready", &[], "").unwrap();
    assert_eq!(health.status, 200);
}

#[test]
fn a_signal_ends_it_when_the_questions_under_way_are_answered() {
    let program = installed(&Issuer::new());
    let mut server = Server::start(&program, &["--from", "nginx"]);
    let asked = ask(server.address, "GET", "/auth", &NGINX, "").unwrap();
    assert_eq!(asked.status, 401);
    let id = server.process.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(sent.success());
    let ended = until("it has ended", || {
        server.process.child().try_wait().unwrap()
    });
    assert!(ended.success(), "{ended}");
    assert!(TcpStream::connect(server.address).is_err());
}
