//! Ten incidents, and an hour without any.

use super::stage::{Stage, is_allowed, token};
use crate::support::fixtures::{authorize_url, machine_client};
use crate::support::{Browser, on_both_databases};
use crate::troubleshooting::Api;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewright::domain::Scope;
use gatewright::flows::keys;
use gatewright_authorizer::Verifier;
use gatewright_authorizer::fetch::SystemClock;
use gatewright_authorizer::jose::Algorithm;
use gatewright_authorizer::jwks::{BoxFuture, Clock, FetchError, FetchKeys, Fetched};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An issuer that nobody reaches.
struct Unreachable;

impl FetchKeys for Unreachable {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(async { Err(FetchError("connection refused".to_owned())) })
    }
}

/// The same token with another `kid` in its header.
fn with_kid(token: &str, kid: &str) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap();
    let mut header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    header["kid"] = kid.into();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

on_both_databases! {
    async fn an_hour_of_normal_load_raises_nothing(app: TestApp) {
        let stage = Stage::set(&app).await;
        for _ in 0..360 {
            stage.round().await;
        }
        let raised: Vec<String> = stage.open().await.into_iter().map(|alert| alert.summary).collect();
        assert_eq!(raised, [""; 0]);
        assert_eq!(app.events("alert_opened").await, 0, "nor in between");
        assert!(app.events("token_issued").await > 400);
    }

    async fn brute_force_on_one_account(app: TestApp) {
        let stage = Stage::set(&app).await;
        stage.round().await;
        let url = authorize_url("web", "openid", &[]);
        let attacker = stage.nodes[1].seen_from("192.0.2.66");
        let mut last = None;
        for n in 0..15 {
            last = Some(Browser::new(&attacker).log_in(&url, "grace", &format!("guess {n}")).await);
        }
        let (alert, top) = stage.alarmed("login_failures_account", &format!("account:{}", subject(&app, "grace").await)).await;
        assert!(alert.observed >= 15, "{}", alert.observed);
        assert_eq!(top.addresses[0].name, "192.0.2.66");
        let story = stage.explained_answer(&last.unwrap()).await;
        assert!(story.contains("the account had too many failures"), "{story}");
    }

    async fn one_password_on_many_accounts(app: TestApp) {
        let stage = Stage::set(&app).await;
        stage.round().await;
        let url = authorize_url("web", "openid", &[]);
        let mut last = None;
        for n in 0..12 {
            let attacker = stage.nodes[n % 2].seen_from(&format!("192.0.2.{n}"));
            last = Some(Browser::new(&attacker).log_in(&url, &format!("person-{n}"), "Summer2026!").await);
        }
        let (alert, top) = stage.alarmed("password_spraying", "all:").await;
        assert!(alert.observed >= 12);
        assert_eq!(top.addresses.len(), 5, "the top five of twelve");
        let story = stage.explained_answer(&last.unwrap()).await;
        assert!(story.contains("nobody has this user name or address"), "{story}");
    }

    async fn guessing_a_clients_secret(app: TestApp) {
        let stage = Stage::set(&app).await;
        stage.round().await;
        let attacker = app.seen_from("192.0.2.66");
        let mut last = None;
        for n in 0..25 {
            let secret = format!("guess-{n}");
            let fields = [("grant_type", "client_credentials"), ("client_id", "worker"), ("client_secret", secret.as_str())];
            last = Some(attacker.post("/token", &fields).await);
        }
        let (_, top) = stage.alarmed("client_secret_guessing", "client:worker").await;
        assert_eq!((top.addresses[0].name.as_str(), top.addresses[0].count), ("192.0.2.66", 25));
        let story = stage.explained_answer(&last.unwrap()).await;
        assert!(story.contains("the secret is none of this client's"), "{story}");
    }

    async fn a_stolen_refresh_token(app: TestApp) {
        let stage = Stage::set(&app).await;
        let tokens = app.tokens("web", "openid offline_access").await;
        let stolen = tokens["refresh_token"].as_str().unwrap();
        app.refresh("web", stolen).await.json();
        for _ in 0..3 {
            stage.round().await;
        }
        let replayed = stage.nodes[1].seen_from("192.0.2.66").refresh("web", stolen).await;
        assert_eq!(replayed.status, 400);
        let (_, top) = stage.alarmed("refresh_replay", "client:web").await;
        assert_eq!(top.addresses[0].name, "192.0.2.66");
        let story = stage.explained_answer(&replayed).await;
        assert!(story.contains("the refresh token had been used before"), "{story}");
    }

    async fn a_code_that_comes_twice(app: TestApp) {
        let stage = Stage::set(&app).await;
        let code = app.code("web", "openid").await;
        app.redeem("web", &code).await.json();
        stage.round().await;
        let replayed = stage.nodes[1].seen_from("192.0.2.66").redeem("web", &code).await;
        assert_eq!(replayed.status, 400);
        let (_, top) = stage.alarmed("code_replay", "client:web").await;
        assert_eq!(top.addresses[0].name, "192.0.2.66");
        let story = stage.explained_answer(&replayed).await;
        assert!(story.contains("the code had been used before"), "{story}");
    }

    async fn a_flood_of_bogus_key_ids(app: TestApp) {
        let stage = Stage::set(&app).await;
        stage.round().await;
        let genuine = token(&app, "worker").await;
        for n in 0..30 {
            let bogus = with_kid(&genuine, &format!("bogus-{n}"));
            stage.call(&stage.api, &bogus, "GET", "/orders/7").await;
        }
        let bogus = stage.last_call();
        let good = stage.call(&stage.api, &genuine, "GET", "/orders/7").await;
        assert!(is_allowed(&good), "the flood harms nobody");
        let (alert, top) = stage.alarmed("unknown_kid_flood", "all:").await;
        assert_eq!(alert.observed, 30);
        assert_eq!(top.reasons[0].name, "key_unknown");
        let story = stage.explained(&bogus).await;
        assert!(story.contains("names a key that its issuer doesn't publish"), "{story}");
    }

    async fn a_scope_taken_from_a_client(app: TestApp) {
        let stage = Stage::set(&app).await;
        stage.round().await;
        let mut worker = machine_client("worker");
        worker.scope = Scope::parse("orders:read").unwrap();
        app.rewrite(&worker).await;
        stage.a_second_later();
        for _ in 0..110 {
            let token = token(&app, "worker").await;
            stage.call(&stage.api, &token, "POST", "/orders").await;
        }
        let denied = stage.last_call();
        let (_, top) = stage.alarmed("denial_spike", "all:").await;
        assert_eq!((top.clients[0].name.as_str(), top.clients[0].count), ("worker", 110));
        assert_eq!(top.reasons[0].name, "insufficient_scope");
        let story = stage.explained(&denied).await;
        assert!(story.contains("orders:write") && story.contains("gatewright client update worker"), "{story}");
    }

    async fn an_outage_of_the_keys(app: TestApp) {
        let stage = Stage::set(&app).await;
        stage.round().await;
        let policy = stage.api.policy.clone();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let verifier = Verifier::new(policy.issuers(), Path::new("."), |_| Arc::new(Unreachable), &clock);
        let cold = Api::verifying(policy, verifier.unwrap());
        let genuine = token(&app, "worker").await;
        for _ in 0..110 {
            stage.call(&cold, &genuine, "GET", "/orders/7").await;
        }
        let failed = stage.last_call();
        let (_, top) = stage.alarmed("denial_spike", "all:").await;
        assert_eq!(top.reasons[0].name, "keys_unavailable");
        let story = stage.explained(&failed).await;
        assert!(story.contains("keys could not be fetched"), "{story}");
    }

    async fn the_clock_of_one_node(app: TestApp) {
        let stage = Stage::set(&app).await;
        stage.round().await;
        stage.ahead.store(150, Ordering::Relaxed);
        let (alert, top) = stage.alarmed("clock_skew", "node:two").await;
        assert_eq!(alert.observed, 150);
        assert_eq!(top.nodes[0].name, "two");
        let noted = app.recorded("clock_skew").await.remove(0);
        let story = stage.explained(&noted.event_id).await;
        assert!(story.contains("by 150 seconds"), "{story}");
    }

    async fn a_key_that_should_sign_and_cannot(app: TestApp) {
        let stage = Stage::set(&app).await;
        let issuer = &app.issuer;
        let times = (issuer.settings.jwks_max_age_s, app.now());
        let pending = keys::rotate(&issuer.store, &issuer.master, &issuer.events, Algorithm::Es256, times).await.unwrap();
        let damage = "UPDATE signing_key SET sealed_private = 'x' WHERE state = 'pending'";
        assert_eq!(issuer.store.execute(damage, vec![]).await.unwrap(), 1);
        // The rule itself waits a minute for the nodes to get to it.
        app.set_clock(pending.activates_at + 55);
        assert!(keys::tick(issuer, app.now()).await.is_err());
        let (_, _) = stage.alarmed("keys_overdue", "key:ES256").await;
        let rejected = app.recorded("key_rejected").await.remove(0);
        let story = stage.explained(&rejected.event_id).await;
        assert!(story.contains(&pending.kid) && story.contains("master key"), "{story}");
    }
}

async fn subject(app: &crate::support::TestApp, name: &str) -> String {
    let found = gatewright::store::accounts::by_login(&app.issuer.store, name).await;
    found.unwrap().unwrap().0.subject.as_str().to_owned()
}
