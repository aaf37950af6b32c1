//! RP-initiated logout.

use crate::support::app::form;
use crate::support::fixtures::{PASSWORD, REDIRECT, VERIFIER, authorize_url, public_client};
use crate::support::{Browser, TestApp, on_both_databases};

const BYE: &str = "https://app.example.com/bye";

/// Ada, logged in, and the ID token she got.
async fn logged_in(app: &TestApp) -> (Browser, String) {
    app.with_ada_and_web().await;
    let browser = Browser::new(app);
    let answer = browser
        .log_in(&authorize_url("web", "openid", &[]), "ada", PASSWORD)
        .await;
    let code = answer.parameter("code").unwrap();
    let tokens = app
        .post(
            "/token",
            &[
                ("grant_type", "authorization_code"),
                ("client_id", "web"),
                ("code", &code),
                ("redirect_uri", REDIRECT),
                ("code_verifier", VERIFIER),
            ],
        )
        .await
        .json();
    (browser, tokens["id_token"].as_str().unwrap().to_owned())
}

fn logout(fields: &[(&str, &str)]) -> String {
    format!("/logout?{}", form(fields))
}

async fn is_logged_in(browser: &Browser) -> bool {
    let answer = browser
        .get_once(&authorize_url("web", "openid", &[("prompt", "none")]))
        .await;
    answer.parameter("code").is_some()
}

on_both_databases! {
    async fn the_sessions_own_id_token_logs_out_without_a_question(app: TestApp) {
        let (browser, id_token) = logged_in(&app).await;
        app.advance(3600); // An expired ID token is still a hint.
        assert!(is_logged_in(&browser).await);
        let answer = browser.get_once(&logout(&[
            ("id_token_hint", &id_token), ("post_logout_redirect_uri", BYE), ("state", "a&b=c"),
        ])).await;
        assert_eq!(answer.status, 303);
        assert_eq!(answer.location(), format!("{BYE}?state=a%26b%3Dc"));
        assert!(!is_logged_in(&browser).await);
    }

    async fn without_a_hint_the_person_is_asked(app: TestApp) {
        let (browser, _) = logged_in(&app).await;
        let page = browser.get(&logout(&[("client_id", "web"), ("post_logout_redirect_uri", BYE), ("state", "s")])).await;
        assert!(page.body.contains("id=\"logout-form\""));
        assert!(is_logged_in(&browser).await);
        let answer = browser.submit(&page, "logout-form", &[]).await;
        assert_eq!(answer.location(), format!("{BYE}?state=s"));
        assert!(!is_logged_in(&browser).await);
    }

    async fn an_unregistered_address_is_never_followed(app: TestApp) {
        let (browser, id_token) = logged_in(&app).await;
        for address in ["https://evil.example/", "https://app.example.com/bye/", "//evil.example", "javascript:alert(1)"] {
            let answer = browser.get_once(&logout(&[
                ("id_token_hint", &id_token), ("post_logout_redirect_uri", address),
            ])).await;
            assert_eq!(answer.status, 400, "{address}");
            assert!(answer.body.contains("id=\"logout-error\""), "{}", answer.body);
            assert!(answer.header("location").is_none());
            assert!(is_logged_in(&browser).await, "{address}");
        }
    }

    async fn the_page_and_the_record_say_why_an_address_is_not_followed(app: TestApp) {
        let (browser, id_token) = logged_in(&app).await;
        let to = ("post_logout_redirect_uri", BYE);
        let unregistered = ("post_logout_redirect_uri", "https://app.example.com/other");
        for (fields, told, words) in [
            (vec![("id_token_hint", &*id_token), unregistered], "isn’t registered for it", "post_logout_redirect_uri is not registered for this client"),
            (vec![("client_id", "web"), unregistered], "isn’t registered for it", "post_logout_redirect_uri is not registered for this client"),
            (vec![to], "which application it is", "post_logout_redirect_uri came without client_id and id_token_hint"),
            (vec![to, ("client_id", "")], "which application it is", "post_logout_redirect_uri came without client_id and id_token_hint"),
            (vec![to, ("client_id", "nobody")], "which application it is", "the client of post_logout_redirect_uri is not registered here"),
            (vec![to, ("client_id", "other"), ("id_token_hint", &*id_token)], "which application it is", "id_token_hint was issued to another client"),
            (vec![to, ("id_token_hint", "x")], "which application it is", "id_token_hint is not a signed JWT"),
        ] {
            let asked = browser.get_once(&logout(&fields)).await;
            assert_eq!(asked.status, 400, "{fields:?}");
            assert!(asked.body.contains(told), "{fields:?} {}", asked.body);
            assert!(is_logged_in(&browser).await, "{fields:?}");
            let recorded = app.recorded("request_refused").await.pop().unwrap().fields();
            assert_eq!(recorded["reason"], "return_address");
            assert!(recorded["words"].as_str().unwrap().starts_with(words), "{recorded:?}");
            // Where nobody is signed in, there is nothing to ask.
            let nobody = Browser::new(&app).get(&logout(&fields)).await;
            nobody.is_page();
            assert!(nobody.body.contains("You are signed out here."), "{}", nobody.body);
        }
        // A client_id beside a hint that can't be read says enough for an address, and proves nothing.
        let asked = browser.get_once(&logout(&[to, ("client_id", "web"), ("id_token_hint", "x")])).await;
        assert_eq!(asked.status, 200);
        let done = browser.submit(&asked, "logout-form", &[]).await;
        assert_eq!(done.location(), BYE);
    }

    async fn a_confirmation_of_an_earlier_session_asks_again(app: TestApp) {
        let (browser, _) = logged_in(&app).await;
        let page = browser.get("/logout").await;
        let login = browser.get(&authorize_url("web", "openid", &[("prompt", "login")])).await;
        browser.submit(&login, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await;
        let again = browser.submit(&page, "logout-form", &[]).await;
        assert!(again.body.contains("id=\"logout-anew\""), "{}", again.body);
        assert!(is_logged_in(&browser).await);
        let done = browser.submit(&again, "logout-form", &[]).await;
        assert!(done.body.contains("id=\"logged-out\""), "{}", done.body);
        assert!(!is_logged_in(&browser).await);
        // Signed out elsewhere, there is nothing to confirm.
        let done = browser.submit(&page, "logout-form", &[]).await;
        assert!(done.body.contains("id=\"logged-out\""), "{}", done.body);
    }

    async fn another_sessions_id_token_asks_first(app: TestApp) {
        let (_, id_token) = logged_in(&app).await;
        let other = Browser::new(&app);
        other.log_in(&authorize_url("web", "openid", &[]), "ada", PASSWORD).await;
        let page = other.get(&logout(&[("id_token_hint", &id_token)])).await;
        assert!(page.body.contains("id=\"logout-form\""));
        assert!(is_logged_in(&other).await);
    }

    async fn a_foreign_post_does_not_log_out(app: TestApp) {
        let (browser, _) = logged_in(&app).await;
        let answer = browser.post_once("/logout", &[("csrf", "guessed")], &[]).await;
        assert_eq!(answer.status, 403);
        let answer = browser.post_once("/logout", &[], &[("sec-fetch-site", "cross-site")]).await;
        assert!(answer.body.contains("id=\"logout-form\""));
        assert!(is_logged_in(&browser).await);
    }

    async fn a_logout_leaves_other_sessions_alone(app: TestApp) {
        let (browser, id_token) = logged_in(&app).await;
        let other = Browser::new(&app);
        other.log_in(&authorize_url("web", "openid", &[]), "ada", PASSWORD).await;
        browser.get(&logout(&[("id_token_hint", &id_token)])).await;
        assert!(!is_logged_in(&browser).await);
        assert!(is_logged_in(&other).await);
    }
}

#[tokio::test]
async fn logging_out_twice_is_no_error() {
    let app = TestApp::sqlite().await;
    app.register(&public_client("web")).await;
    let answer = Browser::new(&app).get("/logout").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("id=\"logged-out\""));
}
