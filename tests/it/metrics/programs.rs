//! Metrics of the programs: where each shows them, and what becomes of a port that is taken.

use super::{accepted_by_prometheus, series, value};
use crate::cli::program::Program;
use crate::forward_auth::stage::{Issuer, Process, Server, free_address, installed};
use crate::journey::process::{ask, until};
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};

#[path = "../../../authorizer/tests/it/support/emf_rules.rs"]
mod emf_rules;

const LISTEN: &str = "GATEWRIGHT_METRICS_LISTEN";

/// An installation whose issuer is at a port of its own.
fn installation() -> (Program, SocketAddr) {
    let address = free_address();
    let program = Program::sqlite()
        .with("GATEWRIGHT_ISSUER", &format!("http://{address}"))
        .with("GATEWRIGHT_LISTEN", &address.to_string());
    (program, address)
}

/// Starts a command of the program; what it writes comes line by line.
fn start(program: &Program, args: &[&str]) -> (Process, Receiver<String>, Receiver<String>) {
    let mut command = Process::command(env!("CARGO_BIN_EXE_gatewright"));
    command
        .env_clear()
        .envs(&program.env)
        .env("PATH", "/usr/bin:/bin")
        .current_dir(&program.dir.0)
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = Process::start(&mut command);
    let out = lines(process.child().stdout.take().unwrap());
    let err = lines(process.child().stderr.take().unwrap());
    (process, out, err)
}

fn lines(of: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(of).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    receive
}

fn line_with(lines: &Receiver<String>, words: &str) -> String {
    let mut seen = String::new();
    until(words, || {
        let line = lines.try_recv().ok()?;
        seen.push_str(&line);
        line.contains(words).then_some(line)
    })
}

fn scrape(address: SocketAddr) -> String {
    let answer = until("metrics are read", || {
        ask(address, "GET", "/metrics", &[], "").ok()
    });
    assert_eq!(answer.status, 200);
    answer.body
}

/// Ports that a process and its children listen on.
fn ports(of: &mut Process) -> Vec<u16> {
    let id = of.id();
    let files = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    let sockets: Vec<String> = files
        .flatten()
        .filter_map(|file| Some(std::fs::read_link(file.path()).ok()?.display().to_string()))
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{id}/net/tcp")).unwrap();
    table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        // 0A: it listens.
        .filter(|columns| columns[3] == "0A" && sockets.iter().any(|own| own == columns[9]))
        .map(|columns| u16::from_str_radix(columns[1].split_once(':').unwrap().1, 16).unwrap())
        .collect()
}

#[test]
fn a_node_shows_its_metrics_where_its_configuration_says() {
    let (program, address) = installation();
    let metrics = free_address();
    let program = program.with(LISTEN, &metrics.to_string());
    let (mut process, _out, err) = start(&program, &["serve"]);
    line_with(&err, &format!("metrics are at http://{metrics}/metrics"));
    until("the node is ready", || {
        ask(address, "GET", "/health/ready", &[], "").ok()
    });
    let age = "gatewright_signing_key_age_seconds{alg=\"ES256\",state=\"active\"}";
    let body = until("the keys have been read", || {
        let body = scrape(metrics);
        body.contains(age).then_some(body)
    });
    accepted_by_prometheus(&body);
    let all = series(&body);
    let health = "gatewright_http_requests_total{endpoint=\"health\",status=\"200\"}";
    assert!(value(&all, health) >= 1.0, "{body}");
    assert!(body.contains("gatewright_build_info{version=\""));
    // Scrapes are no requests of the issuer, and leave no lines in its log.
    assert!(!body.contains("endpoint=\"other\""), "{body}");
    let own = err.try_iter().find(|line| line.contains("path=/metrics"));
    assert_eq!(own, None);
    let mut listening = ports(&mut process);
    listening.sort_unstable();
    let mut expected = [address.port(), metrics.port()];
    expected.sort_unstable();
    assert_eq!(listening, expected);
}

#[test]
fn a_port_that_is_taken_stops_a_node_that_was_told_to_use_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = (taken.local_addr().unwrap(), taken);
    let (program, _) = installation();
    let program = program.with(LISTEN, &taken.0.to_string());
    let said = program.run(&["serve"]);
    assert_eq!(said.code, 2, "{}", said.stderr);
    let address = taken.0.to_string();
    for words in [
        "metrics.listen",
        &address,
        "choose another address or port",
        "off",
    ] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
}

#[test]
fn a_default_port_that_is_taken_is_only_a_warning() {
    // Another test's node may have it for a while.
    let _taken = until("the default port is free", || {
        TcpListener::bind("127.0.0.1:9464").ok()
    });
    let (program, address) = installation();
    let (_process, _out, err) = start(&program, &["serve"]);
    let warning = line_with(&err, "no metrics: 127.0.0.1:9464");
    assert!(warning.contains("GATEWRIGHT_METRICS_LISTEN"), "{warning}");
    until("the node is ready", || {
        ask(address, "GET", "/health/ready", &[], "").ok()
    });
}

#[test]
fn an_address_that_is_none_is_refused_with_what_to_write() {
    let (program, _) = installation();
    for (name, value, words) in [
        (LISTEN, "9464", "127.0.0.1:8080"),
        (LISTEN, "9464", "or off"),
        ("GATEWRIGHT_METRICS_FORMAT", "statsd", "prometheus, emf"),
    ] {
        let mut program = Program::on(
            crate::support::database::TempDir::new(),
            program.url.clone(),
        );
        program.env.insert(name.to_owned(), value.to_owned());
        program.run(&["serve"]).fails(2, &[words]);
    }
}

#[test]
fn lines_of_emf_are_on_standard_output_and_nothing_listens() {
    let (program, address) = installation();
    let program = program.with("GATEWRIGHT_METRICS_FORMAT", "emf");
    let (mut process, out, _err) = start(&program, &["serve"]);
    let line = line_with(&out, "CloudWatchMetrics");
    let root = emf_rules::read(&line);
    assert_eq!(
        (&root["service"], &root["ColdStart"]),
        (&"issuer".into(), &1.into())
    );
    assert_eq!(emf_rules::dimensions(&root, "Faults"), [["service"]]);
    until("the node is ready", || {
        ask(address, "GET", "/health/ready", &[], "").ok()
    });
    assert_eq!(ports(&mut process), [address.port()]);
}

#[test]
fn the_demo_shows_no_metrics_unless_asked() {
    let program = Program::sqlite();
    let (mut silent, out, _err) = start(&program, &["demo", "--port", "0"]);
    line_with(&out, "Stop with Ctrl-C");
    until("it listens", || {
        (!ports(&mut silent).is_empty()).then_some(())
    });
    assert_eq!(ports(&mut silent).len(), 1);

    let metrics = free_address();
    let address = metrics.to_string();
    let (_asked, _out, _err) = start(&program, &["demo", "--port", "0", "--metrics", &address]);
    assert!(scrape(metrics).contains("gatewright_build_info"));
}

#[test]
fn forward_auth_counts_decisions_by_reason() {
    let issuer = Issuer::new();
    let program = installed(&issuer);
    let metrics = free_address();
    let server = Server::start(
        &program,
        &["--from", "nginx", "--metrics", &metrics.to_string()],
    );
    let bearer = format!("Bearer {}", issuer.token("orders:read"));
    let call = |method, authorization| {
        let headers = [
            ("x-original-method", method),
            ("x-original-uri", "/orders/canary"),
            ("authorization", authorization),
        ];
        ask(server.address, "GET", "/auth", &headers, "")
            .unwrap()
            .status
    };
    assert_eq!(call("GET", &bearer), 200);
    assert_eq!(call("GET", &bearer), 200);
    assert_eq!(call("DELETE", &bearer), 403);
    assert_eq!(call("GET", "Bearer x"), 401);
    let body = scrape(metrics);
    accepted_by_prometheus(&body);
    let all = series(&body);
    for (decision, reason, count) in [
        ("allow", "none", 2.0),
        ("deny", "no_rule", 1.0),
        ("unauthorized", "token_malformed", 1.0),
    ] {
        let name = format!(
            "gatewright_authorizer_decisions_total{{decision=\"{decision}\",reason=\"{reason}\"}}"
        );
        assert_eq!(value(&all, &name), count, "{body}");
    }
    assert_eq!(
        value(
            &all,
            "gatewright_authorizer_decision_duration_seconds_count"
        ),
        4.0
    );
    let requests = "gatewright_http_requests_total{endpoint=\"auth\",status=\"200\"}";
    assert_eq!(value(&all, requests), 2.0);
    assert!(!body.contains("canary") && !body.contains("worker"));
    assert!(!body.contains("gatewright_db_"), "it has no database");
}

#[test]
fn the_dev_gateway_counts_decisions_and_fetches() {
    let program = installed(&Issuer::new());
    // Keys that nobody serves.
    let policy = crate::forward_auth::stage::POLICY.replace(
        "{ pinned = \"jwks.json\" }",
        "{ uri = \"http://127.0.0.1:9/jwks\" }",
    );
    program.file("policy.toml", &policy);
    let (metrics, gateway) = (free_address(), free_address());
    let (_process, out, err) = start(
        &program,
        &[
            "gateway",
            "--policy",
            "policy.toml",
            "--upstream",
            "http://127.0.0.1:9",
            "--listen",
            &gateway.to_string(),
            "--metrics",
            &metrics.to_string(),
        ],
    );
    let started = until("it starts", || {
        out.try_recv().or_else(|_| err.try_recv()).ok()
    });
    let bearer = format!("Bearer {}", Issuer::new().token("orders:read"));
    let headers = [("authorization", bearer.as_str())];
    let answer = until(&started, || {
        ask(gateway, "GET", "/orders/7", &headers, "").ok()
    });
    assert_eq!(answer.status, 500, "{}", answer.body);
    let all = series(&scrape(metrics));
    let failed = "gatewright_authorizer_jwks_fetches_total{result=\"failed\"}";
    assert_eq!(value(&all, failed), 1.0, "{all:?}");
    let faults =
        "gatewright_authorizer_decisions_total{decision=\"fault\",reason=\"keys_unavailable\"}";
    assert_eq!(value(&all, faults), 1.0, "{all:?}");
    let duration = "gatewright_authorizer_decision_duration_seconds_count";
    assert_eq!(value(&all, duration), 1.0);
}
