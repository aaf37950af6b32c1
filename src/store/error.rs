//! What can go wrong below, sorted by what the caller should do.

use crate::metrics::ErrorClass;
use sqlx::error::DatabaseError;
use std::fmt;

/// A failed statement.
#[derive(Debug)]
pub enum StoreError {
    /// Try again in a moment: a lock, a serialization failure, a full pool.
    Busy(String),
    /// The database can't be reached or can't write: nothing was acknowledged.
    Unavailable(String),
    /// A row with this key exists already, or one that it belongs to is gone.
    Conflict,
    /// Anything else: a defect or a damaged row.
    Internal(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy(detail) => {
                write!(f, "the database is busy ({detail}); try again in a moment")
            }
            Self::Unavailable(detail) => write!(
                f,
                "the database is unavailable ({detail}); check that it runs, that its disk has room, and database.url"
            ),
            Self::Conflict => {
                f.write_str("a row with this key exists already, or what it belongs to is gone")
            }
            Self::Internal(detail) => write!(f, "the database answered with an error: {detail}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    pub(super) fn class(&self) -> ErrorClass {
        match self {
            Self::Busy(_) => ErrorClass::Busy,
            Self::Unavailable(_) => ErrorClass::Unavailable,
            Self::Conflict => ErrorClass::Conflict,
            Self::Internal(_) => ErrorClass::Other,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Self::Busy(
                "no connection in time: all are in use, or it can't be reached".to_owned(),
            ),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unavailable(error.to_string()),
            sqlx::Error::Database(database) => of_database(&**database),
            _ => Self::Internal(error.to_string()),
        }
    }
}

fn of_database(error: &dyn DatabaseError) -> StoreError {
    if error.is_unique_violation() || error.is_foreign_key_violation() {
        return StoreError::Conflict;
    }
    let said = error.message().to_owned();
    match error.code().as_deref() {
        // SQLite: BUSY and LOCKED with their extended codes. PostgreSQL: serialization, deadlock,
        // lock not available, too many connections.
        Some(
            "5" | "6" | "261" | "262" | "517" | "518" | "773" | "40001" | "40P01" | "55P03"
            | "53300",
        ) => StoreError::Busy(said),
        // SQLite: READONLY, IOERR, FULL, CANTOPEN, NOTADB.
        Some("8" | "10" | "13" | "14" | "26" | "1032" | "1544" | "778" | "266" | "1034") => {
            StoreError::Unavailable(said)
        }
        Some(code) if code.len() == 5 && unavailable_on_postgres(code) => {
            StoreError::Unavailable(said)
        }
        Some(code) => StoreError::Internal(format!("{said}, code {code}")),
        None => StoreError::Internal(said),
    }
}

/// Out of disk, shutting down, read-only, connection exceptions, a refused login, no such database.
fn unavailable_on_postgres(code: &str) -> bool {
    ["57P", "08", "53", "28"]
        .iter()
        .any(|class| code.starts_with(class))
        || ["25006", "3D000"].contains(&code)
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(format!("a stored row is not readable: {error}"))
    }
}
