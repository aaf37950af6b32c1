//! The two databases behind one set of statements.

use super::error::StoreError;
use super::sqlite_file::{DiskSpace, disk_space, lock, prepare_file, sqlite_path};
use super::trace::traced;
use super::tx::Tx;
use super::values::{Param, Row, bind};
use crate::metrics::{DatabaseMetrics, Metrics, Of, Operation};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a caller waits for a connection or a lock before it is told to come back.
const PATIENCE_POSTGRES: Duration = Duration::from_secs(2);
const PATIENCE_SQLITE: Duration = Duration::from_secs(5);

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The embedded default.
    Sqlite,
    /// For many nodes.
    Postgres,
}

impl Backend {
    /// As OpenTelemetry calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
        }
    }
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
pub struct Store {
    pub(super) pools: Pools,
    metrics: Arc<Metrics>,
}

/// Its connections.
#[derive(Clone, Debug)]
pub(super) enum Pools {
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

/// Runs one body on whichever database it is; `$arguments` becomes the bound parameters of that database.
macro_rules! on {
    ($self:expr, $params:expr, |$executor:ident, $arguments:ident| $body:expr, $sqlite:ident) => {
        match &$self.pools {
            Pools::Sqlite {
                $sqlite: $executor, ..
            } => {
                let $arguments = bind::<SqliteArguments>($params)?;
                $body
            }
            Pools::Postgres($executor) => {
                let $arguments = bind::<PgArguments>($params)?;
                $body
            }
        }
    };
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
                .connect_with(connect.clone())
                .await;
            return match pool {
                Ok(pool) => Ok(Self::of(Pools::Postgres(pool))),
                Err(sqlx::Error::PoolTimedOut) => Err(why_unreachable(&connect).await),
                Err(error) => Err(error.into()),
            };
        }
        let path = sqlite_path(&options.url).ok_or_else(|| {
            StoreError::Internal("database.url must begin with sqlite:// or postgres://".to_owned())
        })?;
        prepare_file(&path)?;
        let connect = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(if options.durable {
                SqliteSynchronous::Full
            } else {
                SqliteSynchronous::Off
            })
            .busy_timeout(PATIENCE_SQLITE)
            .foreign_keys(true);
        // Two that turn a new file to WAL at once would find it locked, whatever their patience.
        let lock = lock(&path).await;
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE_SQLITE)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(connect.clone())
            .await?;
        // Where no lock file can be made, nothing new will be either.
        drop(lock);
        let read = SqlitePoolOptions::new()
            .max_connections(2)
            .acquire_timeout(PATIENCE_SQLITE)
            .connect_lazy_with(connect.pragma("query_only", "ON"));
        Ok(Self::of(Pools::Sqlite { read, write, path }))
    }

    fn of(pools: Pools) -> Self {
        let metrics = Arc::new(Metrics::new(Of::Issuer));
        let seen = pools.clone();
        metrics.before_scrape(move |metrics| seen.show(&metrics.database));
        Self { pools, metrics }
    }

    /// What is counted on this node: statements by the store itself, the rest by whoever uses it.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The file of an SQLite database.
    pub fn sqlite_file(&self) -> Option<&Path> {
        match &self.pools {
            Pools::Sqlite { path, .. } => Some(path),
            Pools::Postgres(_) => None,
        }
    }

    /// Runs a statement, measured and counted.
    pub(super) async fn observed<T>(
        &self,
        operation: Operation,
        statement: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let database = &self.metrics.database;
        database
            .observe(operation, statement, StoreError::class)
            .await
    }

    /// Which database it is.
    pub fn backend(&self) -> Backend {
        match &self.pools {
            Pools::Sqlite { .. } => Backend::Sqlite,
            Pools::Postgres(_) => Backend::Postgres,
        }
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
        let statement = traced(self.backend(), sql, async {
            on!(
                self,
                params,
                |pool, arguments| {
                    Ok(sqlx::query_as_with(sql, arguments)
                        .fetch_optional(pool)
                        .await?)
                },
                read
            )
        });
        self.observed(Operation::Read, pin!(statement)).await
    }

    /// The only row of a reading statement.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn fetch_one<T: Row>(
        &self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<T, StoreError> {
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
        let statement = traced(self.backend(), sql, async {
            on!(
                self,
                params,
                |pool, arguments| Ok(sqlx::query_as_with(sql, arguments).fetch_all(pool).await?),
                read
            )
        });
        self.observed(Operation::Read, pin!(statement)).await
    }

    /// One writing statement, a transaction of its own. Returns the rows affected.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn execute(&self, sql: &'static str, params: Vec<Param>) -> Result<u64, StoreError> {
        let statement = traced(self.backend(), sql, async {
            on!(
                self,
                params,
                |pool, arguments| {
                    Ok(sqlx::query_with(sql, arguments)
                        .execute(pool)
                        .await?
                        .rows_affected())
                },
                write
            )
        });
        self.observed(Operation::Write, pin!(statement)).await
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
        traced(self.backend(), "BEGIN", Tx::begin(self)).await
    }

    /// Prepares a statement without running it: for the test that every statement suits both databases.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn prepare(&self, sql: &'static str) -> Result<(), StoreError> {
        use sqlx::{Executor, SqlSafeStr};
        match &self.pools {
            Pools::Sqlite { write, .. } => write
                .acquire()
                .await?
                .prepare(sql.into_sql_str())
                .await
                .map(drop)?,
            Pools::Postgres(pool) => pool
                .acquire()
                .await?
                .prepare(sql.into_sql_str())
                .await
                .map(drop)?,
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
        let sql = match &self.pools {
            Pools::Sqlite { .. } => "SELECT CAST(strftime('%s', 'now') AS BIGINT)",
            Pools::Postgres(_) => "SELECT CAST(EXTRACT(EPOCH FROM now()) AS BIGINT)",
        };
        Ok(self.fetch_one::<(i64,)>(sql, vec![]).await?.0)
    }

    /// How much is free where an SQLite file is; `None` for PostgreSQL, which has a disk of its own.
    pub fn disk_space(&self) -> Option<DiskSpace> {
        match &self.pools {
            Pools::Sqlite { path, .. } => disk_space(path),
            Pools::Postgres(_) => None,
        }
    }

    /// Closes every connection; on SQLite the write-ahead log is folded into the file.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { read, write, .. } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

impl Pools {
    /// Who holds connections at this moment.
    fn show(&self, metrics: &DatabaseMetrics) {
        let show = |name, size: u32, idle: usize| {
            let used = usize::try_from(size).unwrap_or(usize::MAX);
            metrics.connections(name, idle, used.saturating_sub(idle));
        };
        match self {
            Self::Sqlite { read, write, .. } => {
                show("read", read.size(), read.num_idle());
                show("write", write.size(), write.num_idle());
            }
            Self::Postgres(pool) => show("shared", pool.size(), pool.num_idle()),
        }
    }
}

/// A pool only says that it waited in vain; one connection says why.
async fn why_unreachable(connect: &PgConnectOptions) -> StoreError {
    match timeout(PATIENCE_POSTGRES, connect.connect()).await {
        Ok(Err(error)) => error.into(),
        Ok(Ok(_)) | Err(_) => StoreError::Unavailable("it doesn't answer in time".to_owned()),
    }
}
