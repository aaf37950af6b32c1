//! Client assertions: `private_key_jwt` (RFC 7523 §3, OIDC Core §9).

use super::client_auth::Proof;
use super::clients::RegisteredClient;
use super::{Issuer, TokenError};
use crate::crypto::token::sha256;
use crate::domain::ClientId;
use crate::domain::client::Client;
use crate::domain::event::{AssertionFault, ClientAuthFailure};
use gatewright_authorizer::jose::{Jws, PublicKey, Round, numeric_date};
use serde_json::{Map, Value};

/// Largest assertion looked at, bytes.
const ASSERTION_MAX_BYTES: usize = 8192;
/// An assertion may live this long at most, seconds.
const ASSERTION_MAX_S: i64 = 300;
/// How far a client's clock may be ahead, seconds.
const AHEAD_S: i64 = 60;
/// How far it may be behind, seconds.
const BEHIND_S: i64 = 10;
/// A used assertion is remembered so long after its end, seconds: a node whose clock is behind, or is set back,
/// must not take it again.
const REMEMBERED_S: i64 = 3600;

pub(super) fn unverified_subject(assertion: &str) -> Option<String> {
    let payload = Jws::parse(assertion, ASSERTION_MAX_BYTES)
        .ok()?
        .payload()
        .ok()?;
    payload.get("sub")?.as_str().map(str::to_owned)
}

/// RFC 7523 §3, with the issuer as the only audience unless the client is set up otherwise.
pub(super) async fn verify_assertion(
    issuer: &Issuer,
    registered: &RegisteredClient,
    assertion: &str,
    now: i64,
) -> Result<Proof, TokenError> {
    let client = &registered.client;
    let refused = |fault| Ok(Err((ClientAuthFailure::AssertionRefused, Some(fault))));
    let (payload, expires_at) = match check_assertion(issuer, registered, assertion, now) {
        Ok(checked) => checked,
        Err(fault) => return refused(fault),
    };
    let Some(jti) = payload
        .get("jti")
        .and_then(Value::as_str)
        .filter(|jti| !jti.is_empty())
    else {
        return refused(AssertionFault::JtiMissing);
    };
    let digest = sha256(jti);
    let first = crate::store::clients::use_assertion(
        &issuer.store,
        &ClientId::new(client.client_id.as_str()),
        &digest,
        expires_at + REMEMBERED_S,
    )
    .await?;
    Ok(if first {
        Ok(())
    } else {
        Err((ClientAuthFailure::AssertionReplayed, None))
    })
}

fn check_assertion(
    issuer: &Issuer,
    registered: &RegisteredClient,
    assertion: &str,
    now: i64,
) -> Result<(Map<String, Value>, i64), AssertionFault> {
    let client = &registered.client;
    let jws = Jws::parse(assertion, ASSERTION_MAX_BYTES).map_err(|_| AssertionFault::Claims)?;
    if client.assertion_alg.is_some_and(|alg| alg != jws.alg()) {
        return Err(AssertionFault::Algorithm);
    }
    let keys = registered.keys.as_ref().ok_or(AssertionFault::Key)?;
    let key = keys.find(jws.kid(), jws.alg()).ok_or_else(|| {
        let is_registered = jws.kid().is_some_and(|kid| keys.has_kid(kid));
        if is_registered {
            AssertionFault::Algorithm
        } else {
            AssertionFault::Key
        }
    })?;
    if has_ended(client, key, now) {
        return Err(AssertionFault::KeyEnded);
    }
    jws.verify(key).map_err(|_| AssertionFault::Signature)?;
    let payload = jws.payload().map_err(|_| AssertionFault::Claims)?;
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    let time = |name: &str, round| match payload.get(name) {
        None => Ok(None),
        Some(value) => numeric_date(value, round)
            .map(Some)
            .ok_or(AssertionFault::Claims),
    };
    let id = client.client_id.as_str();
    if text("iss") != Some(id) {
        return Err(AssertionFault::Issuer);
    }
    if text("sub") != Some(id) {
        return Err(AssertionFault::Subject);
    }
    let audience = text("aud").ok_or(AssertionFault::Audience)?;
    let token_endpoint = issuer.endpoint("/token");
    let accepted = audience == issuer.url
        || client.assertion_accepts_token_endpoint && audience == token_endpoint;
    if !accepted {
        return Err(AssertionFault::Audience);
    }
    let expires_at = time("exp", Round::Down)?.ok_or(AssertionFault::Claims)?;
    let issued_at = time("iat", Round::Down)?.unwrap_or(now);
    if expires_at <= now - BEHIND_S {
        return Err(AssertionFault::Ended);
    }
    let begins = [time("iat", Round::Up)?, time("nbf", Round::Up)?];
    if begins.into_iter().flatten().any(|at| at > now + AHEAD_S) {
        return Err(AssertionFault::Future);
    }
    if expires_at > issued_at.max(now) + ASSERTION_MAX_S {
        return Err(AssertionFault::TooLong);
    }
    Ok((payload, expires_at))
}

/// Whether the client registered an end (`exp`, OpenID Federation 1.0 §5.2.1) for the key, and it has come.
fn has_ended(client: &Client, key: &PublicKey, now: i64) -> bool {
    let registered = client
        .jwks
        .as_ref()
        .and_then(|set| set.get("keys"))
        .and_then(Value::as_array);
    registered.into_iter().flatten().any(|jwk| {
        jwk.get("kid").and_then(Value::as_str) == key.kid()
            && jwk
                .get("exp")
                .is_some_and(|end| numeric_date(end, Round::Down).is_none_or(|end| end <= now))
    })
}
