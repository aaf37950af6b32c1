//! The schema.

use super::program::Program;
use crate::support::database::TempDir;
use crate::support::postgres;
use gatewright::store::{Store, StoreOptions};
use serde_json::json;

#[test]
fn a_dry_run_lists_and_changes_nothing() {
    let program = Program::sqlite();
    let pending = program.run(&["migrate", "--dry-run", "--json"]).json();
    assert_eq!(pending["pending"], json!(Store::known_migrations()));
    assert!(!program.dir.0.join("data").exists());
    assert_eq!(
        program.run(&["migrate", "--json"]).json()["applied"],
        pending["pending"]
    );
    assert_eq!(
        program.run(&["migrate", "--dry-run", "--json"]).json()["pending"],
        json!([])
    );
    assert!(program.run(&["migrate"]).succeeds().contains("up to date"));
}

#[tokio::test]
async fn on_postgresql_a_pending_migration_is_an_error_that_says_so() {
    let Some(server) = postgres::url("postgres") else {
        return;
    };
    // Waits until the server is there and has its template.
    crate::support::database::postgres().await.unwrap();
    let name = format!("cli_empty_{}", std::process::id());
    let admin = Store::open(&StoreOptions {
        url: server,
        max_connections: 1,
        durable: true,
    })
    .await
    .unwrap();
    let sql: &'static str = Box::leak(format!("CREATE DATABASE {name}").into_boxed_str());
    admin.execute(sql, vec![]).await.unwrap();
    admin.close().await;

    let program = Program::on(TempDir::new(), postgres::url(&name).unwrap());
    program
        .run(&["user", "list"])
        .fails(2, &["master_key", "openssl rand -base64 32"]);
    let program = program.with("GATEWRIGHT_MASTER_KEY", &"07".repeat(32));
    program
        .run(&["user", "list"])
        .fails(1, &["0001_initial", "gatewright migrate"]);
    let dry = program.run(&["migrate", "--dry-run", "--json"]).json();
    assert_eq!(dry["pending"], json!(Store::known_migrations()));
    program
        .run(&["user", "list"])
        .fails(1, &["gatewright migrate"]);
    program.run(&["migrate"]).succeeds();
    assert_eq!(
        program.run(&["user", "list", "--json"]).json(),
        json!({"users": []})
    );
    // Another master key is noticed at once.
    let other = program.with("GATEWRIGHT_MASTER_KEY", &"08".repeat(32));
    other
        .run(&["user", "list"])
        .fails(1, &["master key", "give the right one"]);
}
