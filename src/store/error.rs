//! What can go wrong below, sorted by what the caller should do.

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
            Self::Conflict => f.write_str("a row with this key exists already, or what it belongs to is gone"),
            Self::Internal(detail) => write!(f, "the database answered with an error: {detail}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let detail = error.to_string();
        match &error {
            sqlx::Error::PoolTimedOut => Self::Busy("no connection became free in time".to_owned()),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unavailable(detail),
            sqlx::Error::Database(database) => {
                if database.is_unique_violation() || database.is_foreign_key_violation() {
                    return Self::Conflict;
                }
                match database.code().as_deref() {
                    // SQLite: BUSY and LOCKED with their extended codes. PostgreSQL: serialization, deadlock,
                    // lock not available, too many connections.
                    Some(
                        "5" | "6" | "261" | "262" | "517" | "518" | "773" | "40001" | "40P01"
                        | "55P03" | "53300",
                    ) => Self::Busy(detail),
                    // SQLite: READONLY, IOERR, FULL, CANTOPEN.
                    Some("8" | "10" | "13" | "14" | "1032" | "1544" | "778" | "266" | "1034") => {
                        Self::Unavailable(detail)
                    }
                    // PostgreSQL: out of disk, shutting down, read-only, connection exceptions.
                    Some(code)
                        if code.len() == 5
                            && (code.starts_with("57P")
                                || code.starts_with("08")
                                || code.starts_with("53")
                                || code == "25006") =>
                    {
                        Self::Unavailable(detail)
                    }
                    _ => Self::Internal(detail),
                }
            }
            _ => Self::Internal(detail),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(format!("a stored row is not readable: {error}"))
    }
}
