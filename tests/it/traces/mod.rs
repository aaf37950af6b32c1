//! Traces: what a collector gets, and what nobody has to wait for.

pub mod collector;
mod issuer;
mod outage;
mod passed_on;

use crate::cli::program::Program;
use crate::forward_auth::stage::{Process, free_address};
use crate::journey::process::{ask, until};
use crate::support::Answer;
use collector::Collector;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// A `traceparent` with these flags.
fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{SPAN}-{flags}")
}

/// `gatewright serve` with the client `worker`, and its log.
pub struct Issuer {
    process: Process,
    address: SocketAddr,
    secret: String,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Issuer {
    pub fn start(program: Program, collector: Option<&Collector>, more: &[(&str, &str)]) -> Self {
        let address = free_address();
        let mut program = program
            .with("GATEWRIGHT_ISSUER", &format!("http://{address}"))
            .with("GATEWRIGHT_LISTEN", &address.to_string())
            .with("GATEWRIGHT_LOG_FORMAT", "json");
        let worker = [
            "client",
            "create",
            "worker",
            "--type",
            "confidential",
            "--grant",
            "client_credentials",
            "--scope",
            "orders:read",
            "--audience",
            "https://api.example.com",
            "--json",
        ];
        let made = program.run(&worker).json();
        if let Some(collector) = collector {
            program = program.with("GATEWRIGHT_TRACES_ENDPOINT", &collector.url());
        }
        for (name, value) in more {
            program = program.with(name, value);
        }
        let mut command = program.command(env!("CARGO_BIN_EXE_gatewright"));
        command.arg("serve").stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let lines = BufReader::new(process.child().stderr.take().unwrap()).lines();
        let log = Arc::<Mutex<Vec<Value>>>::default();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            // The folder goes when the program has ended.
            let _program = program;
            for line in lines.map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                kept.lock().unwrap().push(line);
            }
        });
        let mut issuer = Self {
            process,
            address,
            secret: made["client_secret"].as_str().unwrap().to_owned(),
            log,
        };
        until("the issuer is ready", || {
            let ended = issuer.process.child().try_wait().unwrap();
            assert!(ended.is_none(), "{:?}", issuer.lines("gatewright"));
            // Unrecorded, so that no test has to leave it out.
            let headers = [("traceparent", traceparent("00"))];
            issuer
                .try_get("/health/ready", &headers)
                .filter(|answer| answer.status == 200)
        });
        issuer
    }

    fn try_get(&self, path: &str, headers: &[(&str, String)]) -> Option<Answer> {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        ask(self.address, "GET", path, &headers, "").ok()
    }

    pub fn get(&self, path: &str, headers: &[(&str, String)]) -> Answer {
        self.try_get(path, headers).unwrap()
    }

    /// A token for the worker.
    fn token(&self, headers: &[(&str, &str)]) -> Answer {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let body = format!(
            "grant_type=client_credentials&client_id=worker&client_secret={}",
            self.secret
        );
        let headers = [&[form], headers].concat();
        ask(self.address, "POST", "/token", &headers, &body).unwrap()
    }

    fn lines(&self, target: &str) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        let of_target = |line: &&Value| {
            line["log.logger"]
                .as_str()
                .is_some_and(|own| own.starts_with(target))
        };
        log.iter().filter(of_target).cloned().collect()
    }

    /// The line that an answer left.
    fn line_of(&self, answer: &Answer) -> Value {
        let id = answer.headers["x-request-id"].to_str().unwrap();
        until("the answer is logged", || {
            let lines = self.lines("gatewright::access");
            lines.into_iter().find(|line| line["request_id"] == id)
        })
    }

    /// SIGTERM; returns how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        let sent = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -TERM {}", self.process.id()))
            .status();
        assert!(sent.unwrap().success());
        until("the issuer has ended", || {
            self.process.child().try_wait().unwrap()
        })
    }
}
