//! What goes wrong between the gateway, the authorizer and the token.

use super::{Api, Beside, admin, by_hand, cases, http_v2, policy_of, story};
use crate::cli::policies::signer::Signer;
use crate::support::TestApp;
use crate::support::app::ISSUER;
use crate::support::fixtures::{API, claims_of, machine_client};
use gatewright::cli::explain::in_words;
use gatewright::crypto::jwt::{self, TokenType};
use gatewright::crypto::token::sha256;
use gatewright::flows::admin::{decisions, keys as admin_keys};
use gatewright_authorizer::Verifier;
use gatewright_authorizer::fetch::SystemClock;
use gatewright_authorizer::jose::{Algorithm, thumbprint};
use gatewright_authorizer::jwks::{BoxFuture, Clock, FetchError, FetchKeys, Fetched};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

async fn bearer(app: &TestApp, scope: &str) -> String {
    app.register(&machine_client("worker")).await;
    let answer = app.machine_token("worker", &[("scope", scope)]).await;
    format!("Bearer {}", answer.json()["access_token"].as_str().unwrap())
}

/// A token of ours as an issuer would bind it to a key (RFC 9449 §6.1).
async fn bound_token(app: &TestApp, key: &Signer) -> String {
    let bearer = bearer(app, "orders:read").await;
    let mut claims = claims_of(&bearer["Bearer ".len()..]);
    claims["cnf"] = json!({"jkt": thumbprint(&key.jwk()).unwrap()});
    let keyring = app.issuer.keyring.load();
    let signer = keyring.signer(Algorithm::Es256).unwrap();
    jwt::sign(signer, TokenType::AccessToken, &claims).unwrap()
}

/// A proof for `GET /orders/7`.
fn proof(app: &TestApp, key: &Signer, token: &str) -> String {
    let mut jwk = key.jwk();
    let members = jwk.as_object_mut().unwrap();
    members.retain(|name, _| ["kty", "crv", "x"].contains(&name.as_str()));
    let header = json!({"typ": "dpop+jwt", "alg": key.alg, "jwk": jwk});
    let url = "https://api.example.com/orders/7";
    let claims =
        json!({"jti": key.kid, "htm": "GET", "htu": url, "iat": app.now(), "ath": sha256(token)});
    key.sign_with(&header, &claims)
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
        admin_keys::rotate(admin(&app), &[Algorithm::Es256], 300, app.now()).await.unwrap();
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

    async fn proof_by_another_key(app: TestApp) {
        let (own, other) = (Signer::ed25519("own"), Signer::ed25519("other"));
        let token = bound_token(&app, &own).await;
        let api = Api::usual(&app).await;
        let mut event = http_v2(&format!("DPoP {token}"), "GET", "/orders/7");
        event["headers"]["dpop"] = json!(proof(&app, &own, &token));
        let decided = api.decide(&app, &event).await;
        assert!(decided.log.contains("\"decision\":\"allow\""), "{}", decided.log);
        event["headers"]["dpop"] = json!(proof(&app, &other, &token));
        let decided = api.decide(&app, &event).await;
        assert!(decided.log.contains("proof_key_mismatch"), "{}", decided.log);
        api.explained(&app, &decided).await
    }

    async fn bound_token_as_bearer(app: TestApp) {
        let token = bound_token(&app, &Signer::ed25519("own")).await;
        let api = Api::usual(&app).await;
        let decided = api.call(&app, &format!("Bearer {token}"), "GET", "/orders/7").await;
        assert!(decided.log.contains("sender_constrained"), "{}", decided.log);
        api.explained(&app, &decided).await
    }

    async fn web_socket_token_elsewhere(app: TestApp) {
        let bearer = bearer(&app, "orders:read").await;
        let protocols = bearer.replace("Bearer ", "bearer, ");
        let event = json!({
            "type": "REQUEST",
            "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:abcdef123/prod/$connect",
            "headers": {"Sec-WebSocket-Protocol": protocols},
            "multiValueHeaders": {"Sec-WebSocket-Protocol": [protocols]},
            "requestContext": {
                "routeKey": "$connect", "eventType": "CONNECT", "messageDirection": "IN", "stage": "prod",
                "requestId": "call-1", "connectionId": "L0SM9cOFvHcCIhw=", "apiId": "abcdef123",
                "identity": {"sourceIp": "203.0.113.1"},
            },
        });
        let api = Api::usual(&app).await;
        let decided = api.decide(&app, &event).await;
        assert_eq!(decided.answer["error"], "Unauthorized");
        let shown = api.explained(&app, &decided).await;
        // The connection's id leads there as well, from the log and once it is imported.
        let beside = Beside { log: decided.log.clone(), policy: Some(api.policy.clone()) };
        let by_connection = story(&app, "L0SM9cOFvHcCIhw=", &beside).await.unwrap();
        assert_eq!(in_words(&by_connection), shown);
        decisions::import(admin(&app), by_hand(std::slice::from_ref(&decided.log)), app.now()).await.unwrap();
        let beside = Beside { policy: beside.policy, ..Beside::default() };
        let imported = story(&app, "L0SM9cOFvHcCIhw=", &beside).await.unwrap();
        assert_eq!(in_words(&imported), shown);
        assert!(story(&app, "L0SM9cOFvHcCIhw", &beside).await.is_err());
        shown
    }

    async fn event_of_something_else(app: TestApp) {
        let bearer = bearer(&app, "orders:read").await;
        let api = Api::usual(&app).await;
        // An integration's event: nobody is asked to authorize.
        let mut event = http_v2(&bearer, "GET", "/orders/7");
        event.as_object_mut().unwrap().retain(|name, _| name != "type" && name != "routeArn");
        let decided = api.decide(&app, &event).await;
        assert!(decided.answer["error"].as_str().unwrap().starts_with("event_unrecognised"));
        api.explained(&app, &decided).await
    }

    async fn simple_answers_expected(app: TestApp) {
        let bearer = bearer(&app, "orders:read").await;
        let api = Api::usual(&app).await;
        let decided = api.call(&app, &bearer, "GET", "/orders/7").await;
        assert!(decided.answer["policyDocument"].is_object(), "{}", decided.answer);
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
