//! Compiles everything that a token may do into one IAM document, so that a cached answer is right on every route.
//!
//! In IAM `*` crosses `/` and a deny beats every allow. For one method, let *rights* be the paths that
//! [`Policy::judge`] allows this token. For each satisfied template the document allows its pattern, and denies:
//!
//! 1. the deeper paths that the pattern matches only because `*` crosses `/`;
//! 2. more specific templates that the token doesn't satisfy, where they overlap;
//! 3. satisfied deny rules, where they overlap;
//! 4. once for the whole document, the ambiguous shapes that no request path may have.
//!
//! Every path that the pattern wrongly matches is in one of these. A deny of kind 1, 2 or 3 overreaches in turn; where
//! it may meet the token's rights (`/orders/{id}` and `/orders/{id}/items`, both satisfied), IAM can't say what the
//! policy means. Then the wildcard is left out and the present request's own path takes its place: exactness beats
//! coverage, and [`Coverage`] tells.
//!
//! A rule whose condition asks for the call isn't known for every call: to allow it counts as not satisfied, to deny as
//! satisfied. What the present request earns by it is given to its own path.

use serde_json::{Value, json};

use super::path::REFUSED_SHAPES;
use super::satisfy::Standing;
use super::{Effect, Method, Policy, Rule};
use crate::iam;
use crate::token::AccessToken;

/// Longest resource ARN, in characters.
pub const MAX_RESOURCE: usize = 512;

/// Whether a document is right for every route or only for the present one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// The token's whole rights: the answer may be cached for all routes.
    Whole,
    /// Some rights are given only for the present path; a cached answer may deny what these rules would allow.
    Exact {
        /// Ids of the rules concerned.
        rules: Vec<String>,
    },
}

/// What a token may call, as IAM resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    allow: Vec<String>,
    deny: Vec<String>,
    coverage: Coverage,
}

impl Rights {
    /// Nothing at all, on everything under `base`.
    pub fn none(base: &str) -> Self {
        Self {
            allow: Vec::new(),
            deny: vec![format!("{base}/*")],
            coverage: Coverage::Whole,
        }
    }

    /// Exactly one resource, allowed; or nothing, when it doesn't fit into an ARN.
    fn only(base: &str, resource: Option<String>, rules: Vec<String>) -> Self {
        match resource.filter(|resource| resource.len() <= MAX_RESOURCE) {
            Some(resource) => Self {
                allow: vec![resource],
                deny: Vec::new(),
                coverage: Coverage::Exact { rules },
            },
            None => Self {
                coverage: Coverage::Exact { rules },
                ..Self::none(base)
            },
        }
    }

    /// The resources that are allowed.
    pub fn allow(&self) -> &[String] {
        &self.allow
    }

    /// The resources that are denied.
    pub fn deny(&self) -> &[String] {
        &self.deny
    }

    /// Whether the document is right for every route.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// What IAM makes of it for one resource.
    pub fn permits(&self, resource: &str) -> bool {
        let any = |patterns: &[String]| {
            patterns
                .iter()
                .any(|pattern| iam::matches(pattern, resource))
        };
        any(&self.allow) && !any(&self.deny)
    }

    /// The IAM policy document.
    pub fn document(&self) -> Value {
        let statement = |effect: &str, resources: &[String]| json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": resources});
        let effects = [("Allow", &self.allow), ("Deny", &self.deny)];
        let statements: Vec<Value> = effects
            .into_iter()
            .filter(|(_, resources)| !resources.is_empty())
            .map(|(effect, resources)| statement(effect, resources))
            .collect();
        json!({"Version": "2012-10-17", "Statement": statements})
    }

    /// At least the document's length as JSON, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let quoted = |resources: &[String]| {
            resources
                .iter()
                .map(|r| r.len() + r.matches('\\').count() + 3)
                .sum::<usize>()
        };
        quoted(&self.allow) + quoted(&self.deny) + 200
    }
}

impl Policy {
    /// Everything that the token may do under `base` (`arn:…:{api}/{stage}`), within `budget` bytes of JSON.
    /// `present` is the method and path of the present request, which must already be judged `allowed`; it's given
    /// its own resource where the whole can't be expressed.
    pub fn rights(
        &self,
        token: &AccessToken,
        base: &str,
        present: Option<(&str, &str)>,
        budget: usize,
    ) -> Rights {
        let standing = self.standing(token);
        let (mut rights, inexact) = self.compiled(&standing, base);
        let present = present.map(|(method, path)| format!("{base}/{method}{path}"));
        if let Some(resource) = present
            .as_ref()
            .filter(|resource| !rights.permits(resource))
            && resource.len() <= MAX_RESOURCE
        {
            rights.allow.push(resource.clone());
        }
        // A deny that an always satisfied wildcard needs may cover what only this call earns.
        if let Some(resource) = &present
            && !rights.permits(resource)
        {
            return Rights::only(base, present, self.ids(inexact.into_iter()));
        }
        if rights.bytes() > budget {
            let all = standing
                .iter()
                .enumerate()
                .filter(|(_, standing)| **standing != Standing::Never);
            return Rights::only(base, present, self.ids(all.map(|(at, _)| at)));
        }
        if !inexact.is_empty() {
            rights.coverage = Coverage::Exact {
                rules: self.ids(inexact.into_iter()),
            };
        }
        if rights.allow.is_empty() {
            return Rights {
                coverage: rights.coverage,
                ..Rights::none(base)
            };
        }
        rights
    }

    /// The document for rules of this standing, and the rules that it can't express as a whole.
    pub(super) fn compiled(&self, standing: &[Standing], base: &str) -> (Rights, Vec<usize>) {
        let granted: Vec<bool> = self
            .rules
            .iter()
            .zip(standing)
            .map(|(rule, standing)| is_granted(rule.effect, *standing))
            .collect();
        let mut rights = Rights {
            allow: Vec::new(),
            deny: Vec::new(),
            coverage: Coverage::Whole,
        };
        let by_call =
            |(at, standing): (usize, &Standing)| (*standing == Standing::ByCall).then_some(at);
        let http = |at: &usize| self.rules.get(*at).is_some_and(Rule::is_http);
        let by_call = standing.iter().enumerate().filter_map(by_call);
        let mut inexact: Vec<usize> = by_call.filter(http).collect();
        let mut wildcards = false;
        for method in Method::ALL {
            let grant = self.routes.grant(method, &granted);
            let resource = |pattern: String| format!("{base}/{method}{pattern}");
            wildcards |=
                !grant.deny.is_empty() || grant.allow.iter().any(|template| !template.is_literal());
            let allow = grant.allow.iter();
            rights
                .allow
                .extend(allow.map(|template| resource(template.pattern())));
            rights.deny.extend(grant.deny.into_iter().map(resource));
            inexact.extend(grant.inexact);
        }
        if wildcards {
            rights.deny.extend(refused_shapes(base));
        }
        (rights, inexact)
    }

    /// Only the present request, allowed or denied: for when nothing wider is safe.
    pub fn rights_for_one(&self, base: &str, allowed: Option<(&str, &str)>) -> Rights {
        Rights::only(
            base,
            allowed.map(|(method, path)| format!("{base}/{method}{path}")),
            Vec::new(),
        )
    }

    fn ids(&self, rules: impl Iterator<Item = usize>) -> Vec<String> {
        let mut rules: Vec<usize> = rules.collect();
        rules.sort_unstable();
        rules.dedup();
        rules
            .into_iter()
            .filter_map(|at| self.rules.get(at))
            .map(|rule| rule.id.clone())
            .collect()
    }
}

/// What a rule gives for sure: it allows only if it always does, and denies if it ever does.
fn is_granted(effect: Effect, standing: Standing) -> bool {
    match effect {
        Effect::Allow => standing == Standing::Always,
        Effect::Deny => standing != Standing::Never,
    }
}

/// The shapes of `path.rs`, and a trailing slash after at least one segment.
fn refused_shapes(base: &str) -> impl Iterator<Item = String> {
    let service: Vec<&str> = base.splitn(6, ':').take(3).collect();
    let anywhere = format!("{}:*:*:", service.join(":"));
    let shapes = REFUSED_SHAPES
        .iter()
        .map(move |shape| format!("{anywhere}{shape}"));
    shapes.chain(std::iter::once(format!("{base}/*/?*/")))
}
