//! What a call asks for: a route, a connection, or fields.

use std::collections::BTreeSet;

use super::template::{CONNECT, ROOTS};
use super::{Decision, Policy, Request, Rule, Verdict};
use crate::cause::Cause;
use crate::reason::Reason;
use crate::token::AccessToken;

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'r> {
    /// The method and path of the request.
    Route,
    /// The `$connect` of a WebSocket API.
    Connect,
    /// Fields of GraphQL, each with its type: those that a document's operations begin with.
    Fields(&'r BTreeSet<(&'r str, &'r str)>),
    /// A GraphQL document that can't be read in one way, and why.
    Unreadable(&'static str),
}

impl Request<'static> {
    /// The handshake of a WebSocket API, as far as conditions see it (RFC 6455 §4.1).
    pub fn connect() -> Self {
        Self::new("GET", CONNECT)
    }

    /// A call of a GraphQL API, as far as conditions see it.
    pub fn graphql() -> Self {
        Self::new("POST", "/graphql")
    }
}

impl Policy {
    /// Judges whatever a call asks for. Enforcement and explanation both ask here.
    pub fn judge_target(
        &self,
        token: &AccessToken,
        target: Target<'_>,
        request: &Request<'_>,
    ) -> Decision {
        match target {
            Target::Route => self.judge(token, request),
            Target::Connect => self.judge_connect(token, request),
            Target::Unreadable(why) => Decision::refused_before_judging(Cause::Document(why)),
            Target::Fields(fields) => self.judge_fields(token, fields, request),
        }
    }

    /// Allowed when each is; else the first denial.
    fn judge_fields(
        &self,
        token: &AccessToken,
        fields: &BTreeSet<(&str, &str)>,
        request: &Request<'_>,
    ) -> Decision {
        let mut allowed = None;
        for (of_type, field) in fields {
            let decision = self.judge_any_field(token, of_type, field, request);
            if !decision.is_allow() {
                return decision;
            }
            allowed = Some(decision);
        }
        allowed.unwrap_or_else(|| Decision::refused_before_judging(Reason::NoRule))
    }

    /// Fields of other types than the roots are open unless a rule denies them or allows them to somebody.
    fn judge_any_field(
        &self,
        token: &AccessToken,
        of_type: &str,
        field: &str,
        request: &Request<'_>,
    ) -> Decision {
        let decision = self.judge_field(token, of_type, field, request);
        if ROOTS.contains(&of_type) || decision.reason != Some(Reason::NoRule) {
            return decision;
        }
        Decision {
            verdict: Verdict::Allow,
            rule: None,
            reason: None,
            missing: Vec::new(),
            cause: None,
            words: format!(
                "No rule keeps {of_type}.{field} from this token: only what operations begin with needs a rule."
            ),
        }
    }

    /// The fields below those that operations begin with that the token may not see, as `Type.field`.
    pub(crate) fn fields_denied_below(
        &self,
        token: &AccessToken,
        request: &Request<'_>,
    ) -> Vec<String> {
        let named = self.rules().iter().filter_map(Rule::field);
        let below: BTreeSet<(&str, &str)> = named
            .filter(|(of_type, _)| !ROOTS.contains(of_type))
            .collect();
        let denied = |(of_type, field): &(&str, &str)| {
            !self
                .judge_any_field(token, of_type, field, request)
                .is_allow()
        };
        let denied = below.into_iter().filter(denied);
        denied
            .map(|(of_type, field)| format!("{of_type}.{field}"))
            .collect()
    }

    /// Whether the token has every field that an operation can begin with, whatever the call.
    pub(crate) fn grants_all_operations(&self, token: &AccessToken, request: &Request<'_>) -> bool {
        let rules = self.rules().iter().filter(|rule| rule.field().is_some());
        let by_token = |rule: &Rule| {
            rule.condition()
                .is_none_or(|condition| condition.needs().is_nothing())
        };
        let named = rules.clone().filter_map(Rule::field);
        let all = ROOTS.map(|root| (root, "*")).into_iter().chain(named);
        rules.clone().all(by_token)
            && all
                .filter(|(of_type, _)| ROOTS.contains(of_type))
                .all(|(root, field)| self.judge_field(token, root, field, request).is_allow())
    }
}
