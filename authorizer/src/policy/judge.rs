//! Judges one request of a valid token. Enforcement and `explain` both go through here.

use serde::Serialize;

use super::condition::Facts;
use super::template::CONNECT;
use super::{Effect, Method, Missing, Policy, Request, Rule, path};
use crate::cause::{Cause, Refused};
use crate::reason::Reason;
use crate::token::AccessToken;

/// Allow or deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The call may go on.
    Allow,
    /// It may not.
    Deny,
}

/// The verdict on one request, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Allow or deny.
    pub verdict: Verdict,
    /// The rule that decided, if one did; for a condition, the rule that has it.
    pub rule: Option<String>,
    /// Why it was denied.
    pub reason: Option<Reason>,
    /// What each rule that could allow the call still needs, the nearest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// Which cause it was, where the reason has several.
    #[serde(skip)]
    pub cause: Option<Cause>,
    /// All of it in one sentence.
    pub words: String,
}

impl Decision {
    /// Whether the call may go on.
    pub fn is_allow(&self) -> bool {
        self.verdict == Verdict::Allow
    }

    /// The scopes that the token lacks for the rule that lacks least.
    pub(crate) fn missing_scopes(&self) -> Vec<String> {
        let nearest = self.missing.first();
        nearest
            .map(|missing| [missing.all_of.as_slice(), &missing.one_of].concat())
            .unwrap_or_default()
    }

    /// A refusal for which the rules were not asked.
    pub(crate) fn refused_before_judging(why: impl Into<Refused>) -> Self {
        let why = why.into();
        Self {
            cause: why.cause,
            ..Self::deny(why.reason, why.words())
        }
    }

    /// A denial because these don't fit into what the API is told.
    pub(crate) fn overflowing(left_out: &[String]) -> Self {
        let words = format!(
            "The token is valid, but what is to be passed on to the API doesn't fit: {} (over 1024 bytes, or with line breaks).",
            left_out.join(", ")
        );
        Self::deny(Reason::ContextOverflow, words)
    }

    /// Of an event that isn't recognised, with what about it is wrong.
    pub(crate) fn unrecognised(wrong: Option<String>) -> Self {
        let reason = Reason::EventUnrecognised;
        Self::deny(reason, wrong.unwrap_or_else(|| reason.explain().to_owned()))
    }

    fn deny(reason: Reason, words: String) -> Self {
        Self {
            verdict: Verdict::Deny,
            rule: None,
            reason: Some(reason),
            missing: Vec::new(),
            cause: None,
            words,
        }
    }
}

impl Policy {
    /// The first second in which the token is no longer accepted, in Unix time.
    pub(crate) fn end_of(&self, token: &AccessToken) -> i64 {
        let issuer = self.issuers.iter().find(|own| own.url == token.issuer);
        let leeway_s = issuer.map_or(0, |issuer| issuer.leeway_s);
        token.expires_at.saturating_add(leeway_s)
    }

    /// The path of the rule that decided, or of the one that lacks least: what was called, without what a caller wrote.
    pub(crate) fn path_of(&self, decision: &Decision) -> Option<&str> {
        let nearest = decision.missing.first().map(|missing| &missing.rule);
        let id = decision.rule.as_ref().or(nearest)?;
        let rule = self.rules.iter().find(|rule| rule.id == *id)?;
        Some(rule.template.as_str())
    }

    /// Judges one call.
    pub fn judge(&self, token: &AccessToken, request: &Request<'_>) -> Decision {
        let Ok(read) = path::decoded(request.path) else {
            let why = Cause::PathForm(path::why_refused(request.path));
            return Decision::refused_before_judging(why);
        };
        let decision = self.judge_path(&read, token, request);
        // An escape in a path that was decoded before may be meant as it stands. Then both readings must say the same.
        let unclear = request.decoded && read != request.path;
        if unclear
            && decision.is_allow()
            && self.judge_path(request.path, token, request) != decision
        {
            return Decision::refused_before_judging(Reason::PathRefused);
        }
        decision
    }

    /// Judges a call without a token: `None` unless a public rule allows it. Denials count as for a token without claims.
    pub fn judge_public(&self, request: &Request<'_>) -> Option<Decision> {
        let asked = self.routes.has_public(Method::parse(request.method)?);
        let decision = asked.then(|| self.judge(&AccessToken::of_nobody(), request))?;
        let id = decision.rule.as_ref().filter(|_| decision.is_allow())?;
        let by = self.rules.iter().find(|rule| rule.id == *id)?;
        (by.effect == Effect::Public).then_some(decision)
    }

    /// Judges a call by a path without escapes.
    fn judge_path(&self, path: &str, token: &AccessToken, request: &Request<'_>) -> Decision {
        let segments = match path::segments(path) {
            Ok(segments) => segments,
            Err(Reason::NoRule) => return no_rule(Method::parse(request.method), &[]),
            Err(_) => {
                let why = Cause::PathForm(path::why_refused(request.path));
                return Decision::refused_before_judging(why);
            }
        };
        match Method::parse(request.method) {
            Some(method) => self.judge_on(method, &segments, token, request),
            None => no_rule(None, &[]),
        }
    }

    /// Judges the `$connect` of a WebSocket API.
    pub fn judge_connect(&self, token: &AccessToken, request: &Request<'_>) -> Decision {
        self.judge_on(Method::WebSocket, &[CONNECT], token, request)
    }

    /// Judges one field of a GraphQL type; fields that an operation begins with belong to `Query`, `Mutation` or
    /// `Subscription`, however the schema calls these.
    pub fn judge_field(
        &self,
        token: &AccessToken,
        of_type: &str,
        field: &str,
        request: &Request<'_>,
    ) -> Decision {
        self.judge_on(Method::GraphQl, &[of_type, field], token, request)
    }

    fn judge_on(
        &self,
        method: Method,
        segments: &[&str],
        token: &AccessToken,
        request: &Request<'_>,
    ) -> Decision {
        let facts = Facts::new(token, &self.data, Some(request), segments);
        let denies = |rule: &&Rule| {
            rule.effect == Effect::Deny
                && rule.methods.contains(method)
                && rule.template.matches(segments)
                && rule.satisfied_by(token, &facts).is_ok()
        };
        if let Some(rule) = self.rules.iter().find(denies) {
            let words = format!("The rule \"{}\" denies {}.", rule.id, covered(method, rule));
            return Decision {
                rule: Some(rule.id.clone()),
                ..Decision::deny(Reason::RuleDenied, words)
            };
        }
        let Some(deciding) = self.routes.most_specific(method, segments) else {
            return no_rule(Some(method), segments);
        };
        let mut lacking = Vec::new();
        for rule in deciding.iter().filter_map(|at| self.rules.get(*at)) {
            match rule.satisfied_by(token, &facts) {
                Ok(()) => return allowed(method, rule),
                Err(missing) => lacking.push(*missing),
            }
        }
        refused(method, segments, lacking)
    }
}

fn allowed(method: Method, rule: &Rule) -> Decision {
    Decision {
        verdict: Verdict::Allow,
        rule: Some(rule.id.clone()),
        reason: None,
        missing: Vec::new(),
        cause: None,
        words: match rule.effect {
            Effect::Public => format!(
                "The rule \"{}\" is public: {} asks for no token.",
                rule.id,
                covered(method, rule)
            ),
            _ => format!("The rule \"{}\" allows {}.", rule.id, covered(method, rule)),
        },
    }
}

/// What a rule covers, in words.
fn covered(method: Method, rule: &Rule) -> String {
    match method {
        Method::WebSocket | Method::GraphQl => rule.template.to_string(),
        http => format!("{http} {}", rule.template),
    }
}

/// What was asked for, in words; a path may hold anything, so it isn't repeated.
fn asked(method: Option<Method>, segments: &[&str]) -> String {
    match method {
        Some(Method::WebSocket) => CONNECT.to_owned(),
        Some(Method::GraphQl) => segments.join("."),
        Some(http) => format!("{http} on this path"),
        None => "this method on this path".to_owned(),
    }
}

fn no_rule(method: Option<Method>, segments: &[&str]) -> Decision {
    let asked = asked(method, segments);
    Decision::deny(
        Reason::NoRule,
        format!("No rule covers {asked}; what no rule covers is denied."),
    )
}

/// Nearest first: what the caller, or the file's owner, has to change least for.
fn refused(method: Method, segments: &[&str], mut missing: Vec<Missing>) -> Decision {
    missing.sort_by_key(Missing::distance);
    let alternatives: Vec<String> = missing.iter().map(Missing::words).collect();
    let alternatives = alternatives.join("; or ");
    let asked = asked(Some(method), segments);
    let words = format!("The token is valid, but {asked} needs {alternatives}.");
    let reason = missing.first().map_or(Reason::NoRule, Missing::reason);
    let of_a_condition = matches!(reason, Reason::ConditionNotMet | Reason::ConditionFailed);
    Decision {
        rule: missing
            .first()
            .filter(|_| of_a_condition)
            .map(|nearest| nearest.rule.clone()),
        missing,
        ..Decision::deny(reason, words)
    }
}
