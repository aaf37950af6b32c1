//! Passing an old sign-in, or another person's, for a fresh one: `prompt`, `max_age`, `id_token_hint`.

use super::steps::{
    asks_for_consent, asks_for_login, browser_of, code_of, give_password, hidden, is_told,
    session_cookie, sessions_of,
};
use crate::support::app::ISSUER;
use crate::support::browser::form_of;
use crate::support::fixtures::{PASSWORD, authorize_url, claims_of, public_client};
use crate::support::{Browser, on_both_databases};
use gatewright::crypto::jwt::{self, TokenType};
use gatewright::domain::Client;
use gatewright::domain::form::encode;
use gatewright_authorizer::jose::Algorithm;
use serde_json::json;

fn with(changes: &[(&str, &str)]) -> String {
    authorize_url("web", "openid", changes)
}

on_both_databases! {
    async fn prompt_none_never_shows_a_page(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&Client { first_party: false, ..public_client("third") }).await;
        is_told(&app.get(&with(&[("prompt", "none")])).await, "login_required");
        let browser = browser_of(&app, "ada").await;
        code_of(&browser.get_once(&with(&[("prompt", "none")])).await);
        let third = authorize_url("third", "openid", &[("prompt", "none")]);
        is_told(&browser.get_once(&third).await, "consent_required");
        for prompt in ["none login", "login none", "none consent", "none select_account", "none x", "x"] {
            is_told(&browser.get_once(&with(&[("prompt", prompt)])).await, "invalid_request");
        }
        app.advance(100);
        is_told(&browser.get_once(&with(&[("prompt", "none"), ("max_age", "0")])).await, "login_required");
        is_told(&browser.get_once(&with(&[("prompt", "none"), ("max_age", "99")])).await, "login_required");
        for max_age in ["-1", "1.5", "x", "99999999999999999999"] {
            is_told(&browser.get_once(&with(&[("max_age", max_age)])).await, "invalid_request");
        }
    }

    async fn a_fresh_password_is_demanded_and_can_not_be_skipped(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        for changes in [[("prompt", "login")], [("max_age", "0")], [("max_age", "50")], [("prompt", "select_account")]] {
            let browser = browser_of(&app, "ada").await;
            let former = session_cookie(&app, &browser).unwrap();
            app.advance(100);
            let asked_at = app.now();
            let page = browser.get(&with(&changes)).await;
            asks_for_login(&page);
            // The sealed request goes on from the form, but no further than to the form.
            let sealed = hidden(&form_of(&page, "login-form"), "interaction");
            let skipped = browser.get_once(&format!("/continue?interaction={}", encode(&sealed))).await;
            asks_for_login(&skipped);
            app.advance(5);
            let answer = browser.submit(&skipped, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await;
            let tokens = app.redeem("web", &code_of(&answer)).await.json();
            let claims = claims_of(tokens["id_token"].as_str().unwrap());
            assert!(claims["auth_time"].as_i64().unwrap() > asked_at, "{changes:?}");
            assert_eq!(claims["sub"], ada.subject.as_str());
            assert_ne!(session_cookie(&app, &browser).unwrap(), former);
            assert_eq!(sessions_of(&app, &ada).await, 1, "the former session has ended");
            browser.get("/logout").await;
            let page = browser.get("/logout").await;
            browser.submit(&page, "logout-form", &[]).await;
        }
    }

    async fn a_recent_password_is_recent_enough(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        // Not even this second's, for the client wants a new one.
        asks_for_login(&browser.get_once(&with(&[("max_age", "0")])).await);
        app.advance(100);
        code_of(&browser.get_once(&with(&[("max_age", "100")])).await);
        asks_for_login(&browser.get_once(&with(&[("max_age", "99")])).await);
    }

    async fn another_person_begins_another_session(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let bob = app.add_person("bob").await;
        let browser = browser_of(&app, "ada").await;
        let former = session_cookie(&app, &browser).unwrap();
        let page = browser.get(&with(&[("prompt", "login")])).await;
        let answer = browser.submit(&page, "login-form", &[("login", "bob"), ("password", PASSWORD)]).await;
        let tokens = app.redeem("web", &code_of(&answer)).await.json();
        assert_eq!(claims_of(tokens["id_token"].as_str().unwrap())["sub"], bob.subject.as_str());
        assert_eq!((sessions_of(&app, &ada).await, sessions_of(&app, &bob).await), (0, 1));
        browser.cookies.lock().unwrap().insert(app.state.cookies.session.to_string(), former);
        asks_for_login(&browser.get_once(&with(&[])).await);
    }

    async fn a_password_given_in_one_session_does_not_freshen_another(app: TestApp) {
        app.with_ada_and_web().await;
        app.add_person("bob").await;
        let browser = Browser::new(&app);
        let page = browser.get(&with(&[("prompt", "login")])).await;
        let proven = give_password(&browser, &page, "ada", PASSWORD).await.location().to_owned();
        assert!(proven.starts_with("/continue?interaction="), "{proven}");
        // Somebody else logs in before it is followed.
        let page = browser.get(&with(&[("prompt", "login")])).await;
        code_of(&browser.submit(&page, "login-form", &[("login", "bob"), ("password", PASSWORD)]).await);
        asks_for_login(&browser.get_once(&proven).await);
    }

    async fn an_interaction_ends_after_half_an_hour(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&Client { first_party: false, ..public_client("third") }).await;
        let browser = Browser::new(&app);
        let page = browser.get(&authorize_url("third", "openid", &[])).await;
        let proven = give_password(&browser, &page, "ada", PASSWORD).await.location().to_owned();
        let consent = browser.get_once(&proven).await;
        asks_for_consent(&consent);
        app.advance(1800);
        browser.get_once(&proven).await.is_page();
        browser.submit(&page, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await.is_page();
        browser.submit(&consent, "consent-form", &[("decision", "allow")]).await.is_page();
    }

    async fn a_hint_at_somebody_else_is_not_answered_with_this_session(app: TestApp) {
        app.with_ada_and_web().await;
        app.add_person("bob").await;
        let tokens = app.tokens("web", "openid").await;
        let hint = tokens["id_token"].as_str().unwrap();
        let bob = browser_of(&app, "bob").await;
        for changes in [vec![("id_token_hint", hint)], vec![("id_token_hint", hint), ("prompt", "none")]] {
            is_told(&bob.get_once(&with(&changes)).await, "login_required");
        }
        // Nor does logging in as somebody else satisfy it.
        let browser = Browser::new(&app);
        let answer = browser.log_in(&with(&[("id_token_hint", hint)]), "bob", PASSWORD).await;
        is_told(&answer, "login_required");
        // An expired one still says who is meant.
        let ada = browser_of(&app, "ada").await;
        app.advance(10_000);
        code_of(&ada.get_once(&with(&[("id_token_hint", hint), ("prompt", "none")])).await);
    }

    async fn a_forged_hint_is_refused(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        let tokens = app.tokens("web", "openid").await;
        let genuine = tokens["id_token"].as_str().unwrap();
        let access = tokens["access_token"].as_str().unwrap();
        let (signed, signature) = genuine.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        let altered = format!("{signed}.{first}{}", &signature[1..]);
        let payload = signed.split_once('.').unwrap().1;
        let unsigned = format!("eyJhbGciOiJub25lIn0.{payload}.");
        let keyring = app.issuer.keyring.load();
        let key = keyring.signer(Algorithm::Rs256).unwrap();
        let sign = |claims: serde_json::Value| jwt::sign(key, TokenType::IdToken, &claims).unwrap();
        let elsewhere = sign(json!({"iss": "https://evil.example", "sub": "x", "aud": "web"}));
        let nobody = sign(json!({"iss": ISSUER, "aud": "web"}));
        let slash = sign(json!({"iss": format!("{ISSUER}/"), "sub": "x", "aud": "web"}));
        for hint in [&*altered, &unsigned, access, &elsewhere, &nobody, &slash, "x", "a.b.c", &"x".repeat(20_000)] {
            is_told(&browser.get_once(&with(&[("id_token_hint", hint)])).await, "invalid_request");
        }
    }
}
