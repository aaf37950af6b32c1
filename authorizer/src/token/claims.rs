//! Claims, each with the one type that it may have.

use serde_json::{Map, Value};

use super::{AccessToken, Confirmation, Scopes, TokenRules};
use crate::cause::{Cause, Refused};
use crate::jose::{Round, numeric_date};
use crate::reason::Reason;

/// Longest identifier claim (`sub`, `client_id`, `jti`), in bytes.
const MAX_IDENTIFIER: usize = 512;

/// Reads claims and holds them to the rules: for a verified payload, or to explain claims that nobody signed.
///
/// # Errors
/// The first reason for which the claims are refused.
pub fn claims_of(
    payload: Map<String, Value>,
    rules: &TokenRules,
    now: i64,
) -> Result<AccessToken, Refused> {
    let issuer = required_string(&payload, "iss")?;
    if issuer != rules.issuer {
        return Err(Reason::IssuerMismatch.into());
    }
    let audiences = audiences(&payload)?;
    if !audiences.iter().any(|aud| rules.audiences.contains(aud)) {
        return Err(Reason::AudienceMismatch.into());
    }
    let expires_at = seconds(&payload, "exp", Round::Down)?.ok_or(Cause::ClaimMissing("exp"))?;
    let issued_at = seconds(&payload, "iat", Round::Up)?.ok_or(Cause::ClaimMissing("iat"))?;
    let not_before = seconds(&payload, "nbf", Round::Up)?;
    check_times(expires_at, issued_at, not_before, rules.leeway_s, now)?;

    let subject = identifier(&payload, "sub")?;
    let client_id = identifier(&payload, "client_id")?;
    let jti = identifier(&payload, "jti")?;
    let scope = match payload.get("scope") {
        None => Scopes::default(),
        Some(Value::String(scope)) => Scopes::parse(scope)
            .filter_valid()
            .ok_or(Cause::ClaimMalformed("scope"))?,
        Some(_) => return Err(Cause::ClaimMalformed("scope").into()),
    };
    let confirmation = Confirmation::of(&payload)?;
    Ok(AccessToken {
        issuer: issuer.to_owned(),
        subject,
        audiences,
        client_id,
        scope,
        expires_at,
        issued_at,
        not_before,
        jti,
        confirmation,
        kid: String::new(),
        alg: None,
        claims: payload,
    })
}

/// Whether the token is in force at `now`; all in Unix seconds.
pub(crate) fn check_times(
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    leeway: i64,
    now: i64,
) -> Result<(), Reason> {
    if now.saturating_sub(leeway) >= exp {
        return Err(Reason::Expired);
    }
    if nbf.is_some_and(|nbf| nbf > now.saturating_add(leeway)) {
        return Err(Reason::NotYetValid);
    }
    if iat > now.saturating_add(leeway) {
        return Err(Reason::IssuedInFuture);
    }
    Ok(())
}

fn required_string<'a>(
    payload: &'a Map<String, Value>,
    name: &'static str,
) -> Result<&'a str, Cause> {
    match payload.get(name) {
        None => Err(Cause::ClaimMissing(name)),
        Some(Value::String(value)) => Ok(value),
        Some(_) => Err(Cause::ClaimMalformed(name)),
    }
}

/// A non-empty string of bounded length without control characters.
fn identifier(payload: &Map<String, Value>, name: &'static str) -> Result<String, Cause> {
    let value = required_string(payload, name)?;
    if value.is_empty() || value.len() > MAX_IDENTIFIER || value.chars().any(char::is_control) {
        return Err(Cause::ClaimMalformed(name));
    }
    Ok(value.to_owned())
}

/// `aud`: one string or a non-empty list of strings (RFC 7519 §4.1.3).
fn audiences(payload: &Map<String, Value>) -> Result<Vec<String>, Cause> {
    match payload.get("aud") {
        None => Err(Cause::ClaimMissing("aud")),
        Some(Value::String(one)) if !one.is_empty() => Ok(vec![one.clone()]),
        Some(Value::Array(list)) if !list.is_empty() => list
            .iter()
            .map(|aud| {
                aud.as_str()
                    .filter(|aud| !aud.is_empty())
                    .map(str::to_owned)
            })
            .collect::<Option<Vec<_>>>()
            .ok_or(Cause::ClaimMalformed("aud")),
        Some(_) => Err(Cause::ClaimMalformed("aud")),
    }
}

/// A time as any number that JSON can write (RFC 7519 §2), not before 1970. Strings and `null` are refused.
fn seconds(
    payload: &Map<String, Value>,
    name: &'static str,
    round: Round,
) -> Result<Option<i64>, Cause> {
    let Some(value) = payload.get(name) else {
        return Ok(None);
    };
    let seconds = numeric_date(value, round).ok_or(Cause::ClaimMalformed(name))?;
    Ok(Some(seconds))
}
