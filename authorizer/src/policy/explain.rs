//! Explains a verdict, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::{Decision, Missing, Policy, Request, Verdict};
use crate::reason::Reason;
use crate::token::AccessToken;

/// Why a call is allowed or denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The method that was asked about.
    pub method: String,
    /// The path that was asked about.
    pub path: String,
    /// Allow or deny.
    pub verdict: Verdict,
    /// The rule that decided, if one did.
    pub rule: Option<String>,
    /// Why it was denied.
    pub reason: Option<Reason>,
    /// What would have been needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// The verdict in words.
    pub words: String,
    /// What to do about a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
}

/// Explains what the authorizer would decide for this token and call: the same code, the same reasons.
pub fn explain(
    policy: &Policy,
    token: &Result<AccessToken, Reason>,
    request: &Request<'_>,
) -> Explanation {
    let Decision {
        verdict,
        rule,
        reason,
        missing,
        words,
    } = match token {
        Ok(token) => policy.judge(token, request),
        Err(reason) => Decision::refused_before_judging(*reason),
    };
    let remedy = reason.map(Reason::remedy);
    Explanation {
        method: request.method.to_owned(),
        path: request.path.to_owned(),
        verdict,
        rule,
        reason,
        missing,
        words,
        remedy,
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Allow => "allowed",
            Verdict::Deny => "denied",
        };
        write!(
            f,
            "{} {} is {verdict}. {}",
            self.method, self.path, self.words
        )?;
        if let (Some(reason), Some(remedy)) = (self.reason, self.remedy) {
            write!(f, "\nreason: {reason}\nwhat to do: {remedy}")?;
        }
        Ok(())
    }
}
