//! Logging people out against their will, and using the logout to send them elsewhere.

use super::steps::{browser_of, code_of, hidden, session_cookie, sessions_of};
use crate::support::browser::form_of;
use crate::support::fixtures::{PASSWORD, authorize_url, public_client};
use crate::support::{Browser, TestApp, on_both_databases};
use gatewright::domain::Client;
use gatewright::domain::form::encode;
use gatewright::domain::redirect_uri::RedirectUri;

const BYE: &str = "https://app.example.com/bye";

fn logout(fields: &[(&str, &str)]) -> String {
    format!("/logout?{}", crate::support::app::form(fields))
}

async fn id_token(app: &TestApp, browser: &Browser, client_id: &str) -> String {
    let code = code_of(
        &browser
            .get_once(&authorize_url(client_id, "openid", &[]))
            .await,
    );
    app.redeem(client_id, &code).await.json()["id_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

on_both_databases! {
    async fn a_logout_without_proof_is_confirmed_first(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        app.add_person("bob").await;
        let browser = browser_of(&app, "ada").await;
        let bob = browser_of(&app, "bob").await;
        let other = browser_of(&app, "ada").await;
        let hint_of_bob = id_token(&app, &bob, "web").await;
        let hint_of_other_session = id_token(&app, &other, "web").await;
        let own = id_token(&app, &browser, "web").await;
        let (signed, signature) = own.rsplit_once('.').unwrap();
        let altered = format!("{signed}.{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
        for fields in [
            vec![],
            vec![("client_id", "web")],
            vec![("client_id", "web"), ("post_logout_redirect_uri", BYE)],
            vec![("post_logout_redirect_uri", BYE)],
            vec![("id_token_hint", "x")],
            vec![("id_token_hint", &*altered)],
            vec![("id_token_hint", &*hint_of_bob), ("post_logout_redirect_uri", BYE)],
            vec![("id_token_hint", &*hint_of_other_session), ("post_logout_redirect_uri", BYE)],
            vec![("id_token_hint", &*own), ("client_id", "other"), ("post_logout_redirect_uri", BYE)],
        ] {
            let answer = browser.get_once(&logout(&fields)).await;
            assert!(answer.body.contains("id=\"logout-form\""), "{fields:?} {}", answer.body);
            assert!(answer.headers.get("location").is_none());
            let posted = browser.post_once("/logout", &fields, &[]).await;
            assert!(posted.body.contains("id=\"logout-form\""), "{fields:?} {}", posted.body);
        }
        assert_eq!(sessions_of(&app, &ada).await, 2);
        assert!(session_cookie(&app, &browser).is_some());
        let twice = format!("{}&state=a&state=b", logout(&[("client_id", "web")]));
        browser.get_once(&twice).await.is_page();
        // With proof, at once.
        let fields = [("id_token_hint", &*own), ("post_logout_redirect_uri", BYE), ("state", "s")];
        let answer = browser.get_once(&logout(&fields)).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (303, "https://app.example.com/bye?state=s"));
        assert_eq!(sessions_of(&app, &ada).await, 1);
        assert_eq!(session_cookie(&app, &browser), None);
    }

    async fn only_a_registered_address_follows_a_logout(app: TestApp) {
        app.with_ada_and_web().await;
        let other = RedirectUri::parse("https://other.example/bye").unwrap();
        app.register(&Client { post_logout_redirect_uris: vec![other], ..public_client("other") }).await;
        for uri in [
            "https://evil.example/",
            "https://app.example.com/bye/",
            "https://app.example.com/bye?x",
            "https://app.example.com/bye#",
            "https://app.example.com/cb",
            "https://APP.example.com/bye",
            "https://app.example.com:443/bye",
            "https://app.example.com/bye\r\nX: y",
            "https://other.example/bye",
            "javascript:alert(1)",
            "//evil.example",
        ] {
            let browser = browser_of(&app, "ada").await;
            let hint = id_token(&app, &browser, "web").await;
            let fields = [("id_token_hint", &*hint), ("post_logout_redirect_uri", uri), ("state", "s")];
            let answer = browser.get_once(&logout(&fields)).await;
            // Nobody is signed out on the quiet, to a page that the application didn't mean.
            assert_eq!(answer.status, 400, "{uri}");
            assert!(answer.body.contains("id=\"logout-error\""), "{uri} {}", answer.body);
            assert!(answer.headers.get("location").is_none(), "{uri}");
            assert!(!answer.body.contains("evil"), "{}", answer.body);
            code_of(&browser.get_once(&authorize_url("web", "openid", &[("prompt", "none")])).await);
            let answer = browser.submit(&answer, "logout-form", &[]).await;
            assert!(answer.body.contains("id=\"logged-out\""), "{uri} {}", answer.body);
            assert_eq!(session_cookie(&app, &browser), None);
        }
        // Altered in the form that confirms it, or asked for without any session.
        let browser = browser_of(&app, "ada").await;
        let page = browser.get(&logout(&[("client_id", "web"), ("post_logout_redirect_uri", BYE)])).await;
        let csrf = hidden(&form_of(&page, "logout-form"), "csrf");
        let fields = [("csrf", &*csrf), ("client_id", "web"), ("post_logout_redirect_uri", "https://evil.example/")];
        let answer = browser.post_once("/logout", &fields, &crate::attack::steps::OWN_PAGE).await;
        assert!(answer.body.contains("id=\"logged-out\""), "{}", answer.body);
        assert!(answer.headers.get("location").is_none());
        let nobody = app.get(&logout(&[("client_id", "web"), ("post_logout_redirect_uri", "https://evil.example/")])).await;
        nobody.is_page();
    }

    async fn the_state_of_a_logout_comes_back_exactly(app: TestApp) {
        app.with_ada_and_web().await;
        for state in ["a b+c&d=e#f%20\u{e4}", "\r\nSet-Cookie: x=y", "\"><script>alert(1)</script>", &"s".repeat(2048)] {
            let browser = browser_of(&app, "ada").await;
            let fields = [("client_id", "web"), ("post_logout_redirect_uri", BYE), ("state", state)];
            let page = browser.get(&logout(&fields)).await;
            assert!(!page.body.contains("<script"), "{}", page.body);
            let done = browser.submit(&page, "logout-form", &[]).await;
            assert_eq!(done.location(), format!("{BYE}?state={}", encode(state)));
            assert_eq!(done.parameter("state").as_deref(), Some(state));
        }
    }

    async fn a_session_that_has_ended_stays_ended(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        let cookie = session_cookie(&app, &browser).unwrap();
        let page = browser.get("/logout").await;
        browser.submit(&page, "logout-form", &[]).await;
        browser.cookies.lock().unwrap().insert(app.state.cookies.session.to_string(), cookie);
        let url = authorize_url("web", "openid", &[]);
        crate::attack::steps::asks_for_login(&browser.get_once(&url).await);
        // So does one that nobody used for eight hours, or that is a day old, however much it is used.
        let idle = browser_of(&app, "ada").await;
        app.advance(8 * 3600);
        crate::attack::steps::asks_for_login(&idle.get_once(&url).await);
        let busy = Browser::new(&app);
        code_of(&busy.log_in(&url, "ada", PASSWORD).await);
        for _ in 0..3 {
            app.advance(7 * 3600);
            code_of(&busy.get_once(&url).await);
        }
        app.advance(3 * 3600);
        crate::attack::steps::asks_for_login(&busy.get_once(&url).await);
    }
}
