//! Guessing passwords: of one account, of many, in parallel, from many addresses.

use super::steps::{
    asks_for_login, browser_of, code_of, count, give_password, is_no_grant, rewrite_account,
    set_password,
};
use crate::support::app::Options;
use crate::support::fixtures::{PASSWORD, authorize_url};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use gatewright::crypto::password::HashSettings;
use gatewright::domain::Account;
use gatewright::domain::account::{canonical_password, check_password};
use std::sync::Arc;

async fn attempt(app: &TestApp, login: &str, password: &str) -> Answer {
    let browser = Browser::new(app);
    let page = browser.get(&authorize_url("web", "openid", &[])).await;
    give_password(&browser, &page, login, password).await
}

/// The same browser, page and password for many logins at once; the statuses, sorted.
async fn at_once(app: &TestApp, logins: Vec<String>, password: &'static str) -> Vec<u16> {
    let browser = Arc::new(Browser::new(app));
    let page = Arc::new(browser.get(&authorize_url("web", "openid", &[])).await);
    let attempts: Vec<_> = logins
        .into_iter()
        .map(|login| {
            let (browser, page) = (Arc::clone(&browser), Arc::clone(&page));
            tokio::spawn(async move {
                give_password(&browser, &page, &login, password)
                    .await
                    .status
                    .as_u16()
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for attempt in attempts {
        statuses.push(attempt.await.unwrap());
    }
    statuses.sort_unstable();
    statuses
}

on_both_databases! {
    async fn an_account_is_throttled_under_all_its_names_at_once(app: TestApp) {
        app.with_ada_and_web().await;
        let known = browser_of(&app, "ada").await;
        for login in ["ada", "ADA", " ada ", "ada@example.com", "\u{ff21}da"] {
            assert_eq!(attempt(&app, login, "wrong").await.status, 422, "{login}");
        }
        for login in ["ada", "Ada@Example.com"] {
            let other = app.seen_from("198.51.100.20");
            let throttled = attempt(&other, login, PASSWORD).await;
            assert_eq!(throttled.status, 422);
            assert!(throttled.body.contains("That didn\u{2019}t work."), "{}", throttled.body);
        }
        assert_eq!(app.events("login_throttled").await, 1);
        // A browser that she has used before isn't locked out with the rest.
        let page = known.get(&authorize_url("web", "openid", &[("prompt", "login")])).await;
        assert_eq!(give_password(&known, &page, "ada", PASSWORD).await.status, 303);
        assert_eq!(attempt(&app, "ada", PASSWORD).await.status, 422);
        app.advance(899);
        assert_eq!(attempt(&app, "ada", PASSWORD).await.status, 422);
        app.advance(1);
        assert_eq!(attempt(&app, "ada", PASSWORD).await.status, 303);
    }

    async fn a_known_browser_may_not_guess_for_ever_either(app: TestApp) {
        app.with_ada_and_web().await;
        let known = browser_of(&app, "ada").await;
        let page = known.get(&authorize_url("web", "openid", &[("prompt", "login")])).await;
        for _ in 0..5 {
            assert_eq!(give_password(&known, &page, "ada", "wrong").await.status, 422);
        }
        assert_eq!(give_password(&known, &page, "ada", PASSWORD).await.status, 422);
        // Nor does it know anybody but those who logged in there.
        app.add_person("bob").await;
        for _ in 0..6 {
            attempt(&app, "bob", "wrong").await;
        }
        assert_eq!(give_password(&known, &page, "bob", PASSWORD).await.status, 422);
    }

    async fn parallel_guesses_all_count(app: TestApp) {
        app.with_ada_and_web().await;
        let statuses = at_once(&app, vec!["ada".to_owned(); 50], "wrong").await;
        assert_eq!(statuses, [422; 50]);
        assert_eq!(count(&app, "SELECT MAX(failures) FROM throttle").await, 50);
        assert_eq!(attempt(&app, "ada", PASSWORD).await.status, 422);
        // One right among many wrong ones doesn't help either: five were looked at.
        assert_eq!(app.events("login_succeeded").await, 0);
    }

    async fn spraying_from_one_address_ends_after_fifteen_accounts(app: TestApp) {
        app.with_ada_and_web().await;
        let office = browser_of(&app, "ada").await;
        for number in 0..200 {
            let answer = attempt(&app, &format!("user{number}"), "Winter2026!").await;
            let expected = if number < 15 { 422 } else { 429 };
            assert_eq!(answer.status, expected, "{number}");
            if expected == 429 {
                assert_eq!(answer.header("retry-after"), Some("900"));
                assert!(answer.body.contains("id=\"error-page\""));
            }
            if number == 20 {
                break;
            }
        }
        // The right password is refused from there too, and a header of the sprayer's own changes nothing.
        assert_eq!(attempt(&app, "ada", PASSWORD).await.status, 429);
        let browser = Browser::new(&app);
        let form = crate::support::browser::form_of(&browser.get(&authorize_url("web", "openid", &[])).await, "login-form");
        let (csrf, interaction) = (crate::attack::steps::hidden(&form, "csrf"), crate::attack::steps::hidden(&form, "interaction"));
        let fields = [("csrf", &*csrf), ("interaction", &*interaction), ("login", "ada"), ("password", PASSWORD)];
        for header in ["x-forwarded-for", "forwarded", "x-real-ip", "client-ip", "true-client-ip"] {
            let answer = browser.post_once("/login", &fields, &[(header, "198.51.100.77")]).await;
            assert_eq!(answer.status, 429, "{header}");
        }
        // Whoever logged in behind that address before still can; so can everybody elsewhere, and later.
        let page = office.get(&authorize_url("web", "openid", &[("prompt", "login")])).await;
        assert_eq!(give_password(&office, &page, "ada", PASSWORD).await.status, 303);
        assert_eq!(attempt(&app.seen_from("203.0.113.8"), "ada", PASSWORD).await.status, 303);
        app.advance(900);
        assert_eq!(attempt(&app, "ada", PASSWORD).await.status, 303);
    }

    async fn an_ipv6_network_is_one_address(app: TestApp) {
        app.with_ada_and_web().await;
        for number in 0..15 {
            let address = app.seen_from(&format!("2001:db8:1:2:{number:x}::{number:x}"));
            assert_eq!(attempt(&address, &format!("user{number}"), "wrong").await.status, 422);
        }
        assert_eq!(attempt(&app.seen_from("2001:db8:1:2:ffff::1"), "user15", "wrong").await.status, 429);
        assert_eq!(attempt(&app.seen_from("2001:db8:1:3::1"), "user15", "wrong").await.status, 422);
        // An IPv4 address is the same, however it is written.
        for number in 0..15 {
            let address = app.seen_from("::ffff:203.0.113.50");
            assert_eq!(attempt(&address, &format!("other{number}"), "wrong").await.status, 422);
        }
        assert_eq!(attempt(&app.seen_from("203.0.113.50"), "other15", "wrong").await.status, 429);
    }

    async fn parallel_spraying_learns_no_more_than_fifteen_answers(app: TestApp) {
        app.with_ada_and_web().await;
        let logins = (0..60).map(|number| format!("user{number}")).collect();
        let statuses = at_once(&app, logins, "wrong").await;
        let told = statuses.iter().filter(|status| **status == 422).count();
        let refused = statuses.iter().filter(|status| **status == 429).count();
        assert!(told <= 15, "{statuses:?}");
        assert_eq!(told + refused, 60, "{statuses:?}");
    }

    async fn whoever_is_locked_out_is_out_everywhere(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        let code = app.code("web", "openid").await;
        let tokens = app.tokens("web", "openid offline_access").await;
        rewrite_account(&app, &Account { disabled: true, ..ada.clone() }).await;
        let url = authorize_url("web", "openid", &[]);
        asks_for_login(&browser.get_once(&url).await);
        assert_eq!(attempt(&app, "ada", PASSWORD).await.status, 422);
        is_no_grant(&app.redeem("web", &code).await);
        is_no_grant(&app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await);
        assert_eq!(crate::attack::steps::userinfo(&app, tokens["access_token"].as_str().unwrap()).await, 401);
        rewrite_account(&app, &ada).await;
        code_of(&browser.get_once(&url).await);
    }

    async fn a_password_may_be_anything_that_is_long_enough(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let longest = "\u{e4}".repeat(512);
        for (set, given) in [
            ("correct horse battery staple, and then the same once more: correct horse battery staple", None),
            (" spaces around and  between ", None),
            ("p\u{e4}sswort mit umlaut", Some("pa\u{308}sswort mit umlaut")),
            ("pa\u{308}sswort mit umlaut", Some("p\u{e4}sswort mit umlaut")),
            ("\u{1f511}\u{1f511}\u{1f511}\u{1f511}\u{1f511}\u{1f511}\u{1f511}\u{1f511}", None),
            ("with+plus&amp=and%20percent", None),
            (&longest, None),
        ] {
            assert_eq!(check_password(&canonical_password(set), "ada"), Ok(()), "{set}");
            set_password(&app, &ada, set).await;
            let answer = attempt(&app, "ada", given.unwrap_or(set)).await;
            assert_eq!(answer.status, 303, "{set}: {}", answer.body);
        }
        set_password(&app, &ada, " spaces around and  between ").await;
        for almost in ["spaces around and  between", " spaces around and between ", " SPACES around and  between "] {
            assert_eq!(attempt(&app, "ada", almost).await.status, 422, "{almost}");
        }
    }

    async fn an_overlong_password_is_refused_before_it_is_hashed(app: TestApp) {
        app.with_ada_and_web().await;
        let hashing = HashSettings { slots: 0, queue: 0, ..app.options.hashing };
        let node = app.reopened(Options { hashing, ..app.options.clone() }).await;
        for (login, password) in [
            ("ada", "a".repeat(1025)),
            ("ada", "\u{e4}".repeat(513)),
            ("nobody", "a".repeat(60_000)),
        ] {
            let answer = attempt(&node, login, &password).await;
            assert_eq!(answer.status, 400, "{}", answer.body);
        }
        assert_eq!(attempt(&node, &"a".repeat(1025), "x").await.status, 400);
        assert_eq!(attempt(&node, "ada", &"a".repeat(1024)).await.status, 503);
        assert_eq!(count(&app, "SELECT COUNT(*) FROM throttle_member").await, 0);
    }
}

#[test]
fn a_new_password_is_judged_by_length_and_fame_alone() {
    for good in [
        "aaaaabaa",
        "83749261",
        "lowercase only words",
        "\u{4f60}\u{597d}\u{4f60}\u{597d}\u{4e16}\u{754c}\u{4f60}\u{597d}",
    ] {
        assert_eq!(check_password(good, "ada"), Ok(()), "{good}");
    }
    for (bad, reason) in [
        ("", "under 8 characters"),
        ("Aa1!Aa1", "under 8 characters"),
        (
            "\u{1f511}\u{1f511}\u{1f511}\u{1f511}\u{1f511}",
            "under 8 characters",
        ),
        ("password", "among the first"),
        ("PASSWORD", "among the first"),
        ("12345678", "among the first"),
        ("ada.lovelace", "among the first"),
    ] {
        let refusal = check_password(bad, "ada.lovelace").unwrap_err();
        assert!(refusal.contains(reason), "{bad}: {refusal}");
        assert!(
            ["", "password"].contains(&bad) || !refusal.contains(bad),
            "{refusal}"
        );
    }
    assert!(
        check_password(&"a".repeat(1025), "ada")
            .unwrap_err()
            .contains("over 1024 bytes")
    );
}
