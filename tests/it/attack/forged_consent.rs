//! Consent that nobody gave: altered, replayed, borrowed, or older than what it is used for.

use super::steps::{
    OWN_PAGE, asks_for_consent, asks_for_login, browser_of, code_of, count, give_password, hidden,
    is_told,
};
use crate::support::app::ISSUER;
use crate::support::browser::form_of;
use crate::support::fixtures::{API, PASSWORD, REDIRECT, authorize_url, claims_of, public_client};
use crate::support::{Answer, Browser, on_both_databases};
use gatewright::domain::Client;
use gatewright::domain::redirect_uri::RedirectUri;
use gatewright::domain::resource::Audience;

const OTHER_API: &str = "https://payments.example.com";

fn third() -> Client {
    let audiences = [API, OTHER_API]
        .map(|uri| Audience::parse(uri).unwrap())
        .to_vec();
    let redirect_uris = [REDIRECT, "https://app.example.com/two"]
        .map(|uri| RedirectUri::parse(uri).unwrap())
        .to_vec();
    Client {
        first_party: false,
        audiences,
        redirect_uris,
        ..public_client("third")
    }
}

async fn agree(browser: &Browser, page: &Answer) -> Answer {
    browser
        .submit(page, "consent-form", &[("decision", "allow")])
        .await
}

#[track_caller]
fn is_forbidden(answer: &Answer) {
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert!(answer.headers.get("location").is_none());
}

on_both_databases! {
    async fn an_altered_consent_is_refused(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&third()).await;
        app.register(&Client { first_party: false, ..public_client("evil") }).await;
        let browser = browser_of(&app, "ada").await;
        let small = form_of(&browser.get(&authorize_url("third", "openid", &[])).await, "consent-form");
        let large = form_of(&browser.get(&authorize_url("third", "openid orders:write", &[])).await, "consent-form");
        let evil = form_of(&browser.get(&authorize_url("evil", "openid", &[])).await, "consent-form");
        let csrf = hidden(&small, "csrf");
        let agreed = [("csrf", &*csrf), ("decision", "allow")];
        for added in [
            ("scope", "openid orders:write"),
            ("client_id", "evil"),
            ("redirect_uri", "https://evil.example/cb"),
            ("resource", API),
            ("interaction", "x"),
            ("csrf", &csrf),
            ("decision", "allow"),
            ("", "x"),
        ] {
            let fields = [&agreed[..], &[added]].concat();
            is_forbidden(&browser.post_once(&small.action, &fields, &OWN_PAGE).await);
        }
        for action in [
            large.action.clone(),
            evil.action.clone(),
            "/consent".to_owned(),
            format!("{}&interaction=x", small.action),
            format!("{}&scope=openid+orders:write", small.action),
            format!("{}x", small.action),
        ] {
            is_forbidden(&browser.post_once(&action, &agreed, &OWN_PAGE).await);
        }
        for decision in ["", "yes", "ALLOW", "allow "] {
            let fields = [("csrf", &*csrf), ("decision", decision)];
            is_forbidden(&browser.post_once(&small.action, &fields, &OWN_PAGE).await);
        }
        assert_eq!(count(&app, "SELECT COUNT(*) FROM consent").await, 0);
        assert_eq!(count(&app, "SELECT COUNT(*) FROM authorization_code WHERE client_id <> 'web'").await, 0);
        // What the server holds is what is granted.
        let code = code_of(&browser.post_once(&small.action, &agreed, &OWN_PAGE).await);
        assert_eq!(app.redeem("third", &code).await.json()["scope"], "openid");
    }

    async fn an_answer_after_a_logout_or_by_another_person_grants_nothing(app: TestApp) {
        app.with_ada_and_web().await;
        app.add_person("bob").await;
        app.register(&third()).await;
        let browser = browser_of(&app, "ada").await;
        let page = browser.get(&authorize_url("third", "openid", &[])).await;
        let form = form_of(&page, "consent-form");
        let csrf = hidden(&form, "csrf");
        let agreed = [("csrf", &*csrf), ("decision", "allow")];
        let logout = browser.get("/logout").await;
        browser.submit(&logout, "logout-form", &[]).await;
        asks_for_login(&browser.post_once(&form.action, &agreed, &OWN_PAGE).await);
        let login = browser.get(&authorize_url("web", "openid", &[])).await;
        code_of(&browser.submit(&login, "login-form", &[("login", "bob"), ("password", PASSWORD)]).await);
        asks_for_consent(&browser.post_once(&form.action, &agreed, &OWN_PAGE).await);
        assert_eq!(count(&app, "SELECT COUNT(*) FROM consent").await, 0);
        assert_eq!(count(&app, "SELECT COUNT(*) FROM authorization_code WHERE client_id = 'third'").await, 0);
        // Nor does it in another browser, whoever is there.
        let other = browser_of(&app, "ada").await;
        is_forbidden(&other.post_once(&form.action, &agreed, &OWN_PAGE).await);
        assert_eq!(count(&app, "SELECT COUNT(*) FROM consent").await, 0);
    }

    async fn remembered_consent_covers_nothing_new(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&third()).await;
        let browser = browser_of(&app, "ada").await;
        let url = authorize_url("third", "openid email", &[]);
        code_of(&agree(&browser, &browser.get(&url).await).await);
        code_of(&browser.get_once(&url).await);
        code_of(&browser.get_once(&authorize_url("third", "openid", &[])).await);
        // Another scope, another redirect URI, another person.
        asks_for_consent(&browser.get_once(&authorize_url("third", "openid email phone", &[])).await);
        let elsewhere = [("redirect_uri", "https://app.example.com/two")];
        asks_for_consent(&browser.get_once(&authorize_url("third", "openid email", &elsewhere)).await);
        asks_for_consent(&browser.get_once(&authorize_url("third", "openid email", &[("prompt", "consent")])).await);
        app.add_person("bob").await;
        asks_for_consent(&browser_of(&app, "bob").await.get_once(&url).await);
        // A client that is no longer what it was.
        let more = [API, OTHER_API, "https://all.example.com"].map(|uri| Audience::parse(uri).unwrap()).to_vec();
        for changed in [
            Client { name: "Another name".to_owned(), ..third() },
            Client { audiences: more, ..third() },
        ] {
            app.rewrite(&changed).await;
            asks_for_consent(&browser.get_once(&url).await);
            let quiet = browser.get_once(&authorize_url("third", "openid email", &[("prompt", "none")])).await;
            is_told(&quiet, "consent_required");
        }
        app.rewrite(&third()).await;
        code_of(&browser.get_once(&url).await);
    }

    async fn consent_to_one_service_is_not_consent_to_all(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&third()).await;
        let browser = browser_of(&app, "ada").await;
        let to = |resource| authorize_url("third", "openid", &[("resource", resource)]);
        let page = browser.get(&to(API)).await;
        assert!(page.body.contains(API) && !page.body.contains(OTHER_API), "{}", page.body);
        let code = code_of(&agree(&browser, &page).await);
        assert_eq!(claims_of(app.redeem("third", &code).await.json()["access_token"].as_str().unwrap())["aud"], API);
        code_of(&browser.get_once(&to(API)).await);
        asks_for_consent(&browser.get_once(&to(OTHER_API)).await);
        // Naming none means all of them.
        let all = browser.get_once(&authorize_url("third", "openid", &[])).await;
        asks_for_consent(&all);
        assert!(all.body.contains(API) && all.body.contains(OTHER_API), "{}", all.body);
        let tokens = app.redeem("third", &code_of(&agree(&browser, &all).await)).await.json();
        let audience = &claims_of(tokens["access_token"].as_str().unwrap())["aud"];
        assert_eq!(*audience, serde_json::json!([API, OTHER_API, ISSUER]));
        code_of(&browser.get_once(&to(OTHER_API)).await);
    }

    async fn nobody_agrees_to_a_client_that_changed_behind_the_page(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&third()).await;
        let browser = browser_of(&app, "ada").await;
        let url = authorize_url("third", "openid orders:read", &[]);
        let page = browser.get(&url).await;
        let more = [API, OTHER_API, "https://all.example.com"].map(|uri| Audience::parse(uri).unwrap()).to_vec();
        app.rewrite(&Client { audiences: more, ..third() }).await;
        let again = agree(&browser, &page).await;
        asks_for_consent(&again);
        assert!(again.body.contains("https://all.example.com"), "{}", again.body);
        assert_eq!(count(&app, "SELECT COUNT(*) FROM consent").await, 0);
        code_of(&agree(&browser, &again).await);

        let page = browser.get(&authorize_url("third", "openid orders:write", &[])).await;
        let less = gatewright::domain::Scope::parse("openid orders:read").unwrap();
        app.rewrite(&Client { scope: less, ..third() }).await;
        is_told(&agree(&browser, &page).await, "invalid_scope");
        app.rewrite(&Client { disabled: true, ..third() }).await;
        agree(&browser, &page).await.is_page();
    }

    async fn consent_does_not_stand_in_for_a_fresh_password(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&third()).await;
        let browser = browser_of(&app, "ada").await;
        // A page that was open when the sign-in was fresh enough, answered when it no longer is.
        let page = browser.get(&authorize_url("third", "openid", &[("max_age", "60")])).await;
        asks_for_consent(&page);
        app.advance(61);
        asks_for_login(&agree(&browser, &page).await);
        assert_eq!(count(&app, "SELECT COUNT(*) FROM consent").await, 0);
        // A login form's interaction never was on a consent page.
        let login = browser.get(&authorize_url("third", "openid", &[("prompt", "login")])).await;
        let sealed = hidden(&form_of(&login, "login-form"), "interaction");
        let csrf = hidden(&form_of(&page, "consent-form"), "csrf");
        let action = format!("/consent?interaction={sealed}");
        is_forbidden(&browser.post_once(&action, &[("csrf", &csrf), ("decision", "allow")], &OWN_PAGE).await);
        // Refusing needs no password.
        let proven = give_password(&browser, &login, "ada", PASSWORD).await;
        let page = browser.get(proven.location()).await;
        is_told(&browser.submit(&page, "consent-form", &[("decision", "deny")]).await, "access_denied");
    }
}
