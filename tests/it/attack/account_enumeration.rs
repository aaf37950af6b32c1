//! Finding out who has an account from how a login fails.

use super::steps::{give_password, rewrite_account};
use crate::support::app::Options;
use crate::support::fixtures::{PASSWORD, authorize_url};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use gatewright::crypto::password::HashSettings;
use gatewright::domain::Account;
use gatewright::store::accounts;

/// Unknown, wrong password, disabled, throttled, without password: the login, the password, and why it fails.
const FAILURES: [(&str, &str, &str); 7] = [
    ("eve", PASSWORD, "unknown"),
    ("ada", "the wrong password of a person", "wrong"),
    ("dan", PASSWORD, "disabled, right password"),
    (
        "dan",
        "the wrong password of a person",
        "disabled, wrong password",
    ),
    ("tom", PASSWORD, "throttled, right password"),
    (
        "tom",
        "the wrong password of a person",
        "throttled, wrong password",
    ),
    ("nan", PASSWORD, "without password"),
];

async fn people(app: &TestApp) {
    app.with_ada_and_web().await;
    let dan = app.add_person("dan").await;
    rewrite_account(
        app,
        &Account {
            disabled: true,
            ..dan
        },
    )
    .await;
    app.add_person("tom").await;
    let template = app.add_person("zed").await;
    let nan = Account {
        subject: gatewright::domain::Subject::new("subject-of-nan"),
        username: "nan".to_owned(),
        email: Some("nan@example.com".to_owned()),
        ..template
    };
    let mut tx = app.issuer.store.begin().await.unwrap();
    accounts::insert(&mut tx, &nan, None).await.unwrap();
    tx.commit().await.unwrap();
    for _ in 0..6 {
        attempt(app, "tom", "not it").await;
    }
}

async fn attempt(app: &TestApp, login: &str, password: &str) -> Answer {
    let browser = Browser::new(app);
    let page = browser.get(&authorize_url("web", "openid", &[])).await;
    give_password(&browser, &page, login, password).await
}

/// The page with what differs from page to page by chance taken out.
fn template_of(answer: &Answer, login: &str) -> String {
    let mut page = answer.body.replace(login, "LOGIN");
    for name in ["csrf", "interaction"] {
        let start = page.find(&format!("name=\"{name}\"")).unwrap();
        let value = start + page[start..].find("value=\"").unwrap() + 7;
        let end = value + page[value..].find('"').unwrap();
        page.replace_range(value..end, name);
    }
    page
}

fn shape(answer: &Answer) -> (u16, usize, Vec<(String, usize)>) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.len()))
        .collect();
    headers.sort();
    (answer.status.as_u16(), answer.body.len(), headers)
}

on_both_databases! {
    async fn every_failed_login_looks_the_same(app: TestApp) {
        people(&app).await;
        for suffix in ["", "@example.com"] {
            let mut seen = Vec::new();
            for (name, password, why) in FAILURES {
                let login = format!("{name}{suffix}");
                let answer = attempt(&app, &login, password).await;
                assert_eq!(answer.status, 422, "{why}");
                assert!(answer.body.contains("id=\"login-error\""), "{}", answer.body);
                assert!(answer.headers.get("set-cookie").is_none(), "{why}");
                seen.push((shape(&answer), template_of(&answer, &login), why));
            }
            for (shape, template, why) in &seen {
                assert_eq!((shape, template), (&seen[0].0, &seen[0].1), "{why}");
            }
        }
    }

    async fn every_failed_login_costs_a_hash(app: TestApp) {
        people(&app).await;
        // With no room to hash, whoever would be answered without hashing gives it away.
        let hashing = HashSettings { slots: 0, queue: 0, ..app.options.hashing };
        let node = app.reopened(Options { hashing, ..app.options.clone() }).await;
        for (login, password, why) in FAILURES {
            let answer = attempt(&node, login, password).await;
            assert_eq!(answer.status, 503, "{why}: {}", answer.body);
            assert!(answer.headers.get("retry-after").is_some());
        }
        assert_eq!(attempt(&node, "ada", PASSWORD).await.status, 503);
        // That was no attempt: with room again, the right password is right.
        for _ in 0..6 {
            attempt(&node, "ada", "not it").await;
        }
        assert_eq!(attempt(&app, "ada", PASSWORD).await.status, 303);
    }
}
