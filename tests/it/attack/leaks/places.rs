//! Where secrets are looked for, beside the log: the database, and everything that tells of events.

use super::live::text;
use crate::cli::program::Program;
use crate::support::administration::administrator;
use crate::support::app::ISSUER;
use crate::support::database::{MASTER, TempDir};
use crate::support::fixtures::machine_client;
use crate::support::{Browser, TestApp};
use crate::troubleshooting::{Beside, story};
use gatewright::cli::explain::{as_json, in_words};
use gatewright::domain::Scope;
use gatewright::domain::client::Client;
use gatewright::domain::resource::Audience;
use gatewright::metrics::Exposition;
use gatewright::metrics::emf::IssuerLines;
use gatewright::store::events::EventRow;
use gatewright::store::events::search;
use gatewright::store::{Store, signing_keys};
use std::collections::{BTreeMap, BTreeSet};

/// The private halves, a stretch from the middle of each.
pub async fn private_halves(app: &TestApp) -> Vec<Vec<u8>> {
    let mut halves = Vec::new();
    for key in signing_keys::all(&app.issuer.store).await.unwrap() {
        let context = format!("signing_key.sealed_private {} sign", key.kid);
        let der = app
            .issuer
            .master
            .signing_keys
            .open(&context, &key.sealed_private)
            .unwrap();
        let at = if der.len() > 500 {
            500
        } else if der.len() > 100 {
            40
        } else {
            20
        };
        halves.push(der[at..at + 24].to_vec());
    }
    halves
}

pub async fn database(store: &Store) -> Vec<(String, Vec<u8>)> {
    match store.sqlite_file() {
        Some(path) => ["", "-wal"]
            .iter()
            .map(|end| {
                let name = format!("{}{end}", path.display());
                let bytes = std::fs::read(&name).unwrap();
                assert!(!bytes.is_empty());
                (name, bytes)
            })
            .collect(),
        None => {
            let tables = "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = 'public'";
            let tables: Vec<(String,)> = store.fetch_all(tables, vec![]).await.unwrap();
            assert!(tables.len() > 12);
            let mut dump = Vec::new();
            for (table,) in tables {
                let sql = format!("SELECT CAST(row_to_json(t) AS TEXT) FROM {table} t");
                let rows: Vec<(String,)> = store
                    .fetch_all(Box::leak(sql.into_boxed_str()), vec![])
                    .await
                    .unwrap();
                let text: Vec<String> = rows.into_iter().map(|(row,)| row).collect();
                dump.push((table, text.join("\n").into_bytes()));
            }
            dump
        }
    }
}

/// Every event there is, oldest first.
async fn events(app: &TestApp) -> Vec<EventRow> {
    app.write_events().await;
    let all = search::in_order(&app.issuer.store, (0, i64::MAX), None, 10_000);
    all.await.unwrap()
}

/// What the commands print.
pub fn printed(app: &TestApp) -> Vec<(String, String)> {
    let hex: String = MASTER.iter().map(|byte| format!("{byte:02x}")).collect();
    let program = Program::on(TempDir::new(), app.url.clone()).with("GATEWRIGHT_MASTER_KEY", &hex);
    let commands: [&[&str]; 7] = [
        &["events", "export"],
        &["events", "search", "--limit", "1000"],
        &["events", "search", "--limit", "1000", "--json"],
        &["events", "tail", "--once"],
        &["events", "verify", "--json"],
        &["alerts", "list", "--all"],
        &["alerts", "list", "--all", "--json"],
    ];
    let run = |args: &&[&str]| {
        let said = program.run(args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.stderr);
        (args.join(" "), said.stdout + &said.stderr)
    };
    commands.iter().map(run).collect()
}

/// What is explained of each request.
pub async fn explained(app: &TestApp) -> Vec<(String, String)> {
    let rows = events(app).await;
    let ids: BTreeSet<String> = rows.into_iter().filter_map(|row| row.request_id).collect();
    assert!(ids.len() > 20, "{}", ids.len());
    let mut told = Vec::new();
    for id in ids {
        let story = story(app, &id, &Beside::default()).await.unwrap();
        let words = in_words(&story) + &as_json(&story).to_string();
        told.push(("an explanation".to_owned(), words));
    }
    told
}

/// What an administrator sees, in a browser and by the API: everything, and one event of each kind. With the browser, whose
/// cookies are secrets too.
pub async fn shown(app: &TestApp) -> (Browser, String, Vec<(String, String)>) {
    let browser = administrator(app).await;
    let mut kinds = BTreeMap::new();
    for row in events(app).await {
        kinds.insert(row.kind, row.event_id);
    }
    assert!(kinds.len() > 12, "{kinds:?}");
    let mut paths: Vec<String> = ["hour", "day", "week"]
        .map(|range| format!("/admin/activity?range={range}"))
        .into();
    paths.push("/admin/events".to_owned());
    paths.extend(
        kinds
            .keys()
            .map(|kind| format!("/admin/events?kind={kind}")),
    );
    paths.extend(kinds.values().map(|id| format!("/admin/events/{id}")));
    let mut seen = Vec::new();
    for path in paths {
        let page = browser.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        seen.push((path, page.body));
    }
    let auditor = Client {
        scope: Scope::parse("gatewright:events").unwrap(),
        audiences: vec![Audience::parse(ISSUER).unwrap()],
        ..machine_client("auditor")
    };
    app.register(&auditor).await;
    let token = text(
        &app.machine_token("auditor", &[]).await.json(),
        "access_token",
    );
    let bearer = format!("Bearer {token}");
    let path = "/admin/api/events?limit=1000";
    let answer = app.get_with(path, &[("authorization", &bearer)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    seen.push((path.to_owned(), answer.body));
    (browser, token, seen)
}

/// What is scraped, and the line of a minute.
pub fn measured(app: &TestApp) -> Vec<(String, String)> {
    let metrics = app.issuer.store.metrics();
    vec![
        (
            "a scrape".to_owned(),
            metrics.scrape(Exposition::Prometheus),
        ),
        (
            "a scrape of OpenMetrics".to_owned(),
            metrics.scrape(Exposition::OpenMetrics),
        ),
        (
            "a line of EMF".to_owned(),
            IssuerLines::default().next(metrics, 1),
        ),
    ]
}
