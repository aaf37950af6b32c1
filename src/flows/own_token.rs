//! Judging access tokens that this issuer made, with the code that guards its users' APIs.

use super::{FlowError, Issuer};
use crate::crypto::token::sha256;
use crate::store::{refresh_tokens, revocations};
use gatewright_authorizer::Reason;
use gatewright_authorizer::jose::{Algorithm, Jws};
use gatewright_authorizer::token::{self, AccessToken, TokenRules};
use serde_json::Value;

/// Largest token looked at, bytes.
const MAX_BYTES: usize = 8192;

/// Verifies signature, type and times; the audience is left to the caller, who sees it in the result.
pub(super) fn verify(issuer: &Issuer, presented: &str, now: i64) -> Option<AccessToken> {
    examine(issuer, presented, now).ok()
}

/// The same, with the reason for the record.
pub(super) fn examine(issuer: &Issuer, presented: &str, now: i64) -> Result<AccessToken, Reason> {
    let payload = Jws::parse(presented, MAX_BYTES)?.payload()?;
    let audiences = match payload.get("aud").ok_or(Reason::ClaimMissing)? {
        Value::String(one) => vec![one.clone()],
        Value::Array(several) => several
            .iter()
            .map(|audience| audience.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or(Reason::ClaimMalformed)?,
        _ => return Err(Reason::ClaimMalformed),
    };
    let algorithms = vec![Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa];
    // The leeway is for a token that a node issued whose clock is ahead of this one's; the end is the end.
    let rules = TokenRules::new(issuer.url.clone(), audiences, algorithms);
    let token = token::verify(presented, issuer.keyring.load().published(), &rules, now)?;
    if token.expires_at > now {
        Ok(token)
    } else {
        Err(Reason::Expired)
    }
}

/// Whether nothing has ended the token before its time: its client is enabled, it wasn't revoked, nor the grant it
/// descends from.
pub(super) async fn is_live(issuer: &Issuer, token: &AccessToken) -> Result<bool, FlowError> {
    if issuer
        .clients
        .find(&issuer.store, &token.client_id)
        .await?
        .is_none()
    {
        return Ok(false);
    }
    if revocations::contains(&issuer.store, &sha256(&token.jti)).await? {
        return Ok(false);
    }
    match token.claims.get("grant_id").and_then(Value::as_str) {
        None => Ok(true),
        Some(family) => Ok(refresh_tokens::family_is_live(&issuer.store, family).await?),
    }
}
