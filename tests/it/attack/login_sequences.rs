//! Finding out who has an account, or how old a password is, from many failed logins: their answers, one after another,
//! and the work that each causes, which is its time.

use super::steps::{count, give_password, rewrite_account};
use crate::support::app::Options;
use crate::support::fixtures::{PASSWORD, authorize_url, public_client};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use gatewright::crypto::Entropy;
use gatewright::crypto::password::{HashSettings, PasswordHasher};
use gatewright::domain::Account;
use gatewright::domain::account::canonical_password;
use gatewright::flows::{Settings, password_costs};
use gatewright::store::{Backend, accounts};

const PEOPLE: [&str; 4] = ["ada", "bob", "cyd", "dan"];

/// Small limits, so that a short sequence meets all of them.
fn options() -> Options {
    Options {
        settings: Settings {
            account_failures: 2,
            address_accounts: 4,
            ..Settings::default()
        },
        ..Options::default()
    }
}

/// A number below `end`, the same in every run.
fn below(state: &mut u64, end: u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state % end).unwrap()
}

/// All that a stranger sees of an answer: status, length, headers.
type Seen = (u16, usize, Vec<(String, usize)>);

fn seen(answer: &Answer) -> Seen {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.len()))
        .collect();
    headers.sort();
    (answer.status.as_u16(), answer.body.len(), headers)
}

/// One attempt: what is seen of it, and the work that it was.
async fn attempt(app: &TestApp, address: usize, login: &str) -> (Seen, u64) {
    let before = app.issuer.passwords.work_done();
    let browser = Browser::new(&app.seen_from(&format!("198.51.100.{address}")));
    let page = browser.get(&authorize_url("web", "openid", &[])).await;
    let answer = give_password(&browser, &page, login, "not the password").await;
    (seen(&answer), app.issuer.passwords.work_done() - before)
}

/// A database of the same kind in which nobody has an account.
async fn deserted(like: &TestApp) -> TestApp {
    let app = match like.issuer.store.backend() {
        Backend::Sqlite => TestApp::sqlite_with(options()).await,
        Backend::Postgres => TestApp::postgres_with(options()).await.unwrap(),
    };
    app.register(&public_client("web")).await;
    app
}

async fn rehashed(app: &TestApp, account: &Account, costs: HashSettings) {
    let hasher = PasswordHasher::new(costs, Entropy::system()).unwrap();
    let hash = hasher.hash(canonical_password(PASSWORD)).await.unwrap();
    let mut tx = app.issuer.store.begin().await.unwrap();
    accounts::set_password(&mut tx, &account.subject, &hash, app.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

on_both_databases! {
    async fn no_sequence_of_failures_tells_who_has_an_account(app: TestApp) {
        let inhabited = app.reopened(options()).await;
        inhabited.with_ada_and_web().await;
        for name in &PEOPLE[1..] {
            inhabited.add_person(name).await;
        }
        let deserted = deserted(&app).await;
        // A name, its address, the same in other letters, and strangers to both.
        let logins: Vec<String> = PEOPLE
            .iter()
            .flat_map(|name| [(*name).to_owned(), format!("{name}@example.com"), name.to_uppercase()])
            .chain(["eve".to_owned(), "eve@example.com".to_owned()])
            .collect();
        for seed in 1..=6_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut tried = Vec::new();
            for _ in 0..40 {
                let (address, login) = (below(&mut state, 3), &logins[below(&mut state, logins.len() as u64)]);
                tried.push((address, login));
                let here = attempt(&inhabited, address, login).await;
                let there = attempt(&deserted, address, login).await;
                assert_eq!(here, there, "{tried:?}");
            }
            for app in [&inhabited, &deserted] {
                app.advance(900);
            }
        }
    }

    async fn a_name_and_its_address_count_as_what_was_typed(app: TestApp) {
        app.with_ada_and_web().await;
        for number in 0..14 {
            assert_eq!(attempt(&app, 1, &format!("user{number}")).await.0, attempt(&app, 2, &format!("user{number}")).await.0);
        }
        // Fifteen names from here. An address that belongs to one of them is another name.
        let _ = attempt(&app, 1, "ada").await;
        let _ = attempt(&app, 2, "eve").await;
        let refused = attempt(&app, 1, "eve").await;
        assert_eq!(refused.1, 0);
        assert_eq!(attempt(&app, 1, "ada@example.com").await, refused);
        assert_eq!(attempt(&app, 2, "ada@example.com").await, refused);
    }

    async fn an_account_has_five_guesses_under_all_its_names(app: TestApp) {
        app.with_ada_and_web().await;
        for number in 0..5 {
            let login = ["ada", "ada@example.com"][number % 2];
            let _ = attempt(&app, number, login).await;
        }
        // Three and two of each name: worth a hash still, and never looked at.
        let (_, work) = attempt(&app, 7, "ada@example.com").await;
        assert_eq!(work, app.issuer.passwords.costs().work());
        let browser = Browser::new(&app.seen_from("203.0.113.99"));
        let page = browser.get(&authorize_url("web", "openid", &[])).await;
        assert_eq!(give_password(&browser, &page, "ada", PASSWORD).await.status, 422);
        assert_eq!(app.events("login_throttled").await, 1);
    }

    async fn older_hashes_cost_a_failure_as_much_as_any(app: TestApp) {
        let today = app.options.hashing;
        let (low, high) = (
            HashSettings { memory_kib: 8, iterations: 1, ..today },
            HashSettings { memory_kib: 48, iterations: 3, parallelism: 2, ..today },
        );
        app.with_ada_and_web().await;
        for (name, costs) in [("low", low), ("high", high), ("dis", high)] {
            let account = app.add_person(name).await;
            rehashed(&app, &account, costs).await;
            if name == "dis" {
                let account = accounts::by_login(&app.issuer.store, name).await.unwrap().unwrap().0;
                rewrite_account(&app, &Account { disabled: true, ..account }).await;
            }
        }
        // After the costs were raised, and after they were lowered, on a node that has just started.
        for hashing in [high, today, low] {
            app.advance(900);
            let node = app.reopened(Options { hashing, ..app.options.clone() }).await;
            for (address, login) in ["nobody", "ada", "low", "high", "dis"].into_iter().enumerate() {
                let (_, work) = attempt(&node, address, login).await;
                assert!(work.abs_diff(high.costs().work()) < 8, "{hashing:?} {login}: {work}");
            }
        }
    }

    async fn costs_are_forgotten_when_no_hash_has_them(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let high = HashSettings { memory_kib: 48, ..app.options.hashing };
        rehashed(&app, &ada, high).await;
        let (store, passwords) = (&app.issuer.store, &app.issuer.passwords);
        let work = async |now: i64| {
            password_costs::learn(store, passwords, now).await.unwrap();
            let before = passwords.work_done();
            let _ = attempt(&app, 1, &format!("nobody at {now}")).await;
            passwords.work_done() - before
        };
        let (day, now) = (86_400, app.now());
        assert_eq!(work(now).await, high.costs().work());
        assert_eq!(work(now + 2 * day).await, high.costs().work(), "ada has one");
        // The right password brings her hash up to date; a day later the old costs are gone.
        let browser = Browser::new(&app);
        let page = browser.get(&authorize_url("web", "openid", &[])).await;
        assert_eq!(give_password(&browser, &page, "ada", PASSWORD).await.status, 303);
        assert_eq!(work(now + 2 * day + 1).await, high.costs().work(), "looked for lately");
        assert_eq!(work(now + 4 * day).await, app.options.hashing.costs().work());
        let node = app.another_node().await;
        assert_eq!(node.issuer.passwords.costs(), passwords.costs());
        assert_eq!(count(&app, "SELECT COUNT(*) FROM password_cost").await, 1);
    }
}
