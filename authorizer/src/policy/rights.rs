//! Compiles everything that a token may do into one IAM document, so that a cached answer is right on every route.
//!
//! In IAM `*` crosses `/` and a deny beats every allow. For one method, let *rights* be the paths that
//! [`Policy::judge`] allows this token. For each satisfied template the document allows its pattern, and denies:
//!
//! 1. the deeper paths that the pattern matches only because `*` crosses `/`;
//! 2. more specific templates that the token doesn't satisfy, where they overlap;
//! 3. satisfied deny rules, where they overlap;
//! 4. once for the whole document, the ambiguous shapes that no request path may have, and the escapes of characters by
//!    which a path could be spelled that 2 or 3 deny: `/people/%6De` is `/people/me`, and IAM compares texts.
//!
//! Every path that the pattern wrongly matches is in one of these. A deny of kind 1, 2 or 3 overreaches in turn; where
//! it may meet the token's rights (`/orders/{id}` and `/orders/{id}/items`, both satisfied), IAM can't say what the
//! policy means. Then the wildcard is left out and the present request's own path takes its place: exactness beats
//! coverage, and [`Coverage`] tells.
//!
//! A rule whose condition asks for the call isn't known for every call: to allow it counts as not satisfied, to deny as
//! satisfied. What the present request earns by it is given to its own path.

use serde_json::{Value, json};

use std::collections::BTreeSet;

use super::path::{REFUSED_SHAPES, spelled_with_escapes};
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
    until: Option<i64>,
}

impl Rights {
    /// Nothing at all, on everything under `base`.
    pub fn none(base: &str) -> Self {
        Self {
            allow: Vec::new(),
            deny: vec![format!("{base}/*")],
            coverage: Coverage::Whole,
            until: None,
        }
    }

    /// Exactly one resource, allowed in these spellings; or nothing, when no ARN can name it alone.
    fn only(base: &str, spellings: impl IntoIterator<Item = String>, rules: Vec<String>) -> Self {
        let mut allow: Vec<String> = spellings.into_iter().filter(|one| is_exact(one)).collect();
        allow.dedup();
        let deny = if allow.is_empty() {
            Self::none(base).deny
        } else {
            Vec::new()
        };
        Self {
            allow,
            deny,
            coverage: Coverage::Exact { rules },
            until: None,
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

    /// The same, allowed only before this time, in Unix seconds.
    #[must_use]
    pub fn until(mut self, time: i64) -> Self {
        self.until = Some(time);
        self
    }

    /// The IAM policy document.
    pub fn document(&self) -> Value {
        let until = self.until.and_then(iam::before);
        let statement = |effect: &str, resources: &[String]| {
            let mut statement =
                json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": resources});
            if let (Some(until), "Allow", Value::Object(members)) = (&until, effect, &mut statement)
            {
                members.insert("Condition".to_owned(), until.clone());
            }
            statement
        };
        let effects = [("Allow", &self.allow), ("Deny", &self.deny)];
        let statements: Vec<Value> = effects
            .into_iter()
            .filter(|(_, resources)| !resources.is_empty())
            .map(|(effect, resources)| statement(effect, resources))
            .collect();
        json!({"Version": "2012-10-17", "Statement": statements})
    }

    /// The same, with this resource allowed as well: another spelling of one that is.
    #[must_use]
    pub(crate) fn with(mut self, resource: &str) -> Self {
        if !self.permits(resource) && is_exact(resource) {
            self.allow.push(resource.to_owned());
        }
        self
    }

    /// At least the document's length as JSON, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let quoted = |resources: &[String]| {
            resources
                .iter()
                .map(|r| r.len() + r.matches('\\').count() + 3)
                .sum::<usize>()
        };
        quoted(&self.allow) + quoted(&self.deny) + 300
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
            && is_exact(resource)
        {
            rights.allow.push(resource.clone());
        }
        // A denial that some other call may earn can lie over the present one.
        let is_denied = |resource: &String| !rights.permits(resource);
        if rights.bytes() > budget || present.as_ref().is_some_and(is_denied) {
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
            until: None,
        };
        let by_call =
            |(at, standing): (usize, &Standing)| (*standing == Standing::ByCall).then_some(at);
        let http = |at: &usize| self.rules.get(*at).is_some_and(Rule::is_http);
        let by_call = standing.iter().enumerate().filter_map(by_call);
        let mut inexact: Vec<usize> = by_call.filter(http).collect();
        let mut wildcards = false;
        let mut escaped = BTreeSet::new();
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
            escaped.extend(grant.escaped);
        }
        if wildcards {
            rights.deny.extend(refused_shapes(base, &escaped));
        }
        (rights, inexact)
    }

    /// Only the present request, allowed in the spellings of its resource or, without any, denied: for when nothing wider
    /// is safe.
    pub fn rights_for_one(&self, base: &str, spellings: &[String]) -> Rights {
        Rights::only(base, spellings.to_vec(), Vec::new())
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

/// Whether an ARN names one resource, and fits: IAM has no escape for its wildcards.
fn is_exact(resource: &str) -> bool {
    resource.chars().count() <= MAX_RESOURCE && !resource.contains(['*', '?'])
}

/// What a rule gives for sure: it allows only if it always does, and denies if it ever does.
fn is_granted(effect: Effect, standing: Standing) -> bool {
    match effect {
        Effect::Allow | Effect::Public => standing == Standing::Always,
        Effect::Deny => standing != Standing::Never,
    }
}

/// The shapes of `path.rs`, with these characters as escapes, and a trailing slash after at least one segment.
fn refused_shapes(base: &str, escaped: &BTreeSet<u8>) -> impl Iterator<Item = String> {
    let service: Vec<&str> = base.splitn(6, ':').take(3).collect();
    let anywhere = format!("{}:*:*:", service.join(":"));
    let mut shapes = spelled_with_escapes(escaped);
    shapes.extend(REFUSED_SHAPES.map(str::to_owned));
    let shapes = shapes
        .into_iter()
        .map(move |shape| format!("{anywhere}{shape}"));
    shapes.chain(std::iter::once(format!("{base}/*/?*/")))
}
