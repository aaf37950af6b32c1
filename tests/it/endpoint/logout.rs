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
            assert_eq!(answer.status, 200, "{address}");
            assert!(answer.header("location").is_none());
        }
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
