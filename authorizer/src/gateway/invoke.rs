//! The function that a front door asks: an authorizer in this process, or any other.

use std::fmt;

use serde_json::Value;

use crate::handler::{Authorizer, AuthorizerError};
use crate::jwks::BoxFuture;
use crate::trace::TraceParent;

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

    /// The same, as part of a trace; a function that knows none leaves it out.
    fn invoke_traced(
        &self,
        event: Value,
        now: i64,
        trace: Option<TraceParent>,
    ) -> BoxFuture<'_, Result<Value, InvokeError>> {
        let _ = trace;
        self.invoke(event, now)
    }
}

impl Invoke for Authorizer {
    fn invoke(&self, event: Value, now: i64) -> BoxFuture<'_, Result<Value, InvokeError>> {
        self.invoke_traced(event, now, None)
    }

    fn invoke_traced(
        &self,
        event: Value,
        now: i64,
        trace: Option<TraceParent>,
    ) -> BoxFuture<'_, Result<Value, InvokeError>> {
        Box::pin(async move {
            let trace_id = trace.map(|trace| trace.trace_id);
            let answer = self.answer_traced(&event, now, trace_id).await;
            answer.map_err(|error| match error {
                AuthorizerError::Unauthorized(reason) => {
                    InvokeError::Unauthorized(Some(reason.as_str().to_owned()))
                }
                AuthorizerError::Fault(_) => InvokeError::Failed(error.to_string()),
            })
        })
    }
}
