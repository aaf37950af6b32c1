//! Explains what an event is answered with: the answer itself, and the decision in words.

use std::sync::Arc;

use serde_json::Value;

use crate::appsync::{self, GraphQlCall};
use crate::event::Call;
use crate::handler::{Authorizer, AuthorizerError};
use crate::policy::{Asked, Explanation, Request};
use crate::token::AccessToken;

/// What an event is answered with, and why.
#[derive(Clone, Debug)]
pub struct ExplainedEvent {
    /// The decision.
    pub explanation: Explanation,
    /// The token, if it was accepted.
    pub token: Option<Arc<AccessToken>>,
    /// What API Gateway or `AppSync` would get.
    pub answer: Result<Value, AuthorizerError>,
}

impl Authorizer {
    /// Decides as [`Self::answer`] does, and explains it in place of a line in the decision log; `now` in Unix seconds.
    pub async fn explain(&self, event: &Value, now: i64) -> ExplainedEvent {
        let (outcome, _) = self.outcome(event, now, None).await;
        ExplainedEvent {
            explanation: Explanation::of(self.asked(event, now), outcome.decision),
            token: outcome.token,
            answer: outcome.result,
        }
    }

    fn asked(&self, event: &Value, now: i64) -> Asked {
        let unknown = |_| Asked::Unknown {};
        let asked = if appsync::is_one(event) {
            GraphQlCall::parse(event).map(|call| {
                let fields = call.fields();
                Asked::of(call.target(fields.as_ref()), &Request::graphql().at(now))
            })
        } else {
            Call::parse_for(event, self.policy())
                .map(|call| Asked::of(call.target(), &call.request(now)))
        };
        asked.unwrap_or_else(unknown)
    }
}
