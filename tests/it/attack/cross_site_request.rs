//! Cross-site request forgery, against every form.

use super::steps::{
    OWN_PAGE, asks_for_consent, browser_of, code_of, count, hidden, session_cookie, sessions_of,
};
use crate::support::browser::form_of;
use crate::support::fixtures::{PASSWORD, authorize_url, public_client};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use axum::body::Body;
use gatewright::domain::Client;
use http::Method;

#[track_caller]
fn is_forged(answer: &Answer) {
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert!(answer.body.contains("id=\"error-page\""), "{}", answer.body);
    assert!(answer.headers.get("set-cookie").is_none());
    assert!(answer.headers.get("location").is_none());
}

async fn nothing_was_counted(app: &TestApp) {
    assert_eq!(count(app, "SELECT COUNT(*) FROM throttle").await, 0);
    assert_eq!(count(app, "SELECT COUNT(*) FROM throttle_member").await, 0);
    assert_eq!(count(app, "SELECT COUNT(*) FROM browser_session").await, 0);
    assert_eq!(
        count(app, "SELECT COUNT(*) FROM event WHERE kind LIKE 'login%'").await,
        0
    );
}

on_both_databases! {
    async fn a_forged_login_is_refused_and_not_counted(app: TestApp) {
        app.with_ada_and_web().await;
        let url = authorize_url("web", "openid", &[]);
        let (victim, attacker) = (Browser::new(&app), Browser::new(&app));
        let form = form_of(&victim.get(&url).await, "login-form");
        let other = form_of(&victim.get(&url).await, "login-form");
        let foreign = form_of(&attacker.get(&url).await, "login-form");
        let (csrf, interaction) = (hidden(&form, "csrf"), hidden(&form, "interaction"));
        let (csrf, interaction) = (csrf.as_str(), interaction.as_str());
        let (foreign_csrf, foreign_interaction) = (hidden(&foreign, "csrf"), hidden(&foreign, "interaction"));
        let wrong_case = csrf.to_lowercase();

        for password in [PASSWORD, "wrong password"] {
            for (token, sealed) in [
                ("", interaction),
                ("x", interaction),
                (&*wrong_case, interaction),
                (&csrf[1..], interaction),
                // Of another browser; of another page of the same browser; the other browser's pair as it is.
                (&*foreign_csrf, interaction),
                (&*hidden(&other, "csrf"), interaction),
                (&*foreign_csrf, &*foreign_interaction),
                (csrf, &*foreign_interaction),
                (csrf, ""),
            ] {
                let fields = [("csrf", token), ("interaction", sealed), ("login", "ada"), ("password", password)];
                is_forged(&victim.post_once("/login", &fields, &OWN_PAGE).await);
            }
            let fields = [("csrf", csrf), ("interaction", interaction), ("login", "ada"), ("password", password)];
            is_forged(&victim.post_once("/login", &fields[1..], &OWN_PAGE).await);
            for headers in [
                vec![("sec-fetch-site", "cross-site")],
                vec![("sec-fetch-site", "same-site")],
                vec![("sec-fetch-site", "cross-site"), ("origin", "null")],
                vec![("sec-fetch-site", "cross-site"), ("origin", "https://id.example.com")],
                vec![("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
                vec![("origin", "https://evil.example")],
                vec![("origin", "http://id.example.com")],
                vec![("origin", "https://id.example.com.evil.example")],
                vec![("origin", "https://id.example.com:8443")],
            ] {
                is_forged(&victim.post_once("/login", &fields, &headers).await);
            }
            // A pair without the browser's cookie, or with two of them.
            is_forged(&app.post_with("/login", &fields, &OWN_PAGE).await);
            let cookie = victim.cookie_header();
            let two = format!("{cookie}; {cookie}");
            is_forged(&app.post_with("/login", &fields, &[("cookie", &*two)]).await);
            let twice = [&fields[..], &[("login", "bob")]].concat();
            is_forged(&victim.post_once("/login", &twice, &OWN_PAGE).await);
            let body = crate::support::app::form(&fields);
            for kind in ["text/plain", "multipart/form-data; boundary=x", "application/json"] {
                let headers = [("cookie", &*cookie), ("content-type", kind)];
                let request = app.request(Method::POST, "/login", &headers).body(Body::from(body.clone()));
                is_forged(&app.send(request.unwrap()).await);
            }
            app.get_with(&format!("/login?{body}"), &[("cookie", &cookie)]).await.is_page();
        }
        nothing_was_counted(&app).await;
    }

    async fn our_own_page_may_log_in_without_saying_its_origin(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let page_headers = [OWN_PAGE.to_vec(), vec![("origin", "https://id.example.com")], vec![("origin", "null")]];
        for headers in page_headers {
            let browser = Browser::new(&app);
            let page = browser.get(&authorize_url("web", "openid", &[])).await;
            assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
            let form = form_of(&page, "login-form");
            let (csrf, interaction) = (hidden(&form, "csrf"), hidden(&form, "interaction"));
            let fields =
                [("csrf", &*csrf), ("interaction", &*interaction), ("login", "ada"), ("password", PASSWORD)];
            assert_eq!(browser.post_once("/login", &fields, &headers).await.status, 303, "{headers:?}");
        }
        assert_eq!(sessions_of(&app, &ada).await, 3);
    }

    async fn nobody_is_logged_in_as_the_attacker(app: TestApp) {
        app.with_ada_and_web().await;
        let mallory = app.add_person("mallory").await;
        let url = authorize_url("web", "openid", &[]);
        let attacker = Browser::new(&app);
        let form = form_of(&attacker.get(&url).await, "login-form");
        let (csrf, interaction) = (hidden(&form, "csrf"), hidden(&form, "interaction"));
        let fields = [("csrf", &*csrf), ("interaction", &*interaction), ("login", "mallory"), ("password", PASSWORD)];
        let fresh = Browser::new(&app);
        let victim = browser_of(&app, "ada").await;
        let before = session_cookie(&app, &victim);
        for browser in [&fresh, &victim] {
            for headers in [&OWN_PAGE[..], &[]] {
                is_forged(&browser.post_once("/login", &fields, headers).await);
            }
        }
        // Nor by handing over a login that is half done.
        let answer = attacker.post_once("/login", &fields, &OWN_PAGE).await;
        for browser in [&fresh, &victim] {
            browser.get_once(answer.location()).await.is_page();
        }
        assert_eq!(session_cookie(&app, &victim), before);
        assert_eq!(session_cookie(&app, &fresh), None);
        assert_eq!(sessions_of(&app, &mallory).await, 1);
    }

    async fn a_forged_consent_is_refused(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&Client { first_party: false, ..public_client("third") }).await;
        let victim = browser_of(&app, "ada").await;
        let attacker = browser_of(&app, "ada").await;
        let url = authorize_url("third", "openid", &[]);
        let page = victim.get(&url).await;
        asks_for_consent(&page);
        let form = form_of(&page, "consent-form");
        let foreign = form_of(&attacker.get(&url).await, "consent-form");
        let login = form_of(&victim.get(&authorize_url("web", "openid", &[("prompt", "login")])).await, "login-form");
        let logout = form_of(&victim.get("/logout").await, "logout-form");
        let (csrf, allow) = (hidden(&form, "csrf"), ("decision", "allow"));
        for token in ["", "x", &hidden(&foreign, "csrf"), &hidden(&login, "csrf"), &hidden(&logout, "csrf")] {
            is_forged(&victim.post_once(&form.action, &[("csrf", token), allow], &OWN_PAGE).await);
        }
        is_forged(&victim.post_once(&form.action, &[allow], &OWN_PAGE).await);
        let fields = [("csrf", &*csrf), allow];
        for headers in [[("sec-fetch-site", "cross-site")], [("sec-fetch-site", "same-site")], [("origin", "https://e.x")]] {
            is_forged(&victim.post_once(&form.action, &fields, &headers).await);
        }
        is_forged(&victim.post_once(&foreign.action, &fields, &OWN_PAGE).await);
        assert_eq!(count(&app, "SELECT COUNT(*) FROM consent").await, 0);
        code_of(&victim.post_once(&form.action, &fields, &OWN_PAGE).await);
    }

    async fn a_forged_logout_is_refused(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let (victim, attacker) = (browser_of(&app, "ada").await, browser_of(&app, "ada").await);
        let form = form_of(&victim.get("/logout").await, "logout-form");
        let foreign = form_of(&attacker.get("/logout").await, "logout-form");
        let csrf = hidden(&form, "csrf");
        for token in ["x", &hidden(&foreign, "csrf")] {
            is_forged(&victim.post_once("/logout", &[("csrf", token)], &OWN_PAGE).await);
            // Nor does it help to say which session's it is.
            for session in [&form, &foreign].map(|form| hidden(form, "session")) {
                let fields = [("csrf", token), ("session", &*session)];
                is_forged(&victim.post_once("/logout", &fields, &OWN_PAGE).await);
            }
        }
        for headers in [[("sec-fetch-site", "cross-site")], [("origin", "https://evil.example")]] {
            is_forged(&victim.post_once("/logout", &[("csrf", &csrf)], &headers).await);
        }
        // Without a token at all it is a request to be confirmed, also by GET with the token in the query.
        for answer in [
            victim.post_once("/logout", &[], &[("sec-fetch-site", "cross-site")]).await,
            victim.post_once("/logout", &[("csrf", "")], &OWN_PAGE).await,
            victim.get_once("/logout").await,
            victim.get_once(&format!("/logout?csrf={csrf}")).await,
        ] {
            assert!(answer.body.contains("id=\"logout-form\""), "{}", answer.body);
        }
        assert_eq!(sessions_of(&app, &ada).await, 2);
        assert_eq!(victim.post_once("/logout", &[("csrf", &csrf)], &OWN_PAGE).await.status, 200);
        assert_eq!(sessions_of(&app, &ada).await, 1);
        // The token was that session's: it ends no later one.
        let page = victim.log_in(&authorize_url("web", "openid", &[]), "ada", PASSWORD).await;
        code_of(&page);
        is_forged(&victim.post_once("/logout", &[("csrf", &csrf)], &OWN_PAGE).await);
        let session = hidden(&form, "session");
        let asked = victim.post_once("/logout", &[("csrf", &csrf), ("session", &session)], &OWN_PAGE).await;
        assert!(asked.body.contains("id=\"logout-anew\""), "{}", asked.body);
        assert_eq!(sessions_of(&app, &ada).await, 2);
    }
}
