//! Bearer token in, access token out: the issuers of the policy with their keys.

use std::sync::Arc;

use serde_json::Value;

use crate::jose::JwkSet;
use crate::jwks::{CacheSettings, Clock, FetchKeys, KeyCache};
use crate::policy::IssuerRules;
use crate::reason::Reason;
use crate::token::{self, AccessToken, DEFAULT_MAX_BYTES, TokenRules};

/// Verifies the access tokens of one or several issuers.
#[derive(Clone)]
pub struct Verifier {
    issuers: Vec<Issuer>,
}

#[derive(Clone)]
struct Issuer {
    rules: TokenRules,
    keys: Keys,
}

#[derive(Clone)]
enum Keys {
    Cached(KeyCache),
    Fixed(Arc<JwkSet>),
}

impl Keys {
    async fn for_kid(&self, kid: &str) -> Result<Arc<JwkSet>, Reason> {
        match self {
            Self::Cached(cache) => cache.keys(kid).await,
            Self::Fixed(keys) => Ok(Arc::clone(keys)),
        }
    }
}

impl Verifier {
    /// A verifier that gets each issuer's keys from what `fetch` makes of its URL.
    pub fn new(
        issuers: &[IssuerRules],
        fetch: impl Fn(&str) -> Arc<dyn FetchKeys>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let cached = |issuer: &IssuerRules| {
            let cache = KeyCache::new(
                fetch(&issuer.url),
                Arc::clone(clock),
                CacheSettings::default(),
            );
            Issuer {
                rules: issuer.token_rules(),
                keys: Keys::Cached(cache),
            }
        };
        Self {
            issuers: issuers.iter().map(cached).collect(),
        }
    }

    /// A verifier whose keys are known: an issuer's own, a test's, or a pinned file's.
    pub fn with_fixed_keys(issuers: impl IntoIterator<Item = (TokenRules, JwkSet)>) -> Self {
        let fixed = |(rules, keys)| Issuer {
            rules,
            keys: Keys::Fixed(Arc::new(keys)),
        };
        Self {
            issuers: issuers.into_iter().map(fixed).collect(),
        }
    }

    /// Verifies one token; `now` in Unix seconds. The token's own `iss` only chooses whose rules and keys apply.
    ///
    /// # Errors
    /// The first reason for which it's refused, or [`Reason::KeysUnavailable`], which is a fault.
    pub async fn verify(&self, token: &str, now: i64) -> Result<AccessToken, Reason> {
        let largest = self
            .issuers
            .iter()
            .map(|issuer| issuer.rules.max_bytes)
            .max()
            .unwrap_or(DEFAULT_MAX_BYTES);
        let jws = token::parse(token, largest)?;
        let payload = jws.payload().map_err(Reason::from)?;
        let claimed = match payload.get("iss") {
            None => return Err(Reason::ClaimMissing),
            Some(Value::String(issuer)) => issuer,
            Some(_) => return Err(Reason::ClaimMalformed),
        };
        let Issuer { rules, keys } = self
            .issuers
            .iter()
            .find(|issuer| issuer.rules.issuer == *claimed)
            .ok_or(Reason::IssuerUnknown)?;
        if token.len() > rules.max_bytes {
            return Err(Reason::TokenTooLarge);
        }
        let kid = token::check_header(&jws, rules)?;
        let keys = keys.for_kid(kid).await?;
        token::check_signature(&jws, kid, &keys)?;
        token::signed_claims(&jws, payload, rules, now)
    }
}
