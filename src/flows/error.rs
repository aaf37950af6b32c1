//! What can go wrong in a use case, for us. `http/oauth_error.rs` picks what the caller sees.

use crate::crypto::entropy::NoEntropy;
use crate::crypto::signing_key::KeyError;
use crate::domain::ErrorCode;
use crate::domain::event::FailureCause;
use crate::store::StoreError;
use std::fmt;

/// A failure that no caller caused.
#[derive(Debug)]
pub enum FlowError {
    /// Come back in a moment: the password queue is full.
    Busy,
    /// The database is away, or has too much to do.
    Store(StoreError),
    /// A defect, a damaged row, no entropy, no key.
    Internal(String),
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str(
                "too many passwords wait to be checked; try again in a moment, or raise password.queue",
            ),
            Self::Store(error) => error.fmt(f),
            Self::Internal(detail) => f.write_str(detail),
        }
    }
}

impl FlowError {
    /// Whose failure it is.
    pub fn cause(&self) -> FailureCause {
        match self {
            Self::Busy => FailureCause::PasswordQueue,
            Self::Store(StoreError::Busy(_)) => FailureCause::DatabaseBusy,
            Self::Store(StoreError::Unavailable(_)) => FailureCause::DatabaseUnavailable,
            Self::Store(_) | Self::Internal(_) => FailureCause::Internal,
        }
    }
}

impl std::error::Error for FlowError {}

impl From<StoreError> for FlowError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<NoEntropy> for FlowError {
    fn from(error: NoEntropy) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<KeyError> for FlowError {
    fn from(error: KeyError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<serde_json::Error> for FlowError {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(format!("a value is not readable: {error}"))
    }
}

/// A refusal at the token, introspection or revocation endpoint.
#[derive(Debug)]
pub enum TokenError {
    /// The client isn't who it says, or says nothing. `basic`: answer with a Basic challenge.
    Client {
        /// Whether HTTP Basic was used.
        basic: bool,
    },
    /// An RFC code and what the developer should know; nothing secret in it.
    Refused(ErrorCode, &'static str),
    /// Not the caller's fault.
    Failed(FlowError),
}

impl<E: Into<FlowError>> From<E> for TokenError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A refusal as a `Result`.
pub(crate) fn refuse<T>(code: ErrorCode, words: &'static str) -> Result<T, TokenError> {
    Err(TokenError::Refused(code, words))
}
