//! Counting events: what is counted, from which index, and how much is read at most.

use crate::support::administration::recorded_at;
use crate::support::{TestApp, on_both_databases};
use gatewright::domain::ClientId;
use gatewright::domain::client::GrantType;
use gatewright::domain::event::{Happening, LoginFailure};
use gatewright::store::events::counts::{self, By, Counted};
use gatewright::store::events::verify;
use gatewright::store::{Backend, Store};

fn failed(reason: LoginFailure) -> Happening {
    Happening::LoginFailed {
        reason,
        subject: None,
        same_password_accounts: None,
    }
}

fn sum(client: &str, count: u64) -> Happening {
    Happening::TokensIssued {
        grant: GrantType::ClientCredentials,
        client_id: ClientId::new(client),
        count,
    }
}

/// So many failed logins, one a second up to `until`, in which every tenth has a client; enough for a plan to matter.
async fn many(app: &TestApp, rows: i64, until: i64) {
    let sql = format!(
        "INSERT INTO event (event_id, kind, severity, at, address, client_id, detail, label)
         WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         SELECT 'many' || CAST(i AS TEXT),
                CASE WHEN i % 2 = 0 THEN 'login_failed' ELSE 'token_issued' END, 'notice', {until} - i,
                '203.0.113.' || CAST(i % 100 AS TEXT), 'client' || CAST(i % 7 AS TEXT), '{{}}',
                CASE WHEN i % 3 = 0 THEN 'wrong_password' ELSE 'unknown_account' END
           FROM n"
    );
    let store = &app.issuer.store;
    store
        .execute(Box::leak(sql.into_boxed_str()), vec![])
        .await
        .unwrap();
    if store.backend() == Backend::Postgres {
        store.execute("ANALYZE event", vec![]).await.unwrap();
    }
}

/// How the database would run a statement with these literals.
async fn plan(store: &Store, sql: &str, literals: &[&str]) -> String {
    let mut sql = sql.to_owned();
    for (number, literal) in literals.iter().enumerate() {
        sql = sql.replace(&format!("${}", number + 1), literal);
    }
    match store.backend() {
        Backend::Sqlite => {
            let sql = Box::leak(format!("EXPLAIN QUERY PLAN {sql}").into_boxed_str());
            let rows: Vec<(i64, i64, i64, String)> = store.fetch_all(sql, vec![]).await.unwrap();
            rows.into_iter().map(|row| row.3 + "\n").collect()
        }
        Backend::Postgres => {
            let sql = Box::leak(format!("EXPLAIN {sql}").into_boxed_str());
            let rows: Vec<(String,)> = store.fetch_all(sql, vec![]).await.unwrap();
            rows.into_iter().map(|row| row.0 + "\n").collect()
        }
    }
}

on_both_databases! {
    async fn events_are_counted_by_stretch_and_label(app: TestApp) {
        let now = app.now();
        for (at, reason) in [
            (now, LoginFailure::WrongPassword),
            (now, LoginFailure::WrongPassword),
            (now + 9, LoginFailure::UnknownAccount),
            (now + 10, LoginFailure::UnknownAccount),
            (now + 20, LoginFailure::UnknownAccount),
            (now - 1, LoginFailure::UnknownAccount),
        ] {
            recorded_at(&app, at, failed(reason));
        }
        recorded_at(&app, now, sum("worker", 40));
        recorded_at(&app, now, sum("worker", 2));
        app.write_events().await;
        let store = &app.issuer.store;
        let of = |kind, limit| Counted { kind, since: now, until: now + 20, limit };
        let counted = counts::over_time(store, of("login_failed", 100), 10).await.unwrap();
        let seen: Vec<(i64, &str, i64)> =
            counted.iter().map(|row| (row.stretch, row.label.as_deref().unwrap(), row.count)).collect();
        assert_eq!(seen, [(0, "unknown_account", 1), (0, "wrong_password", 2), (1, "unknown_account", 1)]);
        let newest = counts::over_time(store, of("login_failed", 2), 10).await.unwrap();
        assert_eq!(newest.iter().map(|row| row.rows_read).sum::<i64>(), 2);
        let sums = counts::over_time(store, of("tokens_issued", 100), 10).await.unwrap();
        assert_eq!((sums[0].count, sums[0].rows_read, sums[0].label.as_deref()), (42, 2, Some("client_credentials")));
        let most = counts::most(store, of("tokens_issued", 100), By::Client, 5).await.unwrap();
        assert_eq!(most, [("worker".to_owned(), 42)]);
        assert!(counts::most(store, of("login_failed", 100), By::Subject, 5).await.unwrap().is_empty());
    }

    async fn a_count_reads_an_index_and_no_more_than_it_may(app: TestApp) {
        let rows = std::env::var("GATEWRIGHT_TEST_EVENTS").map_or(20_000, |rows| rows.parse().unwrap());
        let until = app.now();
        many(&app, rows, until).await;
        let store = &app.issuer.store;
        let since = (until - rows).to_string();
        let last = until.to_string();
        let [over_time, rankings @ ..] = counts::STATEMENTS else { panic!() };
        // In the long run; of a whole table in one range PostgreSQL may well read the table.
        let recent = (until - rows / 20).to_string();
        let text = plan(store, over_time, &["'login_failed'", &recent, &last, "300", "1000"]).await;
        // Of a kind that half of all events are, the index of all of them by time may do as well once there are very many.
        let by_time = |text: &str| rows > 100_000 && text.contains("event_time");
        assert!(text.contains("event_count") || by_time(&text), "{text}");
        assert!(!text.contains("SCAN event") && !text.contains("Seq Scan"), "{text}");
        for ranking in rankings {
            let text = plan(store, ranking, &["'login_failed'", &recent, &last, "1000", "10"]).await;
            // Where hardly a row has a subject, an index of those that have is better still.
            assert!(text.contains("event_count") || text.contains("event_subject") || by_time(&text), "{text}");
            assert!(!text.contains("SCAN event") && !text.contains("Seq Scan"), "{text}");
        }
        let all = Counted { kind: "login_failed", since: since.parse().unwrap(), until, limit: rows / 4 };
        let counted = counts::over_time(store, all, 3600).await.unwrap();
        assert_eq!(counted.iter().map(|row| row.rows_read).sum::<i64>(), rows / 4);
        let most = counts::most(store, all, By::Address, 10).await.unwrap();
        assert_eq!(most.len(), 10);
        assert!(most.iter().map(|(_, count)| count).sum::<i64>() <= rows / 4);
    }

    async fn a_label_that_is_not_its_details_is_found(app: TestApp) {
        recorded_at(&app, app.now(), failed(LoginFailure::WrongPassword));
        app.write_events().await;
        let store = &app.issuer.store;
        let key = &app.issuer.master.events;
        assert_eq!(verify::verify(store, key, &[]).await.unwrap().faults, []);
        for (change, back) in [
            ("UPDATE event SET label = 'busy' WHERE kind = 'login_failed'", "UPDATE event SET label = 'wrong_password' WHERE kind = 'login_failed'"),
            ("UPDATE event SET label = NULL WHERE kind = 'login_failed'", "UPDATE event SET label = 'wrong_password' WHERE kind = 'login_failed'"),
            ("UPDATE event SET route = 'GET /' WHERE kind = 'login_failed'", "UPDATE event SET route = NULL WHERE kind = 'login_failed'"),
            ("UPDATE event SET amount = 9 WHERE kind = 'login_failed'", "UPDATE event SET amount = NULL WHERE kind = 'login_failed'"),
        ] {
            store.execute(change, vec![]).await.unwrap();
            assert_eq!(verify::verify(store, key, &[]).await.unwrap().faults.len(), 1, "{change}");
            store.execute(back, vec![]).await.unwrap();
            assert_eq!(verify::verify(store, key, &[]).await.unwrap().faults, []);
        }
    }
}
