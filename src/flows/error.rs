//! What can go wrong in a use case, for us. `http/oauth_error.rs` picks what the caller sees.

use crate::crypto::entropy::NoEntropy;
use crate::crypto::signing_key::KeyError;
use crate::domain::event::{FailureCause, TokenRefusal};
use crate::domain::{ErrorCode, FamilyId, Scope};
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
    /// An RFC code with words.
    Refused(Box<RefusedRequest>),
    /// Not the caller's fault.
    Failed(FlowError),
}

/// What the caller learns of a refusal, and what only the operator does.
#[derive(Debug)]
pub struct RefusedRequest {
    /// The RFC's code.
    pub code: ErrorCode,
    /// What the developer should know; nothing secret in it.
    pub words: &'static str,
    /// Why, where the words say less. For the record alone: several causes share one answer.
    pub cause: Option<TokenRefusal>,
    /// The grant that it was about.
    pub grant_id: Option<FamilyId>,
    /// Scopes that were too much, as the caller wrote them: only [`Issuer::named`](super::Issuer::named) tells which of
    /// them may be recorded.
    pub beyond: Scope,
}

impl RefusedRequest {
    /// One whose words say it all.
    pub fn new(code: ErrorCode, words: &'static str) -> Self {
        Self {
            code,
            words,
            cause: None,
            grant_id: None,
            beyond: Scope::default(),
        }
    }

    /// With what the operator should know.
    #[must_use]
    pub fn because(self, cause: TokenRefusal) -> Self {
        Self {
            cause: Some(cause),
            ..self
        }
    }

    /// With the grant that it was about.
    #[must_use]
    pub fn about(self, grant_id: &FamilyId) -> Self {
        Self {
            grant_id: Some(grant_id.clone()),
            ..self
        }
    }

    /// With the scopes that were too much.
    #[must_use]
    pub fn beyond(self, beyond: Scope) -> Self {
        Self { beyond, ..self }
    }

    /// The refusal as an error.
    pub fn error(self) -> TokenError {
        TokenError::Refused(Box::new(self))
    }
}

impl<E: Into<FlowError>> From<E> for TokenError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A refusal as a `Result`.
pub(crate) fn refuse<T>(code: ErrorCode, words: &'static str) -> Result<T, TokenError> {
    Err(RefusedRequest::new(code, words).error())
}

/// A refusal whose cause the caller doesn't learn.
pub(crate) fn refused(
    code: ErrorCode,
    words: &'static str,
    cause: TokenRefusal,
    grant_id: Option<&FamilyId>,
) -> TokenError {
    let refusal = RefusedRequest::new(code, words).because(cause);
    match grant_id {
        Some(grant_id) => refusal.about(grant_id),
        None => refusal,
    }
    .error()
}
