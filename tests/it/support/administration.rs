//! Administrators, their browsers, and events of any time.

use super::app::ISSUER;
use super::fixtures::{PASSWORD, machine_client};
use super::{Answer, Browser, TestApp};
use axum::body::Body;
use gatewright::domain::client::Client;
use gatewright::domain::event::Happening;
use gatewright::domain::resource::Audience;
use gatewright::domain::{Account, Scope};
use gatewright::flows::administration;
use http::Method;

/// A client that may send an authorizer's decisions, and nothing else.
pub fn shipping_client(id: &str) -> Client {
    Client {
        scope: Scope::parse("gatewright:decisions").unwrap(),
        audiences: vec![Audience::parse(ISSUER).unwrap()],
        ..machine_client(id)
    }
}

/// The access token that it sends them with.
pub async fn shipping_token(app: &TestApp, id: &str) -> String {
    let fields = [("scope", "gatewright:decisions"), ("resource", ISSUER)];
    let answer = app.machine_token(id, &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// Sends lines as an authorizer does.
pub async fn ship(app: &TestApp, query: &str, token: &str, lines: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", &*bearer),
        ("content-type", "application/x-ndjson"),
    ];
    let request = app
        .request(
            Method::POST,
            &format!("/admin/api/decisions{query}"),
            &headers,
        )
        .body(Body::from(lines.to_owned()))
        .unwrap();
    app.send(request).await
}

/// Makes a person an administrator.
pub async fn make_administrator(app: &TestApp, account: &Account) {
    let mut tx = app.issuer.store.begin().await.unwrap();
    let now = app.now();
    administration::set(&mut tx, &app.issuer.master, &account.subject, true, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// A browser in which Grace, an administrator, has just logged in to see the activity.
pub async fn administrator(app: &TestApp) -> Browser {
    let grace = app.add_person("grace").await;
    make_administrator(app, &grace).await;
    let browser = Browser::new(app);
    let page = browser.log_in("/admin/activity", "grace", PASSWORD).await;
    assert!(
        page.body.contains("id=\"activity\""),
        "{} {}",
        page.status,
        page.body
    );
    browser
}

/// A page that opens.
pub async fn open(browser: &Browser, path: &str) -> String {
    let answer = browser.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

/// Notes an event as of another time.
pub fn recorded_at(app: &TestApp, at: i64, happening: Happening) {
    app.issuer.events.note(happening, at);
}
