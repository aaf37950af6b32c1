//! Migrations: nodes that start together, and a database that is newer than they (F5, F36).

use crate::support::database::{self, TempDir};
use crate::support::{on_both_databases, postgres};
use gatewright::store::{Backend, Param, Store};

async fn four_at_once(url: &str) {
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let url = url.to_owned();
            tokio::spawn(async move {
                let store = Store::open(&database::options(&url)).await.unwrap();
                store.migrate().await.unwrap();
                assert!(store.pending_migrations().await.unwrap().is_empty());
                store.ping().await.unwrap();
            })
        })
        .collect();
    for start in starts {
        start.await.unwrap();
    }
    let store = Store::open(&database::options(url)).await.unwrap();
    let sql = "SELECT COUNT(*) FROM _sqlx_migrations";
    let applied = store.fetch_one::<(i64,)>(sql, vec![]).await.unwrap().0;
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    let files = files.filter(|file| {
        file.as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|end| end == "sql")
    });
    assert_eq!(usize::try_from(applied).unwrap(), files.count());
    assert!(
        store.migrate().await.unwrap().is_empty(),
        "again, there is nothing to do"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_nodes_migrate_an_empty_sqlite_file_at_once() {
    for _ in 0..5 {
        let dir = TempDir::new();
        four_at_once(&format!("sqlite://{}/new/gatewright.db", dir.0.display())).await;
    }
}

/// An empty PostgreSQL database; none where there is no PostgreSQL.
async fn empty_postgres(name: &'static str) -> Option<String> {
    // The first test database waits until the server is up.
    database::postgres().await?;
    let admin = Store::open(&database::options(&postgres::url("postgres")?))
        .await
        .unwrap();
    let sql = format!("CREATE DATABASE {name}_{}", std::process::id());
    admin
        .execute(Box::leak(sql.into_boxed_str()), vec![])
        .await
        .unwrap();
    postgres::url(&format!("{name}_{}", std::process::id()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_nodes_migrate_an_empty_postgresql_database_at_once() {
    if let Some(url) = empty_postgres("migrated_by_four").await {
        four_at_once(&url).await;
    }
}

#[tokio::test]
async fn what_is_pending_is_told_before_it_is_applied() {
    let dir = TempDir::new();
    let mut urls = vec![format!("sqlite://{}/gatewright.db", dir.0.display())];
    urls.extend(empty_postgres("pending").await);
    for url in urls {
        let store = Store::open(&database::options(&url)).await.unwrap();
        let pending = store.pending_migrations().await.unwrap();
        assert_eq!(pending[0], "0001_initial");
        assert!(store.ping().await.is_err());
        assert_eq!(store.migrate().await.unwrap(), pending);
        assert!(store.pending_migrations().await.unwrap().is_empty());
    }
}

on_both_databases! {
    async fn a_database_of_a_newer_version_is_refused(app: TestApp) {
        let store = &app.issuer.store;
        let sql = "UPDATE _sqlx_migrations SET version = $1 WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)";
        assert_eq!(store.execute(sql, vec![Param::from(9999)]).await.unwrap(), 1);
        for error in [store.pending_migrations().await.unwrap_err(), store.migrate().await.unwrap_err()] {
            let words = error.to_string();
            assert!(words.contains("9999") && words.contains("newer"), "{words}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_of_sqlite_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new();
    let url = format!("sqlite://{}/made/gatewright.db", dir.0.display());
    let store = Store::open(&database::options(&url)).await.unwrap();
    assert_eq!(store.backend(), Backend::Sqlite);
    store.migrate().await.unwrap();
    let folder = dir.0.join("made");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused() {
    for url in ["mysql://x", "gatewright.db", "sqlite://", "", "file:x"] {
        let error = Store::open(&database::options(url))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("sqlite:// or postgres://"), "{url}: {error}");
    }
}
