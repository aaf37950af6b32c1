//! Write transactions on either database.

use super::backend::{Backend, Pools, Store};
use super::error::StoreError;
use super::events::{self, Recorder};
use super::trace::traced;
use super::values::{Param, Row, bind};
use crate::domain::event::Event;
use crate::metrics::{Metrics, Operation};
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Postgres, Sqlite, Transaction};
use std::pin::pin;
use std::sync::Arc;

/// A write transaction. Dropped without `commit`, it never happened.
pub struct Tx {
    open: Open,
    /// What is recorded in it, by whom: written at its very end, told once it has happened.
    events: Vec<Event>,
    recorder: Option<Recorder>,
    metrics: Arc<Metrics>,
}

enum Open {
    /// `BEGIN IMMEDIATE`
    Sqlite(Transaction<'static, Sqlite>),
    /// READ COMMITTED, guarded statements.
    Postgres(Transaction<'static, Postgres>),
}

/// Runs one body on whichever database it is; `$arguments` becomes the bound parameters of that database.
macro_rules! on_tx {
    ($self:expr, $params:expr, |$executor:ident, $arguments:ident| $body:expr) => {{
        let open = &mut $self.open;
        let statement = async {
            match open {
                Open::Sqlite(transaction) => {
                    let $executor = &mut **transaction;
                    let $arguments = bind::<SqliteArguments>($params)?;
                    $body
                }
                Open::Postgres(transaction) => {
                    let $executor = &mut **transaction;
                    let $arguments = bind::<PgArguments>($params)?;
                    $body
                }
            }
        };
        let database = &$self.metrics.database;
        database
            .observe(Operation::Write, pin!(statement), StoreError::class)
            .await
    }};
}

impl Tx {
    /// Begins one: on SQLite with the write lock in hand, so that nothing in it can lose a race.
    ///
    /// # Errors
    /// [`StoreError`]
    pub(super) async fn begin(store: &Store) -> Result<Self, StoreError> {
        let begin = async {
            Ok(match &store.pools {
                Pools::Sqlite { write, .. } => {
                    Open::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?)
                }
                // Said aloud, for the database may have another default, in which losers of a race fail.
                Pools::Postgres(pool) => Open::Postgres(
                    pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
                        .await?,
                ),
            })
        };
        Ok(Self {
            open: store.observed(Operation::Write, pin!(begin)).await?,
            events: Vec::new(),
            recorder: None,
            metrics: Arc::clone(store.metrics()),
        })
    }

    /// The first row of a statement, `RETURNING` included.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn fetch_optional<T: Row>(
        &mut self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<Option<T>, StoreError> {
        traced(self.backend(), sql, async {
            on_tx!(self, params, |connection, arguments| {
                Ok(sqlx::query_as_with(sql, arguments)
                    .fetch_optional(connection)
                    .await?)
            })
        })
        .await
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
        traced(self.backend(), sql, async {
            on_tx!(self, params, |connection, arguments| {
                Ok(sqlx::query_as_with(sql, arguments)
                    .fetch_all(connection)
                    .await?)
            })
        })
        .await
    }

    /// Runs a statement. Returns the rows affected.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn execute(
        &mut self,
        sql: &'static str,
        params: Vec<Param>,
    ) -> Result<u64, StoreError> {
        traced(self.backend(), sql, async {
            on_tx!(self, params, |connection, arguments| {
                Ok(sqlx::query_with(sql, arguments)
                    .execute(connection)
                    .await?
                    .rows_affected())
            })
        })
        .await
    }

    fn backend(&self) -> Backend {
        match self.open {
            Open::Sqlite(_) => Backend::Sqlite,
            Open::Postgres(_) => Backend::Postgres,
        }
    }

    /// Keeps an event to be written at the end.
    pub(super) fn announce(&mut self, recorder: &Recorder, event: Event) {
        if self.recorder.is_none() {
            self.recorder = Some(recorder.clone());
        }
        self.events.push(event);
    }

    /// Makes it so, with the events recorded in it, and tells of them.
    ///
    /// # Errors
    /// [`StoreError`]: then it is unknown whether it happened, and the caller must not assume that it did.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        let events = std::mem::take(&mut self.events);
        let recorder = self.recorder.take();
        if let Some(recorder) = &recorder {
            events::append(&mut self, recorder, &events).await?;
        }
        let backend = self.backend();
        let commit = traced(backend, "COMMIT", async {
            match self.open {
                Open::Sqlite(transaction) => Ok(transaction.commit().await?),
                Open::Postgres(transaction) => Ok(transaction.commit().await?),
            }
        });
        let database = &self.metrics.database;
        database
            .observe(Operation::Commit, pin!(commit), StoreError::class)
            .await?;
        if let Some(recorder) = &recorder {
            for event in &events {
                recorder.tell(event);
            }
        }
        Ok(())
    }
}
