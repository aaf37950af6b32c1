//! Decisions that an authorizer sends by itself: from whom they are taken, and what becomes of them.

use crate::support::administration::{ship, shipping_client, shipping_token};
use crate::support::app::ISSUER;
use crate::support::fixtures::{API, machine_client};
use crate::support::{TestApp, on_both_databases};
use gatewright::domain::Scope;
use gatewright::domain::client::Client;
use gatewright::domain::resource::Audience;
use serde_json::{Value, json};

/// A line as `authorizer serve` writes it, of a time long ago.
fn line(request_id: &str, decision: &str) -> String {
    let line = json!({
        "@timestamp": "2026-01-02T03:04:05.678Z", "log.logger": "gatewright::decision", "decision": decision,
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
        let lines = format!("{}\n\n{}\nSTART RequestId: 1\n", line("a-1", "deny"), line("a-2", "allow"));
        let answer = ship(&app, "", &token, &lines).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json(), json!({"added": 2, "known": 0, "passed_over": 1}));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        // Again, and one more: as after an answer that got lost.
        let lines = format!("{}\n{}\n{}", line("a-1", "deny"), line("a-3", "deny"), line("a-3", "deny"));
        let again = ship(&app, "", &token, &lines).await;
        assert_eq!(again.json(), json!({"added": 1, "known": 2, "passed_over": 0}));
        let rows = app.recorded("access_decided").await;
        assert_eq!(rows.len(), 3);
        for row in &rows {
            let detail: Value = serde_json::from_str(&row.detail).unwrap();
            assert_eq!(detail["shipped_by"], "gate");
            assert_eq!(row.client_id.as_deref(), Some("worker"));
            assert_eq!(row.at, 1_767_323_045);
        }
    }

    async fn more_than_go_into_one_statement_are_told_apart(app: TestApp) {
        let token = gate(&app).await;
        let some: Vec<String> = (0..45).map(|n| line(&format!("b-{n}"), "deny")).collect();
        assert_eq!(ship(&app, "", &token, &some[..30].join("\n")).await.json()["added"], 30);
        let all = ship(&app, "", &token, &some.join("\n")).await;
        assert_eq!(all.json(), json!({"added": 15, "known": 30, "passed_over": 0}));
    }

    async fn a_decision_of_the_time_to_come_is_one_of_now(app: TestApp) {
        let token = gate(&app).await;
        let ahead = line("c-1", "deny").replace("2026-01-02", "2199-01-02");
        assert_eq!(ship(&app, "", &token, &ahead).await.json()["added"], 1);
        assert_eq!(app.recorded("access_decided").await[0].at, app.now());
    }

    async fn what_the_sender_lost_is_an_event(app: TestApp) {
        let token = gate(&app).await;
        assert_eq!(ship(&app, "?lost=17", &token, &line("d-1", "deny")).await.status, 200);
        assert_eq!(ship(&app, "?lost=0", &token, "").await.status, 200);
        app.write_events().await;
        let lost = app.recorded("decisions_lost").await;
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].client_id.as_deref(), Some("gate"));
        assert!(lost[0].detail.contains("17"), "{}", lost[0].detail);
        for wrong in ["?lost=-1", "?lost=many", "?lost=1&lost=2", "?colour=red", "?lost=1&colour=red"] {
            let refused = ship(&app, wrong, &token, &line("d-2", "deny")).await;
            assert_eq!(refused.error(), (400, "invalid_request".to_owned()), "{wrong}");
        }
        assert_eq!(app.recorded("access_decided").await.len(), 1);
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
        let mine = line("e-1", "deny");
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
        app.rewrite(&Client { disabled: true, ..shipping_client("gate") }).await;
        assert_eq!(ship(&app, "", &good, &mine).await.error(), (401, "invalid_token".to_owned()));
        assert!(app.recorded("access_decided").await.is_empty());
    }

    async fn what_is_no_text_and_what_is_too_long_harms_nobody(app: TestApp) {
        let token = gate(&app).await;
        let long = line(&"x".repeat(20_000), "deny");
        let nul = line("f\u{0}1", "deny");
        let lines = format!("{long}\n{nul}\n{}\n[]\nnull\n{{\"log.logger\":\"gatewright::decision\"}}", line("f-2", "perhaps"));
        let answer = ship(&app, "", &token, &lines).await;
        assert_eq!(answer.json(), json!({"added": 1, "known": 0, "passed_over": 5}), "{}", answer.body);
        let row = &app.recorded("access_decided").await[0];
        assert_eq!(row.request_id.as_deref(), Some("f\u{fffd}1"));
    }
}
