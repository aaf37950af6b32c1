//! What goes wrong between the gateway, the authorizer and the token.

use super::{Api, cases, http_v2, policy_of};
use crate::support::TestApp;
use crate::support::app::ISSUER;
use crate::support::fixtures::{API, machine_client};
use gatewright::flows::admin::keys as admin_keys;
use gatewright_authorizer::Verifier;
use gatewright_authorizer::fetch::SystemClock;
use gatewright_authorizer::jwks::{BoxFuture, Clock, FetchError, FetchKeys, Fetched};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

async fn bearer(app: &TestApp, scope: &str) -> String {
    app.register(&machine_client("worker")).await;
    let answer = app.machine_token("worker", &[("scope", scope)]).await;
    format!("Bearer {}", answer.json()["access_token"].as_str().unwrap())
}

/// An issuer that nobody reaches.
struct Unreachable;

impl FetchKeys for Unreachable {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(async { Err(FetchError("connection refused".to_owned())) })
    }
}

cases! {
    async fn token_lacks_a_scope(app: TestApp) {
        let bearer = bearer(&app, "orders:read").await;
        let api = Api::usual(&app).await;
        let decided = api.call(&app, &bearer, "POST", "/orders").await;
        api.explained(&app, &decided).await
    }

    async fn client_may_not_have_the_scope(app: TestApp) {
        let mut client = machine_client("worker");
        client.scope = gatewright::domain::Scope::parse("orders:read").unwrap();
        app.register(&client).await;
        let token = app.machine_token("worker", &[]).await.json();
        let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
        let api = Api::usual(&app).await;
        let decided = api.call(&app, &bearer, "POST", "/orders").await;
        api.explained(&app, &decided).await
    }

    async fn token_for_another_api(app: TestApp) {
        let bearer = bearer(&app, "orders:read").await;
        let api = Api::of(&app, policy_of(ISSUER, "https://other.example.com")).await;
        let decided = api.call(&app, &bearer, "GET", "/orders/7").await;
        api.explained(&app, &decided).await
    }

    async fn id_token_sent(app: TestApp) {
        app.with_ada_and_web().await;
        let tokens = app.tokens("web", "openid").await;
        let bearer = format!("Bearer {}", tokens["id_token"].as_str().unwrap());
        let api = Api::usual(&app).await;
        let decided = api.call(&app, &bearer, "GET", "/orders/7").await;
        api.explained(&app, &decided).await
    }

    async fn key_unknown_after_rotation(app: TestApp) {
        let api = Api::usual(&app).await;
        let algorithms = [gatewright_authorizer::jose::Algorithm::Es256];
        admin_keys::rotate(crate::troubleshooting::admin(&app), &algorithms, 300, app.now()).await.unwrap();
        app.advance(700);
        app.tick().await;
        let bearer = bearer(&app, "orders:read").await;
        let decided = api.call(&app, &bearer, "GET", "/orders/7").await;
        api.explained(&app, &decided).await
    }

    async fn issuer_with_a_slash(app: TestApp) {
        let bearer = bearer(&app, "orders:read").await;
        let api = Api::of(&app, policy_of(&format!("{ISSUER}/"), API)).await;
        let decided = api.call(&app, &bearer, "GET", "/orders/7").await;
        api.explained(&app, &decided).await
    }

    async fn token_expired(app: TestApp) {
        let bearer = bearer(&app, "orders:read").await;
        let api = Api::usual(&app).await;
        app.advance(600);
        let decided = api.call(&app, &bearer, "GET", "/orders/7").await;
        api.explained(&app, &decided).await
    }

    async fn clock_behind(app: TestApp) {
        let bearer = bearer(&app, "orders:read").await;
        let api = Api::usual(&app).await;
        app.advance(-120);
        let decided = api.call(&app, &bearer, "GET", "/orders/7").await;
        api.explained(&app, &decided).await
    }

    async fn no_rule_for_the_path(app: TestApp) {
        let bearer = bearer(&app, "orders:read").await;
        let api = Api::usual(&app).await;
        let decided = api.call(&app, &bearer, "GET", "/prod/orders/7").await;
        api.explained(&app, &decided).await
    }

    async fn keys_unreachable(app: TestApp) {
        let bearer = bearer(&app, "orders:read").await;
        let policy = policy_of(ISSUER, API);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let verifier = Verifier::new(policy.issuers(), Path::new("."), |_| Arc::new(Unreachable), &clock);
        let api = Api::verifying(policy, verifier.unwrap());
        let decided = api.call(&app, &bearer, "GET", "/orders/7").await;
        assert!(decided.answer["error"].as_str().unwrap().starts_with("keys_unavailable"));
        api.explained(&app, &decided).await
    }

    async fn token_in_the_wrong_place(app: TestApp) {
        let bearer = bearer(&app, "orders:read").await;
        let api = Api::usual(&app).await;
        let mut event = http_v2(&bearer, "GET", "/orders/7");
        event["headers"] = json!({"x-access-token": bearer});
        event["identitySource"] = json!([]);
        let decided = api.decide(&app, &event).await;
        api.explained(&app, &decided).await
    }

    async fn dpop_without_a_bound_token(app: TestApp) {
        let bearer = bearer(&app, "orders:read").await;
        let api = Api::usual(&app).await;
        let mut event = http_v2(&bearer.replace("Bearer", "DPoP"), "GET", "/orders/7");
        event["headers"]["dpop"] = json!("e30.e30.e30");
        let decided = api.decide(&app, &event).await;
        api.explained(&app, &decided).await
    }
}
