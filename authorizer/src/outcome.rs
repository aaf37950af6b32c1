//! What becomes of an event: the answer to it, and all that its line in the decision log tells.

use std::sync::Arc;

use serde_json::Value;

use crate::answer::Answer;
use crate::cause::Refused;
use crate::decision_log::{DecisionLine, policy_bytes};
use crate::event::{Kind, what_is_wrong};
use crate::handler::AuthorizerError;
use crate::jwks::JwksState;
use crate::policy::{Coverage, Decision};
use crate::reason::Reason;
use crate::seen::Seen;
use crate::token::AccessToken;

/// A result with all that its log line tells.
pub(crate) struct Outcome<'e> {
    pub result: Result<Value, AuthorizerError>,
    pub decision: Decision,
    pub token: Option<Arc<AccessToken>>,
    pub verdict: &'static str,
    pub missing: Vec<String>,
    pub coverage: Option<Coverage>,
    pub left_out: Vec<String>,
    pub call: Seen<'e>,
    pub jwks: Option<JwksState>,
    pub known: bool,
}

impl<'e> Outcome<'e> {
    pub fn answered(answer: Answer, call: Seen<'e>, token: Option<Arc<AccessToken>>) -> Self {
        let Answer {
            body,
            decision,
            coverage,
            left_out,
        } = answer;
        let verdict = if decision.is_allow() { "allow" } else { "deny" };
        let missing = decision.missing_scopes();
        Self {
            result: Ok(body),
            decision,
            token,
            verdict,
            missing,
            coverage,
            left_out,
            call,
            jwks: None,
            known: false,
        }
    }

    pub fn unauthorized(call: Seen<'e>, why: Refused) -> Self {
        Self {
            verdict: "unauthorized",
            ..Self::error(call, AuthorizerError::Unauthorized(why.reason), why)
        }
    }

    pub fn unrecognised(event: &'e Value) -> Self {
        Self {
            decision: Decision::unrecognised(what_is_wrong(event)),
            ..Self::failed(Seen::unrecognised(event), Reason::EventUnrecognised)
        }
    }

    pub fn failed(call: Seen<'e>, why: impl Into<Refused>) -> Self {
        let why = why.into();
        Self::error(call, AuthorizerError::Fault(why.reason), why)
    }

    fn error(call: Seen<'e>, error: AuthorizerError, why: Refused) -> Self {
        Self {
            result: Err(error),
            decision: Decision::refused_before_judging(why),
            token: None,
            verdict: "fault",
            missing: Vec::new(),
            coverage: None,
            left_out: Vec::new(),
            call,
            jwks: None,
            known: false,
        }
    }

    /// The form of an answer to payload 2.0: the gateway takes one or the other, as it is set up.
    fn form(&self) -> Option<&'static str> {
        let body = self.result.as_ref().ok()?;
        let simple = body.get("isAuthorized").is_some();
        let either = self.call.kind == Some(Kind::HttpV2.as_str());
        either.then_some(if simple { "simple" } else { "iam" })
    }

    pub fn line(&self) -> DecisionLine<'_> {
        let call = &self.call;
        let whole = |coverage: &Coverage| *coverage == Coverage::Whole;
        DecisionLine {
            decision: self.verdict,
            reason: self.decision.reason,
            cause: self.decision.cause,
            rule: self.decision.rule.as_deref(),
            missing: &self.missing,
            wrong: Some(self.decision.words.as_str())
                .filter(|_| self.decision.reason == Some(Reason::EventUnrecognised)),
            left_out: &self.left_out,
            request_id: call.request_id,
            connection: call.connection,
            trace_id: call.trace_id,
            api: call.api.as_deref(),
            stage: call.stage.as_deref(),
            kind: call.kind,
            method: call.method,
            route: call.route,
            token: self.token.as_deref(),
            jwks: self.jwks,
            known: self.known,
            cache: self
                .coverage
                .as_ref()
                .map(|coverage| if whole(coverage) { "whole" } else { "exact" }),
            answer: self.form(),
            policy_bytes: self.result.as_ref().ok().and_then(policy_bytes),
            ..DecisionLine::default()
        }
    }
}
