//! Explains a verdict, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::template::CONNECT;
use super::{Decision, Missing, Policy, Request, Target, Verdict};
use crate::cause::Refused;
use crate::reason::Reason;
use crate::token::AccessToken;

/// Why a call is allowed or denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What was asked about.
    #[serde(flatten)]
    pub asked: Asked,
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

/// What was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Asked {
    /// A method and a path.
    Route {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// The `$connect` of a WebSocket API.
    Connect {
        /// `$connect`
        route: &'static str,
    },
    /// Fields of GraphQL; none of a document that can't be read.
    Fields {
        /// `Type.field`
        fields: Vec<String>,
    },
    /// An event that isn't recognised.
    Unknown {},
}

impl Asked {
    /// What this call asks for.
    pub fn of(target: Target<'_>, request: &Request<'_>) -> Self {
        match target {
            Target::Route => Self::Route {
                method: request.method.to_owned(),
                path: request.path.to_owned(),
            },
            Target::Connect => Self::Connect { route: CONNECT },
            Target::Unreadable(_) => Self::Fields { fields: Vec::new() },
            Target::Fields(fields) => Self::Fields {
                fields: fields
                    .iter()
                    .map(|(of_type, field)| format!("{of_type}.{field}"))
                    .collect(),
            },
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route { method, path } => write!(f, "{method} {path}"),
            Self::Connect { route } => f.write_str(route),
            Self::Fields { fields } if fields.is_empty() => f.write_str("The document"),
            Self::Fields { fields } => f.write_str(&fields.join(" ")),
            Self::Unknown {} => f.write_str("The call"),
        }
    }
}

/// Explains what the authorizer would decide for this token and call: the same code, the same reasons.
pub fn explain(
    policy: &Policy,
    token: &Result<AccessToken, Refused>,
    target: Target<'_>,
    request: &Request<'_>,
) -> Explanation {
    let decision = match token {
        Ok(token) => policy.judge_target(token, target, request),
        Err(refused) => {
            let public = policy.judge_public(request);
            let public = public.filter(|_| target == Target::Route);
            public.unwrap_or_else(|| Decision::refused_before_judging(*refused))
        }
    };
    Explanation::of(Asked::of(target, request), decision)
}

impl Explanation {
    /// Of a decision that has been made.
    pub fn of(asked: Asked, decision: Decision) -> Self {
        let Decision {
            verdict,
            rule,
            reason,
            missing,
            cause: _,
            words,
        } = decision;
        Self {
            asked,
            verdict,
            rule,
            reason,
            missing,
            words,
            remedy: reason.map(Reason::remedy),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Allow => "allowed",
            Verdict::Deny => "denied",
        };
        write!(f, "{} is {verdict}. {}", self.asked, self.words)?;
        if let (Some(reason), Some(remedy)) = (self.reason, self.remedy) {
            write!(f, "\nreason: {reason}\nwhat to do: {remedy}")?;
        }
        Ok(())
    }
}
