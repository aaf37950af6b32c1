//! Write transactions on either database.

use super::backend::{Backend, Store};
use super::error::StoreError;
use super::events::log;
use super::trace::traced;
use super::values::{Param, Row, bind};
use crate::domain::event::Event;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Postgres, Sqlite, Transaction};

/// A write transaction. Dropped without `commit`, it never happened.
pub struct Tx {
    open: Open,
    /// What is recorded in it: logged once it has happened.
    events: Vec<Event>,
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

    /// Keeps an event to be logged when this has happened.
    pub(super) fn announce(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Makes it so, and logs the events recorded in it.
    ///
    /// # Errors
    /// [`StoreError`]: then it is unknown whether it happened, and the caller must not assume that it did.
    pub async fn commit(self) -> Result<(), StoreError> {
        let backend = self.backend();
        let Self { open, events } = self;
        traced(backend, "COMMIT", async {
            match open {
                Open::Sqlite(transaction) => transaction.commit().await?,
                Open::Postgres(transaction) => transaction.commit().await?,
            }
            Ok(())
        })
        .await?;
        events.iter().for_each(log);
        Ok(())
    }
}
