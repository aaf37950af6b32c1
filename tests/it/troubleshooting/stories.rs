//! Stories from end to end.

use super::{Api, Beside, admin, by_hand, http_v2, policy_of, story};
use crate::support::app::ISSUER;
use crate::support::fixtures::{API, PASSWORD, authorize_url, machine_client};
use crate::support::{Browser, on_both_databases};
use gatewright::cli::explain::{as_json, in_words};
use gatewright::flows::admin::decisions;
use gatewright::flows::explain::Place;
use serde_json::Value;

fn kinds(told: &Value, place: &str) -> Vec<String> {
    let told = told["story"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|told| told["place"] == place);
    told.map(|told| told["event"]["kind"].as_str().unwrap().to_owned())
        .collect()
}

on_both_databases! {
    async fn a_denied_call_leads_back_to_the_login(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let answer = browser.log_in(&authorize_url("web", "openid orders:read", &[]), "ada", PASSWORD).await;
        app.advance(1);
        let tokens = app.redeem("web", &answer.parameter("code").unwrap()).await.json();
        app.advance(1);
        let api = Api::usual(&app).await;
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        // Other calls with the same token are no part of it.
        let mut earlier = http_v2(&bearer, "GET", "/orders/7");
        earlier["requestContext"]["requestId"] = "call-0".into();
        let earlier = [api.decide(&app, &earlier).await.log];
        decisions::import(admin(&app), by_hand(&earlier), app.now()).await.unwrap();
        let decided = api.call(&app, &bearer, "POST", "/orders").await;
        assert!(!decided.log.contains(ada.subject.as_str()), "{}", decided.log);

        // From the log as it lies there, and the same from the events that it was imported into.
        let beside = Beside { log: decided.log.clone(), policy: None };
        let from_log = story(&app, "call-1", &beside).await.unwrap();
        decisions::import(admin(&app), by_hand(std::slice::from_ref(&decided.log)), app.now()).await.unwrap();
        let imported = story(&app, "call-1", &Beside::default()).await.unwrap();
        let (from_log, imported) = (as_json(&from_log), as_json(&imported));
        assert_eq!(from_log["remedies"], imported["remedies"]);
        assert_eq!(kinds(&imported, "asked"), ["access_decided"]);
        assert_eq!(
            kinds(&imported, "before"),
            ["login_succeeded", "code_issued", "code_redeemed", "token_issued"]
        );
        assert_eq!(
            imported["remedies"][0],
            "the token lacks orders:write, and client web may have it: ask for it by scope in the authorization request \
             (a refresh can't add it)"
        );
        assert_eq!(imported["unknown"], serde_json::json!([]));
        let text = imported.to_string();
        assert!(!text.contains(tokens["access_token"].as_str().unwrap()) && !text.contains(PASSWORD));
    }

    async fn a_scope_that_was_taken_from_a_client_is_named(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let change = gatewright::flows::admin::ClientChange {
            scope: Some("orders:read".to_owned()),
            ..Default::default()
        };
        gatewright::flows::admin::clients::update(admin(&app), "worker", &change, app.now()).await.unwrap();
        app.forget_caches();
        app.advance(5);
        let answer = app.machine_token("worker", &[("scope", "orders:write")]).await;
        assert_eq!(answer.status, 400);
        let story = story(&app, answer.header("x-request-id").unwrap(), &Beside::default()).await.unwrap();
        let text = in_words(&story);
        assert!(text.contains("cli changed worker: client_updated (scope"), "{text}");
    }

    async fn what_a_request_did_is_told_in_the_order_in_which_it_did_it(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let answer = app.machine_token("worker", &[("scope", "orders:delete")]).await;
        assert_eq!(answer.status, 400);
        let told = story(&app, answer.header("x-request-id").unwrap(), &Beside::default()).await.unwrap();
        assert_eq!(kinds(&as_json(&told), "asked"), ["client_authenticated", "token_refused"]);
    }

    async fn a_login_failure_is_told_with_what_the_person_doesnt_learn(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let answer = browser.log_in(&authorize_url("web", "openid", &[]), "nobody", PASSWORD).await;
        let story = story(&app, answer.header("x-request-id").unwrap(), &Beside::default()).await.unwrap();
        assert_eq!(story.why, ["nobody has this user name or address"]);
        assert!(!answer.body.contains("nobody has"));
    }

    async fn a_replay_is_told_with_all_that_it_revoked(app: TestApp) {
        app.with_ada_and_web().await;
        let tokens = app.tokens("web", "openid offline_access").await;
        let first = tokens["refresh_token"].as_str().unwrap().to_owned();
        let second = app.refresh("web", &first).await.json()["refresh_token"].as_str().unwrap().to_owned();
        app.refresh("web", &second).await;
        app.advance(60);
        let replay = app.refresh("web", &first).await;
        let told = as_json(&story(&app, replay.header("x-request-id").unwrap(), &Beside::default()).await.unwrap());
        for kind in ["token_refused", "refresh_replayed"] {
            assert!(kinds(&told, "asked").contains(&kind.to_owned()), "{told}");
        }
        assert!(kinds(&told, "before").contains(&"login_succeeded".to_owned()), "{told}");

        // Whoever has a token of the family learns from the id of the next refusal what revoked it.
        app.advance(60);
        let next = app.refresh("web", &second).await;
        let told = as_json(&story(&app, next.header("x-request-id").unwrap(), &Beside::default()).await.unwrap());
        assert!(kinds(&told, "before").contains(&"refresh_replayed".to_owned()), "{told}");
        assert_eq!(told["why"][0], "the refresh token was revoked, with the whole family that it belongs to");
    }

    async fn every_form_of_an_id_leads_to_the_story(app: TestApp) {
        const LINE: &str = r#"{"timestamp":"2026-11-26T10:00:00Z","fields":{"decision":"deny","reason":"no_rule","request_id":"call-9","trace_id":"1-5759e988-bd862e3fe1be46a994272793"},"target":"gatewright::decision"}"#;
        decisions::import(admin(&app), by_hand(&[LINE.to_owned()]), app.now()).await.unwrap();
        let event = app.recorded("access_decided").await[0].event_id.clone();
        for id in ["call-9", "1-5759e988-bd862e3fe1be46a994272793", "5759e988bd862e3fe1be46a994272793", event.as_str()] {
            let story = story(&app, id, &Beside::default()).await.unwrap();
            assert_eq!(story.told.len(), 1, "{id}");
            assert_eq!(story.told[0].place, Place::Asked);
        }
        let error = story(&app, "nothing", &Beside::default()).await.unwrap_err().to_string();
        assert!(error.contains("events.retention_days") && error.contains("--decisions"), "{error}");
    }

    async fn a_token_that_was_only_counted_is_said_to_be(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let mut last = String::new();
        for _ in 0..60 {
            last = app.machine_token("worker", &[]).await.json()["access_token"].as_str().unwrap().to_owned();
        }
        let api = Api::usual(&app).await;
        let decided = api.call(&app, &format!("Bearer {last}"), "GET", "/nowhere").await;
        let beside = Beside { log: decided.log, policy: Some(policy_of(ISSUER, API)) };
        let story = story(&app, "call-1", &beside).await.unwrap();
        assert!(story.unknown[0].contains("events.tokens_per_s"), "{:?}", story.unknown);
    }
}
