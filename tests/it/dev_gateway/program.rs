//! `gatewright gateway` itself: a running issuer, the gateway, an upstream; in process and with a native bootstrap.

use super::support::{PlainServer, got, upstream, values};
use crate::cli::program::Program;
use crate::http_server::support::{Answer, Raw};
use crate::journey::process::{FORM, ask, until};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use tokio::net::TcpStream;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running issuer with a machine client, and its policy file.
struct Issuer {
    program: Program,
    _node: Running,
    address: SocketAddr,
    secret: String,
}

const RULES: &str = r#"
[[rule]]
id = "orders-read"
methods = ["GET"]
path = "/orders/{id}"
scopes = ["orders:read"]

[[rule]]
id = "orders-write"
methods = ["POST"]
path = "/orders"
scopes = ["orders:write"]
"#;

impl Issuer {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let issuer = format!("http://{address}");
        let program = Program::sqlite()
            .with("GATEWRIGHT_ISSUER", &issuer)
            .with("GATEWRIGHT_LISTEN", &address.to_string())
            .with("GATEWRIGHT_LOG_LEVEL", "warn");
        let client = program.run(&[
            "client",
            "create",
            "worker",
            "--type",
            "confidential",
            "--grant",
            "client_credentials",
            "--scope",
            "orders:read orders:write",
            "--audience",
            "https://api.example.com",
            "--json",
        ]);
        let secret = client.json()["client_secret"].as_str().unwrap().to_owned();
        let mut node = Running(
            program
                .command(env!("CARGO_BIN_EXE_gatewright"))
                .arg("serve")
                .stdin(Stdio::null())
                .spawn()
                .unwrap(),
        );
        until("the issuer is ready", || {
            assert!(
                node.0.try_wait().unwrap().is_none(),
                "the issuer ended by itself"
            );
            ask(address, "GET", "/health/ready", &[], "")
                .is_ok_and(|answer| answer.status == 200)
                .then_some(())
        });
        program.file(
            "policy.toml",
            &format!(
                "[[issuer]]\nurl = \"{issuer}\"\naudiences = [\"https://api.example.com\"]\nalgorithms = [\"ES256\"]\n{RULES}"
            ),
        );
        Self {
            program,
            _node: node,
            address,
            secret,
        }
    }

    fn token(&self, scope: &str) -> String {
        let body = format!(
            "grant_type=client_credentials&client_id=worker&client_secret={}&scope={scope}",
            self.secret
        );
        let answer = ask(self.address, "POST", "/token", &[FORM], &body).unwrap();
        answer.json()["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", answer.body))
            .to_owned()
    }

    /// A gateway before the upstream, on a port of its own.
    fn gateway(&self, upstream: &PlainServer, args: &[&str]) -> RunningGateway {
        let mut command = self.program.command(env!("CARGO_BIN_EXE_gatewright"));
        let target = format!("http://{}", upstream.addr);
        command.args([
            "gateway",
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            &target,
            "--policy",
            "policy.toml",
        ]);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Running(command.spawn().unwrap());
        let mut first = String::new();
        let mut out = BufReader::new(child.0.stdout.take().unwrap());
        out.read_line(&mut first).unwrap();
        let address = first
            .split(' ')
            .nth(2)
            .and_then(|url| url.strip_prefix("http://"))
            .map(str::parse);
        let Some(Ok(address)) = address else {
            let mut log = String::new();
            child
                .0
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut log)
                .unwrap();
            panic!("{first}{log}")
        };
        RunningGateway { child, address }
    }
}

struct RunningGateway {
    child: Running,
    address: SocketAddr,
}

impl RunningGateway {
    async fn call(&self, method: &str, path: &str, token: &str) -> Answer {
        let host = self.address.to_string();
        self.call_as(&host, method, path, token).await
    }

    async fn call_as(&self, host: &str, method: &str, path: &str, token: &str) -> Answer {
        let mut raw = Raw::new(TcpStream::connect(self.address).await.unwrap());
        raw.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
        ))
        .await;
        raw.answer().await.unwrap()
    }

    /// Ends it, and gives back what it logged.
    fn log(mut self) -> String {
        let mut log = self.child.0.stderr.take().unwrap();
        let id = self.child.0.id().to_string();
        let sent = std::process::Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &id])
            .status();
        assert!(sent.unwrap().success());
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        assert!(self.child.0.wait().unwrap().success(), "{text}");
        text
    }
}

/// The Lambda function's binary, built if it isn't there.
fn bootstrap() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_gatewright")).with_file_name("bootstrap");
    if !path.exists() {
        let built = std::process::Command::new(env!("CARGO"))
            .args(["build", "-p", "gatewright-authorizer", "--bin", "bootstrap"])
            .status()
            .unwrap();
        assert!(built.success() && path.exists(), "no {}", path.display());
    }
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_api_guards_the_upstream_in_process_and_with_a_bootstrap() {
    let issuer = Issuer::start();
    let upstream = PlainServer::start(upstream()).await;
    let (reader, writer) = (issuer.token("orders:read"), issuer.token("orders:write"));
    let bootstrap = bootstrap().display().to_string();
    let mut sets: Vec<Vec<&str>> = vec![vec![], vec!["--bootstrap", &bootstrap]];
    for kind in [
        &["--authorizer", "http-1.0"][..],
        &["--api", "rest"],
        &["--api", "rest", "--authorizer", "token"],
    ] {
        sets.push(kind.to_vec());
        sets.push([kind, &["--bootstrap", &bootstrap]].concat());
    }
    for args in sets {
        let gateway = issuer.gateway(&upstream, &args);
        let bad = if args.contains(&"rest") { 401 } else { 403 };
        for (method, path, token, status) in [
            ("GET", "/orders/7", reader.as_str(), 200),
            ("GET", "/orders/8", &reader, 200),
            ("POST", "/orders", &reader, 403),
            ("POST", "/orders", &writer, 200),
            ("GET", "/orders/7", &writer, 403),
            ("GET", "/orders/7/items", &reader, 403),
            ("GET", "/nowhere", &reader, 403),
            ("GET", "/orders/7", "x", bad),
        ] {
            let answer = gateway.call(method, path, token).await;
            assert_eq!(
                answer.status, status,
                "{args:?} {method} {path}: {answer:?}"
            );
            if status == 200 {
                let got = got(&answer);
                assert_eq!(got["target"], path);
                assert_eq!(values(&got, "x-authorizer-client-id"), ["worker"]);
            }
        }
        let log = gateway.log();
        assert_eq!(log.matches("verdict=").count(), 8, "one line a call: {log}");
        assert!(
            !log.contains(&reader[..60]) && !log.contains(&writer[..60]),
            "{log}"
        );
        assert!(
            log.contains("cached=true"),
            "the second route came from the cache: {log}"
        );
        assert!(
            log.contains("verdict=deny") && log.contains("--ttl 0"),
            "{log}"
        );
    }
}

/// A page of the web whose name leads to this machine (DNS rebinding) calls no API through it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_loopback_it_answers_to_its_own_names() {
    let issuer = Issuer::start();
    let upstream = PlainServer::start(upstream()).await;
    let reader = issuer.token("orders:read");
    let gateway = issuer.gateway(&upstream, &["--host", "api.test"]);
    for (host, status) in [
        ("localhost", 200),
        ("api.test", 200),
        ("api.test:8081", 200),
        ("rebound.evil.example", 421),
        ("xapi.test", 421),
    ] {
        let answer = gateway.call_as(host, "GET", "/orders/7", &reader).await;
        assert_eq!(answer.status, status, "{host}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootstrap_that_dies_is_started_again() {
    let issuer = Issuer::start();
    let upstream = PlainServer::start(upstream()).await;
    // It passes one event on to the real one, then both are gone.
    let real = bootstrap().display().to_string();
    let once = issuer.program.file(
        "once",
        &format!("#!/bin/sh\nif [ -e dead ]; then exec {real}; fi\n: > dead\nexit 3\n"),
    );
    std::process::Command::new("chmod")
        .args(["+x", &once])
        .status()
        .unwrap();
    let gateway = issuer.gateway(&upstream, &["--bootstrap", &once]);
    let token = issuer.token("orders:read");
    assert_eq!(gateway.call("GET", "/orders/7", &token).await.status, 500);
    assert_eq!(gateway.call("GET", "/orders/7", &token).await.status, 200);
    assert_eq!(gateway.call("GET", "/orders/7", "x").await.status, 403);
    let log = gateway.log();
    assert_eq!(log.matches("bootstrap started").count(), 2, "{log}");
    assert!(
        log.contains("the bootstrap ended by itself (exit status: 3)"),
        "{log}"
    );
}

#[test]
fn what_can_not_work_is_refused_with_what_to_do() {
    let program = Program::sqlite();
    let head =
        "[[issuer]]\nurl = \"http://127.0.0.1:1\"\naudiences = [\"a\"]\nalgorithms = [\"ES256\"]\n";
    program.file("policy.toml", &format!("{head}{RULES}"));
    program.file(
        "simple.toml",
        &format!("{head}[response]\nhttp_v2 = \"simple\"\n{RULES}"),
    );
    program.file("bad.toml", "[[rule]]\nid = 1");
    let with = |policy: &'static str, rest: &[&'static str]| -> Vec<&'static str> {
        let start = [
            "gateway",
            "--upstream",
            "http://127.0.0.1:1",
            "--policy",
            policy,
        ];
        start.iter().chain(rest).copied().collect()
    };
    for (args, words) in [
        (
            vec!["gateway", "--upstream", "http://127.0.0.1:1"],
            "--policy <FILE>",
        ),
        (
            vec!["gateway", "--policy", "policy.toml"],
            "--upstream <URL>",
        ),
        (
            vec![
                "gateway",
                "--policy",
                "policy.toml",
                "--upstream",
                "https://x",
            ],
            "http://HOST:PORT",
        ),
        (with("nowhere.toml", &[]), "check the path"),
        (with("bad.toml", &[]), "bad.toml: "),
        (with("simple.toml", &[]), "--authorizer http-2.0-simple"),
        (
            with("policy.toml", &["--authorizer", "http-2.0-simple"]),
            "--authorizer http-2.0-iam",
        ),
        (
            with(
                "simple.toml",
                &["--authorizer", "http-2.0-simple", "--ttl", "60"],
            ),
            "reuse one answer for every path",
        ),
        (
            with(
                "policy.toml",
                &["--api", "rest", "--authorizer", "http-1.0"],
            ),
            "--api http",
        ),
        (
            with("policy.toml", &["--authorizer", "token"]),
            "--api rest",
        ),
        (
            with("policy.toml", &["--api", "rest", "--stage", "$default"]),
            "only an HTTP API",
        ),
        (with("policy.toml", &["--stage", "a/b"]), "letters, digits"),
        (with("policy.toml", &["--ttl", "3601"]), "3601"),
        (
            with("policy.toml", &["--identity-source", "Authorization"]),
            "$request.header.NAME",
        ),
        (
            with(
                "policy.toml",
                &[
                    "--api",
                    "rest",
                    "--authorizer",
                    "token",
                    "--identity-source",
                    "$context.path",
                ],
            ),
            "one header",
        ),
        (
            with("policy.toml", &["--bootstrap", "nowhere"]),
            "nowhere can't be read",
        ),
        (
            with("policy.toml", &["--listen", "here"]),
            "such as 127.0.0.1:8081",
        ),
        (
            with("policy.toml", &["--issuer", "x"]),
            "gatewright gateway --help",
        ),
    ] {
        program.run(&args).fails(2, &[words]);
    }
}
