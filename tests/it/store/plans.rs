//! What looks at events finds them by an index, however many there are; and how long it takes. A few rows by default:
//! `GATEWRIGHT_TEST_EVENTS=1000000 cargo test --test it store::plans -- --nocapture` makes a million, and prints the times.

use crate::alerts::support::Watcher;
use crate::support::administration::{administrator, open};
use crate::support::database::plan;
use crate::support::on_both_databases;
use crate::troubleshooting::{Beside, story};
use gatewright::crypto::chain::ChainKey;
use gatewright::store::events::search::{self, Filter, Whose};
use gatewright::store::events::{retention, verify};
use gatewright::store::{Backend, Param, Store, alerts};
use std::time::Instant;

/// The days over which events are spread.
const DAYS: i64 = 30;
const DAY_S: i64 = 86_400;

fn rows() -> i64 {
    std::env::var("GATEWRIGHT_TEST_EVENTS").map_or(20_000, |rows| rows.parse().unwrap())
}

/// Events of one node up to `until`, as a busy client, two hundred others and a thousand people make them.
async fn many(store: &Store, rows: i64, until: i64) {
    let span = DAYS * DAY_S;
    let fill = format!(
        "INSERT INTO event (event_id, kind, severity, at, writer, seq, hash, request_id, trace_id, address, subject,
                            client_id, detail, label)
         WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         SELECT 'plan' || CAST(i AS TEXT),
                CASE WHEN i % 10 = 0 THEN 'login_failed' WHEN i % 10 = 1 THEN 'login_succeeded'
                     WHEN i % 10 = 2 THEN 'token_refreshed' WHEN i % 10 = 3 THEN 'access_decided'
                     WHEN i % 10 = 4 THEN 'client_authentication_failed' WHEN i % 10 = 5 THEN 'token_refused'
                     ELSE 'token_issued' END,
                'notice', {until} - ({rows} - i) * {span} / {rows}, 'filler', i, 'h' || CAST(i AS TEXT),
                'request-' || CAST(i AS TEXT), CASE WHEN i % 10 = 3 THEN 'trace-' || CAST(i AS TEXT) END,
                '198.51.' || CAST(i % 50 AS TEXT) || '.' || CAST(i % 97 AS TEXT),
                CASE WHEN i % 2 = 0 THEN 'person-' || CAST(i % 1000 AS TEXT) END,
                CASE WHEN i % 3 = 0 THEN 'busy' ELSE 'client-' || CAST(i % 200 AS TEXT) END,
                CASE WHEN i % 10 = 0 THEN '{{\"reason\":\"wrong_password\"}}'
                     WHEN i % 10 = 3 THEN '{{\"decision\":\"deny\",\"reason\":\"insufficient_scope\",\"jti_digest\":\"jti-' || CAST(i AS TEXT) || '\"}}'
                     ELSE '{{\"grant\":\"refresh_token\",\"grant_id\":\"grant-' || CAST(i % 9973 AS TEXT) || '\",\"jti_digest\":\"jti-' || CAST(i AS TEXT) || '\"}}' END,
                CASE WHEN i % 10 = 0 THEN 'wrong_password' WHEN i % 10 = 3 THEN 'insufficient_scope'
                     ELSE 'refresh_token' END
           FROM n"
    );
    let end = format!(
        "INSERT INTO event_writer (writer, seq, hash, removed_seq, removed_hash, removed_signature)
         VALUES ('filler', {rows}, 'h', 0, 'h', 's')"
    );
    for sql in [fill, end, "ANALYZE event".to_owned()] {
        let sql = Box::leak(sql.into_boxed_str());
        store.execute(sql, vec![]).await.unwrap();
    }
}

/// Chains the first of these events as their node would have: no others are removed.
async fn chain_first(store: &Store, key: &ChainKey) {
    let filter = Filter {
        until: Some(i64::MAX),
        ..Filter::default()
    };
    let mut first = search::find(store, &filter, None, 1_000_000).await.unwrap();
    first.retain(|row| row.writer.as_deref() == Some("filler"));
    first.sort_by_key(|row| row.seq);
    let mut hash = "h".to_owned();
    for row in first
        .iter()
        .take(usize::try_from(retention::BATCH).unwrap())
    {
        hash = row.link(key, &hash);
        let params = vec![hash.as_str().into(), row.event_id.as_str().into()];
        let sql = "UPDATE event SET hash = $1 WHERE event_id = $2";
        store.execute(sql, params).await.unwrap();
    }
}

/// How PostgreSQL runs a statement that it has planned once for every value, as it may after five times.
pub async fn plan_for_every_value(store: &Store, sql: &str, params: usize) -> String {
    let nulls = vec!["NULL"; params].join(", ");
    let call = match params {
        0 => "EXPLAIN EXECUTE planned_once".to_owned(),
        _ => format!("EXPLAIN EXECUTE planned_once({nulls})"),
    };
    let mut tx = store.begin().await.unwrap();
    for before in [
        "SET LOCAL plan_cache_mode = force_generic_plan".to_owned(),
        format!("PREPARE planned_once AS {sql}"),
    ] {
        let before = Box::leak(before.into_boxed_str());
        tx.execute(before, vec![]).await.unwrap();
    }
    let rows: Vec<(String,)> = tx
        .fetch_all(Box::leak(call.into_boxed_str()), vec![])
        .await
        .unwrap();
    tx.execute("DEALLOCATE planned_once", vec![]).await.unwrap();
    rows.into_iter().map(|row| row.0 + "\n").collect()
}

/// How many parameters a statement has.
pub fn placeholders(sql: &str) -> usize {
    (1..=40)
        .rev()
        .find(|n| sql.contains(&format!("${n}")))
        .unwrap_or(0)
}

/// The parameters of a search by one of the first six, in a range of time.
fn search_by(at: usize, value: &str, (since, until): (i64, i64)) -> Vec<Param> {
    let mut params: Vec<Param> = (0..6).map(|_| Param::from(None::<&str>)).collect();
    if let Some(by) = params.get_mut(at) {
        *by = Param::from(Some(value));
    }
    for number in [since, until, i64::MAX] {
        params.push(Param::from(number));
    }
    params.extend([
        Param::from(""),
        Param::from(100),
        Param::from(None::<&str>),
        Param::from(None::<&str>),
    ]);
    params
}

struct Clock(&'static str, Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "prints how long it took")]
    fn start(backend: Backend) -> Self {
        let name = if backend == Backend::Sqlite {
            "SQLite"
        } else {
            "PostgreSQL"
        };
        Self(name, Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "prints how long it took")]
    fn lap(&mut self, what: &str) {
        let took = self.1.elapsed();
        println!(
            "{} {} rows: {what}: {:.1} ms",
            self.0,
            rows(),
            took.as_secs_f64() * 1000.0
        );
        self.1 = Instant::now();
    }
}

on_both_databases! {
    async fn nothing_reads_the_whole_table(app: TestApp) {
        let store = &app.issuer.store;
        let until = app.now();
        many(store, rows(), until).await;
        let text = |text: &str| Param::from(text);
        let day = (until - DAY_S, until);
        let all = (i64::MIN, i64::MAX);
        let naming = |whose: &str| {
            vec![text(whose), (until - 7 * DAY_S).into(), until.into(), text("%\"jti_digest\":\"jti-9\"%"), 500.into()]
        };
        let literal = [
            ("WHERE request_id = $1", "event_request", search_by(0, "request-7", all)),
            ("WHERE trace_id = $2", "event_trace", search_by(1, "trace-13", all)),
            ("WHERE subject = $3", "event_subject", search_by(2, "person-8", all)),
            ("WHERE client_id = $4", "event_client", search_by(3, "client-7", all)),
            ("WHERE address = $5", "event_address", search_by(4, "198.51.7.7", all)),
            ("WHERE kind = $6", "event_count", search_by(5, "login_failed", all)),
            ("WHERE at <= $8", "event_time", search_by(6, "", day)),
            ("WHERE client_id = $1", "event_client", naming("client-7")),
            ("WHERE subject = $1", "event_subject", naming("person-8")),
            ("WHERE kind = $1\n       AND at >= $2\n       AND at <= $3", "event_count", naming("administration")),
            ("AND at < $2\n       AND (at > $3", "event_time", vec![day.0.into(), day.1.into(), day.0.into(), text(""), 1000.into()]),
            ("LIMIT $3) AS recent", "event_count", vec![text("login_failed"), (until - 900).into(), 20_000.into(), text("%"), text(""), true.into()]),
            ("LIMIT 1 OFFSET $3", "event_count", vec![text("login_failed"), (until - 900).into(), 19_999.into(), false.into()]),
            ("SUM(COALESCE(amount", "event_count", vec![text("login_failed"), (until - 3600).into(), until.into(), text("%"), text("")]),
            ("AND at >= $4\n     ORDER BY seq", "event_chain", vec![text("filler"), 0.into(), retention::BATCH.into(), (until - 20 * DAY_S).into()]),
        ];
        let statements = || {
            let families = [search::STATEMENTS, alerts::observed::STATEMENTS, retention::STATEMENTS];
            families.into_iter().flatten().filter(|sql| sql.contains(" event\n") || sql.ends_with(" event"))
        };
        assert!(statements().count() > literal.len());
        // Walking along an index from its end is as bad, unless the first row is all that is asked for.
        let reads_all = |sql: &str, plan: &str| {
            plan.contains("Seq Scan on event ") || plan.contains("SCAN event") && sql.contains("WHERE")
        };
        // Each as it is planned for every value.
        for sql in statements() {
            let plan = match store.backend() {
                Backend::Sqlite => plan(store, sql, vec![]).await,
                Backend::Postgres => plan_for_every_value(store, sql, placeholders(sql)).await,
            };
            assert!(!reads_all(sql, &plan), "planned once: {sql}\n{plan}");
        }
        // And as it is for these.
        for (part, index, params) in literal {
            let sql = statements().find(|sql| sql.contains(part)).expect(part);
            let plan = plan(store, sql, params).await;
            assert!(!reads_all(sql, &plan), "{sql}\n{plan}");
            // PostgreSQL weighs what it knows of the values, and may find a better one.
            let is_by = store.backend() == Backend::Postgres || plan.contains(index);
            assert!(is_by, "not by {index}: {sql}\n{plan}");
        }
    }

    async fn what_operators_wait_for_takes_no_longer_than_they_do(app: TestApp) {
        let rows = rows();
        let store = &app.issuer.store;
        let mut clock = Clock::start(store.backend());
        many(store, rows, app.now()).await;
        clock.lap("made");
        let watcher = Watcher::on(&app);
        watcher.tick().await;
        clock.lap("alerts, the first look, which learns what is normal");
        watcher.tick().await;
        clock.lap("alerts, each other look");
        let browser = administrator(&app).await;
        clock.lap("an administrator's login, and the activity of a day");
        for range in ["day", "week"] {
            open(&browser, &format!("/admin/activity?range={range}")).await;
            clock.lap(&format!("the activity of a {range}"));
        }
        let by = async |filter: Filter| search::find(store, &filter, None, 100).await.unwrap().len();
        let of_person = Filter { subject: Some("person-8".to_owned()), ..Filter::default() };
        assert!(by(of_person).await >= 20);
        clock.lap("100 events of a person");
        let of_client = Filter { client_id: Some("busy".to_owned()), label: Some("nothing".to_owned()), ..Filter::default() };
        assert_eq!(by(of_client).await, 0);
        clock.lap("a search among all events of the busiest client that finds nothing");
        let id = format!("request-{}", rows - rows % 30 - 24);
        let story = story(&app, &id, &Beside::default()).await.unwrap();
        assert!(!story.told.is_empty());
        clock.lap("explain a request of the busiest client, with its grant");
        let named = ("jti_digest", "nothing");
        let week = (app.now() - 7 * DAY_S, app.now());
        assert_eq!(search::naming(store, Whose::Client("busy"), week, named, 500).await.unwrap(), []);
        clock.lap("a token's digest among a week of the busiest client");
        let key = &app.issuer.master.events;
        chain_first(store, key).await;
        clock.lap("chained");
        let removed = retention::batch(store, key, app.now() - 20 * DAY_S).await.unwrap();
        assert_eq!(removed, u64::try_from(retention::BATCH).unwrap());
        clock.lap("removing 500 old events");
        verify::begin(store, app.issuer.events.recorder(), app.now()).await.unwrap();
        clock.lap("a node's first look at its chain");
    }
}
