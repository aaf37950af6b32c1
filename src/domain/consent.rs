//! Remembered consent.

use super::resource::Audience;
use super::scope::Scope;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Which scopes a person allowed at which APIs. Two pages, for one scope at one API and for another at another, are not
/// consent to either scope at both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reach(BTreeMap<String, BTreeSet<Audience>>);

impl Reach {
    /// Each of these scopes at each of these APIs: one page.
    pub fn of(scope: &Scope, audiences: &[Audience]) -> Self {
        let at: BTreeSet<Audience> = audiences.iter().cloned().collect();
        let each = scope.iter().map(|token| (token.to_owned(), at.clone()));
        Self(each.collect())
    }

    /// Either.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        for (token, audiences) in other.0 {
            self.0.entry(token).or_default().extend(audiences);
        }
        self
    }

    /// Whether each of these scopes is allowed at each of these APIs.
    pub fn covers(&self, scope: &Scope, audiences: &[Audience]) -> bool {
        scope.iter().all(|token| {
            self.0
                .get(token)
                .is_some_and(|allowed| audiences.iter().all(|a| allowed.contains(a)))
        })
    }
}

/// What a person once allowed a client, at one redirect URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Every scope allowed somewhere.
    pub scope: Scope,
    /// Every API that something was allowed at.
    pub audiences: Vec<Audience>,
    /// Which at which. `None` if version 0.1 wrote the row, which kept only the two lists, and they leave it open.
    pub reach: Option<Reach>,
    /// What the client looked like to the person: any change asks again.
    pub client_fingerprint: String,
}

impl Consent {
    /// What one page showed, and the person allowed.
    pub fn shown(scope: Scope, audiences: Vec<Audience>, client_fingerprint: String) -> Self {
        Self {
            reach: Some(Reach::of(&scope, &audiences)),
            scope,
            audiences,
            client_fingerprint,
        }
    }

    /// A consent as it was remembered. Two lists of which one has a single entry leave nothing open.
    pub fn remembered(
        scope: Scope,
        audiences: Vec<Audience>,
        reach: Option<Reach>,
        client_fingerprint: String,
    ) -> Self {
        let is_plain = audiences.len() <= 1 || scope.iter().count() <= 1;
        Self {
            reach: reach.or_else(|| is_plain.then(|| Reach::of(&scope, &audiences))),
            scope,
            audiences,
            client_fingerprint,
        }
    }

    /// This and an earlier one, if the client looked the same then.
    #[must_use]
    pub fn besides(self, former: Option<Self>) -> Self {
        let Some(former) = former.filter(|f| f.client_fingerprint == self.client_fingerprint)
        else {
            return self;
        };
        let mut audiences = self.audiences;
        for audience in former.audiences {
            if !audiences.contains(&audience) {
                audiences.push(audience);
            }
        }
        Self {
            scope: self.scope.union(&former.scope),
            audiences,
            reach: match (self.reach, former.reach) {
                (Some(one), Some(other)) => Some(one.union(other)),
                (one, other) => one.or(other),
            },
            client_fingerprint: self.client_fingerprint,
        }
    }

    /// Whether it covers a request by a client that still looks the same.
    pub fn covers(&self, scope: &Scope, audiences: &[Audience], fingerprint: &str) -> bool {
        self.client_fingerprint == fingerprint
            && self
                .reach
                .as_ref()
                .is_some_and(|reach| reach.covers(scope, audiences))
    }

    /// Of the APIs of a grant of version 0.1, which kept none: those at which its whole scope may have been allowed.
    pub fn audiences_for(&self, scope: &Scope) -> Vec<Audience> {
        let allowed = |audience: &&Audience| {
            self.reach
                .as_ref()
                .is_none_or(|reach| reach.covers(scope, std::slice::from_ref(*audience)))
        };
        self.audiences.iter().filter(allowed).cloned().collect()
    }
}
