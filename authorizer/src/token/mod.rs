//! Access tokens (RFC 9068): from a compact JWS to claims that can be relied on.
//!
//! The order is fixed: size and shape, algorithm, media type, key, signature, and only then the claims, each with
//! the one type that its specification gives it. It must not know about HTTP or API Gateway.

mod claims;
mod confirmation;
mod scopes;

use serde_json::{Map, Value};

use crate::cause::{Cause, Refused};
use crate::jose::{Algorithm, JwkSet, Jws};
use crate::reason::Reason;

pub(crate) use claims::check_times;
pub use claims::claims_of;
pub use confirmation::Confirmation;
pub use scopes::Scopes;

/// The media type of access tokens (RFC 9068 §2.1).
pub const DEFAULT_TYP: &str = "at+jwt";
/// Leeway for clocks that disagree, in seconds.
pub const DEFAULT_LEEWAY_S: i64 = 5;
/// Largest token, in bytes.
pub const DEFAULT_MAX_BYTES: usize = 8192;

/// What a token of one issuer must satisfy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// The issuer, compared byte for byte.
    pub issuer: String,
    /// The token's audience must name at least one of these.
    pub audiences: Vec<String>,
    /// The algorithms that this issuer signs with.
    pub algorithms: Vec<Algorithm>,
    /// The media types that the header may name, usually just `at+jwt`.
    pub typ: Vec<String>,
    /// Seconds by which clocks may disagree.
    pub leeway_s: i64,
    /// Largest token in bytes; longer ones are refused before anything is read.
    pub max_bytes: usize,
}

impl TokenRules {
    /// Rules with the usual media type (`at+jwt`), leeway (5 s) and size limit (8 KB).
    pub fn new(
        issuer: impl Into<String>,
        audiences: Vec<String>,
        algorithms: Vec<Algorithm>,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            audiences,
            algorithms,
            typ: vec![DEFAULT_TYP.to_owned()],
            leeway_s: DEFAULT_LEEWAY_S,
            max_bytes: DEFAULT_MAX_BYTES,
        }
    }
}

/// The claims of a token that satisfied its issuer's rules.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessToken {
    /// `iss`
    pub issuer: String,
    /// `sub`
    pub subject: String,
    /// `aud`, at least one.
    pub audiences: Vec<String>,
    /// `client_id`
    pub client_id: String,
    /// `scope`; empty when the token has none.
    pub scope: Scopes,
    /// `exp`, Unix seconds.
    pub expires_at: i64,
    /// `iat`, Unix seconds.
    pub issued_at: i64,
    /// `nbf`, Unix seconds.
    pub not_before: Option<i64>,
    /// `jti`
    pub jti: String,
    /// `cnf`: the key that the token is bound to. Such a token is no bearer token.
    pub confirmation: Option<Confirmation>,
    /// The key that signed it; empty for claims that nobody signed ([`claims_of`]).
    pub kid: String,
    /// The algorithm that signed it; `None` for claims that nobody signed.
    pub alg: Option<Algorithm>,
    /// Every claim, as it came.
    pub claims: Map<String, Value>,
}

impl AccessToken {
    /// What there is of a caller without a token: no claim at all.
    pub(crate) fn of_nobody() -> Self {
        Self {
            issuer: String::new(),
            subject: String::new(),
            audiences: Vec::new(),
            client_id: String::new(),
            scope: Scopes::default(),
            expires_at: 0,
            issued_at: 0,
            not_before: None,
            jti: String::new(),
            confirmation: None,
            kid: String::new(),
            alg: None,
            claims: Map::new(),
        }
    }
}

/// Verifies a bearer token with the keys of its issuer. `now` is in Unix seconds.
///
/// # Errors
/// The first reason for which the token is refused.
pub fn verify(
    token: &str,
    keys: &JwkSet,
    rules: &TokenRules,
    now: i64,
) -> Result<AccessToken, Reason> {
    let jws = parse(token, rules.max_bytes)?;
    let kid = check_header(&jws, rules)?;
    check_signature(&jws, kid, keys)?;
    let payload = jws.payload().map_err(Refused::from)?;
    let token = signed_claims(&jws, payload, rules, now)?;
    if token.confirmation.is_some() {
        return Err(Reason::SenderConstrained);
    }
    Ok(token)
}

/// Size, shape and header.
pub(crate) fn parse(token: &str, max_bytes: usize) -> Result<Jws<'_>, Refused> {
    if token.is_empty() {
        return Err(Reason::TokenMissing.into());
    }
    Jws::parse(token, max_bytes).map_err(Refused::from)
}

/// The algorithm and media type that the issuer uses; gives the `kid`, which an access token must have.
pub(crate) fn check_header<'a>(jws: &'a Jws<'_>, rules: &TokenRules) -> Result<&'a str, Refused> {
    if !rules.algorithms.contains(&jws.alg()) {
        return Err(Reason::AlgorithmRefused.into());
    }
    let typ = jws.typ().ok_or(Cause::TypeMissing)?;
    if !rules.typ.iter().any(|own| same_media_type(typ, own)) {
        return Err(Reason::TypeRefused.into());
    }
    jws.kid().ok_or_else(|| Reason::KeyIdMissing.into())
}

/// Picks the key and verifies.
pub(crate) fn check_signature(jws: &Jws<'_>, kid: &str, keys: &JwkSet) -> Result<(), Refused> {
    let key = keys.find(Some(kid), jws.alg());
    let key = key.ok_or_else(|| why_there_is_no_key(kid, keys))?;
    jws.verify(key).map_err(Refused::from)
}

fn why_there_is_no_key(kid: &str, keys: &JwkSet) -> Cause {
    let passed_over = keys.passed_over().iter();
    let namesake = passed_over
        .rev()
        .find(|member| member.kid.as_deref() == Some(kid));
    if keys.has_kid(kid) {
        Cause::KeyForOtherAlgorithm
    } else {
        namesake.map_or(Cause::KeyNotPublished, |member| {
            Cause::KeyPassedOver(member.why)
        })
    }
}

/// The claims of a token whose signature has been verified.
pub(crate) fn signed_claims(
    jws: &Jws<'_>,
    payload: Map<String, Value>,
    rules: &TokenRules,
    now: i64,
) -> Result<AccessToken, Refused> {
    let mut token = claims_of(payload, rules, now)?;
    token.alg = Some(jws.alg());
    jws.kid().unwrap_or_default().clone_into(&mut token.kid);
    Ok(token)
}

/// RFC 7515 §4.1.9: case-insensitive, and `application/` may be left out.
fn same_media_type(typ: &str, expected: &str) -> bool {
    fn short(name: &str) -> &str {
        const PREFIX: &str = "application/";
        match name.split_at_checked(PREFIX.len()) {
            Some((start, rest)) if start.eq_ignore_ascii_case(PREFIX) => rest,
            _ => name,
        }
    }
    short(typ).eq_ignore_ascii_case(short(expected))
}
