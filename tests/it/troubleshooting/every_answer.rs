//! Every failing answer carries an id, and `explain` finds each of them.

use super::{Beside, story};
use crate::support::fixtures::{PASSWORD, authorize_url};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use axum::body::Body;
use gatewright::store::events::EventRow;
use http::Method;

async fn raw(
    app: &TestApp,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Answer {
    app.send(
        app.request(method, path, headers)
            .body(Body::from(body))
            .unwrap(),
    )
    .await
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Name, expected status, answer.
async fn failures(app: &TestApp) -> Vec<(&'static str, u16, Answer)> {
    app.with_ada_and_web().await;
    let mut failures = Vec::new();
    let mut add = |name, status, answer| failures.push((name, status, answer));
    add("unknown path", 404, app.get("/nowhere").await);
    add("wrong method", 405, app.get("/token").await);
    add(
        "HEAD of a page",
        405,
        Browser::new(app).head("/authorize").await,
    );
    add(
        "preflight",
        405,
        raw(
            app,
            Method::OPTIONS,
            "/userinfo",
            &[("origin", "https://x.example")],
            String::new(),
        )
        .await,
    );
    add(
        "large body",
        413,
        raw(app, Method::POST, "/token", &[FORM], "a".repeat(70_000)).await,
    );
    add(
        "compressed body",
        415,
        raw(
            app,
            Method::POST,
            "/token",
            &[FORM, ("content-encoding", "gzip")],
            "a=b".to_owned(),
        )
        .await,
    );
    add(
        "two hosts",
        400,
        raw(
            app,
            Method::GET,
            "/",
            &[("host", "other.example")],
            String::new(),
        )
        .await,
    );
    add(
        "malformed parameters",
        400,
        app.get("/authorize?client_id=%FF").await,
    );
    add(
        "unknown client",
        400,
        app.get(&authorize_url("nobody", "openid", &[])).await,
    );
    add(
        "bad request to the client",
        303,
        app.get(&authorize_url("web", "openid", &[("prompt", "none")]))
            .await,
    );
    add(
        "forged form",
        403,
        app.post("/login", &[("login", "ada"), ("password", PASSWORD)])
            .await,
    );
    add(
        "forged consent",
        403,
        app.post("/consent", &[("decision", "allow")]).await,
    );
    add(
        "expired interaction",
        400,
        app.get("/continue?interaction=gone").await,
    );
    add("reloaded form", 400, app.get("/login").await);
    add(
        "logout twice said",
        400,
        app.get("/logout?state=a&state=b").await,
    );
    add(
        "no grant",
        400,
        app.post("/token", &[("client_id", "web")]).await,
    );
    add(
        "no client",
        401,
        app.post("/token", &[("grant_type", "refresh_token")]).await,
    );
    let twice = [
        ("authorization", "Basic YTpi"),
        ("authorization", "Basic YTpi"),
    ];
    add(
        "two Authorization headers",
        401,
        app.post_with("/token", &[], &twice).await,
    );
    add(
        "public introspection",
        401,
        app.post("/introspect", &[("client_id", "web"), ("token", "x")])
            .await,
    );
    add(
        "query at revocation",
        400,
        app.post("/revoke?token=x", &[("client_id", "web")]).await,
    );
    add("no token", 401, app.get("/userinfo").await);
    add(
        "bad token",
        401,
        app.get_with("/userinfo", &[("authorization", "Bearer nothing")])
            .await,
    );
    add(
        "two tokens",
        400,
        app.post_with(
            "/userinfo",
            &[("access_token", "x")],
            &[("authorization", "Bearer y")],
        )
        .await,
    );
    let browser = Browser::new(app);
    let page = browser.get(&authorize_url("web", "openid", &[])).await;
    let fields = [("login", "ada"), ("password", "wrong")];
    add(
        "wrong password",
        422,
        browser.submit(&page, "login-form", &fields).await,
    );
    let long = "x".repeat(2000);
    add(
        "long password",
        400,
        browser
            .submit(
                &page,
                "login-form",
                &[("login", "ada"), ("password", &long)],
            )
            .await,
    );
    for account in 0..app.options.settings.address_accounts {
        let name = format!("nobody-{account}");
        browser
            .submit(
                &page,
                "login-form",
                &[("login", &name), ("password", "wrong")],
            )
            .await;
    }
    add(
        "throttled address",
        429,
        browser
            .submit(
                &page,
                "login-form",
                &[("login", "somebody-else"), ("password", "wrong")],
            )
            .await,
    );
    app.state.leave();
    add("not ready", 503, app.get("/health/ready").await);
    failures
}

on_both_databases! {
    async fn every_failing_answer_has_an_id_that_is_explained(app: TestApp) {
        for (name, status, answer) in failures(&app).await {
            assert_eq!(answer.status, status, "{name}: {}", answer.body);
            let id = answer.header("x-request-id").unwrap_or_else(|| panic!("{name} has no id")).to_owned();
            assert_eq!(id.len(), 22, "{name}");
            if answer.body.contains("id=\"error-page\"") {
                assert!(answer.body.contains(&id), "{name}: the page doesn't show its id");
            }
            let story = story(&app, &id, &Beside::default()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!story.why.is_empty() && !story.remedies.is_empty(), "{name}: {story:?}");
        }
    }
}

/// The database goes away: what can't be stored can't be explained, but the failure is told, and waits to be written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_of_ours_has_an_id_on_its_page_and_in_its_json() {
    let app = TestApp::sqlite().await;
    app.with_ada_and_web().await;
    app.issuer.store.close().await;
    app.forget_caches();
    let page = app.get(&authorize_url("web", "openid", &[])).await;
    let json = app
        .post(
            "/token",
            &[("client_id", "web"), ("grant_type", "refresh_token")],
        )
        .await;
    for answer in [&page, &json] {
        let id = answer.header("x-request-id").unwrap();
        assert!(
            matches!(answer.status.as_u16(), 500 | 503),
            "{}",
            answer.status
        );
        assert!(answer.body.contains(id), "{}", answer.body);
    }
    assert_eq!(app.issuer.events.waiting(), 2);
}

/// Whatever a stranger sends by the thousand may not crowd out what matters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_stray_requests_is_recorded_up_to_a_rate() {
    let app = TestApp::sqlite().await;
    for _ in 0..200 {
        app.get("/nowhere").await;
    }
    app.advance(60);
    let rows = app.recorded("request_refused").await;
    assert_eq!(rows.len(), 31, "thirty, and one for the rest of the minute");
    let all: i64 = rows.iter().map(EventRow::amount).sum();
    assert_eq!(all, 200);
}

/// Security cases 28 and 89: what the record tells apart, answers don't.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn causes_that_are_recorded_apart_are_answered_alike() {
    let app = TestApp::sqlite().await;
    app.with_ada_and_web().await;
    let expired = app.code("web", "openid").await;
    app.advance(61);
    let used = app.code("web", "openid").await;
    app.redeem("web", &used).await;
    let mut answers = Vec::new();
    for code in ["unknown", &expired, &used] {
        let answer = app.redeem("web", code).await;
        answers.push((answer.status, answer.body));
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "{answers:?}"
    );
    let causes: Vec<String> = app
        .recorded("token_refused")
        .await
        .iter()
        .map(|row| row.fields()["cause"].as_str().unwrap().to_owned())
        .collect();
    let causes: std::collections::BTreeSet<&str> = causes.iter().map(String::as_str).collect();
    assert_eq!(
        causes,
        ["code_expired", "code_replayed", "code_unknown"].into()
    );
}
