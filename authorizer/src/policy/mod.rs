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
//!
//! [[rule]]
//! id = "own-orders"
//! methods = ["GET"]
//! path = "/people/{sub}/orders"
//! clients = ["web"]             # groups, clients, subjects: one of several
//! when = 'claims.sub == request.path.sub && "mfa" in claims.amr'
//! ```
//!
//! In place of `methods` and `path` a rule has `route = "$connect"` for WebSocket APIs, or `field = "Query.orders"` for
//! GraphQL. Neither is covered by `ANY` or `**`.
//!
//! # How a call is judged
//!
//! 1. A path is judged by its segments, decoded once: `%40` is `@`. One that two readers could take for two paths is
//!    refused (`path_refused`). A trailing slash is another path.
//! 2. A rule is *satisfied* when the token has all its `scopes`, one of its `any_scope`, one of its `groups`, is one of
//!    its `clients` and one of its `subjects`, as far as the rule has them, and its condition `when` holds. A rule with
//!    none of these is satisfied by every valid token. A condition that can't be evaluated never allows: an allow rule
//!    is then not satisfied, a deny rule is.
//! 3. If any satisfied deny rule covers method and path, the call is denied (`rule_denied`).
//! 4. Of the allow rules for the method, the most specific matching path template decides, as API Gateway routes:
//!    segment by segment, literal before parameter before greedy. If any rule with that template and method is
//!    satisfied the call is allowed, else it's denied (`insufficient_scope`, `not_permitted`, `condition_not_met` or
//!    `condition_failed`, whichever lacks least), whatever a wider template would say. A public rule
//!    (`effect = "public"`) is satisfied without a token, too.
//! 5. What no rule covers is denied (`no_rule`).
//!
//! [`Policy::judge`] does that for one request, [`Policy::rights`] for all requests at once. This module knows no
//! events, no keys and no clock.

mod condition;
mod coverage;
mod error;
mod explain;
mod file;
mod issuer;
mod judge;
mod lint;
mod method;
mod path;
mod request;
mod rights;
mod routes;
mod satisfy;
mod span;
mod target;
mod template;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::decision_log::short_digest;
use condition::Data;

pub use condition::{Condition, Needs};
pub use coverage::CoverageNote;
pub use error::PolicyError;
pub use explain::{Asked, Explanation, explain};
#[cfg(feature = "fetch")]
pub(crate) use file::is_loopback;
pub use issuer::{IssuerRules, JwksRules, JwksUri};
pub use judge::{Decision, Verdict};
pub use lint::Finding;
pub use method::{Method, Methods};
pub use path::MAX_PATH;
pub(crate) use path::{is_refused, is_same, segments_of, under};
pub use request::Request;
pub use rights::{Coverage, MAX_RESOURCE, Rights};
pub use satisfy::Missing;
pub use target::Target;
pub(crate) use template::CONNECT;
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

/// How a gateway is told when the token of an answer that it keeps ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// Not at all: a kept answer may outlive its token.
    #[default]
    Untold,
    /// By a condition on `aws:CurrentTime` in the IAM policy.
    Condition,
}

/// The `[response]` table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// For HTTP API payload 2.0.
    pub http_v2: HttpV2Answer,
    /// For REST APIs.
    pub rest_failure: RestFailure,
    /// For IAM policies of either kind.
    pub expiry: Expiry,
}

/// What becomes of a call whose context can't be passed on whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOverflow {
    /// The value is left out, and the decision log names it.
    #[default]
    Drop,
    /// The call is denied.
    Error,
}

/// The `[context]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct PassedOn {
    claims: Vec<String>,
    on_overflow: OnOverflow,
}

/// Where the `$connect` of a WebSocket API has its token; anywhere else it's refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TokenPlace {
    /// `Authorization: Bearer <token>`.
    #[default]
    Header,
    /// A query parameter, for browsers: it may show in logs.
    Query(String),
    /// `Sec-WebSocket-Protocol: bearer, <token>`, for browsers.
    Subprotocol,
}

/// What a satisfied rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Allows, if its template is the most specific that matches.
    Allow,
    /// Denies whatever else allows.
    Deny,
    /// Allows without a token, if its template is the most specific that matches.
    Public,
}

impl Effect {
    /// Whether it allows, to whomever.
    pub fn is_allow(self) -> bool {
        self != Self::Deny
    }
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
    groups: Vec<String>,
    clients: Vec<String>,
    subjects: Vec<String>,
    condition: Option<Condition>,
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

    /// Whether it's for HTTP, and not for WebSocket or GraphQL.
    pub fn is_http(&self) -> bool {
        self.methods.is_http()
    }

    /// The type and the field of GraphQL that it's for; `*` stands for every field.
    pub fn field(&self) -> Option<(&str, &str)> {
        let text = self
            .methods
            .contains(Method::GraphQl)
            .then(|| self.template.as_str());
        text?.split_once('.')
    }

    /// The paths that it covers; `$connect` for WebSocket, and `Type.field` for GraphQL.
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

    /// Groups of which the token must be in one; empty when there is no such condition.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Clients of which one must be the token's; empty when there is no such condition.
    pub fn clients(&self) -> &[String] {
        &self.clients
    }

    /// Subjects of which one must be the token's; empty when there is no such condition.
    pub fn subjects(&self) -> &[String] {
        &self.subjects
    }

    /// The rule's own condition, `when`.
    pub fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }
}

/// A policy file, checked and compiled.
#[derive(Clone, Debug)]
pub struct Policy {
    issuers: Vec<IssuerRules>,
    response: Response,
    web_socket: TokenPlace,
    rules: Vec<Rule>,
    data: Data,
    passed_on: PassedOn,
    base_paths: Vec<String>,
    routes: routes::Routes,
    digest: String,
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
            web_socket,
            rules,
            data,
            passed_on,
            base_paths,
        } = file::read(toml)?;
        let routes = routes::Routes::compile(&rules);
        Ok(Self {
            issuers,
            response,
            web_socket,
            rules,
            data,
            passed_on,
            base_paths,
            routes,
            digest: short_digest(toml),
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

    /// Which file it is: the first 16 hex digits of its SHA-256 digest.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Where the `$connect` of a WebSocket API has its token.
    pub fn web_socket(&self) -> &TokenPlace {
        &self.web_socket
    }

    /// The rules in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The claims that are passed on to the API: `[context] claims`.
    pub fn passed_on(&self) -> &[String] {
        &self.passed_on.claims
    }

    /// What becomes of a call whose context can't be passed on whole: `[context] on_overflow`.
    pub fn on_overflow(&self) -> OnOverflow {
        self.passed_on.on_overflow
    }

    /// What may stand in front of every path: `[api] base_paths`.
    pub fn base_paths(&self) -> &[String] {
        &self.base_paths
    }

    /// The path inside the API: without the longest base path that stands in front of it.
    pub fn path_inside<'p>(&self, path: &'p str) -> &'p str {
        let inside = self.base_paths.iter().filter_map(|base| under(path, base));
        inside.min_by_key(|path| path.len()).unwrap_or(path)
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
}
