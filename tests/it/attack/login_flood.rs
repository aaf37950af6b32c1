//! Keeping others from logging in by keeping the hashing threads busy.

use super::steps::{browser_of, give_password};
use crate::support::app::Options;
use crate::support::fixtures::{PASSWORD, authorize_url};
use crate::support::{Browser, TestApp, on_both_databases};
use gatewright::crypto::password::HashSettings;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::task::JoinSet;

const HOSTILE: usize = 30;
const LOGINS: usize = 20;

/// A node of one hashing thread and less room than there are hostile clients.
async fn small(app: &TestApp) -> TestApp {
    let hashing = HashSettings {
        slots: 1,
        queue: 10,
        ..app.options.hashing
    };
    app.reopened(Options {
        hashing,
        ..app.options.clone()
    })
    .await
}

/// Hostile clients that try the same again and again, until the value is dropped.
struct Flood {
    over: Arc<AtomicBool>,
    tried: Arc<AtomicUsize>,
    clients: JoinSet<()>,
}

impl Flood {
    fn begin(app: &TestApp, of: impl Fn(usize) -> (String, String)) -> Self {
        let (over, tried) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let mut clients = JoinSet::new();
        for number in 0..HOSTILE {
            let (address, login) = of(number);
            let app = app.seen_from(&address);
            let (over, tried) = (Arc::clone(&over), Arc::clone(&tried));
            clients.spawn(async move {
                let browser = Browser::new(&app);
                let page = browser.get(&authorize_url("web", "openid", &[])).await;
                while !over.load(Ordering::Acquire) {
                    let answer = give_password(&browser, &page, &login, "wrong").await;
                    assert!(
                        [422, 429, 503].contains(&answer.status.as_u16()),
                        "{}",
                        answer.status
                    );
                    tried.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        Self {
            over,
            tried,
            clients,
        }
    }

    /// Until each hostile client has been at it for a while.
    async fn under_way(&self) {
        while self.tried.load(Ordering::Acquire) < 5 * HOSTILE {
            tokio::task::yield_now().await;
        }
    }

    async fn end(mut self) {
        self.over.store(true, Ordering::Release);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
    }
}

/// The statuses of right passwords, given one after another from fresh browsers.
async fn right_passwords(app: &TestApp) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..LOGINS {
        let browser = Browser::new(app);
        let page = browser.get(&authorize_url("web", "openid", &[])).await;
        statuses.push(
            give_password(&browser, &page, "ada", PASSWORD)
                .await
                .status
                .as_u16(),
        );
    }
    statuses
}

on_both_databases! {
    async fn whoever_repeats_a_name_keeps_nobody_out(app: TestApp) {
        app.with_ada_and_web().await;
        let node = small(&app).await;
        let flood = Flood::begin(&node, |_| ("198.51.100.1".to_owned(), "nobody".to_owned()));
        flood.under_way().await;
        // Neither others nor those behind the same address.
        for address in ["203.0.113.7", "198.51.100.1"] {
            let statuses = right_passwords(&node.seen_from(address)).await;
            assert_eq!(statuses, [303; LOGINS], "{address}");
        }
        flood.end().await;
    }

    async fn many_addresses_with_a_name_each_keep_nobody_out(app: TestApp) {
        app.with_ada_and_web().await;
        let node = small(&app).await;
        let of = |number| (format!("198.51.100.{number}"), format!("nobody {number}"));
        let flood = Flood::begin(&node, of);
        flood.under_way().await;
        assert_eq!(right_passwords(&node).await, [303; LOGINS]);
        flood.end().await;
    }

    async fn a_known_browser_gets_in_while_its_own_account_is_guessed(app: TestApp) {
        app.with_ada_and_web().await;
        let node = small(&app).await;
        let known = browser_of(&node, "ada").await;
        let flood = Flood::begin(&node, |number| (format!("198.51.100.{number}"), "ada".to_owned()));
        flood.under_way().await;
        for _ in 0..LOGINS {
            let page = known.get(&authorize_url("web", "openid", &[("prompt", "login")])).await;
            assert_eq!(give_password(&known, &page, "ada", PASSWORD).await.status, 303);
        }
        flood.end().await;
    }

    async fn throttled_attempts_are_no_work(app: TestApp) {
        app.with_ada_and_web().await;
        let passwords = &app.issuer.passwords;
        let browser = Browser::new(&app);
        let page = browser.get(&authorize_url("web", "openid", &[])).await;
        for login in ["ada", "nobody"] {
            for number in 0..8 {
                let before = passwords.work_done();
                assert_eq!(give_password(&browser, &page, login, "wrong").await.status, 422);
                let expected = if number < 5 { passwords.costs().work() } else { 0 };
                assert_eq!(passwords.work_done() - before, expected, "{login} {number}");
            }
        }
        // Its memory is that of the threads.
        let settings = app.options.hashing;
        let most = u64::from(settings.memory_kib) * settings.slots as u64;
        assert!((1..=most).contains(&passwords.held_kib()), "{}", passwords.held_kib());
    }
}
