//! The policy file: which scopes earn which calls.
//!
//! ```toml
//! [[issuer]]
//! url = "http://127.0.0.1:8080"
//! audiences = ["https://api.example.com"]
//! algorithms = ["ES256", "RS256"] # typ, leeway_s and jwks = { .. } may be set beside them
//!
//! [response]
//! http_v2 = "iam"               # or "simple": must match the deployment
//! rest_failure = "unauthorized" # a bad token on REST: "unauthorized" (401) or "deny" (403)
//!
//! [[rule]]
//! id = "orders-read"
//! methods = ["GET", "HEAD"]
//! path = "/orders/{id}"
//! scopes = ["orders:read"]      # all of them; any_scope = [..] for one of several; effect = "deny" to refuse
//! ```
//!
//! # How a call is judged
//!
//! 1. A path that could be read in more than one way is refused (`path_refused`). A trailing slash is another path.
//! 2. A rule is *satisfied* when the token has all its `scopes` and, if it has `any_scope`, one of those. A rule with
//!    neither is satisfied by every valid token.
//! 3. If any satisfied deny rule covers method and path, the call is denied (`rule_denied`).
//! 4. Of the allow rules for the method, the most specific matching path template decides, as API Gateway routes:
//!    segment by segment, literal before parameter before greedy. If any rule with that template and method is
//!    satisfied the call is allowed, else it's denied (`insufficient_scope`), whatever a wider template would say.
//! 5. What no rule covers is denied (`no_rule`).
//!
//! [`Policy::judge`] does that for one request, [`Policy::rights`] for all requests at once. This module knows no
//! events, no keys and no clock.

mod coverage;
mod error;
mod explain;
mod file;
mod issuer;
mod judge;
mod method;
mod path;
mod rights;
mod routes;
mod span;
mod template;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::token::{AccessToken, Scopes};

pub use coverage::CoverageNote;
pub use error::PolicyError;
pub use explain::{Explanation, explain};
#[cfg(feature = "fetch")]
pub(crate) use file::is_loopback;
pub use issuer::{IssuerRules, JwksRules, JwksUri};
pub use judge::{Decision, Missing, Verdict};
pub use method::{Method, Methods};
pub use path::MAX_PATH;
pub(crate) use path::is_refused;
pub use rights::{Coverage, MAX_RESOURCE, Rights};
pub use template::{PathTemplate, Segment, TemplateError};

/// How HTTP API payload 2.0 is answered; the event doesn't say what the deployment expects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpV2Answer {
    /// An IAM policy.
    #[default]
    Iam,
    /// `isAuthorized`: simple responses are enabled.
    Simple,
}

/// How a REST API is told of a bad token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestFailure {
    /// The error `Unauthorized`: 401.
    #[default]
    Unauthorized,
    /// A deny policy: 403.
    Deny,
}

/// The `[response]` table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// For HTTP API payload 2.0.
    pub http_v2: HttpV2Answer,
    /// For REST APIs.
    pub rest_failure: RestFailure,
}

/// What a satisfied rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Allows, if its template is the most specific that matches.
    Allow,
    /// Denies whatever else allows.
    Deny,
}

/// One `[[rule]]` of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    id: String,
    methods: Methods,
    template: PathTemplate,
    effect: Effect,
    scopes: Vec<String>,
    any_scope: Vec<String>,
}

impl Rule {
    /// The rule's id, unique in the file.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The methods that it covers.
    pub fn methods(&self) -> Methods {
        self.methods
    }

    /// The paths that it covers.
    pub fn path(&self) -> &PathTemplate {
        &self.template
    }

    /// What it does when it's satisfied.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Scopes of which the token must have all.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Scopes of which the token must have one; empty when there is no such condition.
    pub fn any_scope(&self) -> &[String] {
        &self.any_scope
    }

    /// Whether a token with these scopes satisfies the rule.
    pub fn is_satisfied_by(&self, scope: &Scopes) -> bool {
        self.scopes.iter().all(|word| scope.contains(word))
            && (self.any_scope.is_empty() || self.any_scope.iter().any(|word| scope.contains(word)))
    }
}

/// A policy file, checked and compiled.
#[derive(Clone, Debug)]
pub struct Policy {
    issuers: Vec<IssuerRules>,
    response: Response,
    rules: Vec<Rule>,
    routes: routes::Routes,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// The first mistake, with its line and column and what to do about it.
    pub fn parse(toml: &str) -> Result<Self, PolicyError> {
        let file::Parts {
            issuers,
            response,
            rules,
        } = file::read(toml)?;
        let routes = routes::Routes::compile(&rules);
        Ok(Self {
            issuers,
            response,
            rules,
            routes,
        })
    }

    /// The issuers whose tokens are accepted.
    pub fn issuers(&self) -> &[IssuerRules] {
        &self.issuers
    }

    /// How API Gateway is answered.
    pub fn response(&self) -> Response {
        self.response
    }

    /// The rules in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Every scope that any rule names.
    pub fn scopes(&self) -> BTreeSet<&str> {
        self.rules
            .iter()
            .flat_map(|rule| rule.scopes.iter().chain(&rule.any_scope))
            .map(String::as_str)
            .collect()
    }

    /// Every audience of any issuer.
    pub fn audiences(&self) -> BTreeSet<&str> {
        self.issuers
            .iter()
            .flat_map(|issuer| &issuer.audiences)
            .map(String::as_str)
            .collect()
    }

    /// Which rules each scope set satisfies, by index.
    fn satisfied(&self, token: &AccessToken) -> Vec<bool> {
        self.rules
            .iter()
            .map(|rule| rule.is_satisfied_by(&token.scope))
            .collect()
    }
}
