//! The two databases behind one set of statements.

use super::error::StoreError;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Arguments, Postgres, Sqlite, Transaction};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a caller waits for a connection or a lock before it is told to come back.
const PATIENCE_POSTGRES: Duration = Duration::from_secs(2);
const PATIENCE_SQLITE: Duration = Duration::from_secs(5);

/// A value bound to `$n`.
#[derive(Clone, Debug)]
pub enum Param {
    /// `TEXT`
    Text(Option<String>),
    /// `BIGINT`
    Int(Option<i64>),
    /// `BOOLEAN`
    Bool(bool),
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}
impl From<&String> for Param {
    fn from(value: &String) -> Self {
        Self::Text(Some(value.clone()))
    }
}
impl From<String> for Param {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}
impl From<Option<String>> for Param {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}
impl From<Option<&str>> for Param {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}
impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}
impl From<Option<i64>> for Param {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}
impl From<bool> for Param {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// A row that both databases can fill.
pub trait Row: for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Row for T where
    T: for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin
{
}

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The embedded default.
    Sqlite,
    /// For many nodes.
    Postgres,
}

/// How to open a database.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// `sqlite://PATH` or `postgres://…`
    pub url: String,
    /// Connections to PostgreSQL, at most.
    pub max_connections: u32,
    /// Whether an acknowledged write survives power loss. Off in tests only.
    pub durable: bool,
}

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Store {
    /// One connection writes, a few read.
    Sqlite {
        /// Readers.
        read: SqlitePool,
        /// The one writer.
        write: SqlitePool,
        /// The file.
        path: PathBuf,
    },
    /// One pool.
    Postgres(PgPool),
}

/// A write transaction. Dropped without `commit`, it never happened.
pub enum Tx {
    /// `BEGIN IMMEDIATE`
    Sqlite(Transaction<'static, Sqlite>),
    /// READ COMMITTED, guarded statements.
    Postgres(Transaction<'static, Postgres>),
}

/// Runs one body on whichever database it is; `$arguments` becomes the bound parameters of that database.
macro_rules! on {
    ($self:expr, $params:expr, |$executor:ident, $arguments:ident| $body:expr, $sqlite:ident) => {
        match $self {
            Store::Sqlite { $sqlite: $executor, .. } => {
                let $arguments = bind::<SqliteArguments>($params)?;
                $body
            }
            Store::Postgres($executor) => {
                let $arguments = bind::<PgArguments>($params)?;
                $body
            }
        }
    };
}

macro_rules! on_tx {
    ($self:expr, $params:expr, |$executor:ident, $arguments:ident| $body:expr) => {
        match $self {
            Tx::Sqlite(transaction) => {
                let $executor = &mut **transaction;
                let $arguments = bind::<SqliteArguments>($params)?;
                $body
            }
            Tx::Postgres(transaction) => {
                let $executor = &mut **transaction;
                let $arguments = bind::<PgArguments>($params)?;
                $body
            }
        }
    };
}

fn bind<A>(params: Vec<Param>) -> Result<A, StoreError>
where
    A: Arguments + Default,
    for<'q> Option<String>: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
    for<'q> Option<i64>: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
    for<'q> bool: sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
{
    let mut arguments = A::default();
    for param in params {
        match param {
            Param::Text(value) => arguments.add(value),
            Param::Int(value) => arguments.add(value),
            Param::Bool(value) => arguments.add(value),
        }
        .map_err(|error| StoreError::Internal(error.to_string()))?;
    }
    Ok(arguments)
}

impl Store {
    /// Opens the database; on SQLite makes the file and its folder, readable by the owner only.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it can't be reached, [`StoreError::Internal`] for a URL of another kind.
    pub async fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        if options.url.starts_with("postgres://") || options.url.starts_with("postgresql://") {
            let connect = PgConnectOptions::from_str(&options.url)?.application_name("gatewright");
            let pool = PgPoolOptions::new()
                .max_connections(options.max_connections)
                .acquire_timeout(PATIENCE_POSTGRES)
                .connect_with(connect)
                .await?;
            return Ok(Self::Postgres(pool));
        }
        let path = sqlite_path(&options.url).ok_or_else(|| {
            StoreError::Internal("database.url must begin with sqlite:// or postgres://".to_owned())
        })?;
        prepare_file(&path)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
        let connect = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(if options.durable { SqliteSynchronous::Full } else { SqliteSynchronous::Off })
            .busy_timeout(PATIENCE_SQLITE)
            .foreign_keys(true);
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE_SQLITE)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(connect.clone())
            .await?;
        let read = SqlitePoolOptions::new()
            .max_connections(2)
            .acquire_timeout(PATIENCE_SQLITE)
            .connect_lazy_with(connect.pragma("query_only", "ON"));
        Ok(Self::Sqlite { read, write, path })
    }

    /// Which database it is.
    pub fn backend(&self) -> Backend {
        match self {
            Self::Sqlite { .. } => Backend::Sqlite,
            Self::Postgres(_) => Backend::Postgres,
        }
    }

    /// Names of the migrations that the database lacks, oldest first.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Internal`] also for a database that a newer version migrated.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        let exists = match self {
            Self::Sqlite { .. } => {
                "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'"
            }
            Self::Postgres(_) => {
                "SELECT COUNT(*) FROM pg_catalog.pg_class
                  WHERE oid = to_regclass('_sqlx_migrations')"
            }
        };
        let found = self.fetch_one::<(i64,)>(exists, vec![]).await?.0;
        let applied: Vec<(i64,)> = if found == 0 {
            Vec::new()
        } else {
            self.fetch_all("SELECT version FROM _sqlx_migrations ORDER BY version", vec![])
                .await?
        };
        if let Some((newer,)) = applied
            .iter()
            .find(|(version,)| !MIGRATIONS.version_exists(*version))
        {
            return Err(StoreError::Internal(format!(
                "it has migration {newer}, which this version doesn't know: run the newer gatewright"
            )));
        }
        Ok(MIGRATIONS
            .iter()
            .filter(|m| !applied.iter().any(|(version,)| *version == m.version))
            .map(migration_name)
            .collect())
    }

    /// Names of every migration of this version, oldest first: what a database that isn't there yet lacks.
    pub fn known_migrations() -> Vec<String> {
        MIGRATIONS.iter().map(migration_name).collect()
    }

    /// Applies what is missing. Of several nodes that start together one works and the others wait.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        let lock = match self {
            Self::Sqlite { path, .. } => Some(migration_lock(path.clone()).await?),
            Self::Postgres(_) => None,
        };
        let pending = self.pending_migrations().await?;
        if !pending.is_empty() {
            let outcome = match self {
                Self::Sqlite { write, .. } => MIGRATIONS.run(write).await,
                Self::Postgres(pool) => MIGRATIONS.run(pool).await,
            };
            outcome.map_err(|error| StoreError::Internal(format!("migration failed: {error}")))?;
        }
        drop(lock);
        Ok(pending)
    }

    /// The first row of a reading statement.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn fetch_optional<T: Row>(
        &self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<Option<T>, StoreError> {
        on!(self, params, |pool, arguments| {
            Ok(sqlx::query_as_with(sql, arguments).fetch_optional(pool).await?)
        }, read)
    }

    /// The only row of a reading statement.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn fetch_one<T: Row>(&self, sql: &'static str, params: Vec<Param>) -> Result<T, StoreError> {
        self.fetch_optional(sql, params)
            .await?
            .ok_or_else(|| StoreError::Internal("a row is missing".to_owned()))
    }

    /// Every row of a reading statement.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn fetch_all<T: Row>(
        &self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<Vec<T>, StoreError> {
        on!(self, params, |pool, arguments| {
            Ok(sqlx::query_as_with(sql, arguments).fetch_all(pool).await?)
        }, read)
    }

    /// One writing statement, a transaction of its own. Returns the rows affected.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn execute(&self, sql: &'static str, params: Vec<Param>) -> Result<u64, StoreError> {
        on!(self, params, |pool, arguments| {
            Ok(sqlx::query_with(sql, arguments).execute(pool).await?.rows_affected())
        }, write)
    }

    /// One writing statement with `RETURNING`, a transaction of its own.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn execute_returning<T: Row>(
        &self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<Option<T>, StoreError> {
        let mut tx = self.begin().await?;
        let row = tx.fetch_optional(sql, params).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Begins a write transaction: on SQLite with the write lock in hand, so that nothing in it can lose a race.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Prepares a statement without running it: for the test that every statement suits both databases.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn prepare(&self, sql: &'static str) -> Result<(), StoreError> {
        use sqlx::{Executor, SqlSafeStr};
        match self {
            Self::Sqlite { write, .. } => write.acquire().await?.prepare(sql.into_sql_str()).await.map(drop)?,
            Self::Postgres(pool) => pool.acquire().await?.prepare(sql.into_sql_str()).await.map(drop)?,
        }
        Ok(())
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.fetch_one::<(i64,)>("SELECT COUNT(*) FROM setting", vec![])
            .await
            .map(drop)
    }

    /// The database's own clock, Unix seconds.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn clock(&self) -> Result<i64, StoreError> {
        let sql = match self {
            Self::Sqlite { .. } => "SELECT CAST(strftime('%s', 'now') AS BIGINT)",
            Self::Postgres(_) => "SELECT CAST(EXTRACT(EPOCH FROM now()) AS BIGINT)",
        };
        Ok(self.fetch_one::<(i64,)>(sql, vec![]).await?.0)
    }

    /// Closes every connection; on SQLite the write-ahead log is folded into the file.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { read, write, .. } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// The first row of a statement, `RETURNING` included.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn fetch_optional<T: Row>(
        &mut self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<Option<T>, StoreError> {
        on_tx!(self, params, |connection, arguments| {
            Ok(sqlx::query_as_with(sql, arguments).fetch_optional(connection).await?)
        })
    }

    /// Every row of a statement.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn fetch_all<T: Row>(
        &mut self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<Vec<T>, StoreError> {
        on_tx!(self, params, |connection, arguments| {
            Ok(sqlx::query_as_with(sql, arguments).fetch_all(connection).await?)
        })
    }

    /// Runs a statement. Returns the rows affected.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn execute(&mut self, sql: &'static str, params: Vec<Param>) -> Result<u64, StoreError> {
        on_tx!(self, params, |connection, arguments| {
            Ok(sqlx::query_with(sql, arguments).execute(connection).await?.rows_affected())
        })
    }

    /// Makes it so.
    ///
    /// # Errors
    /// [`StoreError`]: then it is unknown whether it happened, and the caller must not assume that it did.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await?,
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}

fn migration_name(migration: &sqlx::migrate::Migration) -> String {
    format!("{:04}_{}", migration.version, migration.description.replace(' ', "_"))
}

/// The path of a `sqlite://` URL: `sqlite://relative.db`, `sqlite:///absolute.db`.
pub fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    let path = path.split('?').next().unwrap_or_default();
    (!path.is_empty()).then(|| PathBuf::from(path))
}

fn prepare_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty() && !f.exists()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    if !path.exists() {
        std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    }
    Ok(())
}

async fn migration_lock(path: PathBuf) -> Result<std::fs::File, StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut name = path.into_os_string();
    name.push(".lock");
    tokio::task::spawn_blocking(move || {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&name)?;
        file.lock()?;
        Ok(file)
    })
    .await
    .map_err(|error| StoreError::Internal(error.to_string()))?
    .map_err(|error: std::io::Error| StoreError::Unavailable(format!("migration lock: {error}")))
}
