//! Guessing with the cookies of browsers that an account once knew.

use super::steps::{browser_of, count, give_password, set_password};
use crate::support::fixtures::{PASSWORD, authorize_url};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use gatewright::domain::Secret;
use gatewright::flows::admin::{passwords, user_sessions, users};

const NEW: &str = "another password altogether";
const DEVICES: &str = "SELECT COUNT(*) FROM known_device";

async fn attempt(browser: &Browser, login: &str, password: &str) -> Answer {
    let url = authorize_url("web", "openid", &[("prompt", "login")]);
    let page = browser.get(&url).await;
    give_password(browser, &page, login, password).await
}

/// Locks out everybody but browsers that are known.
async fn lock_out_strangers(app: &TestApp) {
    let elsewhere = app.seen_from("198.51.100.99");
    for _ in 0..6 {
        assert_eq!(
            attempt(&Browser::new(&elsewhere), "ada", "wrong")
                .await
                .status,
            422
        );
    }
}

/// How many wrong passwords were looked at.
async fn looked_at(app: &TestApp) -> i64 {
    let failed = app.recorded("login_failed").await;
    let wrong =
        |row: &&gatewright::store::events::EventRow| row.fields()["reason"] == "wrong_password";
    failed
        .iter()
        .filter(wrong)
        .map(gatewright::store::events::EventRow::amount)
        .sum()
}

on_both_databases! {
    async fn a_browser_is_a_stranger_once_the_password_changed(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let (known, also_known) = (browser_of(&app, "ada").await, browser_of(&app, "ada").await);
        assert_eq!(count(&app, DEVICES).await, 2);
        // Set by a process that knows nothing of devices: the rows stay, and are worth nothing.
        set_password(&app, &ada, NEW).await;
        assert_eq!(count(&app, DEVICES).await, 2);
        lock_out_strangers(&app).await;
        assert_eq!(attempt(&known, "ada", NEW).await.status, 422);
        app.advance(900);
        assert_eq!(attempt(&known, "ada", NEW).await.status, 303);
        lock_out_strangers(&app).await;
        assert_eq!(attempt(&known, "ada", NEW).await.status, 303, "known again");
        assert_eq!(attempt(&also_known, "ada", NEW).await.status, 422);
    }

    async fn what_ends_sessions_makes_browsers_strangers(app: TestApp) {
        app.with_ada_and_web().await;
        let admin = app.issuer.admin("test");
        for way in ["a new password", "signed out everywhere", "disabled", "removed"] {
            let password = if way == "a new password" { PASSWORD } else { NEW };
            attempt(&Browser::new(&app), "ada", password).await;
            assert_eq!(count(&app, DEVICES).await, 1, "{way}");
            match way {
                "a new password" => {
                    passwords::set(admin, "ada", &Secret::new(NEW), app.now()).await.unwrap();
                }
                "signed out everywhere" => {
                    user_sessions::end_all(admin, "ada", app.now()).await.unwrap();
                }
                "disabled" => {
                    users::set_disabled(admin, "ada", true, app.now()).await.unwrap();
                    assert_eq!(count(&app, DEVICES).await, 0, "{way}");
                    users::set_disabled(admin, "ada", false, app.now()).await.unwrap();
                }
                _ => {
                    users::delete(admin, "ada", app.now()).await.unwrap();
                }
            }
            assert_eq!(count(&app, DEVICES).await, 0, "{way}");
        }
    }

    async fn many_known_browsers_have_few_guesses_together(app: TestApp) {
        app.with_ada_and_web().await;
        let mut browsers = Vec::new();
        for _ in 0..12 {
            browsers.push(browser_of(&app, "ada").await);
            app.advance(1);
        }
        assert_eq!(count(&app, DEVICES).await, 8);
        // Twelve cookies, five guesses each.
        for browser in &browsers {
            for _ in 0..5 {
                assert_eq!(attempt(browser, "ada", "wrong").await.status, 422);
            }
        }
        // Five of strangers, to whom the four oldest belong; fifteen of known browsers, and the first of each after that.
        assert_eq!(looked_at(&app).await, 5 + 15 + 5);
        app.advance(900);
        assert_eq!(attempt(&browsers[11], "ada", PASSWORD).await.status, 303);
    }

    async fn nobody_uses_up_the_first_guess_of_another_browser(app: TestApp) {
        app.with_ada_and_web().await;
        let owner = browser_of(&app, "ada").await;
        for _ in 0..4 {
            app.advance(1);
            let stolen = browser_of(&app, "ada").await;
            for _ in 0..5 {
                attempt(&stolen, "ada", "wrong").await;
            }
        }
        lock_out_strangers(&app).await;
        assert_eq!(attempt(&owner, "ada", PASSWORD).await.status, 303);
    }

    async fn the_browser_that_was_used_longest_ago_goes(app: TestApp) {
        app.with_ada_and_web().await;
        let owner = browser_of(&app, "ada").await;
        let mut others = Vec::new();
        for _ in 0..10 {
            app.advance(1);
            others.push(browser_of(&app, "ada").await);
            app.advance(1);
            assert_eq!(attempt(&owner, "ada", PASSWORD).await.status, 303);
        }
        assert_eq!(count(&app, DEVICES).await, 8);
        lock_out_strangers(&app).await;
        assert_eq!(attempt(&owner, "ada", PASSWORD).await.status, 303);
        assert_eq!(attempt(&others[9], "ada", PASSWORD).await.status, 303);
        assert_eq!(attempt(&others[0], "ada", PASSWORD).await.status, 422);
    }

    async fn a_cookie_alone_makes_nobody_known(app: TestApp) {
        app.with_ada_and_web().await;
        app.add_person("bob").await;
        let browser = browser_of(&app, "ada").await;
        // As cookies from before the rows were kept, or a database that was restored.
        app.issuer.store.execute("DELETE FROM known_device", vec![]).await.unwrap();
        lock_out_strangers(&app).await;
        assert_eq!(attempt(&browser, "ada", PASSWORD).await.status, 422);
        app.advance(900);
        assert_eq!(attempt(&browser, "ada", PASSWORD).await.status, 303);
        assert_eq!(attempt(&browser, "bob", PASSWORD).await.status, 303);
        lock_out_strangers(&app).await;
        assert_eq!(attempt(&browser, "ada", PASSWORD).await.status, 303);
        // A year without a login is too long.
        app.advance(365 * 86_400);
        lock_out_strangers(&app).await;
        assert_eq!(attempt(&browser, "ada", PASSWORD).await.status, 422);
    }
}
