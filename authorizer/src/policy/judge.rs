//! Judges one request of a valid token. Enforcement and `explain` both go through here.

use serde::Serialize;

use super::{Effect, Method, Policy, Rule, path};
use crate::reason::Reason;
use crate::token::{AccessToken, Scopes};

/// Allow or deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The call may go on.
    Allow,
    /// It may not.
    Deny,
}

/// What a token lacks for one rule that would have allowed the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The rule.
    pub rule: String,
    /// Scopes of which all are needed and that the token lacks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all_of: Vec<String>,
    /// Scopes of which one is needed; the token has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<String>,
}

/// The verdict on one request, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Allow or deny.
    pub verdict: Verdict,
    /// The rule that decided, if one did.
    pub rule: Option<String>,
    /// Why it was denied.
    pub reason: Option<Reason>,
    /// For `insufficient_scope`: what each rule that could allow the call still needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// All of it in one sentence.
    pub words: String,
}

impl Decision {
    /// Whether the call may go on.
    pub fn is_allow(&self) -> bool {
        self.verdict == Verdict::Allow
    }

    fn deny(reason: Reason, words: String) -> Self {
        Self {
            verdict: Verdict::Deny,
            rule: None,
            reason: Some(reason),
            missing: Vec::new(),
            words,
        }
    }
}

impl Policy {
    /// Judges one request: an HTTP method, and the raw path as the gateway routes it.
    pub fn judge(&self, token: &AccessToken, method: &str, path: &str) -> Decision {
        let segments = match path::segments(path) {
            Ok(segments) => segments,
            Err(Reason::NoRule) => return no_rule(method),
            Err(reason) => return Decision::deny(reason, reason.explain().to_owned()),
        };
        let Some(known) = Method::parse(method) else {
            return no_rule(method);
        };
        let covers =
            |rule: &&Rule| rule.methods.contains(known) && rule.template.matches(&segments);

        let denying =
            |rule: &&Rule| rule.effect == Effect::Deny && rule.is_satisfied_by(&token.scope);
        if let Some(rule) = self.rules.iter().filter(denying).find(covers) {
            let words = format!(
                "The rule \"{}\" denies {method} {}.",
                rule.id, rule.template
            );
            return Decision {
                rule: Some(rule.id.clone()),
                ..Decision::deny(Reason::RuleDenied, words)
            };
        }
        let Some(deciding) = self.routes.most_specific(known, &segments) else {
            return no_rule(method);
        };
        let deciding = || deciding.iter().filter_map(|at| self.rules.get(*at));
        if let Some(rule) = deciding().find(|rule| rule.is_satisfied_by(&token.scope)) {
            let words = format!(
                "The rule \"{}\" allows {method} {}.",
                rule.id, rule.template
            );
            let rule = Some(rule.id.clone());
            return Decision {
                verdict: Verdict::Allow,
                rule,
                reason: None,
                missing: Vec::new(),
                words,
            };
        }
        insufficient(method, deciding(), &token.scope)
    }
}

fn no_rule(method: &str) -> Decision {
    let known = Method::parse(method).map_or("this method", Method::as_str);
    Decision::deny(
        Reason::NoRule,
        format!("No rule covers {known} on this path; what no rule covers is denied."),
    )
}

fn insufficient<'a>(
    method: &str,
    rules: impl Iterator<Item = &'a Rule>,
    scope: &Scopes,
) -> Decision {
    let missing: Vec<Missing> = rules.map(|rule| lacking(rule, scope)).collect();
    let alternatives: Vec<String> = missing.iter().map(Missing::words).collect();
    let alternatives = alternatives.join("; or ");
    let words = format!("The token is valid, but {method} on this path needs {alternatives}.");
    Decision {
        missing,
        ..Decision::deny(Reason::InsufficientScope, words)
    }
}

fn lacking(rule: &Rule, scope: &Scopes) -> Missing {
    let one_of = if rule.any_scope.iter().any(|word| scope.contains(word)) {
        &[]
    } else {
        rule.any_scope.as_slice()
    };
    Missing {
        rule: rule.id.clone(),
        all_of: rule
            .scopes
            .iter()
            .filter(|word| !scope.contains(word))
            .cloned()
            .collect(),
        one_of: one_of.to_vec(),
    }
}

impl Missing {
    fn words(&self) -> String {
        let mut needs = Vec::new();
        if !self.all_of.is_empty() {
            needs.push(format!("the scope {}", self.all_of.join(" and ")));
        }
        if !self.one_of.is_empty() {
            needs.push(format!("one of the scopes {}", self.one_of.join(", ")));
        }
        format!("{} (rule \"{}\")", needs.join(" and "), self.rule)
    }
}
