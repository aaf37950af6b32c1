//! Steps that several attacks share.

use crate::support::app::ISSUER;
use crate::support::browser::{PageForm, form_of};
use crate::support::fixtures::{PASSWORD, REDIRECT, VERIFIER, authorize_url};
use crate::support::{Answer, Browser, TestApp};
use gatewright::domain::Account;
use gatewright::domain::account::canonical_password;
use gatewright::store::{accounts, sessions};

/// What a browser says of a form that one of our pages sent: no referrer, hence no origin.
pub const OWN_PAGE: [(&str, &str); 2] = [("origin", "null"), ("sec-fetch-site", "same-origin")];

/// Asserts that the client `web` is told of `error` at its redirect URI.
#[track_caller]
pub fn is_told(answer: &Answer, error: &str) {
    answer.is_redirect_with(REDIRECT, error, Some("the state"), ISSUER);
    assert!(
        answer.body.is_empty() || answer.onward.is_some(),
        "{}",
        answer.body
    );
}

/// Asserts that the login form is shown.
#[track_caller]
pub fn asks_for_login(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("id=\"login-form\""), "{}", answer.body);
}

/// Asserts that the consent form is shown.
#[track_caller]
pub fn asks_for_consent(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.body.contains("id=\"consent-form\""),
        "{}",
        answer.body
    );
}

/// The code that the client got.
#[track_caller]
pub fn code_of(answer: &Answer) -> String {
    assert!(answer.leads_on(), "{} {}", answer.status, answer.body);
    let code = answer.parameter("code");
    code.unwrap_or_else(|| panic!("no code: {}", answer.location()))
}

/// A browser in which this person is logged in.
pub async fn browser_of(app: &TestApp, login: &str) -> Browser {
    let browser = Browser::new(app);
    code_of(
        &browser
            .log_in(&authorize_url("web", "openid", &[]), login, PASSWORD)
            .await,
    );
    browser
}

/// A field of a form as the page has it.
#[track_caller]
pub fn hidden(form: &PageForm, name: &str) -> String {
    let field = form.hidden.iter().find(|(known, _)| known == name);
    field.unwrap_or_else(|| panic!("no {name}")).1.clone()
}

/// Sends a page's login form; no redirect is followed.
pub async fn give_password(
    browser: &Browser,
    page: &Answer,
    login: &str,
    password: &str,
) -> Answer {
    let form = form_of(page, "login-form");
    let (csrf, interaction) = (hidden(&form, "csrf"), hidden(&form, "interaction"));
    let fields = [
        ("csrf", &*csrf),
        ("interaction", &*interaction),
        ("login", login),
        ("password", password),
    ];
    browser.post_once(&form.action, &fields, &OWN_PAGE).await
}

/// A token request for a code of a public client. Changes as in `authorize_url`.
pub async fn exchange(
    app: &TestApp,
    client_id: &str,
    code: &str,
    changes: &[(&str, &str)],
) -> Answer {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        if !value.is_empty() {
            fields.push((name, value));
        }
    }
    app.post("/token", &fields).await
}

/// Asserts `invalid_grant`.
#[track_caller]
pub fn is_no_grant(answer: &Answer) {
    assert_eq!(
        answer.error(),
        (400, "invalid_grant".to_owned()),
        "{}",
        answer.body
    );
}

/// The value of the browser's session cookie.
pub fn session_cookie(app: &TestApp, browser: &Browser) -> Option<String> {
    browser
        .cookies
        .lock()
        .unwrap()
        .get(&app.state.cookies.session.to_string())
        .cloned()
}

/// How many live sessions a person has.
pub async fn sessions_of(app: &TestApp, account: &Account) -> usize {
    sessions::of_subject(&app.issuer.store, &account.subject, app.now())
        .await
        .unwrap()
        .len()
}

/// How many rows a counting statement counts.
pub async fn count(app: &TestApp, sql: &'static str) -> i64 {
    app.issuer
        .store
        .fetch_one::<(i64,)>(sql, vec![])
        .await
        .unwrap()
        .0
}

/// Rewrites an account that was last changed when it says.
pub async fn rewrite_account(app: &TestApp, account: &Account) {
    let mut tx = app.issuer.store.begin().await.unwrap();
    let read_at = account.updated_at;
    assert!(accounts::update(&mut tx, account, read_at).await.unwrap());
    tx.commit().await.unwrap();
}

/// Sets a password now.
pub async fn set_password(app: &TestApp, account: &Account, password: &str) {
    let hash = app
        .issuer
        .passwords
        .hash(canonical_password(password))
        .await
        .unwrap();
    let mut tx = app.issuer.store.begin().await.unwrap();
    assert!(
        accounts::set_password(&mut tx, &account.subject, &hash, app.now())
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
}

/// Userinfo's status for an access token.
pub async fn userinfo(app: &TestApp, access_token: &str) -> u16 {
    let bearer = format!("Bearer {access_token}");
    app.get_with("/userinfo", &[("authorization", &bearer)])
        .await
        .status
        .as_u16()
}
