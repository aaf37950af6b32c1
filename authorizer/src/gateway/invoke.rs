//! The function that a front door asks: an authorizer in this process, or any other.

use std::fmt;

use serde_json::Value;

use crate::handler::{Authorizer, AuthorizerError};
use crate::jwks::BoxFuture;

/// A call of the function that gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvokeError {
    /// An error whose text is exactly `Unauthorized`; with the reason, where it's known.
    Unauthorized(Option<String>),
    /// Any other error, no answer in time included.
    Failed(String),
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized(_) => f.write_str("Unauthorized"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for InvokeError {}

/// Event in, answer out; `now` in Unix seconds.
pub trait Invoke: Send + Sync {
    /// Asks about one call.
    fn invoke(&self, event: Value, now: i64) -> BoxFuture<'_, Result<Value, InvokeError>>;
}

impl Invoke for Authorizer {
    fn invoke(&self, event: Value, now: i64) -> BoxFuture<'_, Result<Value, InvokeError>> {
        Box::pin(async move {
            self.answer(&event, now).await.map_err(|error| match error {
                AuthorizerError::Unauthorized(reason) => {
                    InvokeError::Unauthorized(Some(reason.as_str().to_owned()))
                }
                AuthorizerError::Fault(_) => InvokeError::Failed(error.to_string()),
            })
        })
    }
}
