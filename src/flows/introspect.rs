//! Introspection (RFC 7662), for authenticated clients only.

use super::client_auth::{self, Presented};
use super::error::refuse;
use super::reach::standing;
use super::token::no_duplicates;
use super::{Issuer, TokenError, own_token, refresh};
use crate::crypto::refresh_token::RefreshToken;
use crate::domain::client::ClientType;
use crate::domain::refresh::RefreshTokenState;
use crate::domain::{Client, ErrorCode};
use crate::store::accounts;
use serde_json::{Map, Value, json};

/// Tells a client what a token is worth. A token that is unknown, dead, or none of this client's business is
/// inactive, and nothing more is said.
///
/// # Errors
/// [`TokenError`]
pub async fn introspect(
    issuer: &Issuer,
    presented: &Presented<'_>,
    now: i64,
) -> Result<Value, TokenError> {
    no_duplicates(presented.form)?;
    let registered = client_auth::authenticate(issuer, presented, now).await?;
    if registered.client.client_type == ClientType::Public {
        client_auth::note_public(issuer, &registered.client, now);
        return Err(TokenError::Client { basic: false });
    }
    let Some(token) = presented.form.get("token") else {
        return refuse(ErrorCode::InvalidRequest, "token is missing");
    };
    let answer = match access_token(issuer, &registered.client, token, now).await? {
        Some(answer) => Some(answer),
        None => refresh_token(issuer, &registered.client, token, now).await?,
    };
    Ok(answer.map_or_else(|| json!({"active": false}), Value::Object))
}

async fn access_token(
    issuer: &Issuer,
    caller: &Client,
    presented: &str,
    now: i64,
) -> Result<Option<Map<String, Value>>, TokenError> {
    let Some(token) = own_token::verify(issuer, presented, now) else {
        return Ok(None);
    };
    let own = token.client_id == caller.client_id.as_str();
    let addressed = caller
        .audiences
        .iter()
        .any(|audience| token.audiences.iter().any(|aud| aud == audience.as_str()));
    if !(own || addressed) || !own_token::is_live(issuer, &token).await? {
        return Ok(None);
    }
    if token.claims.contains_key("grant_id") {
        let subject = crate::domain::Subject::new(token.subject.as_str());
        match accounts::by_subject(&issuer.store, &subject).await? {
            Some(account) if !account.disabled => {}
            _ => return Ok(None),
        }
    }
    let mut answer = token.claims;
    answer.insert("active".to_owned(), Value::from(true));
    answer.insert("token_type".to_owned(), Value::from("Bearer"));
    Ok(Some(answer))
}

async fn refresh_token(
    issuer: &Issuer,
    caller: &Client,
    presented: &str,
    now: i64,
) -> Result<Option<Map<String, Value>>, TokenError> {
    let presented = RefreshToken::presented(presented);
    let Some(record) = refresh::find(issuer, caller, &presented).await? else {
        return Ok(None);
    };
    let ended = record.family_revoked || record.family_expires_at <= now;
    let expires_at = match &record.state {
        RefreshTokenState::Live(live) if !ended && live.expires_at > now => live.expires_at,
        _ => return Ok(None),
    };
    match standing(issuer, caller, &record.grant).await {
        Ok(_) => {}
        Err(TokenError::Failed(error)) => return Err(TokenError::Failed(error)),
        Err(_) => return Ok(None),
    }
    let answer = json!({
        "active": true,
        "client_id": record.grant.client_id.as_str(),
        "sub": record.grant.subject.as_str(),
        "scope": record.grant.scope.to_string(),
        "exp": expires_at,
        "iss": issuer.url,
    });
    Ok(answer.as_object().cloned())
}
