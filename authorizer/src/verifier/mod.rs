//! Credentials in, access token out: the issuers of the policy with their keys.

mod keys_error;
mod pinned;
mod token_cache;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::cause::{Cause, Refused};
use crate::credentials::Credentials;
use crate::jose::JwkSet;
use crate::jwks::{CacheSettings, Clock, FetchKeys, FoundKeys, JwksState, KeyCache};
use crate::observer::Observer;
use crate::policy::IssuerRules;
use crate::possession::{self, Moment, ReplayCache};
use crate::reason::Reason;
use crate::token::{self, AccessToken, DEFAULT_MAX_BYTES, TokenRules};
use token_cache::{TokenCache, TokenDigest, Verified};

pub use keys_error::IssuerKeysError;
pub use token_cache::MAX_TOKENS;

/// Verifies the access tokens of one or several issuers. Clones share what they have learned.
#[derive(Clone)]
pub struct Verifier {
    issuers: Vec<Issuer>,
    tokens: Arc<TokenCache>,
    proofs: Arc<ReplayCache>,
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
    async fn for_kid(&self, kid: &str) -> Result<FoundKeys, Reason> {
        match self {
            Self::Cached(cache) => cache.keys(kid).await,
            Self::Fixed(keys) => Ok(FoundKeys {
                keys: Arc::clone(keys),
                state: JwksState::Pinned,
            }),
        }
    }
}

/// What became of credentials, and how: for the decision log.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    /// The token, or the first reason for which it was refused.
    pub outcome: Result<Arc<AccessToken>, Reason>,
    /// Which cause it was, where the reason has several.
    pub cause: Option<Cause>,
    /// How the issuer's keys came to hand; `None` when the token was refused before they were needed.
    pub jwks: Option<JwksState>,
    /// Whether the token had been verified before.
    pub known: bool,
}

impl Verification {
    /// Of credentials that were refused before anything was verified.
    pub fn refused(why: impl Into<Refused>) -> Self {
        let Refused { reason, cause } = why.into();
        Self {
            outcome: Err(reason),
            cause,
            jwks: None,
            known: false,
        }
    }

    /// The token.
    ///
    /// # Errors
    /// Why it was refused, and which of the reason's causes it was.
    pub fn verdict(&self) -> Result<&Arc<AccessToken>, Refused> {
        let cause = self.cause;
        self.outcome.as_ref().map_err(|reason| Refused {
            reason: *reason,
            cause,
        })
    }
}

/// What a verification saw on its way.
#[derive(Default)]
struct Trail {
    jwks: Option<JwksState>,
    known: bool,
}

impl Verifier {
    /// A verifier that gets each issuer's keys from what `fetch` makes of its rules, and pinned ones from files whose
    /// paths are relative to `directory`.
    ///
    /// # Errors
    /// When a file with pinned keys can't be used.
    pub fn new(
        issuers: &[IssuerRules],
        directory: &Path,
        fetch: impl Fn(&IssuerRules) -> Arc<dyn FetchKeys>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, IssuerKeysError> {
        Self::try_new(issuers, directory, |issuer| Ok(fetch(issuer)), clock)
    }

    /// The same, where the fetching itself may not be possible.
    pub(crate) fn try_new(
        issuers: &[IssuerRules],
        directory: &Path,
        fetch: impl Fn(&IssuerRules) -> Result<Arc<dyn FetchKeys>, IssuerKeysError>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, IssuerKeysError> {
        let issuer = |issuer: &IssuerRules| {
            Ok(Issuer {
                rules: issuer.token_rules(),
                keys: keys_of(issuer, directory, &fetch, clock)?,
            })
        };
        let issuers = issuers.iter().map(issuer).collect::<Result<_, _>>()?;
        Ok(Self::of(issuers))
    }

    /// A verifier whose keys are known: an issuer's own, or a test's.
    pub fn with_fixed_keys(issuers: impl IntoIterator<Item = (TokenRules, JwkSet)>) -> Self {
        let fixed = |(rules, keys)| Issuer {
            rules,
            keys: Keys::Fixed(Arc::new(keys)),
        };
        Self::of(issuers.into_iter().map(fixed).collect())
    }

    fn of(issuers: Vec<Issuer>) -> Self {
        Self {
            issuers,
            tokens: Arc::default(),
            proofs: Arc::default(),
        }
    }

    /// Verifies credentials; `now` in Unix seconds. The token's own `iss` only chooses whose rules and keys apply.
    ///
    /// # Errors
    /// The first reason for which they are refused, or [`Reason::KeysUnavailable`], which is a fault.
    pub async fn verify<'e>(
        &self,
        credentials: impl Into<Credentials<'e>>,
        now: i64,
    ) -> Result<AccessToken, Reason> {
        let verification = self.examine(&credentials.into(), now).await;
        verification.outcome.map(Arc::unwrap_or_clone)
    }

    /// As [`Self::verify`], and tells what it took.
    pub async fn examine(&self, credentials: &Credentials<'_>, now: i64) -> Verification {
        let mut trail = Trail::default();
        let outcome = self.established(credentials, now, &mut trail).await;
        Verification {
            cause: outcome.as_ref().err().and_then(|why| why.cause),
            outcome: outcome.map_err(Reason::from),
            jwks: trail.jwks,
            known: trail.known,
        }
    }

    /// Tells `observer` of every fetch from here on.
    pub(crate) fn tell(&self, observer: &Arc<dyn Observer>) {
        for issuer in &self.issuers {
            if let Keys::Cached(cache) = &issuer.keys {
                cache.tell(Arc::clone(observer));
            }
        }
    }

    /// How many tokens are known; at most [`MAX_TOKENS`].
    pub fn known_tokens(&self) -> usize {
        self.tokens.len()
    }

    async fn established(
        &self,
        credentials: &Credentials<'_>,
        now: i64,
        trail: &mut Trail,
    ) -> Result<Arc<AccessToken>, Refused> {
        let verified = self.verified(credentials.token, now, trail).await?;
        let moment = Moment {
            now,
            leeway_s: self.issuer(verified.issuer)?.rules.leeway_s,
        };
        possession::check(&verified.token, credentials, &self.proofs, moment)?;
        Ok(verified.token)
    }

    async fn verified(
        &self,
        token: &str,
        now: i64,
        trail: &mut Trail,
    ) -> Result<Verified, Refused> {
        if token.len() > self.max_bytes() {
            return Err(Reason::TokenTooLarge.into());
        }
        let digest = TokenDigest::of(token);
        if let Some(verified) = self.tokens.get(&digest) {
            match self.still_good(&verified, now, trail).await {
                Ok(true) => return Ok(verified),
                Ok(false) => self.tokens.forget(&digest),
                Err(reason) => {
                    if !reason.is_fault() {
                        self.tokens.forget(&digest);
                    }
                    return Err(reason.into());
                }
            }
        }
        let verified = self.verify_anew(token, now, trail).await?;
        self.tokens.keep(token, digest, verified.clone());
        Ok(verified)
    }

    /// Whether a known token may pass as it is: the keys are those that verified it, and it's in force.
    async fn still_good(
        &self,
        verified: &Verified,
        now: i64,
        trail: &mut Trail,
    ) -> Result<bool, Reason> {
        let Issuer { rules, keys } = self.issuer(verified.issuer)?;
        let token = &verified.token;
        let keys = trail.note(keys.for_kid(&token.kid).await)?;
        if !verified.was_verified_with(&keys) {
            return Ok(false);
        }
        token::check_times(
            token.expires_at,
            token.issued_at,
            token.not_before,
            rules.leeway_s,
            now,
        )?;
        trail.known = true;
        Ok(true)
    }

    async fn verify_anew(
        &self,
        token: &str,
        now: i64,
        trail: &mut Trail,
    ) -> Result<Verified, Refused> {
        let jws = token::parse(token, self.max_bytes())?;
        let payload = jws.payload().map_err(Refused::from)?;
        let (issuer, Issuer { rules, keys }) = self.claimed_issuer(&payload)?;
        if token.len() > rules.max_bytes {
            return Err(Reason::TokenTooLarge.into());
        }
        let kid = token::check_header(&jws, rules)?;
        let keys = trail.note(keys.for_kid(kid).await)?;
        token::check_signature(&jws, kid, &keys)?;
        let token = token::signed_claims(&jws, payload, rules, now)?;
        Ok(Verified::new(token, issuer, &keys))
    }

    fn claimed_issuer(&self, payload: &Map<String, Value>) -> Result<(usize, &Issuer), Refused> {
        let claimed = match payload.get("iss") {
            None => return Err(Cause::ClaimMissing("iss").into()),
            Some(Value::String(issuer)) => issuer,
            Some(_) => return Err(Cause::ClaimMalformed("iss").into()),
        };
        self.issuers
            .iter()
            .enumerate()
            .find(|(_, issuer)| issuer.rules.issuer == *claimed)
            .ok_or_else(|| Reason::IssuerUnknown.into())
    }

    fn issuer(&self, at: usize) -> Result<&Issuer, Reason> {
        self.issuers.get(at).ok_or(Reason::Internal)
    }

    fn max_bytes(&self) -> usize {
        let limits = self.issuers.iter().map(|issuer| issuer.rules.max_bytes);
        limits.max().unwrap_or(DEFAULT_MAX_BYTES)
    }
}

impl Trail {
    fn note(&mut self, found: Result<FoundKeys, Reason>) -> Result<Arc<JwkSet>, Reason> {
        let state = found.as_ref().map(|found| found.state);
        self.jwks = Some(state.unwrap_or(JwksState::Unavailable));
        found.map(|found| found.keys)
    }
}

fn keys_of(
    issuer: &IssuerRules,
    directory: &Path,
    fetch: impl Fn(&IssuerRules) -> Result<Arc<dyn FetchKeys>, IssuerKeysError>,
    clock: &Arc<dyn Clock>,
) -> Result<Keys, IssuerKeysError> {
    let settings = CacheSettings::of(&issuer.jwks);
    let pinned = pinned::read(issuer, directory)?;
    Ok(match (pinned, &issuer.jwks.uri) {
        (Some(keys), None) => Keys::Fixed(Arc::new(keys)),
        (Some(keys), Some(_)) => Keys::Cached(KeyCache::pinned(
            &issuer.url,
            keys,
            fetch(issuer)?,
            Arc::clone(clock),
            settings,
        )),
        (None, _) => Keys::Cached(KeyCache::new(
            &issuer.url,
            fetch(issuer)?,
            Arc::clone(clock),
            settings,
        )),
    })
}
