//! What goes wrong at the token endpoint.

use super::{admin, cases, explained};
use crate::support::app::basic;
use crate::support::fixtures::{REDIRECT, SECRET, VERIFIER, confidential_client, machine_client};
use crate::support::{Answer, TestApp};
use gatewright::domain::client::AuthMethod;
use gatewright::flows::admin::clients as admin_clients;
use gatewright::store::clients::{self, ClientSecretRecord};

async fn redeem(app: &TestApp, code: &str, redirect_uri: &str, verifier: &str) -> Answer {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", "web"),
        ("code", code),
        ("redirect_uri", redirect_uri),
    ];
    if !verifier.is_empty() {
        fields.push(("code_verifier", verifier));
    }
    let answer = app.post("/token", &fields).await;
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
    answer
}

cases! {
    async fn code_verifier_wrong(app: TestApp) {
        app.with_ada_and_web().await;
        let code = app.code("web", "openid").await;
        let answer = redeem(&app, &code, REDIRECT, &VERIFIER.replace('d', "e")).await;
        explained(&app, &answer).await
    }

    async fn code_verifier_missing(app: TestApp) {
        app.with_ada_and_web().await;
        let code = app.code("web", "openid").await;
        let answer = redeem(&app, &code, REDIRECT, "").await;
        explained(&app, &answer).await
    }

    async fn redirect_uri_differs(app: TestApp) {
        app.with_ada_and_web().await;
        let code = app.code("web", "openid").await;
        let answer = redeem(&app, &code, "https://app.example.com/callback", VERIFIER).await;
        explained(&app, &answer).await
    }

    async fn code_used_twice(app: TestApp) {
        app.with_ada_and_web().await;
        let code = app.code("web", "openid").await;
        assert_eq!(app.redeem("web", &code).await.status, 200);
        let answer = redeem(&app, &code, REDIRECT, VERIFIER).await;
        explained(&app, &answer).await
    }

    async fn code_expired(app: TestApp) {
        app.with_ada_and_web().await;
        let code = app.code("web", "openid").await;
        app.advance(61);
        let answer = redeem(&app, &code, REDIRECT, VERIFIER).await;
        explained(&app, &answer).await
    }

    async fn wrong_auth_method(app: TestApp) {
        let mut client = machine_client("worker");
        client.auth_method = AuthMethod::ClientSecretBasic;
        app.register(&client).await;
        let answer = app.machine_token("worker", &[]).await;
        assert_eq!(answer.error(), (401, "invalid_client".to_owned()));
        explained(&app, &answer).await
    }

    async fn wrong_secret(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let header = basic("worker", "gws_another");
        let fields = [("grant_type", "client_credentials")];
        let answer = app.post_with("/token", &fields, &[("authorization", &header)]).await;
        assert_eq!(answer.error(), (401, "invalid_client".to_owned()));
        explained(&app, &answer).await
    }

    async fn secret_ended(app: TestApp) {
        let client = machine_client("worker");
        app.register(&client).await;
        let old = "gws_an-old-secret-with-enough-entropy-in-it";
        let secret = ClientSecretRecord {
            secret_id: "old".to_owned(),
            digest: app.issuer.master.client_secret_digest("worker", old),
            created_at: app.now() - 10,
            expires_at: Some(app.now() - 1),
            last_used_at: None,
        };
        let mut tx = app.issuer.store.begin().await.unwrap();
        clients::add_secret(&mut tx, &client.client_id, &secret).await.unwrap();
        tx.commit().await.unwrap();
        app.forget_caches();
        let header = basic("worker", old);
        let fields = [("grant_type", "client_credentials")];
        let answer = app.post_with("/token", &fields, &[("authorization", &header)]).await;
        assert_eq!(answer.error(), (401, "invalid_client".to_owned()));
        explained(&app, &answer).await
    }

    async fn client_disabled(app: TestApp) {
        app.register(&machine_client("worker")).await;
        admin_clients::set_disabled(admin(&app), "worker", true, app.now()).await.unwrap();
        app.forget_caches();
        let answer = app.machine_token("worker", &[]).await;
        assert_eq!(answer.error(), (401, "invalid_client".to_owned()));
        let shown = explained(&app, &answer).await;
        assert!(shown.contains("cli changed worker: client_disabled"), "{shown}");
        shown
    }

    async fn openid_without_a_person(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let answer = app.machine_token("worker", &[("scope", "openid orders:read")]).await;
        assert_eq!(answer.error(), (400, "invalid_scope".to_owned()));
        explained(&app, &answer).await
    }

    async fn grant_not_permitted(app: TestApp) {
        app.register(&confidential_client("shop")).await;
        let answer = app.machine_token("shop", &[]).await;
        assert_eq!(answer.error(), (400, "unauthorized_client".to_owned()));
        explained(&app, &answer).await
    }

    async fn body_is_json(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let request = app
            .request(http::Method::POST, "/token", &[("content-type", "application/json")])
            .body(axum::body::Body::from(format!("{{\"client_secret\":\"{SECRET}\"}}")))
            .unwrap();
        let answer = app.send(request).await;
        assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
        explained(&app, &answer).await
    }

    async fn refresh_token_reused(app: TestApp) {
        app.with_ada_and_web().await;
        let tokens = app.tokens("web", "openid offline_access").await;
        let first = tokens["refresh_token"].as_str().unwrap();
        let second = app.refresh("web", first).await.json();
        app.refresh("web", second["refresh_token"].as_str().unwrap()).await;
        app.advance(60);
        let answer = app.refresh("web", first).await;
        assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
        explained(&app, &answer).await
    }

    async fn password_changed(app: TestApp) {
        let mut ada = app.with_ada_and_web().await;
        let tokens = app.tokens("web", "openid offline_access").await;
        app.advance(60);
        ada.password_changed_at = app.now();
        let sql = "UPDATE account SET password_changed_at = $2 WHERE subject = $1";
        app.issuer
            .store
            .execute(sql, vec![ada.subject.as_str().into(), app.now().into()])
            .await
            .unwrap();
        let answer = app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
        explained(&app, &answer).await
    }
}
