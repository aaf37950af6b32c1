//! Revocation (RFC 7009).

use super::client_auth::{self, Presented};
use super::error::refuse;
use super::token::no_duplicates;
use super::{SharedIssuer, TokenError, own_token, to_the_end};
use crate::crypto::refresh_token::RefreshToken;
use crate::crypto::token::sha256;
use crate::domain::event::Happening;
use crate::domain::{ClientId, ErrorCode, FamilyId, Subject};
use crate::store::refresh_tokens::{self, rows};
use crate::store::revocations;
use serde_json::Value;
use std::sync::Arc;

/// A revocation is remembered so long after the token's end, seconds: a node whose clock is behind, or is set
/// back, must not take the token for live.
const REMEMBERED_S: i64 = 3600;

/// Ends a token of the calling client. A refresh token takes its whole family along; an access token is
/// refused by introspection and userinfo at once, and by whoever verifies offline when it expires. The hint is
/// not needed: the two kinds can't be confused.
///
/// # Errors
/// [`TokenError`]; an unknown token is none.
pub async fn revoke(
    issuer: &SharedIssuer,
    presented: &Presented<'_>,
    now: i64,
) -> Result<(), TokenError> {
    no_duplicates(presented.form)?;
    let registered = client_auth::authenticate(issuer, presented, now).await?;
    let client_id = registered.client.client_id.clone();
    let Some(token) = presented.form.get("token") else {
        return refuse(ErrorCode::InvalidRequest, "token is missing");
    };
    let refresh_token = RefreshToken::presented(token);
    let family_id = if let Some(lineage) = refresh_token.lineage(&issuer.master, &client_id) {
        Some(lineage.family_id)
    } else {
        let digest = refresh_token.digest();
        rows::family_of_token(&issuer.store, digest.as_str(), &client_id).await?
    };
    if let Some(family_id) = family_id {
        return revoke_family(issuer, client_id, family_id, now).await;
    }
    if let Some(token) = own_token::verify(issuer, token, now)
        && token.client_id == client_id.as_str()
    {
        let shared = Arc::clone(issuer);
        to_the_end(async move {
            let mut tx = shared.store.begin().await?;
            let forgotten_at = token.expires_at + REMEMBERED_S;
            if revocations::insert(&mut tx, &sha256(&token.jti), forgotten_at).await? {
                let grant_id = token.claims.get("grant_id").and_then(Value::as_str);
                let revoked = Happening::TokenRevoked {
                    client_id,
                    subject: grant_id.map(|_| Subject::new(token.subject.as_str())),
                    grant_id: grant_id.map(FamilyId::new),
                    jti_digest: Some(sha256(&token.jti)),
                };
                shared.record(&mut tx, revoked, now)?;
            }
            tx.commit().await?;
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn revoke_family(
    issuer: &SharedIssuer,
    client_id: ClientId,
    family_id: FamilyId,
    now: i64,
) -> Result<(), TokenError> {
    let shared = Arc::clone(issuer);
    let revocation = to_the_end(async move {
        let mut tx = shared.store.begin().await?;
        let of = (&family_id, &client_id);
        if refresh_tokens::revoke_family(&mut tx, of, now, "revoked").await? {
            let revoked = Happening::TokenRevoked {
                client_id,
                subject: None,
                grant_id: Some(family_id),
                jti_digest: None,
            };
            shared.record(&mut tx, revoked, now)?;
        }
        tx.commit().await?;
        Ok(())
    });
    Ok(revocation.await?)
}
