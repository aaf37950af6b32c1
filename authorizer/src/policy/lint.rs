//! What is sound in a policy file and yet probably not meant, or costs something: for the file's author.

use std::collections::BTreeSet;

use serde::Serialize;

use super::path::under;
use super::satisfy::Standing;
use super::{Effect, Method, Needs, PathTemplate, Policy, Rule};

/// What the answer holds beside the policy document, about: principal and context.
const FRAME: usize = 1024;
/// A base as long as bases get.
const BASE: &str = "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:abcdefghij/production";

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing: `unreachable`, `redundant`, `public`, `under_base_path`, `path_by_path`, `by_call`, `too_large`,
    /// `ungranted_scope`, `uncovered_operation` or `no_operation`.
    pub code: &'static str,
    /// The rule that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What was found, in one sentence.
    pub words: String,
    /// What to do about it.
    pub remedy: String,
}

impl Policy {
    /// Looks at the file by itself.
    pub fn lint(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        findings.extend(self.rules.iter().filter_map(|rule| self.unreachable(rule)));
        findings.extend((0..self.rules.len()).filter_map(|at| self.redundant(at)));
        findings.extend(self.rules.iter().filter_map(|rule| self.public(rule)));
        findings.extend(
            self.rules
                .iter()
                .filter_map(|rule| self.under_base_path(rule)),
        );
        findings.extend(self.rules.iter().filter_map(by_call));
        findings.extend(self.path_by_path());
        findings.extend(self.too_large());
        findings
    }

    /// Scopes that rules name and no client may get.
    pub fn lint_scopes(&self, granted: &BTreeSet<String>) -> Vec<Finding> {
        let ungranted = self
            .scopes()
            .into_iter()
            .filter(|scope| !granted.contains(*scope));
        ungranted
            .map(|scope| Finding {
                code: "ungranted_scope",
                rule: self
                    .rules
                    .iter()
                    .find(|rule| rule.scopes.iter().chain(&rule.any_scope).any(|own| own == scope))
                    .map(|rule| rule.id.clone()),
                words: format!("no client may get the scope {scope}"),
                remedy: format!(
                    "give it to a client (`gatewright client update --scope`), or correct {scope} in the rule"
                ),
            })
            .collect()
    }

    /// The operations (method and path template) of an API's description that no rule covers, and the rules that
    /// cover none of them.
    pub fn lint_operations(&self, operations: &[(Method, PathTemplate)]) -> Vec<Finding> {
        let uncovered = operations.iter().filter(|(method, path)| {
            !self.rules.iter().any(|rule| {
                rule.effect.is_allow()
                    && rule.methods.contains(*method)
                    && rule.template.overlaps(path)
            })
        });
        let uncovered = uncovered.map(|(method, path)| Finding {
            code: "uncovered_operation",
            rule: None,
            words: format!("{method} {path} is described, and no rule allows it to anybody"),
            remedy: "add a rule, or leave it if nobody shall call it".to_owned(),
        });
        let idle = self.rules.iter().filter(|rule| {
            rule.is_http()
                && !operations.iter().any(|(method, path)| {
                    rule.methods.contains(*method) && rule.template.overlaps(path)
                })
        });
        let idle = idle.map(|rule| Finding {
            code: "no_operation",
            rule: Some(rule.id.clone()),
            words: format!(
                "the rule \"{}\" covers {}, which is not described",
                rule.id, rule.template
            ),
            remedy: "correct its methods and path, or describe the operation".to_owned(),
        });
        uncovered.chain(idle).collect()
    }

    /// An allow rule every call of which some rule denies to everybody.
    fn unreachable(&self, rule: &Rule) -> Option<Finding> {
        if rule.effect == Effect::Deny {
            return None;
        }
        let denier = |method: Method| {
            self.rules.iter().find(|deny| {
                deny.effect == Effect::Deny
                    && deny.is_for_everybody()
                    && deny.methods.contains(method)
                    && deny.template.subsumes(&rule.template)
            })
        };
        let deniers: Option<Vec<&Rule>> = rule.methods.iter().map(denier).collect();
        let first = *deniers?.first()?;
        Some(Finding {
            code: "unreachable",
            rule: Some(rule.id.clone()),
            words: format!(
                "the rule \"{}\" never allows anything: \"{}\" denies it to everybody",
                rule.id, first.id
            ),
            remedy: "remove one of the two, or narrow the denial".to_owned(),
        })
    }

    /// A rule that another one makes superfluous.
    fn redundant(&self, at: usize) -> Option<Finding> {
        let rule = self.rules.get(at)?;
        let (_, wider) = self.rules.iter().enumerate().find(|(other, wider)| {
            *other != at
                && rule.adds_nothing_to(wider)
                && (*other < at || !wider.adds_nothing_to(rule))
        })?;
        Some(Finding {
            code: "redundant",
            rule: Some(rule.id.clone()),
            words: format!(
                "the rule \"{}\" changes nothing: whatever satisfies it satisfies \"{}\" on the same route",
                rule.id, wider.id
            ),
            remedy: "remove it, or make it ask for something else".to_owned(),
        })
    }

    /// A public rule, which API Gateway knows nothing of, with the rules that ask for a token on part of its routes.
    fn public(&self, rule: &Rule) -> Option<Finding> {
        if rule.effect != Effect::Public {
            return None;
        }
        let above = self.rules.iter().filter(|other| {
            other.effect == Effect::Allow
                && other.template.specificity() < rule.template.specificity()
                && other.template.overlaps(&rule.template)
                && rule
                    .methods
                    .iter()
                    .any(|method| other.methods.contains(method))
        });
        let above: Vec<String> = above.map(|other| format!("\"{}\"", other.id)).collect();
        let but = if above.is_empty() {
            String::new()
        } else {
            format!(", but where {} is more specific", above.join(" or "))
        };
        Some(Finding {
            code: "public",
            rule: Some(rule.id.clone()),
            words: format!(
                "the rule \"{}\" is public: proxies, the tower layer and the dev gateway ask for no token on {}{but}",
                rule.id, rule.template
            ),
            remedy: "on API Gateway attach no authorizer to these routes: with one, it answers 401 to a call without a token \
                     before the policy is asked"
                .to_owned(),
        })
    }

    /// A rule for a path that base paths are taken off before it's judged.
    fn under_base_path(&self, rule: &Rule) -> Option<Finding> {
        let base = self
            .base_paths
            .iter()
            .find(|base| rule.is_http() && under(rule.template.as_str(), base).is_some())?;
        Some(Finding {
            code: "under_base_path",
            rule: Some(rule.id.clone()),
            words: format!(
                "the rule \"{}\" covers {}, and the base path {base} is taken off before a path is judged",
                rule.id, rule.template
            ),
            remedy: format!(
                "write its path without {base}, or remove {base} from [api] base_paths"
            ),
        })
    }

    fn path_by_path(&self) -> impl Iterator<Item = Finding> {
        self.coverage().into_iter().map(|note| {
            let because = note
                .because_of
                .map(|rule| format!(", because of \"{rule}\""))
                .unwrap_or_default();
            let (method, rule) = (note.method, &note.rule);
            let also = if note.with == note.rule {
                String::new()
            } else {
                format!(" and \"{}\"", note.with)
            };
            Finding {
                code: "path_by_path",
                words: format!(
                    "a token that satisfies \"{rule}\"{also} gets {method} on \"{rule}\" answered path by path{because}"
                ),
                rule: Some(note.rule),
                remedy: "don't let the gateway cache its answers (TTL 0), or make the templates disjoint".to_owned(),
            }
        })
    }

    /// A token that satisfies everything gets the largest document.
    fn too_large(&self) -> Option<Finding> {
        let all = vec![Standing::Always; self.rules.len()];
        let bytes = self.compiled(&all, BASE).0.bytes() + FRAME;
        (bytes > crate::answer::MAX_ANSWER).then(|| Finding {
            code: "too_large",
            rule: None,
            words: format!(
                "a token that satisfies every rule needs an answer of about {bytes} bytes, and API Gateway takes {}; \
                 such a token is answered path by path",
                crate::answer::MAX_ANSWER
            ),
            remedy: "don't let the gateway cache the answers (TTL 0), or cover more routes with fewer templates"
                .to_owned(),
        })
    }
}

fn by_call(rule: &Rule) -> Option<Finding> {
    let needs = rule.condition()?.needs();
    // Answers to WebSocket are not cached, and those to GraphQL say themselves for how long.
    if needs.is_nothing() || !rule.is_http() {
        return None;
    }
    Some(Finding {
        code: "by_call",
        rule: Some(rule.id.clone()),
        words: format!(
            "the condition of \"{}\" asks for {}, so it is answered call by call",
            rule.id,
            asked(needs)
        ),
        remedy: caching(needs),
    })
}

fn asked(needs: Needs) -> String {
    let asked = [
        (needs.path, "the method or path"),
        (needs.stage, "the stage"),
        (needs.address, "the caller's address"),
        (needs.time, "the time"),
    ];
    let asked: Vec<&str> = asked
        .into_iter()
        .filter_map(|(is, what)| is.then_some(what))
        .collect();
    asked.join(", ")
}

/// Which settings of the gateway's cache are safe.
fn caching(needs: Needs) -> String {
    if needs.time {
        return "set the cache's TTL to 0: a cached answer would outlive its moment".to_owned();
    }
    let mut sources = vec!["the Authorization header"];
    if needs.path {
        sources.push("the method and path ($context.httpMethod and $context.path; $context.routeKey is not enough)");
    }
    if needs.address {
        sources.push("the caller's address ($context.identity.sourceIp)");
    }
    let sources = sources.join(" and ");
    format!("set the cache's TTL to 0, or let its key (the identity sources) consist of {sources}")
}

impl Rule {
    /// Whether every valid token satisfies it.
    fn is_for_everybody(&self) -> bool {
        let names = [
            &self.scopes,
            &self.any_scope,
            &self.groups,
            &self.clients,
            &self.subjects,
        ];
        names.into_iter().all(Vec::is_empty) && self.condition.is_none()
    }

    /// Whether what satisfies this rule satisfies `wider`, to the same effect on the same route.
    fn adds_nothing_to(&self, wider: &Self) -> bool {
        let same_route = if self.effect == Effect::Deny {
            wider.template.subsumes(&self.template)
        } else {
            wider.template.segments() == self.template.segments()
        };
        let one_of = |own: &[String], theirs: &[String]| {
            theirs.is_empty() || (!own.is_empty() && own.iter().all(|name| theirs.contains(name)))
        };
        self.effect == wider.effect
            && same_route
            && self
                .methods
                .iter()
                .all(|method| wider.methods.contains(method))
            && wider.scopes.iter().all(|scope| self.scopes.contains(scope))
            && (one_of(&self.any_scope, &wider.any_scope)
                || self
                    .scopes
                    .iter()
                    .any(|scope| wider.any_scope.contains(scope)))
            && one_of(&self.groups, &wider.groups)
            && one_of(&self.clients, &wider.clients)
            && one_of(&self.subjects, &wider.subjects)
            && (wider.condition.is_none() || wider.condition == self.condition)
    }
}
