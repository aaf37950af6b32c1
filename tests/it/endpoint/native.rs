//! Codes for programs on the person's own machine (RFC 8252 §8.6): never without the person's act.

use crate::attack::steps::{
    OWN_PAGE, asks_for_consent, asks_for_login, browser_of, code_of, count, hidden,
};
use crate::support::app::ISSUER;
use crate::support::browser::form_of;
use crate::support::fixtures::{PASSWORD, authorize_url, confidential_client, public_client};
use crate::support::{Answer, Browser, on_both_databases};
use gatewright::domain::Client;
use gatewright::domain::redirect_uri::RedirectUri;

const V4: &str = "http://127.0.0.1:51004/cb";
const V6: &str = "http://[::1]:51004/cb";
const SCHEME: &str = "com.example.app:/cb";

fn native(first_party: bool) -> Client {
    let uris = [
        "http://127.0.0.1/cb",
        "http://[::1]/cb",
        SCHEME,
        "https://app.example.com/cb",
    ];
    let redirect_uris = uris
        .iter()
        .map(|uri| RedirectUri::parse(uri).unwrap())
        .collect();
    Client {
        first_party,
        redirect_uris,
        ..public_client("native")
    }
}

fn at(redirect_uri: &str, more: &[(&str, &str)]) -> String {
    let changes = [&[("redirect_uri", redirect_uri)][..], more].concat();
    authorize_url("native", "openid", &changes)
}

#[track_caller]
fn asks_to_continue(answer: &Answer, place: &str) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.body.contains("id=\"continue-form\""),
        "{}",
        answer.body
    );
    assert!(answer.body.contains("The native app"), "{}", answer.body);
    assert!(
        answer.body.contains(&format!("<dd>{place}, ")),
        "{}",
        answer.body
    );
    assert!(answer.header("location").is_none());
}

#[track_caller]
fn wants_an_interaction(answer: &Answer, redirect_uri: &str) {
    assert!(
        answer.location().starts_with(redirect_uri),
        "{}",
        answer.location()
    );
    assert_eq!(
        answer.parameter("error").as_deref(),
        Some("interaction_required")
    );
    assert_eq!(answer.parameter("state").as_deref(), Some("the state"));
    assert_eq!(answer.parameter("iss").as_deref(), Some(ISSUER));
}

on_both_databases! {
    async fn a_native_client_gets_no_code_without_a_click(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&native(true)).await;
        let browser = browser_of(&app, "ada").await;
        for (uri, place) in [(V4, "127.0.0.1:51004"), (V6, "[::1]:51004"), (SCHEME, "com.example.app:")] {
            let page = browser.get_once(&at(uri, &[])).await;
            asks_to_continue(&page, place);
            assert_eq!(count(&app, "SELECT COUNT(*) FROM authorization_code WHERE client_id = 'native'").await, 0);
            wants_an_interaction(&browser.get_once(&at(uri, &[("prompt", "none")])).await, uri);
            // A reload asks again; a refusal is told; a click goes on, each time anew.
            asks_to_continue(&browser.get_once(&at(uri, &[])).await, place);
            let refused = browser.submit(&page, "continue-form", &[("decision", "deny")]).await;
            assert_eq!(refused.parameter("error").as_deref(), Some("access_denied"));
            for _ in 0..2 {
                let page = browser.get_once(&at(uri, &[])).await;
                let answer = browser.submit(&page, "continue-form", &[("decision", "allow")]).await;
                assert!(answer.location().starts_with(uri), "{}", answer.location());
                code_of(&answer);
            }
            app.issuer.store.execute("DELETE FROM authorization_code", vec![]).await.unwrap();
        }
        // No consent was asked, and none is remembered for it.
        assert_eq!(count(&app, "SELECT COUNT(*) FROM consent").await, 0);
        assert_eq!(app.events("consent_given").await, 0);
    }

    async fn consent_for_one_port_is_no_act_for_another(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&native(false)).await;
        let browser = browser_of(&app, "ada").await;
        let page = browser.get_once(&at(V4, &[])).await;
        asks_for_consent(&page);
        assert!(page.body.contains("127.0.0.1:51004"), "{}", page.body);
        code_of(&browser.submit(&page, "consent-form", &[("decision", "allow")]).await);
        let other = "http://127.0.0.1:6000/cb";
        for uri in [V4, other] {
            asks_to_continue(&browser.get_once(&at(uri, &[])).await, uri.trim_start_matches("http://").trim_end_matches("/cb"));
            wants_an_interaction(&browser.get_once(&at(uri, &[("prompt", "none")])).await, uri);
        }
        // Consent that is missing is said to be.
        let more = authorize_url("native", "openid email", &[("redirect_uri", other), ("prompt", "none")]);
        assert_eq!(browser.get_once(&more).await.parameter("error").as_deref(), Some("consent_required"));
        asks_for_consent(&browser.get_once(&authorize_url("native", "openid email", &[("redirect_uri", other)])).await);
    }

    async fn a_click_is_no_consent(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&native(false)).await;
        let browser = browser_of(&app, "ada").await;
        let page = browser.get_once(&at(V4, &[])).await;
        code_of(&browser.submit(&page, "consent-form", &[("decision", "allow")]).await);
        let page = browser.get_once(&at(V4, &[])).await;
        asks_to_continue(&page, "127.0.0.1:51004");
        // The consent went while the page was open, or the client became another: it's asked for.
        app.issuer.store.execute("DELETE FROM consent", vec![]).await.unwrap();
        asks_for_consent(&browser.submit(&page, "continue-form", &[("decision", "allow")]).await);
        assert_eq!(count(&app, "SELECT COUNT(*) FROM consent").await, 0);
        app.rewrite(&Client { name: "Another name".to_owned(), ..native(true) }).await;
        let again = browser.submit(&page, "continue-form", &[("decision", "allow")]).await;
        assert!(again.body.contains("id=\"continue-form\"") && again.body.contains("Another name"), "{}", again.body);
    }

    async fn the_password_given_for_this_request_is_an_act(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&native(true)).await;
        let browser = Browser::new(&app);
        let page = browser.get_once(&at(V4, &[])).await;
        asks_for_login(&page);
        assert!(page.body.contains("id=\"login-leads-to\"") && page.body.contains("127.0.0.1:51004"), "{}", page.body);
        assert!(page.body.contains("The native app"), "{}", page.body);
        code_of(&browser.submit(&page, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await);
        // For this one alone.
        asks_to_continue(&browser.get_once(&at(V4, &[])).await, "127.0.0.1:51004");
        let page = browser.get_once(&at(V4, &[("prompt", "login")])).await;
        code_of(&browser.submit(&page, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await);
        // An application with an address of its own says nothing of the kind.
        let web = Browser::new(&app).get_once(&authorize_url("web", "openid", &[])).await;
        assert!(!web.body.contains("login-leads-to"), "{}", web.body);
    }

    async fn who_can_be_told_apart_may_be_silent(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        // An https address is its owner's alone; a client with a secret can't be played by another program; and one may
        // be allowed to be silent.
        app.register(&native(true)).await;
        code_of(&browser.get_once(&at("https://app.example.com/cb", &[("prompt", "none")])).await);
        let redirect_uris = vec![RedirectUri::parse(V4).unwrap()];
        app.register(&Client { redirect_uris, ..confidential_client("server") }).await;
        code_of(&browser.get_once(&authorize_url("server", "openid", &[("redirect_uri", V4), ("prompt", "none")])).await);
        app.rewrite(&Client { silent_authorization: true, ..native(true) }).await;
        for uri in [V4, V6, SCHEME] {
            code_of(&browser.get_once(&at(uri, &[("prompt", "none")])).await);
        }
    }

    async fn a_click_can_not_be_forged(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&native(true)).await;
        let (browser, other) = (browser_of(&app, "ada").await, browser_of(&app, "ada").await);
        let form = form_of(&browser.get_once(&at(V4, &[])).await, "continue-form");
        let foreign = form_of(&other.get_once(&at(V4, &[])).await, "continue-form");
        let csrf = hidden(&form, "csrf");
        let allow = ("decision", "allow");
        for (action, fields, headers) in [
            (&form.action, vec![allow], &OWN_PAGE[..]),
            (&form.action, vec![("csrf", &*hidden(&foreign, "csrf")), allow], &OWN_PAGE[..]),
            (&foreign.action, vec![("csrf", &*csrf), allow], &OWN_PAGE[..]),
            (&form.action, vec![("csrf", &*csrf), allow], &[("sec-fetch-site", "cross-site")][..]),
        ] {
            let answer = browser.post_once(action, &fields, headers).await;
            assert_eq!(answer.status, 403, "{}", answer.body);
        }
        assert_eq!(count(&app, "SELECT COUNT(*) FROM authorization_code WHERE client_id = 'native'").await, 0);
        code_of(&browser.post_once(&form.action, &[("csrf", &csrf), allow], &OWN_PAGE).await);
    }
}
