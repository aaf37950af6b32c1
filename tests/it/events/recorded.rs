//! What each act is recorded as, with whom and where from.

use crate::support::fixtures::{PASSWORD, REDIRECT, authorize_url, machine_client, public_client};
use crate::support::{Browser, TestApp, on_both_databases};
use gatewright::crypto::token::sha256;
use gatewright::domain::{Client, Scope};
use gatewright::flows::keys;
use gatewright_authorizer::jose::Algorithm;
use serde_json::{Value, json};

async fn kinds(app: &TestApp, request_id: &str) -> Vec<String> {
    app.write_events().await;
    let sql = "SELECT kind FROM event WHERE request_id = $1 ORDER BY kind";
    let rows: Vec<(String,)> = app
        .issuer
        .store
        .fetch_all(sql, vec![request_id.into()])
        .await
        .unwrap();
    rows.into_iter().map(|(kind,)| kind).collect()
}

on_both_databases! {
    async fn a_session_that_is_replaced_and_one_that_is_left(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let sessions = async || {
            let rows = app.recorded("session_started").await;
            let ids: Vec<Value> = rows.iter().map(|row| row.fields()["session_id"].clone()).collect();
            ids
        };
        browser.log_in(&authorize_url("web", "openid", &[]), "ada", PASSWORD).await;
        let first = sessions().await;
        let answer = browser.log_in(&authorize_url("web", "openid", &[("prompt", "login")]), "ada", PASSWORD).await;
        let id_token = app.redeem("web", &answer.parameter("code").unwrap()).await.json()["id_token"].clone();
        let hint = gatewright::domain::form::encode(id_token.as_str().unwrap());
        browser.get(&format!("/logout?id_token_hint={hint}")).await;
        let mut second = sessions().await;
        second.retain(|id| *id != first[0]);
        let ended = app.recorded("session_ended").await;
        let told: Vec<(Value, Value)> = ended
            .iter()
            .map(|row| (row.fields()["session_id"].clone(), row.fields()["cause"].clone()))
            .collect();
        assert_eq!((first.len(), second.len(), told.len()), (1, 1, 2), "{told:?}");
        assert!(told.contains(&(first[0].clone(), json!("replaced"))), "{told:?}");
        assert!(told.contains(&(second[0].clone(), json!("logout"))), "{told:?}");
        assert!(ended.iter().all(|row| row.request_id.is_some() && row.address.is_some()));
    }

    async fn a_key_is_made_signs_and_goes(app: TestApp) {
        let issuer = &app.issuer;
        let of = async |kind: &str| {
            let rows = app.recorded(kind).await;
            let kids: Vec<Value> = rows.iter().map(|row| row.fields()["kid"].clone()).collect();
            kids
        };
        let first = of("key_created").await;
        let times = (300, app.now());
        let pending = keys::rotate(&issuer.store, &issuer.master, &issuer.events, Algorithm::Es256, times).await.unwrap();
        let made = app.recorded("key_created").await;
        assert_eq!(made.len(), first.len() + 1);
        let detail = made.iter().map(|row| row.fields()).find(|detail| detail["kid"] == pending.kid.as_str()).unwrap();
        assert_eq!((&detail["alg"], &detail["state"]), (&json!("ES256"), &json!("pending")));
        assert!(of("key_activated").await.is_empty() && of("key_retired").await.is_empty());
        app.set_clock(pending.activates_at);
        keys::tick(issuer, app.now()).await.unwrap();
        assert_eq!(of("key_activated").await, [json!(pending.kid)]);
        let retired = of("key_retired").await;
        assert!(retired.len() == 1 && first.contains(&retired[0]), "{retired:?}");
    }

    async fn a_login_and_what_follows(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let tokens = app.tokens("web", "openid offline_access").await;
        let login = app.recorded("login_succeeded").await.pop().unwrap();
        let detail = login.fields();
        assert_eq!(detail["subject"], ada.subject.as_str());
        assert_eq!((&detail["known_device"], &detail["administrator"]), (&json!(false), &json!(false)));
        assert_eq!(login.address.as_deref(), Some("203.0.113.7"));
        assert!(login.request_id.is_some() && login.device.is_some());
        let started = app.recorded("session_started").await.pop().unwrap();
        assert_eq!(started.fields()["session_id"], detail["session_id"]);

        let code = app.recorded("code_issued").await.pop().unwrap().fields();
        assert_eq!(code["session_id"], detail["session_id"]);
        let redeemed = app.recorded("code_redeemed").await.pop().unwrap().fields();
        assert_eq!(redeemed["grant_id"], code["grant_id"]);
        let issued = app.recorded("token_issued").await.pop().unwrap().fields();
        assert_eq!(issued["grant_id"], code["grant_id"]);
        assert_eq!(issued["grant"], "authorization_code");
        let claims = crate::support::fixtures::claims_of(tokens["access_token"].as_str().unwrap());
        assert_eq!(issued["jti_digest"], sha256(claims["jti"].as_str().unwrap()));

        let refresh = tokens["refresh_token"].as_str().unwrap();
        app.refresh("web", refresh).await.json();
        assert_eq!(app.events("token_refreshed").await, 1);
        app.refresh("web", refresh).await.json();
        assert_eq!(app.events("refresh_retried").await, 1);
        assert_eq!(app.events("token_refreshed").await, 1);
        app.advance(60);
        assert_eq!(app.refresh("web", refresh).await.status, 400);
        assert_eq!(app.events("refresh_replayed").await, 1);
    }

    async fn of_scopes_asked_for_in_vain_those_that_exist_are_named_and_the_rest_is_counted(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let cleaner = Client { scope: Scope::parse("orders:delete").unwrap(), ..machine_client("cleaner") };
        app.register(&Client { disabled: true, ..cleaner }).await;
        let misplaced = "gws_a-secret-in-the-wrong-place";
        let asked = format!("orders:read orders:delete {misplaced} another");
        assert_eq!(app.machine_token("worker", &[("scope", &asked)]).await.status, 400);
        let refused = app.recorded("token_refused").await.pop().unwrap();
        assert_eq!(
            refused.fields()["beyond"],
            json!(["orders:delete", "(2 that neither the policy file nor any client has)"])
        );
        assert!(!refused.detail.contains(misplaced), "{}", refused.detail);
    }

    async fn each_refusal_is_found_by_the_id_that_the_caller_has(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&machine_client("worker")).await;
        let id = |answer: &crate::support::Answer| answer.header("x-request-id").unwrap().to_owned();

        let answer = app.post("/token", &[("client_id", "worker"), ("client_secret", "wrong"), ("grant_type", "client_credentials")]).await;
        assert_eq!(kinds(&app, &id(&answer)).await, ["client_authentication_failed"]);
        let failed = app.recorded("client_authentication_failed").await.pop().unwrap().fields();
        assert_eq!((&failed["client_id"], &failed["reason"]), (&json!("worker"), &json!("wrong_secret")));

        let answer = app.machine_token("worker", &[("scope", "everything")]).await;
        assert!(kinds(&app, &id(&answer)).await.contains(&"token_refused".to_owned()));
        let refused = app.recorded("token_refused").await.pop().unwrap().fields();
        assert_eq!((&refused["error"], &refused["grant"], &refused["client_id"]), (&json!("invalid_scope"), &json!("client_credentials"), &json!("worker")));

        let answer = app.post_raw("/token?grant_type=x", "", &[]).await;
        assert_eq!(kinds(&app, &id(&answer)).await, ["token_refused"]);

        let answer = app.get(&authorize_url("web", "openid", &[("redirect_uri", "https://evil.example/")])).await;
        assert_eq!(kinds(&app, &id(&answer)).await, ["authorization_refused"]);
        let answer = app.get(&authorize_url("web", "openid", &[("prompt", "none")])).await;
        assert_eq!(kinds(&app, &id(&answer)).await, ["authorization_refused"]);
        let refused = app.recorded("authorization_refused").await;
        assert_eq!(refused[0].fields()["unverified"], "redirect_uri");
        assert_eq!((&refused[1].fields()["error"], &refused[1].fields()["client_id"]), (&json!("login_required"), &json!("web")));

        let answer = app.get_with("/userinfo", &[("authorization", "Bearer x")]).await;
        assert_eq!(kinds(&app, &id(&answer)).await, ["access_refused"]);
    }

    async fn failed_logins_tell_why_and_one_password_for_many_accounts_shows(app: TestApp) {
        app.with_ada_and_web().await;
        let url = authorize_url("web", "openid", &[]);
        for name in ["ada", "bob", "carol", "dave"] {
            Browser::new(&app).log_in(&url, name, "Spring2026!").await;
        }
        Browser::new(&app).log_in(&url, "ada", "another password").await;
        let failed: Vec<Value> = app.recorded("login_failed").await.iter().map(|row| Value::Object(row.fields())).collect();
        let column = |name: &str| failed.iter().map(|detail| detail.get(name).cloned().unwrap_or_default()).collect::<Vec<_>>();
        assert_eq!(column("reason"), ["wrong_password", "unknown_account", "unknown_account", "unknown_account", "wrong_password"]);
        assert_eq!(column("same_password_accounts"), [json!(null), json!(2), json!(3), json!(4), json!(null)]);
        for _ in 0..5 {
            Browser::new(&app).log_in(&url, "ada", "guess").await;
        }
        let throttled = app.recorded("login_throttled").await;
        assert_eq!(throttled.len(), 1);
        assert_eq!(throttled[0].fields()["scope"], "account");
        assert_eq!(app.recorded("login_failed").await.last().unwrap().fields()["reason"], "throttled");
        // After an hour the password means nothing any more.
        app.advance(3601);
        Browser::new(&app).log_in(&url, "erin", "Spring2026!").await;
        let last = app.recorded("login_failed").await.pop().unwrap().fields();
        assert_eq!(last.get("same_password_accounts"), None);
    }

    async fn an_address_that_has_to_wait_is_recorded_once(app: TestApp) {
        app.with_ada_and_web().await;
        let url = authorize_url("web", "openid", &[]);
        for number in 0..20 {
            Browser::new(&app).log_in(&url, &format!("user-{number}"), "x").await;
        }
        let throttled = app.recorded("login_throttled").await;
        assert_eq!(throttled.len(), 1);
        assert_eq!(throttled[0].fields()["scope"], "address");
        let reasons: Vec<Value> = app.recorded("login_failed").await.iter().map(|row| row.fields()["reason"].clone()).collect();
        assert!(reasons.iter().filter(|reason| **reason == "address_throttled").count() >= 4, "{reasons:?}");
    }

    async fn consent_is_recorded_either_way(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&Client { first_party: false, ..public_client("third") }).await;
        let url = authorize_url("third", "openid", &[("redirect_uri", REDIRECT)]);
        let browser = Browser::new(&app);
        let page = browser.log_in(&url, "ada", PASSWORD).await;
        browser.submit(&page, "consent-form", &[("decision", "deny")]).await;
        assert_eq!(app.events("consent_refused").await, 1);
        let page = browser.get(&url).await;
        browser.submit(&page, "consent-form", &[("decision", "allow")]).await;
        assert_eq!(app.events("consent_given").await, 1);
    }

    async fn a_failure_of_ours_is_found_by_its_id(app: TestApp) {
        app.with_ada_and_web().await;
        let code = app.code("web", "openid").await;
        app.issuer.store.execute("ALTER TABLE authorization_code RENAME TO hidden", vec![]).await.unwrap();
        let answer = app.redeem("web", &code).await;
        assert_eq!(answer.status, 500);
        app.issuer.store.execute("ALTER TABLE hidden RENAME TO authorization_code", vec![]).await.unwrap();
        assert!(kinds(&app, answer.header("x-request-id").unwrap()).await.contains(&"request_failed".to_owned()));
        let failed = app.recorded("request_failed").await.pop().unwrap().fields();
        assert_eq!(failed["cause"], "internal");
    }
}
