//! The failures of `docs/troubleshooting.md`, each made and explained: what the document says that `explain` shows is
//! what it shows. And stories from end to end.

mod api_calls;
mod authorization;
mod every_answer;
mod installation;
mod stories;
mod token_requests;

use crate::support::TestApp;
use crate::support::app::ISSUER;
use crate::support::fixtures::API;
use gatewright::cli::explain::{as_json, in_words};
use gatewright::flows::admin::decisions::{self, Batch};
use gatewright::flows::admin::{Admin, AdminError};
use gatewright::flows::explain::{Known, Story, explain};
use gatewright::store::events::EventRow;
use gatewright_authorizer::jose::JwkSet;
use gatewright_authorizer::{Authorizer, Policy, Verifier};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex};

/// Declares cases: each makes a failure and gives what `explain` prints of it, on both databases. Their names are those
/// in the document.
macro_rules! cases {
    ($(async fn $name:ident($app:ident: TestApp) $body:block)+) => {
        pub const CASES: &[&str] = &[$(stringify!($name)),+];
        $crate::support::on_both_databases! {
            $(async fn $name($app: TestApp) {
                let shown: String = async $body.await;
                $crate::troubleshooting::is_documented(stringify!($name), &shown);
            })+
        }
    };
}
use cases;

const DOCUMENT: &str = include_str!("../../../docs/troubleshooting.md");

/// What the document shows of a case: the blocks of its section.
fn documented(case: &str) -> Option<Vec<&'static str>> {
    let marker = format!("<!-- case: {case} -->");
    let (_, section) = DOCUMENT.split_once(&marker)?;
    let section = section.split("\n## ").next()?;
    let blocks: Vec<&str> = section
        .split("```text\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .collect();
    Some(
        blocks
            .iter()
            .flat_map(|block| block.lines())
            .filter(|line| !line.is_empty())
            .collect(),
    )
}

#[track_caller]
fn is_documented(case: &str, shown: &str) {
    let lines =
        documented(case).unwrap_or_else(|| panic!("no section for {case}, which shows:\n{shown}"));
    assert!(
        lines.iter().any(|line| line.starts_with("  ")),
        "{case} shows no cause"
    );
    for line in lines {
        assert!(
            shown.lines().any(|other| other == line),
            "the document says of {case}:\n{line}\nand this is shown:\n{shown}"
        );
    }
}

#[test]
fn every_failure_of_the_document_has_a_case_and_every_case_a_section() {
    let named: Vec<&str> = DOCUMENT
        .split("<!-- case: ")
        .skip(1)
        .filter_map(|rest| rest.split(" -->").next())
        .collect();
    let mut cases: Vec<&str> = [
        authorization::CASES,
        token_requests::CASES,
        api_calls::CASES,
        installation::CASES,
    ]
    .concat();
    assert!(cases.len() >= 25, "{}", cases.len());
    let headings = DOCUMENT
        .lines()
        .filter(|line| line.starts_with("## "))
        .count();
    assert_eq!(headings, named.len(), "every section has its case");
    let mut sorted = named.clone();
    sorted.sort_unstable();
    cases.sort_unstable();
    assert_eq!(sorted, cases);
}

/// Lines that an administrator brings in.
pub fn by_hand(lines: &[String]) -> Batch<'_> {
    Batch {
        lines,
        sender: None,
    }
}

pub fn admin(app: &TestApp) -> Admin<'_> {
    let issuer = &app.issuer;
    Admin {
        store: &issuer.store,
        master: &issuer.master,
        entropy: &issuer.entropy,
        passwords: &issuer.passwords,
        events: &issuer.events,
        actor: "cli",
    }
}

/// What is known besides the events: a decision log and a policy file.
#[derive(Default)]
pub struct Beside {
    pub log: String,
    pub policy: Option<Policy>,
}

pub async fn story(app: &TestApp, id: &str, beside: &Beside) -> Result<Story, AdminError> {
    app.write_events().await;
    let lines = beside.log.lines();
    let log: Vec<EventRow> = lines
        .filter_map(|line| decisions::decision(line, None, app.now()))
        .map(|event| EventRow::unchained(&event))
        .collect();
    let known = Known {
        log: &log,
        policy: beside.policy.as_ref(),
        issuer: ISSUER,
        retention_days: 90,
    };
    explain(admin(app), id, known, app.now()).await
}

/// What `gatewright explain` prints of an answer.
pub async fn explained(app: &TestApp, answer: &crate::support::Answer) -> String {
    let id = answer.header("x-request-id").unwrap();
    let story = story(app, id, &Beside::default()).await.unwrap();
    assert_eq!(
        as_json(&story)["why"],
        json!(story.why),
        "JSON tells the same"
    );
    in_words(&story)
}

/// The API's policy file.
pub fn policy_of(issuer: &str, audience: &str) -> Policy {
    Policy::parse(&format!(
        r#"
[[issuer]]
url = "{issuer}"
audiences = ["{audience}"]
algorithms = ["ES256", "RS256"]

[[rule]]
id = "orders-read"
methods = ["GET"]
path = "/orders/{{id}}"
scopes = ["orders:read"]

[[rule]]
id = "orders-write"
methods = ["POST"]
path = "/orders"
scopes = ["orders:write"]
"#
    ))
    .unwrap()
}

/// The API behind its authorizer.
pub struct Api {
    pub policy: Policy,
    authorizer: Authorizer,
}

/// An authorizer's answer and the line of its log.
pub struct Decided {
    pub answer: Value,
    pub log: String,
}

impl Api {
    /// With the keys that the app publishes now.
    pub async fn of(app: &TestApp, policy: Policy) -> Self {
        let keys = JwkSet::parse(app.get("/jwks.json").await.body.as_bytes()).unwrap();
        let issuers: Vec<_> = policy
            .issuers()
            .iter()
            .map(|rules| (rules.token_rules(), keys.clone()))
            .collect();
        let verifier = Verifier::with_fixed_keys(issuers);
        Self::verifying(policy, verifier)
    }

    pub fn verifying(policy: Policy, verifier: Verifier) -> Self {
        Self {
            authorizer: Authorizer::new(policy.clone(), verifier),
            policy,
        }
    }

    /// The usual one.
    pub async fn usual(app: &TestApp) -> Self {
        Self::of(app, policy_of(ISSUER, API)).await
    }

    /// One call of an HTTP API, whose request id is `call-1`.
    pub async fn call(
        &self,
        app: &TestApp,
        authorization: &str,
        method: &str,
        path: &str,
    ) -> Decided {
        self.decide(app, &http_v2(authorization, method, path))
            .await
    }

    pub async fn decide(&self, app: &TestApp, event: &Value) -> Decided {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().json().with_writer({
            let log = log.clone();
            move || log.clone()
        });
        // With one subscriber alone, the thread that comes first decides whether a line is of interest to anybody.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        let _listening = tracing::subscriber::set_default(subscriber.finish());
        let answer = self.authorizer.answer(event, app.now()).await;
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let log = log
            .lines()
            .find(|line| line.contains("gatewright::decision"))
            .unwrap()
            .to_owned();
        let log = at(&log, app.now());
        let answer = answer.unwrap_or_else(|error| json!({"error": error.to_string()}));
        Decided { answer, log }
    }

    /// What `gatewright explain --decisions … --policy …` prints of a call.
    pub async fn explained(&self, app: &TestApp, decided: &Decided) -> String {
        let beside = Beside {
            log: decided.log.clone(),
            policy: Some(self.policy.clone()),
        };
        in_words(&story(app, "call-1", &beside).await.unwrap())
    }
}

/// The line as it would be at this time.
fn at(line: &str, now: i64) -> String {
    let mut line: Value = serde_json::from_str(line.trim()).unwrap();
    line["timestamp"] = json!(gatewright::cli::out::rfc3339(now));
    line.to_string()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An event of an HTTP API, payload 2.0.
pub fn http_v2(authorization: &str, method: &str, path: &str) -> Value {
    json!({
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": format!("arn:aws:execute-api:eu-west-1:123456789012:abcdef123/$default/{method}{path}"),
        "identitySource": [authorization],
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"authorization": authorization},
        "requestContext": {
            "accountId": "123456789012", "apiId": "abcdef123", "domainName": "api.example.com",
            "domainPrefix": "abcdef123", "requestId": "call-1", "routeKey": "$default", "stage": "$default",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.1",
                "userAgent": "curl"},
            "time": "x", "timeEpoch": 1,
        },
    })
}
