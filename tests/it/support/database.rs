//! Databases for tests: one template each, migrated and with keys, then a copy per test.

use super::postgres;
use gatewright::crypto::{Entropy, MasterKeys};
use gatewright::flows::events::{EventSettings, EventStream};
use gatewright::flows::keys;
use gatewright::store::events::search::{self, Filter};
use gatewright::store::events::{Recorder, verify};
use gatewright::store::{Backend, Param, Store, StoreOptions};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::OnceCell;

/// The master key of all test databases.
pub const MASTER: [u8; 32] = *b"a master key for tests, no other";
/// When test databases were made, Unix seconds.
pub const EPOCH: i64 = 1_790_000_000;

static SQLITE: OnceCell<PathBuf> = OnceCell::const_new();
static POSTGRES: OnceCell<Option<()>> = OnceCell::const_new();
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A folder that vanishes with the value.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("gatewright-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes a folder when this process has ended, however it ends: a shell waits for the end of its input, which is ours.
pub fn remove_afterwards(dir: &Path) {
    let script = "trap '' INT TERM; cat; until rm -rf \"$0\"; do sleep 1; done";
    let shell = Command::new("sh")
        .args(["-c", script])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::mem::forget(shell);
}

pub fn master() -> MasterKeys {
    MasterKeys::derive(&MASTER).unwrap()
}

/// The stream of events of a node called `test`.
pub fn events(entropy: &Entropy) -> EventStream {
    let recorder = Recorder::new("test", master().events.clone());
    EventStream::new(recorder, entropy.clone(), EventSettings::default())
}

/// The latest events: kind and fields, newest first.
pub async fn recent_events(store: &Store) -> Vec<(String, Value)> {
    let rows = search::find(store, &Filter::default(), None, 1000)
        .await
        .unwrap();
    rows.into_iter()
        .map(|row| (row.kind.clone(), Value::Object(row.fields())))
        .collect()
}

pub fn options(url: &str) -> StoreOptions {
    StoreOptions {
        url: url.to_owned(),
        max_connections: 8,
        durable: false,
    }
}

async fn prepare(url: &str) {
    let store = Store::open(&options(url)).await.unwrap();
    store.migrate().await.unwrap();
    keys::check_master_key(&store, &master()).await.unwrap();
    let events = events(&Entropy::system());
    verify::begin(&store, events.recorder(), EPOCH)
        .await
        .unwrap();
    keys::ensure_first_keys(&store, &master(), &events, EPOCH)
        .await
        .unwrap();
    store.close().await;
}

/// The URL of a fresh SQLite database in `dir`, with schema and keys.
pub async fn sqlite(dir: &TempDir) -> String {
    let template = SQLITE
        .get_or_init(|| async {
            let dir = TempDir::new();
            let path = dir.0.join("template.db");
            prepare(&format!("sqlite://{}", path.display())).await;
            remove_afterwards(&dir.0);
            std::mem::forget(dir);
            path
        })
        .await;
    let path = dir.0.join("gatewright.db");
    std::fs::copy(template, &path).unwrap();
    format!("sqlite://{}", path.display())
}

/// The URL of a fresh PostgreSQL database, with schema and keys; `None` where there is no PostgreSQL.
pub async fn postgres() -> Option<String> {
    let ready = POSTGRES
        .get_or_init(|| async {
            let admin = admin_until_ready(&postgres::url("postgres")?).await;
            admin
                .execute("CREATE DATABASE gatewright_template", vec![])
                .await
                .unwrap();
            admin.close().await;
            prepare(&postgres::url("gatewright_template")?).await;
            Some(())
        })
        .await;
    ready.as_ref()?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("test_{}_{number}", std::process::id());
    let admin = Store::open(&options(&postgres::url("postgres")?))
        .await
        .unwrap();
    let sql = format!("CREATE DATABASE {name} TEMPLATE gatewright_template");
    // One template is copied by one test at a time.
    static COPYING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let copying = COPYING.lock().await;
    admin
        .execute(Box::leak(sql.into_boxed_str()), vec![])
        .await
        .unwrap();
    drop(copying);
    admin.close().await;
    postgres::url(&name)
}

/// The server accepts sockets a moment before it accepts sessions.
async fn admin_until_ready(url: &str) -> Store {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        match Store::open(&options(url)).await {
            Ok(store) => return store,
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
    }
}

/// How the database would run a statement.
pub async fn plan(store: &Store, sql: &str, params: Vec<Param>) -> String {
    match store.backend() {
        Backend::Sqlite => {
            let sql: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {sql}").into_boxed_str());
            let rows: Vec<(i64, i64, i64, String)> = store.fetch_all(sql, params).await.unwrap();
            rows.into_iter().map(|row| row.3 + "\n").collect()
        }
        Backend::Postgres => {
            let sql: &'static str = Box::leak(format!("EXPLAIN {sql}").into_boxed_str());
            let rows: Vec<(String,)> = store.fetch_all(sql, params).await.unwrap();
            rows.into_iter().map(|row| row.0 + "\n").collect()
        }
    }
}
