//! The newcomer's command: who it says to log in as sees what happens.

use super::process::{FORM, ask, until};
use crate::cli::program::Program;
use crate::support::Answer;
use crate::support::app::form;
use crate::support::browser::form_of;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

/// A running demo and what it printed. It is killed with the value.
pub struct Demo {
    child: Child,
    printed: String,
    pub address: SocketAddr,
}

impl Demo {
    pub fn start(program: &Program) -> Self {
        let mut command = program.command(env!("CARGO_BIN_EXE_gatewright"));
        command.args(["demo", "--port", "0", "--data-dir", "demo"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut printed = String::new();
        for line in lines.map_while(Result::ok) {
            printed += &format!("{line}\n");
            if line.contains("Ctrl-C") {
                break;
            }
        }
        let (_, rest) = printed.split_once("Open    http://").unwrap();
        let address = rest.split_once('/').unwrap().0.parse().unwrap();
        Self {
            child,
            printed,
            address,
        }
    }

    /// The word after these.
    pub fn after(&self, words: &str) -> &str {
        let (_, rest) = self.printed.split_once(words).unwrap();
        rest.split_whitespace().next().unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser: it keeps cookies and follows where it is sent.
struct Visitor(SocketAddr, BTreeMap<String, String>);

impl Visitor {
    fn request(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let (mut method, mut path, mut body) = (method, path.to_owned(), body);
        for _ in 0..10 {
            let cookies: Vec<String> = self.1.iter().map(|(n, v)| format!("{n}={v}")).collect();
            let (cookies, origin) = (cookies.join("; "), format!("http://{}", self.0));
            let headers = [FORM, ("cookie", &*cookies), ("origin", &*origin)];
            let answer = until("it answers", || {
                ask(self.0, method, &path, &headers, body).ok()
            });
            for set in answer.headers.get_all("set-cookie") {
                let pair = set.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                self.1.insert(name.to_owned(), value.to_owned());
            }
            if !answer.leads_on() {
                return answer;
            }
            path = answer.location().replace(&origin, "");
            (method, body) = ("GET", "");
        }
        panic!("sent from place to place: {path}");
    }
}

/// In a folder that is kept the second run finds Ada as she was left.
#[test]
fn the_person_of_the_demo_may_look_at_the_activity() {
    let program = Program::sqlite();
    for _ in 0..2 {
        let demo = Demo::start(&program);
        let url = demo.after("Watch   ");
        let path = url
            .strip_prefix(&format!("http://{}", demo.address))
            .unwrap();
        let mut visitor = Visitor(demo.address, BTreeMap::new());
        let page = visitor.request("GET", path, "");
        let login = form_of(&page, "login-form");
        let mut fields: Vec<(&str, &str)> = login
            .hidden
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let (name, password) = (demo.after("Log in  as "), demo.after("with the password "));
        fields.extend([("login", name), ("password", password)]);
        let page = visitor.request("POST", &login.action, &form(&fields));
        assert!(
            page.body.contains("id=\"activity\""),
            "{} {}",
            page.status,
            page.body
        );
    }
    // The logins that the demo makes for itself are no administrator's: else each run would raise an alert.
    let mut search = program.command(env!("CARGO_BIN_EXE_gatewright"));
    let search = search
        .env("GATEWRIGHT_DATABASE_URL", "sqlite://demo/gatewright.db")
        .args(["events", "search", "--kind", "login_succeeded", "--json"]);
    let found: Value = serde_json::from_slice(&search.output().unwrap().stdout).unwrap();
    let events = found["events"].as_array().unwrap().iter();
    let of_administrators = events.filter(|event| event["detail"]["administrator"] == true);
    assert_eq!(
        (
            found["events"].as_array().unwrap().len(),
            of_administrators.count()
        ),
        (4, 2)
    );
}

#[test]
fn explain_tells_what_the_authorizer_of_the_demo_denied() {
    let program = Program::sqlite();
    let demo = Demo::start(&program);
    let bearer = [("authorization", "Bearer nonsense")];
    let refused = ask(demo.address, "GET", "/api/orders/7", &bearer, "").unwrap();
    assert_eq!(refused.status, 403, "{}", refused.body);
    let id = refused.header("x-request-id").unwrap();
    let told = until("it is recorded", || {
        let mut explain = program.command(env!("CARGO_BIN_EXE_gatewright"));
        let explain = explain
            .env("GATEWRIGHT_DATABASE_URL", "sqlite://demo/gatewright.db")
            .args(["explain", id]);
        let said = explain.output().unwrap();
        let told = String::from_utf8(said.stdout).unwrap();
        told.contains("denied").then_some(told)
    });
    assert!(told.contains("GET") && told.contains("token"), "{told}");
}
