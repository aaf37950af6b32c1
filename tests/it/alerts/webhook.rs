//! From the incident to a receiver that verifies what it gets.

use super::servers::{Pki, Received, Receiver, answer};
use super::support::{Watcher, refresh_replayed};
use crate::support::{TestApp, on_both_databases};
use gatewright::config::network;
use gatewright::crypto::webhook::WebhookSecret;
use gatewright::flows::alerts::AlertSettings;
use gatewright::notify::Notifiers;
use gatewright::notify::webhook::{Webhook, system_resolver};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

const SECRET: &str = "a secret of the test, shared with the receiver";

fn notifiers(pki: &Pki, receiver: &Receiver) -> Notifiers {
    let secret = WebhookSecret::new(SECRET.as_bytes().to_vec());
    let allowed = ["127.0.0.1", "::1"]
        .map(|net| network(net).unwrap())
        .to_vec();
    let webhook = Webhook::new(
        &receiver.url(),
        secret,
        allowed,
        pki.outbound(),
        system_resolver(),
    );
    Notifiers {
        webhook: Some(webhook.unwrap()),
        email: None,
    }
}

fn watcher(app: &TestApp) -> Watcher {
    let notifiers = vec!["webhook".to_owned()];
    Watcher::with(
        app,
        AlertSettings {
            notifiers,
            ..AlertSettings::default()
        },
    )
}

/// The receiver of `docs/alerts.md`, as it stands there. `None` where there is no Python.
fn verified_by_the_documented_receiver(received: &Received, now: i64) -> Option<bool> {
    let docs =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alerts.md")).unwrap();
    let code = docs
        .split("```python\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let script = format!(
        "{code}\nimport sys\nbody = sys.stdin.buffer.read()\nsys.exit(0 if verify(sys.argv[1], body, sys.argv[2].encode(), int(sys.argv[3])) else 1)\n"
    );
    let started = Command::new("python3")
        .args([
            "-c",
            &script,
            received.header("gatewright-signature"),
            SECRET,
            &now.to_string(),
        ])
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut python) = started else {
        assert!(
            std::env::var_os("GATEWRIGHT_TEST_ALL").is_none(),
            "no python3"
        );
        eprintln!("left out: no python3");
        return None;
    };
    python
        .stdin
        .take()
        .unwrap()
        .write_all(received.body.as_bytes())
        .unwrap();
    let code = python.wait().unwrap().code();
    assert!(matches!(code, Some(0 | 1)), "{code:?}");
    Some(code == Some(0))
}

on_both_databases! {
    async fn an_alert_arrives_signed_and_says_everything(app: TestApp) {
        let pki = Pki::new();
        let receiver = Receiver::start(&pki, vec![answer("200 OK", "")]).await;
        let (watcher, notifiers) = (watcher(&app), notifiers(&pki, &receiver));
        watcher.note_from("198.51.100.9", refresh_replayed("web")).await;
        watcher.tick().await;
        assert_eq!(notifiers.deliver(&app.issuer, app.now()).await.unwrap(), 1);
        let received = receiver.received();
        assert_eq!(received.len(), 1);
        assert!(received[0].head.starts_with("POST /hook?team=a HTTP/1.1\r\n"), "{}", received[0].head);
        assert_eq!(received[0].header("content-type"), "application/json");
        let body: Value = serde_json::from_str(&received[0].body).unwrap();
        let alert = &body["alert"];
        assert_eq!((&body["type"], &body["issuer"]), (&"alert_opened".into(), &app.options.issuer.clone().into()));
        assert_eq!(alert["rule"], "refresh_replay");
        assert_eq!((&alert["severity"], &alert["status"]), (&"critical".into(), &"open".into()));
        assert_eq!(alert["target"], serde_json::json!({"kind": "client", "id": "web"}));
        assert_eq!(alert["top"]["addresses"], serde_json::json!([{"name": "198.51.100.9", "count": 1}]));
        assert_eq!(alert["top"]["accounts"], serde_json::json!([{"name": "ada", "count": 1}]));
        assert!(alert["runbook"].as_str().unwrap().ends_with("/docs/runbooks/refresh_replay.md"));

        if let Some(verified) = verified_by_the_documented_receiver(&received[0], app.now()) {
            assert!(verified);
            let late = verified_by_the_documented_receiver(&received[0], app.now() + 301);
            assert_eq!(late, Some(false), "a message that was kept and sent again");
            let mut altered = received[0].clone();
            altered.body = altered.body.replace("web", "wep");
            assert_eq!(verified_by_the_documented_receiver(&altered, app.now()), Some(false));
        }

        app.advance(900);
        watcher.tick().await;
        assert_eq!(notifiers.deliver(&app.issuer, app.now()).await.unwrap(), 1);
        let body: Value = serde_json::from_str(&receiver.received()[1].body).unwrap();
        assert_eq!((&body["type"], &body["alert"]["status"]), (&"alert_resolved".into(), &"resolved".into()));
        assert_eq!(body["alert"]["alert_id"], alert["alert_id"]);
        assert_eq!(notifiers.deliver(&app.issuer, app.now()).await.unwrap(), 0, "nothing is sent twice");
    }

    async fn a_receiver_that_fails_gets_the_same_message_again(app: TestApp) {
        let pki = Pki::new();
        let failing = answer("500 Internal Server Error", "");
        let receiver = Receiver::start(&pki, vec![failing.clone(), failing, answer("200 OK", "")]).await;
        let (watcher, notifiers) = (watcher(&app), notifiers(&pki, &receiver));
        watcher.note(refresh_replayed("web"));
        watcher.tick().await;
        let mut arrived = Vec::new();
        for pause in [0, 9, 1, 19, 1, 100] {
            app.advance(pause);
            arrived.push(notifiers.deliver(&app.issuer, app.now()).await.unwrap());
        }
        assert_eq!(arrived, [0, 0, 0, 0, 1, 0]);
        let received = receiver.received();
        assert_eq!(received.len(), 3);
        let id = received[0].header("gatewright-message-id");
        assert!(received.iter().all(|again| again.header("gatewright-message-id") == id && again.body == received[0].body));
        let signatures: Vec<&str> = received.iter().map(|again| again.header("gatewright-signature")).collect();
        assert!(signatures[0] != signatures[2], "signed for its own time");
        let failures = app.recorded("notifier_failed").await;
        assert_eq!(failures.len(), 2);
        assert_eq!(failures[0].fields()["cause"], "it answered 500 Internal Server Error");
    }

    async fn no_message_holds_the_secret(app: TestApp) {
        let pki = Pki::new();
        let receiver = Receiver::start(&pki, vec![answer("200 OK", "")]).await;
        let (watcher, notifiers) = (watcher(&app), notifiers(&pki, &receiver));
        watcher.note(refresh_replayed("web"));
        watcher.tick().await;
        notifiers.deliver(&app.issuer, app.now()).await.unwrap();
        let received = receiver.received();
        assert!(!received[0].head.contains(SECRET) && !received[0].body.contains(SECRET));
    }
}
