//! Scopes belong to audiences: the policy files of the APIs say which.

use super::Issuer;
use crate::domain::resource::Audience;
use crate::domain::scope::{OPENID_SCOPES, Scope};
use gatewright_authorizer::policy::Policy;
use std::collections::{BTreeMap, BTreeSet};

/// Which audiences each API scope means something to. Empty without policy files: then every scope that a
/// client may ask for belongs to every audience it has.
#[derive(Clone, Debug, Default)]
pub struct ScopeDirectory {
    audiences: BTreeMap<String, BTreeSet<String>>,
    digest: Option<String>,
}

impl ScopeDirectory {
    /// Reads the scopes of each policy and the audiences it guards.
    pub fn from_policies(policies: &[Policy]) -> Self {
        let mut directory = Self::default();
        for policy in policies {
            directory.digest = Some(policy.digest().to_owned());
            for scope in policy.scopes() {
                let audiences = directory.audiences.entry(scope.to_owned()).or_default();
                audiences.extend(policy.audiences().into_iter().map(str::to_owned));
            }
        }
        directory
    }

    /// The part of a scope that means something to these audiences. OpenID's own scopes always stay; so does
    /// a scope that no policy names.
    #[must_use]
    pub fn narrow(&self, scope: &Scope, audiences: &[Audience]) -> Scope {
        scope.filtered(|token| {
            OPENID_SCOPES.contains(&token)
                || self.audiences.get(token).is_none_or(|known| {
                    audiences
                        .iter()
                        .any(|audience| known.contains(audience.as_str()))
                })
        })
    }

    /// Names the last policy that was read, as the authorizer's decision log does.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    fn knows(&self, token: &str) -> bool {
        OPENID_SCOPES.contains(&token) || self.audiences.contains_key(token)
    }

    /// Every API scope that a policy names, alphabetically.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.audiences.keys().map(String::as_str)
    }
}

impl Issuer {
    /// Scopes that were asked for in vain, for the record: only names that a policy file or a client has are kept, for
    /// what a caller makes up may be anything, a secret in the wrong place included. `None` if there are none.
    pub(crate) async fn named(&self, beyond: &Scope) -> Option<Vec<String>> {
        if beyond.is_empty() {
            return None;
        }
        let mut unknown = beyond.filtered(|token| !self.scopes.knows(token));
        if !unknown.is_empty() {
            let of_clients = self.clients.scopes(&self.store).await;
            unknown = unknown.filtered(|token| !of_clients.contains(token));
        }
        let known = beyond.iter().filter(|token| !unknown.contains(token));
        let mut named: Vec<String> = known.map(str::to_owned).collect();
        let unknown = unknown.iter().count();
        if unknown > 0 {
            named.push(format!(
                "({unknown} that neither the policy file nor any client has)"
            ));
        }
        Some(named)
    }
}
