//! The rules by method and path template, and how the templates get into each other's way in IAM.

use super::{Effect, Method, PathTemplate, Rule, Segment};

/// What one method's routes give a token.
pub(super) struct Grant<'r> {
    pub allow: Vec<&'r PathTemplate>,
    pub deny: Vec<String>,
    pub inexact: Vec<usize>,
    /// Characters by whose escapes a path could be spelled that `deny` is meant for.
    pub escaped: Vec<u8>,
}

/// The rules by method and template, with how the templates relate.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    /// Distinct templates; of two that match the same path, the more specific comes first.
    templates: Vec<PathTemplate>,
    /// `overlap[a * n + b]`: some path matches both.
    overlap: Vec<bool>,
    /// `deeper[a * n + b]`: a path that `a` overreaches to matches `b`.
    deeper: Vec<bool>,
    methods: Vec<MethodRoutes>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct MethodRoutes {
    /// Templates of allow rules, most specific first, each with its rules.
    pub allow: Vec<(usize, Vec<usize>)>,
    /// Deny rules with their templates.
    pub deny: Vec<(usize, usize)>,
    /// Whether any of the rules is public.
    public: bool,
}

impl Routes {
    pub(super) fn compile(rules: &[Rule]) -> Self {
        let mut templates: Vec<PathTemplate> =
            rules.iter().map(|rule| rule.template.clone()).collect();
        templates
            .sort_by_cached_key(|template| (template.specificity(), template.segments().to_vec()));
        templates.dedup_by(|a, b| a.segments() == b.segments());
        let related = |relation: fn(&PathTemplate, &PathTemplate) -> bool| -> Vec<bool> {
            templates
                .iter()
                .flat_map(|a| {
                    templates
                        .iter()
                        .map(move |b| a.may_meet(b) && relation(a, b))
                })
                .collect()
        };
        let overlap = related(PathTemplate::overlaps);
        let deeper = related(PathTemplate::deeper_meets);
        let index = |rule: &Rule| {
            templates
                .iter()
                .position(|t| t.segments() == rule.template.segments())
        };
        let indices: Vec<usize> = rules.iter().filter_map(index).collect();
        let methods = Method::EVERY
            .map(|method| MethodRoutes::compile(rules, &indices, method))
            .to_vec();
        Self {
            templates,
            overlap,
            deeper,
            methods,
        }
    }

    /// The allow rules of the most specific template that matches.
    pub(super) fn most_specific(&self, method: Method, path: &[&str]) -> Option<&[usize]> {
        let routes = &self.methods.get(method as usize)?.allow;
        let matching = routes
            .iter()
            .find(|(at, _)| self.templates.get(*at).is_some_and(|t| t.matches(path)));
        matching.map(|(_, rules)| rules.as_slice())
    }

    pub(super) fn grant(&self, method: Method, satisfied: &[bool]) -> Grant<'_> {
        let mut grant = Grant {
            allow: Vec::new(),
            deny: Vec::new(),
            inexact: Vec::new(),
            escaped: Vec::new(),
        };
        let Some(routes) = self.methods.get(method as usize) else {
            return grant;
        };
        let holds = |rule: &usize| satisfied.get(*rule).copied().unwrap_or(false);
        let denying: Vec<usize> = routes
            .deny
            .iter()
            .filter(|(_, rule)| holds(rule))
            .map(|(at, _)| *at)
            .collect();
        let (earned, refused): (Vec<_>, Vec<_>) = routes
            .allow
            .iter()
            .partition(|(_, rules)| rules.iter().any(holds));
        let refused: Vec<usize> = refused.into_iter().map(|(at, _)| *at).collect();
        let gone = |at: usize| denying.iter().any(|deny| self.subsumes(*deny, at));
        let earned: Vec<&(usize, Vec<usize>)> =
            earned.into_iter().filter(|(at, _)| !gone(*at)).collect();
        let rights: Vec<usize> = earned.iter().map(|(at, _)| *at).collect();

        for (at, rules) in earned {
            let Some(template) = self.templates.get(*at) else {
                continue;
            };
            if template.is_literal() {
                grant.allow.push(template);
                continue;
            }
            let shadowing: Vec<usize> = refused
                .iter()
                .copied()
                .filter(|s| s < at && self.overlaps(*s, *at))
                .collect();
            let denied: Vec<usize> = denying
                .iter()
                .copied()
                .filter(|d| self.overlaps(*d, *at))
                .collect();
            if self.overreaches(*at, &shadowing, &denied, &rights) {
                grant
                    .inexact
                    .extend(rules.iter().copied().filter(|rule| holds(rule)));
                continue;
            }
            grant.allow.push(template);
            grant.deny.extend(template.deeper());
            let above = shadowing.iter().chain(&denied);
            for template in above.filter_map(|at| self.templates.get(*at)) {
                grant.deny.push(template.pattern());
                grant
                    .escaped
                    .extend(literals(template).flat_map(str::bytes));
            }
        }
        grant.deny.sort_unstable();
        grant.deny.dedup();
        grant
    }

    /// Whether a deny that the template `at` needs may meet the token's rights.
    fn overreaches(
        &self,
        at: usize,
        shadowing: &[usize],
        denied: &[usize],
        rights: &[usize],
    ) -> bool {
        let deeper = |own: usize| rights.iter().any(|right| self.reaches_deeper(own, *right));
        let yields = |shadow: usize| {
            rights
                .iter()
                .any(|right| *right < shadow && self.overlaps(shadow, *right))
        };
        std::iter::once(&at)
            .chain(shadowing)
            .chain(denied)
            .any(|own| deeper(*own))
            || shadowing.iter().any(|s| yields(*s))
    }

    pub(super) fn overlaps(&self, a: usize, b: usize) -> bool {
        self.overlap
            .get(a * self.templates.len() + b)
            .copied()
            .unwrap_or(true)
    }

    pub(super) fn reaches_deeper(&self, a: usize, b: usize) -> bool {
        self.deeper
            .get(a * self.templates.len() + b)
            .copied()
            .unwrap_or(true)
    }

    fn subsumes(&self, a: usize, b: usize) -> bool {
        self.templates
            .get(a)
            .zip(self.templates.get(b))
            .is_some_and(|(a, b)| a.subsumes(b))
    }

    /// Whether a method has public routes.
    pub(super) fn has_public(&self, method: Method) -> bool {
        self.of_method(method).is_some_and(|routes| routes.public)
    }

    /// What there is for a method.
    pub(super) fn of_method(&self, method: Method) -> Option<&MethodRoutes> {
        self.methods.get(method as usize)
    }
}

impl MethodRoutes {
    fn compile(rules: &[Rule], templates: &[usize], method: Method) -> Self {
        let mut routes = Self::default();
        let covering = rules
            .iter()
            .zip(templates)
            .enumerate()
            .filter(|(_, (rule, _))| rule.methods.contains(method));
        for (at, (rule, template)) in covering {
            match (
                rule.effect,
                routes.allow.iter_mut().find(|(own, _)| own == template),
            ) {
                (Effect::Deny, _) => routes.deny.push((*template, at)),
                // Of the rules of one route, a public one decides.
                (Effect::Public, Some((_, same))) => same.insert(0, at),
                (Effect::Allow, Some((_, same))) => same.push(at),
                (_, None) => routes.allow.push((*template, vec![at])),
            }
            routes.public |= rule.effect == Effect::Public;
        }
        routes.allow.sort_unstable();
        routes
    }
}

/// The texts of a template's literal segments.
fn literals(template: &PathTemplate) -> impl Iterator<Item = &str> {
    template
        .segments()
        .iter()
        .filter_map(|segment| match segment {
            Segment::Literal(text) => Some(text.as_str()),
            Segment::Param | Segment::Greedy => None,
        })
}
