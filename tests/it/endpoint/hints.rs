//! `id_token_hint` outlives the key that signed it.

use crate::attack::steps::{asks_for_consent, asks_for_login, browser_of, code_of, is_told};
use crate::support::fixtures::{PASSWORD, authorize_url, header_of, public_client};
use crate::support::{Browser, TestApp, on_both_databases};
use gatewright::domain::Client;
use gatewright::flows::keys;
use gatewright_authorizer::jose::Algorithm;

const BYE: &str = "https://app.example.com/bye";

/// Puts another RS256 key in place, and waits until the former one has left the JWKS.
async fn replace_key(app: &TestApp) {
    let issuer = &app.issuer;
    let times = (issuer.settings.jwks_max_age_s, app.now());
    keys::rotate(
        &issuer.store,
        &issuer.master,
        &issuer.events,
        Algorithm::Rs256,
        times,
    )
    .await
    .unwrap();
    for _ in 0..2 {
        app.advance(700);
        app.tick().await;
    }
}

/// An ID token of this browser's session at `web`.
async fn id_token(app: &TestApp, browser: &Browser) -> String {
    let code = code_of(&browser.get_once(&authorize_url("web", "openid", &[])).await);
    let tokens = app.redeem("web", &code).await.json();
    tokens["id_token"].as_str().unwrap().to_owned()
}

fn asked(client: &str, hint: &str, more: &[(&str, &str)]) -> String {
    authorize_url(
        client,
        "openid",
        &[&[("id_token_hint", hint)][..], more].concat(),
    )
}

fn logout(hint: &str) -> String {
    let fields = [
        ("id_token_hint", hint),
        ("post_logout_redirect_uri", BYE),
        ("state", "s"),
    ];
    format!("/logout?{}", crate::support::app::form(&fields))
}

const SILENT: [(&str, &str); 1] = [("prompt", "none")];

on_both_databases! {
    async fn a_hint_of_a_former_key_still_says_who_is_meant(app: TestApp) {
        app.with_ada_and_web().await;
        app.add_person("bob").await;
        let (ada, bob) = (browser_of(&app, "ada").await, browser_of(&app, "bob").await);
        let hint = id_token(&app, &ada).await;
        replace_key(&app).await;
        let kid = header_of(&hint)["kid"].as_str().unwrap().to_owned();
        let other = app.another_node().await;
        for node in [&app, &other] {
            assert!(!node.get("/jwks.json").await.body.contains(&kid));
            assert!(!node.issuer.keyring.load().published().has_kid(&kid), "it verifies nothing but hints");
            code_of(&ada.on(node).get_once(&asked("web", &hint, &SILENT)).await);
            is_told(&bob.on(node).get_once(&asked("web", &hint, &SILENT)).await, "login_required");
            is_told(&node.get(&asked("web", &hint, &SILENT)).await, "login_required");
            // Nor may anybody else sign with its name.
            let (signed, signature) = hint.rsplit_once('.').unwrap();
            let first = if signature.starts_with('A') { 'B' } else { 'A' };
            let altered = format!("{signed}.{first}{}", &signature[1..]);
            is_told(&ada.on(node).get_once(&asked("web", &altered, &SILENT)).await, "invalid_request");
            is_told(&ada.on(node).get_once(&asked("web", &altered, &[])).await, "invalid_request");
        }
        // It proves whose session ends, and where the browser goes on.
        let done = ada.get_once(&logout(&hint)).await;
        assert_eq!((done.status.as_u16(), done.location()), (303, "https://app.example.com/bye?state=s"));
        asks_for_login(&ada.get_once(&authorize_url("web", "openid", &[])).await);
    }

    async fn former_keys_are_kept_as_long_as_a_session_may_live(app: TestApp) {
        app.with_ada_and_web().await;
        let hint = id_token(&app, &browser_of(&app, "ada").await).await;
        replace_key(&app).await;
        let kid = header_of(&hint)["kid"].as_str().unwrap().to_owned();
        let knows = |app: &TestApp| app.issuer.keyring.load().hint_key(&kid, app.now()).is_some();
        app.advance(app.issuer.settings.session_absolute_s - 1);
        assert!(knows(&app));
        app.advance(1);
        assert!(!knows(&app));
    }

    async fn a_hint_of_an_unknown_key_suits_the_person_it_names_or_nobody(app: TestApp) {
        app.with_ada_and_web().await;
        app.add_person("bob").await;
        app.register(&Client { first_party: false, ..public_client("third") }).await;
        let hint = id_token(&app, &browser_of(&app, "ada").await).await;
        replace_key(&app).await;
        app.advance(app.issuer.settings.session_absolute_s);
        let (ada, bob) = (browser_of(&app, "ada").await, browser_of(&app, "bob").await);
        code_of(&ada.get_once(&asked("web", &hint, &SILENT)).await);
        for answer in [bob.get_once(&asked("web", &hint, &SILENT)).await, app.get(&asked("web", &hint, &SILENT)).await] {
            is_told(&answer, "login_required");
        }
        // It narrows, and tells a stranger nothing: nobody has allowed this client, whoever is logged in.
        for browser in [&ada, &bob] {
            let answer = browser.get_once(&asked("third", &hint, &SILENT)).await;
            assert_eq!(answer.parameter("error").as_deref(), Some("login_required"));
        }
        // With a page allowed, whoever is meant is asked for.
        asks_for_consent(&ada.get_once(&asked("third", &hint, &[])).await);
        let page = bob.get_once(&asked("web", &hint, &[])).await;
        asks_for_login(&page);
        code_of(&bob.submit(&page, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await);
        let page = app.get(&asked("web", &hint, &[])).await;
        asks_for_login(&page);
        // A logout is asked about, and keeps its return address.
        let ada = browser_of(&app, "ada").await;
        let page = ada.get_once(&logout(&hint)).await;
        assert_eq!(page.status, 200, "{}", page.body);
        code_of(&ada.get_once(&authorize_url("web", "openid", &SILENT)).await);
        let done = ada.submit(&page, "logout-form", &[]).await;
        assert_eq!(done.location(), "https://app.example.com/bye?state=s");
    }

    async fn a_withdrawn_key_proves_nothing_any_more(app: TestApp) {
        app.with_ada_and_web().await;
        let ada = browser_of(&app, "ada").await;
        let hint = id_token(&app, &ada).await;
        let issuer = &app.issuer;
        let times = (issuer.settings.jwks_max_age_s, app.now());
        keys::rotate(&issuer.store, &issuer.master, &issuer.events, Algorithm::Rs256, times).await.unwrap();
        app.advance(700);
        app.tick().await;
        let kid = header_of(&hint)["kid"].as_str().unwrap().to_owned();
        assert!(keys::retire(&issuer.store, &issuer.events, &kid, app.now()).await.unwrap());
        app.advance(700);
        app.tick().await;
        let page = ada.get_once(&logout(&hint)).await;
        assert!(page.body.contains("id=\"logout-form\""), "{}", page.body);
        code_of(&ada.get_once(&asked("web", &hint, &SILENT)).await);
    }
}
