//! Resource indicators choose the audience; scopes belong to audiences.

use crate::support::app::{ISSUER, Options};
use crate::support::fixtures::{
    API, REDIRECT, VERIFIER, authorize_url, claims_of, machine_client, public_client,
};
use crate::support::{Browser, TestApp, on_both_databases};
use gatewright::domain::resource::Audience;
use gatewright::domain::{Client, Scope};
use gatewright::flows::scopes::ScopeDirectory;
use gatewright_authorizer::policy::Policy;
use serde_json::json;

const BILLING: &str = "https://billing.example.com";

fn two_apis() -> Client {
    Client {
        audiences: vec![
            Audience::parse(API).unwrap(),
            Audience::parse(BILLING).unwrap(),
        ],
        scope: Scope::parse("openid offline_access orders:read invoices:read").unwrap(),
        ..public_client("web")
    }
}

on_both_databases! {
    async fn the_resource_of_a_request_is_the_audience_of_its_token(app: TestApp) {
        app.register(&Client { audiences: two_apis().audiences, ..machine_client("worker") }).await;
        let audience = |token: &str| claims_of(token)["aud"].clone();
        let answer = app.machine_token("worker", &[("resource", BILLING)]).await;
        assert_eq!(audience(answer.json()["access_token"].as_str().unwrap()), BILLING);
        let answer = app.machine_token("worker", &[("resource", BILLING), ("resource", API)]).await;
        assert_eq!(audience(answer.json()["access_token"].as_str().unwrap()), json!([BILLING, API]));
        let answer = app.machine_token("worker", &[]).await;
        assert_eq!(audience(answer.json()["access_token"].as_str().unwrap()), json!([API, BILLING]));
        for foreign in ["https://other.example.com", "not a uri", "https://api.example.com/", "https://api.example.com#x"] {
            let answer = app.machine_token("worker", &[("resource", foreign)]).await;
            assert_eq!(answer.error(), (400, "invalid_target".to_owned()), "{foreign}");
        }
    }

    async fn a_person_grants_resources_and_the_client_cannot_widen_them(app: TestApp) {
        app.add_person("ada").await;
        app.register(&two_apis()).await;
        let browser = Browser::new(&app);
        let url = format!("{}&resource={}", authorize_url("web", "openid offline_access orders:read", &[]),
            gatewright::domain::form::encode(API));
        let answer = browser.log_in(&url, "ada", crate::support::fixtures::PASSWORD).await;
        let code = answer.parameter("code").unwrap();
        let fields = [
            ("grant_type", "authorization_code"), ("client_id", "web"), ("code", code.as_str()),
            ("redirect_uri", REDIRECT), ("code_verifier", VERIFIER),
        ];
        let mut wider = fields.to_vec();
        wider.push(("resource", BILLING));
        assert_eq!(app.post("/token", &wider).await.error(), (400, "invalid_target".to_owned()));
        let tokens = app.post("/token", &fields).await.json();
        assert_eq!(claims_of(tokens["access_token"].as_str().unwrap())["aud"], API);

        // Meant for the API alone: userinfo refuses it.
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        assert_eq!(app.get_with("/userinfo", &[("authorization", &bearer)]).await.status, 401);

        let refresh = tokens["refresh_token"].as_str().unwrap();
        let answer = app.post("/token", &[
            ("grant_type", "refresh_token"), ("client_id", "web"), ("refresh_token", refresh), ("resource", BILLING),
        ]).await;
        assert_eq!(answer.error(), (400, "invalid_target".to_owned()));
        assert_eq!(app.refresh("web", refresh).await.status, 200);
    }

    async fn an_unregistered_resource_is_reported_to_the_client(app: TestApp) {
        app.with_ada_and_web().await;
        let url = format!("{}&resource=https%3A%2F%2Fother.example.com", authorize_url("web", "openid", &[]));
        app.get(&url).await.is_redirect_with(REDIRECT, "invalid_target", Some("the state"), ISSUER);
    }
}

#[tokio::test]
async fn a_scope_that_means_nothing_to_the_audience_is_left_out() {
    let policy = |audience: &str, scope: &str| {
        Policy::parse(&format!(
            "[[issuer]]\nurl = \"{ISSUER}\"\naudiences = [\"{audience}\"]\nalgorithms = [\"ES256\"]\n\
             [[rule]]\nid = \"one\"\nmethods = [\"GET\"]\npath = \"/x\"\nscopes = [\"{scope}\"]\n"
        ))
        .unwrap()
    };
    let scopes = ScopeDirectory::from_policies(&[
        policy(API, "orders:read"),
        policy(BILLING, "invoices:read"),
    ]);
    let app = TestApp::sqlite_with(Options {
        scopes,
        ..Options::default()
    })
    .await;
    let scope = Scope::parse("orders:read invoices:read").unwrap();
    app.register(&Client {
        scope,
        audiences: two_apis().audiences,
        ..machine_client("worker")
    })
    .await;
    let answer = app
        .machine_token("worker", &[("resource", BILLING)])
        .await
        .json();
    assert_eq!(answer["scope"], "invoices:read");
    let claims = claims_of(answer["access_token"].as_str().unwrap());
    assert_eq!(claims["scope"], "invoices:read");
    let metadata = app.get("/.well-known/openid-configuration").await.json();
    let known = metadata["scopes_supported"].as_array().unwrap();
    assert!(known.contains(&json!("invoices:read")) && known.contains(&json!("orders:read")));
}
