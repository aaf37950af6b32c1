//! Administrators, their browsers, and events of any time.

use super::fixtures::PASSWORD;
use super::{Browser, TestApp};
use gatewright::domain::Account;
use gatewright::domain::event::Happening;
use gatewright::store::accounts;

/// Makes a person an administrator.
pub async fn make_administrator(app: &TestApp, account: &Account) {
    let mut tx = app.issuer.store.begin().await.unwrap();
    let now = app.now();
    accounts::set_administrator(&mut tx, &account.subject, true, now)
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
