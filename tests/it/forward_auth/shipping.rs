//! `gatewright authorizer serve --ship-to`: the issuer hears of every denial, now or when it's back.

use super::stage::{Issuer, Process, Server, installed};
use crate::cli::program::Program;
use crate::journey::process::{ask, until};
use gatewright::domain::time::rfc3339;
use gatewright_authorizer::fetch::unix_now;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};

/// An issuer's installation with a client that an authorizer may send its decisions as.
struct Receiver {
    program: Program,
    address: SocketAddr,
    secret: String,
}

impl Receiver {
    fn new(settings: &[(&str, &str)]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let url = format!("http://{address}");
        let mut program = Program::sqlite()
            .with("GATEWRIGHT_ISSUER", &url)
            .with("GATEWRIGHT_LISTEN", &address.to_string())
            .with("GATEWRIGHT_LOG_LEVEL", "error")
            .with("GATEWRIGHT_METRICS_LISTEN", "off");
        for (name, value) in settings {
            program = program.with(name, value);
        }
        let made = program.run(&[
            "client",
            "create",
            "gate",
            "--grant",
            "client_credentials",
            "--scope",
            "gatewright:decisions",
            "--audience",
            &url,
            "--json",
        ]);
        let secret = made.json()["client_secret"].as_str().unwrap().to_owned();
        Self {
            program,
            address,
            secret,
        }
    }

    fn start(&self) -> Process {
        let mut command = self.program.command(env!("CARGO_BIN_EXE_gatewright"));
        let process = Process::start(command.arg("serve"));
        until("the issuer is ready", || {
            let answer = ask(self.address, "GET", "/health/ready", &[], "").ok()?;
            (answer.status == 200).then_some(())
        });
        process
    }

    /// The options that lead here, for an authorizer in this folder.
    fn options(&self, program: &Program) -> Vec<String> {
        program.file("secret", &format!("{}\n", self.secret));
        let url = format!("http://{}", self.address);
        [
            "--ship-to",
            &url,
            "--ship-client",
            "gate",
            "--ship-secret-file",
            "secret",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// Waits for so many decisions.
    fn decisions(&self, count: usize) -> Vec<Value> {
        let search = [
            "events",
            "search",
            "--kind",
            "access_decided",
            "--limit",
            "1000",
            "--json",
        ];
        until("the issuer has the decisions", || {
            let said = self.program.run(&search);
            let found = said.json()["events"].as_array().unwrap().clone();
            (found.len() >= count).then_some(found)
        })
    }
}

fn start(program: &Program, receiver: &Receiver, more: &[&str]) -> Server {
    let options = receiver.options(program);
    let mut args = vec!["--from", "nginx", "--metrics", "127.0.0.1:0"];
    args.extend(options.iter().map(String::as_str));
    args.extend(more);
    Server::start(program, &args)
}

fn call(address: SocketAddr, token: &str, request_id: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("x-original-method", "POST"),
        ("x-original-uri", "/orders"),
        ("authorization", &*bearer),
        ("x-request-id", request_id),
    ];
    ask(address, "GET", "/auth", &headers, "")
        .unwrap()
        .status
        .as_u16()
}

#[test]
fn denials_come_to_the_issuer_and_explain_tells_them() {
    let (issuer, receiver) = (Issuer::new(), Receiver::new(&[]));
    let _running = receiver.start();
    let program = installed(&issuer);
    let server = start(&program, &receiver, &["--ship-allowed", "0"]);
    let (reads, writes) = (issuer.token("orders:read"), issuer.token("orders:write"));
    assert_eq!(call(server.address, &writes, "allowed-1"), 200);
    assert_eq!(call(server.address, &reads, "denied-1"), 403);
    let found = receiver.decisions(1);
    assert_eq!(found.len(), 1, "{found:?}");
    let decided = &found[0]["detail"];
    assert_eq!(decided["reason"], "insufficient_scope");
    assert_eq!(decided["route"], "/orders", "of the rule, not of the call");
    assert_eq!(decided["shipped_by"], "gate");
    let request_id = found[0]["request_id"].as_str().unwrap();
    let told = receiver.program.run(&["explain", request_id]);
    assert!(told.succeeds().contains("orders:write"), "{}", told.stdout);
}

#[test]
fn what_is_logged_has_no_say_in_what_is_sent() {
    let (issuer, receiver) = (Issuer::new(), Receiver::new(&[]));
    let _running = receiver.start();
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    // Quiet, and with traces that nobody takes.
    let program = installed(&issuer)
        .with("GATEWRIGHT_LOG_LEVEL", "error")
        .with("GATEWRIGHT_TRACES_ENDPOINT", "http://127.0.0.1:9");
    let mut command = program.command(env!("CARGO_BIN_EXE_gatewright"));
    command
        .args([
            "authorizer",
            "serve",
            "--policy",
            "policy.toml",
            "--from",
            "nginx",
        ])
        .args(["--listen", &address.to_string()])
        .args(receiver.options(&program));
    let _process = Process::start(&mut command);
    until("it is ready", || {
        ask(address, "GET", "/health/ready", &[], "").ok()
    });
    assert_eq!(call(address, &issuer.token("orders:read"), "denied-1"), 403);
    assert_eq!(
        receiver.decisions(1)[0]["detail"]["reason"],
        "insufficient_scope"
    );
}

#[test]
fn what_was_decided_while_the_issuer_was_away_comes_later_and_in_small_pieces_too() {
    let (issuer, receiver) = (
        Issuer::new(),
        Receiver::new(&[("GATEWRIGHT_HTTP_BODY_LIMIT_BYTES", "2048")]),
    );
    let program = installed(&issuer);
    let mut server = start(&program, &receiver, &[]);
    let reads = issuer.token("orders:read");
    for n in 0..20 {
        assert_eq!(call(server.address, &reads, &format!("denied-{n}")), 403);
    }
    let mut running = receiver.start();
    assert_eq!(receiver.decisions(20).len(), 20);
    // At its end it sends what waits.
    assert_eq!(call(server.address, &reads, "the-last"), 403);
    let terminated = std::process::Command::new("kill")
        .args(["-TERM", &server.process.id().to_string()])
        .status();
    assert!(terminated.unwrap().success());
    until("it has ended", || {
        server.process.child().try_wait().unwrap()
    });
    assert_eq!(receiver.decisions(21).len(), 21);
    assert!(running.child().try_wait().unwrap().is_none());
}

#[test]
fn a_log_is_brought_to_an_issuer_from_elsewhere() {
    let receiver = Receiver::new(&[]);
    let _running = receiver.start();
    let elsewhere = installed(&Issuer::new());
    elsewhere.file("secret", &receiver.secret);
    let now = rfc3339(unix_now());
    let line = |n: usize, decision: &str| {
        format!(
            r#"{{"@timestamp":"{now}","log.logger":"gatewright::decision","decision":"{decision}","request_id":"r-{n}"}}"#
        )
    };
    // More than one batch, by number and by size.
    let lines: Vec<String> = (0..500)
        .map(|n| line(n, if n % 2 == 0 { "deny" } else { "allow" }))
        .collect();
    elsewhere.file(
        "decisions.log",
        &format!("password=hunter2\n{}\n", lines.join("\n")),
    );
    let url = format!("http://{}", receiver.address);
    let to = [
        "events",
        "import",
        "decisions.log",
        "--to",
        &url,
        "--client",
        "gate",
        "--secret-file",
        "secret",
    ];
    let tenth = elsewhere
        .run(&[&to[..], &["--allowed", "0.1", "--json"]].concat())
        .json();
    let first = tenth["added"].as_u64().unwrap();
    assert!((273..=277).contains(&first), "{tenth}");
    let some = json!({"added": first, "known": 0, "left_out": 500 - first, "passed_over": 1});
    assert_eq!(tenth, some);
    let all = elsewhere.run(&[&to[..], &["--json"]].concat()).json();
    let rest = json!({"added": 500 - first, "known": first, "left_out": 0, "passed_over": 1});
    assert_eq!(all, rest);
    assert_eq!(receiver.decisions(500).len(), 500);
    // What is wrong is said, and never the secret.
    elsewhere.file("secret", "gws_wrong");
    let refused = elsewhere.run(&to);
    refused.fails(
        1,
        &["token endpoint answered 401", "bring in the log again"],
    );
    assert!(!refused.stderr.contains("gws_wrong"));
    elsewhere
        .run(&["events", "import", "decisions.log", "--to", &url])
        .fails(2, &["--client"]);
    let plain = [
        "events",
        "import",
        "decisions.log",
        "--to",
        "http://id.example.com",
        "--client",
        "gate",
        "--secret-file",
        "secret",
    ];
    elsewhere.run(&plain).fails(2, &["must be https"]);
}
