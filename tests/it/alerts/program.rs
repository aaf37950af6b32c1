//! The program: its commands on alerts, and a server that raises one and tells of it.

use super::servers::{Pki, Receiver, answer};
use crate::cli::program::{Program, on_either};
use gatewright::store::Store;
use gatewright::store::alerts::{self, AlertRow};
use gatewright_authorizer::fetch::unix_now;
use serde_json::Value;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

async fn raise(store: &Store, alert_id: &str, target: &str) {
    let now = unix_now();
    let alert = AlertRow {
        alert_id: alert_id.to_owned(),
        rule: "refresh_replay".to_owned(),
        target: target.to_owned(),
        summary: "1 spent refresh tokens that came again".to_owned(),
        since: now,
        seen_at: now,
        observed: 1,
        normal: None,
        alert_limit: 1,
        top: r#"{"clients":[{"name":"web","count":1}]}"#.to_owned(),
        opened_at: now,
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
    };
    let mut tx = store.begin().await.unwrap();
    assert!(alerts::open(&mut tx, &alert).await.unwrap());
    tx.commit().await.unwrap();
}

/// The program with a webhook to the receiver.
fn with_webhook(program: Program, pki: &Pki, receiver: &Receiver) -> Program {
    let secret = program.file("secret", "a secret of the test, long enough\n");
    let ca = program.file("ca.pem", &pki.ca_pem);
    program
        .with("GATEWRIGHT_ALERTS_WEBHOOK_URL", &receiver.url())
        .with("GATEWRIGHT_ALERTS_WEBHOOK_SECRET_FILE", &secret)
        .with("GATEWRIGHT_ALERTS_CA_FILE", &ca)
        .with("GATEWRIGHT_ALERTS_OUTBOUND_ALLOW", "127.0.0.1,::1")
}

on_either! {
    async fn alerts_are_listed_and_acknowledged(program) {
        program.user("ada");
        assert_eq!(program.run(&["alerts", "list"]).succeeds(), "No alert is open.\n");
        let store = program.store().await;
        raise(&store, "first", "client:web").await;
        raise(&store, "second", "client:site").await;
        let listed = program.run(&["alerts", "list", "--json"]).json();
        let alert = &listed["alerts"][0];
        assert_eq!(alert["rule"], "refresh_replay");
        assert_eq!(alert["top"]["clients"][0]["name"], "web");
        assert!(alert["runbook"].as_str().unwrap().ends_with("/refresh_replay.md"));
        let text = program.run(&["alerts", "list"]);
        assert!(text.succeeds().contains("open          refresh_replay"), "{}", text.stdout);

        let said = program.run(&["alerts", "ack", "first", "--by", "grace", "--json"]).json();
        assert_eq!((&said["status"], &said["acknowledged_by"]), (&"acknowledged".into(), &"grace".into()));
        program.run(&["alerts", "ack", "first"]).fails(1, &["was acknowledged by grace"]);
        program.run(&["alerts", "ack", "third"]).fails(1, &["no alert \"third\"", "alerts list --all"]);
        let recorded = program.run(&["events", "search", "--kind", "alert_acknowledged", "--json"]).json();
        assert_eq!(recorded["events"][0]["detail"]["actor"], "grace");
        program.run(&["events", "verify"]).succeeds();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_tells_whether_it_arrived() {
    let program = Program::sqlite();
    program
        .run(&["alerts", "test"])
        .fails(2, &["no notifier is configured", "alerts.webhook_url"]);
    let pki = Pki::new();
    let receiver = Receiver::start(
        &pki,
        vec![answer("200 OK", ""), answer("403 Forbidden", "")],
    )
    .await;
    let program = with_webhook(program, &pki, &receiver);
    let said = program.run(&["alerts", "test", "--json"]).json();
    assert_eq!(said["notifiers"][0]["delivered"], true);
    let body: Value = serde_json::from_str(&receiver.received()[0].body).unwrap();
    assert_eq!(
        (&body["type"], &body["issuer"]),
        (&"test".into(), &"http://127.0.0.1:8080".into())
    );
    let failed = program.run(&["alerts", "test"]);
    assert_eq!(
        (failed.code, failed.stdout.as_str()),
        (1, "webhook: NOT delivered: it answered 403 Forbidden\n")
    );
}

#[test]
fn what_is_wrong_with_the_notifiers_is_said_at_once_and_nothing_of_their_secrets() {
    let program = Program::sqlite()
        .with(
            "GATEWRIGHT_ALERTS_WEBHOOK_URL",
            "https://alerts.example.com/a-secret-path",
        )
        .with("GATEWRIGHT_ALERTS_EMAIL_SERVER", "smtps://mail.example.com");
    program.run(&["serve"]).fails(
        2,
        &[
            "alerts.webhook_secret_file: is missing",
            "alerts.email_from: is missing",
            "alerts.email_to: is empty",
        ],
    );
    let short = program.file("short", "short");
    let program = program
        .with("GATEWRIGHT_ALERTS_WEBHOOK_SECRET_FILE", &short)
        .with("GATEWRIGHT_ALERTS_EMAIL_FROM", "nobody")
        .with("GATEWRIGHT_ALERTS_EMAIL_TO", "oncall@example.com")
        .with("GATEWRIGHT_ALERTS_EMAIL_SERVER", "mail.example.com");
    for command in [&["serve"] as &[&str], &["alerts", "test"]] {
        let said = program.run(command);
        said.fails(
            2,
            &[
                "alerts.webhook_secret_file",
                "fewer than 16 bytes",
                "alerts.email_server",
                "smtps://HOST",
            ],
        );
    }
    let shown = program.run(&["config", "show"]);
    assert!(
        !shown.succeeds().contains("a-secret-path"),
        "{}",
        shown.stdout
    );
}

/// Killed with the value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_raises_an_alert_and_tells_of_it() {
    let pki = Pki::new();
    let receiver = Receiver::start(&pki, vec![answer("200 OK", "")]).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let program = with_webhook(Program::sqlite(), &pki, &receiver)
        .with("GATEWRIGHT_LISTEN", &address)
        .with("GATEWRIGHT_ISSUER", &format!("http://{address}"))
        .with("GATEWRIGHT_ALERTS_EVERY_S", "1");
    program.user("ada");
    let store = program.store().await;
    let replayed = "
        INSERT INTO event (event_id, kind, at, detail, severity, client_id)
        VALUES ('e', 'code_replayed', $1, '{\"client_id\":\"web\"}', 'warning', 'web')";
    store
        .execute(replayed, vec![unix_now().into()])
        .await
        .unwrap();
    store.close().await;
    let mut command = program.command(env!("CARGO_BIN_EXE_gatewright"));
    command
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let server = Server(command.spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    while receiver.received().is_empty() {
        assert!(Instant::now() < deadline, "no message came");
        tokio::task::yield_now().await;
    }
    let body: Value = serde_json::from_str(&receiver.received()[0].body).unwrap();
    assert_eq!(body["alert"]["rule"], "code_replay");
    assert_eq!(body["alert"]["target"]["id"], "web");
    drop(server);
    let listed = program.run(&["alerts", "list", "--json"]).json();
    assert_eq!(listed["alerts"][0]["alert_id"], body["alert"]["alert_id"]);
}
