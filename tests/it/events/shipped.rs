//! Decisions that an authorizer sends by itself: from whom they are taken, and what becomes of them.

use crate::support::administration::{ship, shipping_client, shipping_token};
use crate::support::app::ISSUER;
use crate::support::fixtures::{API, machine_client, public_client};
use crate::support::{Answer, TestApp, on_both_databases};
use gatewright::domain::Scope;
use gatewright::domain::client::Client;
use gatewright::domain::resource::Audience;
use gatewright::domain::time::rfc3339;
use serde_json::{Value, json};

/// A line as `authorizer serve` writes it, of a hundred seconds ago.
fn line(app: &TestApp, request_id: &str, decision: &str) -> String {
    let line = json!({
        "@timestamp": rfc3339(app.now() - 100), "log.logger": "gatewright::decision", "decision": decision,
        "reason": "insufficient_scope", "request_id": request_id, "client": "worker", "route": "/orders/{id}",
    });
    line.to_string()
}

async fn gate(app: &TestApp) -> String {
    app.register(&shipping_client("gate")).await;
    shipping_token(app, "gate").await
}

on_both_databases! {
    async fn what_is_sent_is_an_event_once_and_says_who_sent_it(app: TestApp) {
        let token = gate(&app).await;
        let lines = format!("{}\n\n{}\nSTART RequestId: 1\n", line(&app, "a-1", "deny"), line(&app, "a-2", "allow"));
        let answer = ship(&app, "", &token, &lines).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json(), json!({"added": 2, "known": 0, "passed_over": 1}));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        // Again, and one more: as after an answer that got lost.
        let lines = format!("{}\n{}\n{}", line(&app, "a-1", "deny"), line(&app, "a-3", "deny"), line(&app, "a-3", "deny"));
        let again = ship(&app, "", &token, &lines).await;
        assert_eq!(again.json(), json!({"added": 1, "known": 2, "passed_over": 0}));
        let rows = app.recorded("access_decided").await;
        assert_eq!(rows.len(), 3);
        for row in &rows {
            let detail: Value = serde_json::from_str(&row.detail).unwrap();
            assert_eq!(detail["shipped_by"], "gate");
            assert_eq!(row.client_id.as_deref(), Some("worker"));
            assert_eq!(row.at, app.now() - 100);
        }
    }

    async fn more_than_go_into_one_statement_are_told_apart(app: TestApp) {
        let token = gate(&app).await;
        let some: Vec<String> = (0..45).map(|n| line(&app, &format!("b-{n}"), "deny")).collect();
        assert_eq!(ship(&app, "", &token, &some[..30].join("\n")).await.json()["added"], 30);
        let all = ship(&app, "", &token, &some.join("\n")).await;
        assert_eq!(all.json(), json!({"added": 15, "known": 30, "passed_over": 0}));
    }

    async fn a_decision_of_the_time_to_come_is_one_of_now(app: TestApp) {
        let token = gate(&app).await;
        let sent = line(&app, "c-1", "deny").replace(&rfc3339(app.now() - 100), "2199-01-02T03:04:05Z");
        assert_eq!(ship(&app, "", &token, &sent).await.json()["added"], 1);
        assert_eq!(app.recorded("access_decided").await[0].at, app.now());
    }

    async fn what_was_usual_is_not_for_an_authorizer_to_write(app: TestApp) {
        let token = gate(&app).await;
        let (old, new) = (line(&app, "c-2", "deny"), 86_400 - 100);
        app.advance(new);
        let token_later = shipping_token(&app, "gate").await;
        assert_ne!(token, token_later);
        assert_eq!(ship(&app, "", &token_later, &old).await.json()["added"], 1);
        let old = line(&app, "c-3", "deny");
        app.advance(new + 1);
        let token = shipping_token(&app, "gate").await;
        assert_eq!(ship(&app, "", &token, &old).await.json(), json!({"added": 0, "known": 0, "passed_over": 1}));
    }

    async fn more_than_a_node_takes_in_a_second_wait_for_the_next(app: TestApp) {
        let token = gate(&app).await;
        let some = |from: usize, to: usize| {
            let short = |n| format!(r#"{{"target":"gatewright::decision","decision":"deny","request_id":"g-{n}"}}"#);
            let lines: Vec<String> = (from..to).map(short).collect();
            lines.join("\n")
        };
        let many = ship(&app, "", &token, &some(0, 501)).await;
        assert_eq!(many.status, 413, "{}", many.body);
        assert_eq!(ship(&app, "", &token, &some(0, 400)).await.json()["added"], 400);
        let next = some(400, 501);
        let refused = ship(&app, "", &token, &next).await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, Some("1")));
        assert_eq!(app.recorded("access_decided").await.len(), 400);
        app.advance(1);
        assert_eq!(ship(&app, "", &token, &next).await.json()["added"], 101);
    }

    async fn two_nodes_may_be_sent_the_same_at_once(app: TestApp) {
        let token = gate(&app).await;
        let other = app.another_node().await;
        let lines: Vec<String> = (0..50).map(|n| line(&app, &format!("h-{n}"), "deny")).collect();
        let lines = lines.join("\n");
        let (one, two) = tokio::join!(ship(&app, "", &token, &lines), ship(&other, "", &token, &lines));
        for answer in [&one, &two] {
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        let added = |answer: &Answer| answer.json()["added"].as_u64().unwrap();
        assert_eq!(added(&one) + added(&two), 50);
        assert_eq!(app.recorded("access_decided").await.len(), 50);
    }

    async fn what_the_sender_lost_is_an_event(app: TestApp) {
        let token = gate(&app).await;
        // Sent twice, as after an answer that got lost.
        for _ in 0..2 {
            let sent = ship(&app, "?lost=17&report=a-1", &token, &line(&app, "d-1", "deny")).await;
            assert_eq!(sent.status, 200, "{}", sent.body);
        }
        assert_eq!(ship(&app, "?lost=0", &token, "").await.status, 200);
        let lost = app.recorded("decisions_lost").await;
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].client_id.as_deref(), Some("gate"));
        assert!(lost[0].detail.contains("17"), "{}", lost[0].detail);
        for wrong in ["?lost=-1", "?lost=many", "?lost=1", "?lost=1&lost=2&report=b", "?colour=red", "?lost=1&report=b&colour=red"] {
            let refused = ship(&app, wrong, &token, &line(&app, "d-2", "deny")).await;
            assert_eq!(refused.error(), (400, "invalid_request".to_owned()), "{wrong}");
        }
        assert_eq!(app.recorded("access_decided").await.len(), 1);
        let huge = format!("?lost={}&report=b", u64::MAX);
        assert_eq!(ship(&app, &huge, &token, "").await.status, 200);
        assert!(app.recorded("decisions_lost").await.iter().any(|row| row.detail.contains("1000000000")));
    }

    async fn only_a_client_that_may_send_them_is_heard(app: TestApp) {
        let good = gate(&app).await;
        let both = Client {
            scope: Scope::parse("gatewright:decisions gatewright:events orders:read").unwrap(),
            audiences: vec![Audience::parse(API).unwrap(), Audience::parse(ISSUER).unwrap()],
            ..machine_client("both")
        };
        app.register(&both).await;
        let token = async |fields: &[(&str, &str)]| {
            let answer = app.machine_token("both", fields).await;
            answer.json()["access_token"].as_str().unwrap().to_owned()
        };
        let elsewhere = token(&[("resource", API), ("scope", "gatewright:decisions")]).await;
        let without = token(&[("resource", ISSUER), ("scope", "gatewright:events")]).await;
        let mine = line(&app, "e-1", "deny");
        assert_eq!(ship(&app, "", "nonsense", &mine).await.error(), (401, "invalid_token".to_owned()));
        assert_eq!(ship(&app, "", &elsewhere, &mine).await.error(), (401, "invalid_token".to_owned()));
        let refused = ship(&app, "", &without, &mine).await;
        assert_eq!(refused.error(), (403, "insufficient_scope".to_owned()));
        assert!(refused.header("www-authenticate").unwrap().contains("scope=\"gatewright:decisions\""));
        // Nor does the right to send give the right to read.
        let bearer = format!("Bearer {good}");
        let reading = app.get_with("/admin/api/events", &[("authorization", &bearer)]).await;
        assert_eq!(reading.error(), (403, "insufficient_scope".to_owned()));
        // Lines that no browser's form can send.
        let form = app.post_raw("/admin/api/decisions", &mine, &[("authorization", &bearer)]).await;
        assert_eq!(form.error(), (400, "invalid_request".to_owned()));
        assert_eq!(app.get("/admin/api/decisions").await.status, 405);
        assert!(app.recorded("access_decided").await.is_empty());
        // Nor from a person, whatever they may do.
        let person = Client {
            scope: Scope::parse("openid gatewright:decisions").unwrap(),
            audiences: vec![Audience::parse(ISSUER).unwrap()],
            ..public_client("console")
        };
        app.register(&person).await;
        app.add_person("ada").await;
        let admin = app.issuer.admin("cli");
        gatewright::flows::admin::administrators::set(admin, "ada", true, app.now()).await.unwrap();
        let tokens = app.tokens("console", "openid gatewright:decisions").await;
        let refused = ship(&app, "", tokens["access_token"].as_str().unwrap(), &mine).await;
        assert_eq!(refused.error(), (403, "insufficient_scope".to_owned()));
        app.rewrite(&Client { disabled: true, ..shipping_client("gate") }).await;
        assert_eq!(ship(&app, "", &good, &mine).await.error(), (401, "invalid_token".to_owned()));
        assert!(app.recorded("access_decided").await.is_empty());
    }

    async fn what_is_no_text_and_what_is_too_long_harms_nobody(app: TestApp) {
        let token = gate(&app).await;
        let long = line(&app, &"x".repeat(20_000), "deny");
        let nul = line(&app, "f\u{0}1", "deny");
        let lines = format!("{long}\n{nul}\n{}\n[]\nnull\n{{\"log.logger\":\"gatewright::decision\"}}", line(&app, "f-2", "perhaps"));
        let answer = ship(&app, "", &token, &lines).await;
        assert_eq!(answer.json(), json!({"added": 1, "known": 0, "passed_over": 5}), "{}", answer.body);
        let row = &app.recorded("access_decided").await[0];
        assert_eq!(row.request_id.as_deref(), Some("f\u{fffd}1"));
        // What an index couldn't hold is cut.
        let noise: String = (0..6_000_u32).map(|n| char::from(b'!' + (n.wrapping_mul(2_654_435_761) >> 26) as u8)).collect();
        let noisy = line(&app, &noise, "deny").replace("worker", &noise.replace(['"', '\\'], "x"));
        assert_eq!(ship(&app, "", &token, &noisy).await.json()["added"], 1);
    }
}
