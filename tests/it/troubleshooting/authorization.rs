//! What goes wrong in the browser.

use super::{cases, explained};
use crate::support::Browser;
use crate::support::fixtures::{PASSWORD, REDIRECT, authorize_url, machine_client, public_client};
use gatewright::domain::client::GrantType;
use gatewright::domain::{Client, Scope};
use http::Method;

cases! {
    async fn redirect_uri_not_registered(app: TestApp) {
        app.with_ada_and_web().await;
        let url = authorize_url("web", "openid", &[("redirect_uri", &format!("{REDIRECT}/"))]);
        let answer = app.get(&url).await;
        answer.is_page();
        explained(&app, &answer).await
    }

    async fn unknown_client(app: TestApp) {
        app.with_ada_and_web().await;
        let answer = app.get(&authorize_url("wep", "openid", &[])).await;
        answer.is_page();
        explained(&app, &answer).await
    }

    async fn client_without_logins(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let answer = app.get(&authorize_url("worker", "openid", &[])).await;
        answer.is_page();
        explained(&app, &answer).await
    }

    async fn code_challenge_missing(app: TestApp) {
        app.with_ada_and_web().await;
        let changes = [("code_challenge", ""), ("code_challenge_method", "")];
        let answer = app.get(&authorize_url("web", "openid", &changes)).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"));
        explained(&app, &answer).await
    }

    async fn scope_not_allowed(app: TestApp) {
        let worker = Client { grants: [GrantType::AuthorizationCode].into(), ..public_client("worker") };
        app.register(&Client { scope: Scope::parse("orders:read orders:write").unwrap(), ..worker }).await;
        app.register(&Client { scope: Scope::parse("orders:delete").unwrap(), ..machine_client("cleaner") }).await;
        let answer = app.get(&authorize_url("worker", "orders:read orders:delete", &[])).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_scope"));
        explained(&app, &answer).await
    }

    async fn scope_misspelt(app: TestApp) {
        app.with_ada_and_web().await;
        let answer = app.get(&authorize_url("web", "openid order:read", &[])).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_scope"));
        explained(&app, &answer).await
    }

    async fn resource_not_an_audience(app: TestApp) {
        app.with_ada_and_web().await;
        let changes = [("resource", "https://other.example.com")];
        let answer = app.get(&authorize_url("web", "openid", &changes)).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("invalid_target"));
        explained(&app, &answer).await
    }

    async fn silent_login_in_a_frame(app: TestApp) {
        app.with_ada_and_web().await;
        let answer = app.get(&authorize_url("web", "openid", &[("prompt", "none")])).await;
        assert_eq!(answer.parameter("error").as_deref(), Some("login_required"));
        explained(&app, &answer).await
    }

    async fn form_without_cookies(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let page = browser.get(&authorize_url("web", "openid", &[])).await;
        browser.cookies.lock().unwrap().clear();
        let answer = browser.submit(&page, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await;
        assert_eq!(answer.status, 403);
        explained(&app, &answer).await
    }

    async fn page_open_too_long(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let page = browser.get(&authorize_url("web", "openid", &[])).await;
        app.advance(1801);
        let answer = browser.submit(&page, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await;
        answer.is_page();
        explained(&app, &answer).await
    }

    async fn account_throttled(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let page = browser.get(&authorize_url("web", "openid", &[])).await;
        for _ in 0..app.options.settings.account_failures {
            browser.submit(&page, "login-form", &[("login", "ada"), ("password", "wrong")]).await;
        }
        let answer = browser.submit(&page, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await;
        assert_eq!(answer.status, 422);
        explained(&app, &answer).await
    }

    async fn script_of_another_origin(app: TestApp) {
        let headers = [("origin", "https://app.example.com"), ("access-control-request-method", "POST")];
        let request = app.request(Method::OPTIONS, "/token", &headers);
        let answer = app.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 405);
        explained(&app, &answer).await
    }
}
