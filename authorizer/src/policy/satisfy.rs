//! Whether a rule is satisfied: by a token and a call, or by a token whatever it calls.

use serde::Serialize;
use serde_json::Value;

use super::condition::{Facts, Outcome};
use super::{Effect, Policy, Rule};
use crate::reason::Reason;
use crate::token::AccessToken;

/// What is lacking for one rule that would have allowed the call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The rule.
    pub rule: String,
    /// Scopes of which all are needed and that the token lacks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all_of: Vec<String>,
    /// Scopes of which one is needed; the token has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<String>,
    /// Groups of which one is needed; the token is in none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Clients of which one is needed; the token's is none of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
    /// Subjects of which one is needed; the token's is none of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// The condition that doesn't hold, as the file has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Why the condition could not be evaluated; holds no value of a claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// What a rule gives a token, whatever it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Always,
    Never,
    /// Its condition asks for the call.
    ByCall,
}

impl Missing {
    /// The kind of the lack; the order is that of how much is lacking.
    pub fn reason(&self) -> Reason {
        if !(self.groups.is_empty() && self.clients.is_empty() && self.subjects.is_empty()) {
            Reason::NotPermitted
        } else if !(self.all_of.is_empty() && self.one_of.is_empty()) {
            Reason::InsufficientScope
        } else if self.failed.is_some() {
            Reason::ConditionFailed
        } else {
            Reason::ConditionNotMet
        }
    }

    /// The more, the farther from being allowed.
    pub(super) fn distance(&self) -> usize {
        let kinds = [
            Reason::ConditionNotMet,
            Reason::ConditionFailed,
            Reason::InsufficientScope,
        ];
        let reason = self.reason();
        kinds
            .iter()
            .position(|kind| *kind == reason)
            .unwrap_or(kinds.len())
    }

    pub(super) fn words(&self) -> String {
        let mut needs = Vec::new();
        if !self.all_of.is_empty() {
            needs.push(format!("the scope {}", self.all_of.join(" and ")));
        }
        for (what, names) in [
            ("scopes", &self.one_of),
            ("groups", &self.groups),
            ("clients", &self.clients),
            ("subjects", &self.subjects),
        ] {
            if !names.is_empty() {
                needs.push(format!("one of the {what} {}", names.join(", ")));
            }
        }
        if let Some(condition) = &self.condition {
            let failed = self
                .failed
                .as_ref()
                .map(|why| format!(" (it failed: {why})"));
            needs.push(format!(
                "the condition {condition}{}",
                failed.unwrap_or_default()
            ));
        }
        format!("{} (rule \"{}\")", needs.join(" and "), self.rule)
    }

    fn is_nothing(&self) -> bool {
        let lists = [
            &self.all_of,
            &self.one_of,
            &self.groups,
            &self.clients,
            &self.subjects,
        ];
        lists.into_iter().all(Vec::is_empty) && self.condition.is_none()
    }
}

impl Rule {
    /// What this token lacks, leaving the condition aside.
    fn lacking(&self, token: &AccessToken) -> Missing {
        let scope = &token.scope;
        let unless =
            |holds: bool, names: &[String]| if holds { Vec::new() } else { names.to_vec() };
        Missing {
            rule: self.id.clone(),
            all_of: self
                .scopes
                .iter()
                .filter(|word| !scope.contains(word))
                .cloned()
                .collect(),
            one_of: unless(
                self.any_scope.iter().any(|word| scope.contains(word)),
                &self.any_scope,
            ),
            groups: unless(
                self.groups.iter().any(|group| is_in(token, group)),
                &self.groups,
            ),
            clients: unless(self.clients.contains(&token.client_id), &self.clients),
            subjects: unless(self.subjects.contains(&token.subject), &self.subjects),
            ..Missing::default()
        }
    }

    /// Whether the rule is satisfied by one call, or what is lacking.
    pub(super) fn satisfied_by(
        &self,
        token: &AccessToken,
        facts: &Facts<'_>,
    ) -> Result<(), Box<Missing>> {
        let mut missing = Box::new(self.lacking(token));
        if !missing.is_nothing() {
            return Err(missing);
        }
        let Some(condition) = &self.condition else {
            return Ok(());
        };
        match (condition.evaluate(facts, &self.template), self.effect) {
            (Outcome::True, _) | (Outcome::Failed(_), Effect::Deny) => return Ok(()),
            (Outcome::False, _) => {}
            (Outcome::Failed(why), Effect::Allow | Effect::Public) => missing.failed = Some(why),
        }
        missing.condition = Some(condition.as_str().to_owned());
        Err(missing)
    }

    /// What the rule gives a token; the facts are without a call.
    fn standing(&self, token: &AccessToken, facts: &Facts<'_>) -> Standing {
        match &self.condition {
            Some(condition) if !condition.needs().is_nothing() => {
                if self.lacking(token).is_nothing() {
                    Standing::ByCall
                } else {
                    Standing::Never
                }
            }
            _ if self.satisfied_by(token, facts).is_ok() => Standing::Always,
            _ => Standing::Never,
        }
    }
}

impl Policy {
    /// What each rule gives a token, in the order of the file.
    pub(super) fn standing(&self, token: &AccessToken) -> Vec<Standing> {
        let facts = Facts::new(token, &self.data, None, &[]);
        self.rules
            .iter()
            .map(|rule| rule.standing(token, &facts))
            .collect()
    }
}

/// The claim `groups` (RFC 9068 §2.2.3.1): names, or SCIM's objects with the name as `value`.
fn is_in(token: &AccessToken, group: &str) -> bool {
    let named = |entry: &Value| {
        entry.as_str() == Some(group) || entry.get("value").and_then(Value::as_str) == Some(group)
    };
    match token.claims.get("groups") {
        Some(Value::Array(entries)) => entries.iter().any(named),
        Some(one) => named(one),
        None => false,
    }
}
