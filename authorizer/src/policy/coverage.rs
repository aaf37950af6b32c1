//! Says beforehand which rules can't be cached whole: a lint over the policy file, for all tokens at once.

use serde::Serialize;

use super::routes::MethodRoutes;
use super::{Method, Policy};

/// Two rules that IAM can't express together with wildcards: while a token satisfies both, the first is answered for
/// the present path only, so a cached answer may deny what it allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CoverageNote {
    /// The rule that is answered path by path.
    pub rule: String,
    /// The rule that is in its way.
    pub with: String,
    /// A rule whose denial is what gets in the way, when it's neither of the two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because_of: Option<String>,
    /// The method.
    pub method: Method,
}

impl Policy {
    /// The rules whose rights some token can't be given as a whole. Empty means: every answer may be cached.
    pub fn coverage(&self) -> Vec<CoverageNote> {
        let mut notes: Vec<CoverageNote> = Method::ALL
            .into_iter()
            .flat_map(|method| self.coverage_of(method))
            .collect();
        notes.sort();
        notes.dedup();
        notes
    }

    fn coverage_of(&self, method: Method) -> Vec<CoverageNote> {
        let routes = &self.routes;
        let Some(MethodRoutes { allow, deny, .. }) = routes.of_method(method) else {
            return Vec::new();
        };
        let mut notes = Vec::new();
        let id = |rule: &usize| {
            self.rules
                .get(*rule)
                .map(|rule| rule.id.clone())
                .unwrap_or_default()
        };
        let ids = |rules: &[usize]| rules.first().map(id).unwrap_or_default();
        for (own, rules) in allow
            .iter()
            .filter(|(_, rules)| rules.iter().any(|rule| self.has_wildcards(*rule)))
        {
            let note = |with: &[usize], because_of| CoverageNote {
                rule: ids(rules),
                with: ids(with),
                because_of,
                method,
            };
            for (right, with) in allow {
                if routes.reaches_deeper(*own, *right) {
                    notes.push(note(with, None));
                }
                for (shadow, shadowing) in allow
                    .iter()
                    .filter(|(s, _)| s < own && s != right && routes.overlaps(*s, *own))
                {
                    if routes.reaches_deeper(*shadow, *right)
                        || (right < shadow && routes.overlaps(*shadow, *right))
                    {
                        notes.push(note(with, Some(ids(shadowing))));
                    }
                }
                for (denied, rule) in deny.iter().filter(|(d, _)| routes.overlaps(*d, *own)) {
                    if routes.reaches_deeper(*denied, *right) {
                        notes.push(note(with, Some(id(rule))));
                    }
                }
            }
        }
        notes
    }

    fn has_wildcards(&self, rule: usize) -> bool {
        self.rules
            .get(rule)
            .is_some_and(|rule| !rule.template.is_literal())
    }
}
