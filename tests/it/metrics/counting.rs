//! What is counted of requests, statements, passwords and keys.

use super::{accepted_by_prometheus, scraped, value};
use crate::support::app::{Options, basic};
use crate::support::fixtures::{
    PASSWORD, REDIRECT, SECRET, VERIFIER, authorize_url, machine_client, public_client,
};
use crate::support::{Browser, TestApp, on_both_databases};
use gatewright::crypto::password::{HashError, HashSettings};
use gatewright::flows::{Settings, key_times};
use gatewright::metrics::Exposition;
use gatewright::store::{StoreError, clients};
use std::collections::BTreeMap;

fn series(app: &TestApp) -> BTreeMap<String, f64> {
    scraped(app.issuer.store.metrics())
}

/// Requests of an endpoint with a status.
fn requests(app: &TestApp, endpoint: &str, status: u16) -> f64 {
    let name =
        format!("gatewright_http_requests_total{{endpoint=\"{endpoint}\",status=\"{status}\"}}");
    value(&series(app), &name)
}

async fn token(app: &TestApp) -> crate::support::Answer {
    let fields = [("grant_type", "client_credentials")];
    let authorization = basic("worker", SECRET);
    app.post_with("/token", &fields, &[("authorization", &authorization)])
        .await
}

on_both_databases! {
    async fn requests_are_counted_by_endpoint_and_status(app: TestApp) {
        app.register(&machine_client("worker")).await;
        assert_eq!(token(&app).await.status, 200);
        assert_eq!(app.post("/token", &[("client_id", "nobody")]).await.status, 401);
        assert_eq!(app.get("/jwks.json").await.status, 200);
        assert_eq!(app.get("/jwks.json/").await.status, 404);
        for (endpoint, status, count) in [
            ("token", 200, 1.0),
            ("token", 401, 1.0),
            ("jwks", 200, 1.0),
            ("other", 404, 1.0),
        ] {
            assert_eq!(requests(&app, endpoint, status), count, "{endpoint} {status}");
        }
        let durations = "gatewright_http_request_duration_seconds_count{endpoint=\"token\"}";
        assert_eq!(value(&series(&app), durations), 2.0);
    }

    async fn paths_and_names_that_are_made_up_make_no_series(app: TestApp) {
        let before = series(&app).len();
        for number in 0..300 {
            app.get(&format!("/{number}/token")).await;
            let id = format!("client-{number}");
            app.post("/token", &[("client_id", &id), ("grant_type", &id)]).await;
        }
        let after = series(&app);
        let new: Vec<_> = after.keys().filter(|name| name.contains("client-") || name.contains("/token")).collect();
        assert!(new.is_empty(), "{new:?}");
        // Two endpoints with one status each, and their histograms.
        assert!(after.len() - before <= 2 * (1 + 19), "{}", after.len() - before);
    }

    async fn statements_are_measured_and_conflicts_counted(app: TestApp) {
        let client = machine_client("worker");
        app.register(&client).await;
        let mut tx = app.issuer.store.begin().await.unwrap();
        let again = clients::insert(&mut tx, &client).await;
        assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
        drop(tx);
        let series = series(&app);
        let of = |operation: &str| {
            let name = format!(
                "gatewright_db_statement_duration_seconds_count{{operation=\"{operation}\"}}"
            );
            value(&series, &name)
        };
        assert!(of("read") >= 1.0 && of("write") >= 5.0, "{series:?}");
        assert_eq!(of("commit"), 1.0);
        assert_eq!(value(&series, "gatewright_db_errors_total{class=\"conflict\"}"), 1.0);
        let pool = if app.issuer.store.sqlite_file().is_some() { "write" } else { "shared" };
        let connections: f64 = ["idle", "used"]
            .iter()
            .map(|state| {
                let name = format!(
                    "gatewright_db_pool_connections{{pool=\"{pool}\",state=\"{state}\"}}"
                );
                value(&series, &name)
            })
            .sum();
        assert!(connections >= 1.0, "{series:?}");
    }

    async fn metrics_are_read_while_the_database_is_down(app: TestApp) {
        app.register(&machine_client("worker")).await;
        app.issuer.store.close().await;
        app.forget_caches();
        assert_eq!(token(&app).await.status, 503);
        assert_eq!(requests(&app, "token", 503), 1.0);
        let unavailable = "gatewright_db_errors_total{class=\"unavailable\"}";
        assert!(value(&series(&app), unavailable) >= 1.0);
    }

    async fn no_secret_and_nobodys_name_is_in_a_scrape(app: TestApp) {
        app.register(&machine_client("worker")).await;
        app.register(&public_client("web")).await;
        app.add_person("ada").await;
        let access_token = token(&app).await.json()["access_token"].as_str().unwrap().to_owned();
        let browser = Browser::new(&app);
        let url = authorize_url("web", "openid offline_access", &[]);
        let answer = browser.log_in(&url, "ada", PASSWORD).await;
        let code = answer.parameter("code").unwrap();
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", "web"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        let tokens = app.post("/token", &fields).await.json();
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        let kid = app.issuer.keyring.load().active()[0].kid().to_owned();
        let metrics = app.issuer.store.metrics();
        for exposition in [Exposition::Prometheus, Exposition::OpenMetrics] {
            let scrape = metrics.scrape(exposition);
            assert!(scrape.contains("gatewright_password_queue_wait_seconds_count 2"));
            for canary in [
                PASSWORD, SECRET, VERIFIER, REDIRECT, "ada", "203.0.113.7", &code, &access_token,
                &access_token[..40], &text("access_token"), &text("refresh_token"),
                &text("id_token"), &kid,
            ] {
                assert!(!scrape.contains(canary), "{canary}");
            }
        }
        accepted_by_prometheus(&metrics.scrape(Exposition::Prometheus));
    }

    async fn a_key_is_overdue_when_its_successor_should_long_have_signed(app: TestApp) {
        let settings = Settings { rotate_every_days: 1, ..app.issuer.settings.clone() };
        let keys = key_times::read(&app.issuer.store, &settings).await.unwrap();
        let made_at = crate::support::database::EPOCH;
        let due_at = made_at + 86_400 + 2 * settings.jwks_max_age_s;
        let (ages, overdue) = key_times::at(&keys, due_at);
        assert_eq!((ages.len(), overdue), (3, 0), "{ages:?}");
        assert!(ages.iter().all(|key| key.state == "active" && key.seconds == due_at - made_at));
        assert_eq!(key_times::at(&keys, due_at + 31).1, 3);
        let unscheduled = key_times::read(&app.issuer.store, &app.issuer.settings).await.unwrap();
        assert_eq!(key_times::at(&unscheduled, due_at + 31).1, 0);
    }
}

/// One place to hash and none to wait: the second is turned away, and the first is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_that_wait_and_that_are_turned_away_are_seen() {
    let hashing = HashSettings {
        // Long enough to be looked at.
        memory_kib: 262_144,
        iterations: 4,
        parallelism: 1,
        slots: 1,
        queue: 0,
    };
    let app = TestApp::sqlite_with(Options {
        hashing,
        ..Options::default()
    })
    .await;
    let passwords = app.issuer.passwords.clone();
    let hashing = tokio::spawn(async move { passwords.hash("first".to_owned()).await });
    let depth = "gatewright_password_queue_depth";
    while value(&series(&app), depth) < 1.0 {
        tokio::task::yield_now().await;
    }
    let second = app.issuer.passwords.hash("second".to_owned()).await;
    assert_eq!(second, Err(HashError::Busy));
    assert!(hashing.await.unwrap().is_ok());
    let series = series(&app);
    assert_eq!(value(&series, depth), 0.0);
    assert_eq!(
        value(&series, "gatewright_password_queue_refused_total"),
        1.0
    );
    assert_eq!(
        value(&series, "gatewright_password_queue_wait_seconds_count"),
        1.0
    );
}
