//! Write transactions on either database.

use super::backend::{Backend, Store};
use super::error::StoreError;
use super::events::{self, Recorder};
use super::trace::traced;
use super::values::{Param, Row, bind};
use crate::domain::event::Event;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Postgres, Sqlite, Transaction};

/// A write transaction. Dropped without `commit`, it never happened.
pub struct Tx {
    open: Open,
    /// What is recorded in it, by whom: written at its very end, told once it has happened.
    events: Vec<Event>,
    recorder: Option<Recorder>,
}

enum Open {
    /// `BEGIN IMMEDIATE`
    Sqlite(Transaction<'static, Sqlite>),
    /// READ COMMITTED, guarded statements.
    Postgres(Transaction<'static, Postgres>),
}

/// Runs one body on whichever database it is; `$arguments` becomes the bound parameters of that database.
macro_rules! on_tx {
    ($self:expr, $params:expr, |$executor:ident, $arguments:ident| $body:expr) => {
        match &mut $self.open {
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
}

impl Tx {
    /// Begins one: on SQLite with the write lock in hand, so that nothing in it can lose a race.
    ///
    /// # Errors
    /// [`StoreError`]
    pub(super) async fn begin(store: &Store) -> Result<Self, StoreError> {
        let open = match store {
            Store::Sqlite { write, .. } => Open::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            // Said aloud, for the database may have another default, in which losers of a race fail.
            Store::Postgres(pool) => Open::Postgres(
                pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
                    .await?,
            ),
        };
        Ok(Self {
            open,
            events: Vec::new(),
            recorder: None,
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
        traced(backend, "COMMIT", async {
            match self.open {
                Open::Sqlite(transaction) => transaction.commit().await?,
                Open::Postgres(transaction) => transaction.commit().await?,
            }
            Ok(())
        })
        .await?;
        if let Some(recorder) = &recorder {
            for event in &events {
                recorder.tell(event);
            }
        }
        Ok(())
    }
}
