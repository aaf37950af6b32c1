//! Refreshing (RFC 6749 §6, RFC 9700 §4.14): rotation, reuse detection, idempotent retry.

use super::code_exchange::{live_account, still_permitted, withdrawn};
use super::error::{RefusedRequest, refuse, refused};
use super::issue::PersonResponse;
use super::token::{AuthenticatedClient, asked_resources, asked_scope};
use super::{FlowError, SharedIssuer, TokenError, to_the_end};
use crate::crypto::seal::SealingKey;
use crate::crypto::token::RefreshToken;
use crate::domain::client::GrantType;
use crate::domain::event::{Happening, TokenRefusal};
use crate::domain::form::Form;
use crate::domain::grant::Grant;
use crate::domain::refresh::{RefreshTokenRecord, Rotation, Spent};
use crate::domain::{Account, Client, ClientId, ErrorCode, FamilyId};
use crate::store::consents;
use crate::store::refresh_tokens::{self, Successor};
use std::sync::Arc;

const DEAD: &str = "the refresh token is unknown, expired, used or revoked; log in again";

/// Rotates a refresh token.
pub(super) async fn rotate(
    issuer: &SharedIssuer,
    registered: AuthenticatedClient,
    form: &Form,
    now: i64,
) -> Result<String, TokenError> {
    let client = &registered.client;
    let Some(presented) = form.get("refresh_token") else {
        return refuse(ErrorCode::InvalidRequest, "refresh_token is missing");
    };
    let presented = RefreshToken::presented(presented);
    let digest = presented.digest().as_str().to_owned();
    // A loser of the race for the token reads what the winner wrote.
    for _ in 0..2 {
        let Some(record) = refresh_tokens::find(&issuer.store, &digest, &client.client_id).await?
        else {
            return Err(dead(TokenRefusal::RefreshUnknown, None));
        };
        let of = Some(&record.grant.family_id);
        if record.family_revoked {
            return Err(dead(TokenRefusal::RefreshRevoked, of));
        }
        if record.family_expires_at <= now {
            return Err(dead(TokenRefusal::RefreshFamilyEnded, of));
        }
        if let Some(spent) = &record.spent {
            return retried(issuer, client, &record.grant, spent, &presented, now).await;
        }
        if record.expires_at <= now {
            return Err(dead(TokenRefusal::RefreshExpired, of));
        }
        let (rotation, response) = attempt(issuer, client, form, &record, &presented, now).await?;
        if rotation == Rotation::Rotated {
            return Ok(response);
        }
    }
    // Whoever won has rotated it away meanwhile.
    Err(dead(TokenRefusal::RefreshRevoked, None))
}

/// The one answer for a refresh token that is worth nothing; the record has the cause.
fn dead(cause: TokenRefusal, grant_id: Option<&FamilyId>) -> TokenError {
    refused(ErrorCode::InvalidGrant, DEAD, cause, grant_id)
}

async fn attempt(
    issuer: &SharedIssuer,
    client: &Client,
    form: &Form,
    record: &RefreshTokenRecord,
    presented: &RefreshToken,
    now: i64,
) -> Result<(Rotation, String), TokenError> {
    let grant = &record.grant;
    let account = standing(issuer, client, grant).await?;
    let scope = match asked_scope(form)? {
        None => grant.scope.clone(),
        Some(asked) if asked.is_subset(&grant.scope) => asked,
        Some(asked) => {
            let words = "scope goes beyond what was granted";
            return Err(RefusedRequest::new(ErrorCode::InvalidScope, words)
                .because(TokenRefusal::ScopeBeyondGrant)
                .about(&grant.family_id)
                .beyond(asked.without(&grant.scope))
                .error());
        }
    };
    let resources = match asked_resources(form, client, &issuer.url)? {
        named if named.is_empty() => grant.resources.clone(),
        named
            if grant.resources.is_empty() || named.iter().all(|r| grant.resources.contains(r)) =>
        {
            named
        }
        _ => {
            return Err(refused(
                ErrorCode::InvalidTarget,
                "resource goes beyond what was granted",
                TokenRefusal::ResourceBeyondGrant,
                Some(&grant.family_id),
            ));
        }
    };

    let successor = RefreshToken::generate(&issuer.entropy)?;
    // OIDC Core §12.2: the nonce belongs to the first ID token alone.
    let without_nonce = Grant {
        nonce: None,
        ..grant.clone()
    };
    let PersonResponse {
        body: response,
        issued,
    } = issuer.person_response(
        (GrantType::RefreshToken, client),
        &account,
        &without_nonce,
        (&scope, &resources),
        Some(successor.expose()),
        now,
    )?;
    let presented_digest = presented.digest().as_str().to_owned();
    let sealed_response = sealing_key(presented)?.seal(
        &issuer.entropy,
        &context(&presented_digest),
        response.as_bytes(),
    )?;
    let successor_digest = successor.digest().as_str().to_owned();
    let expires_at = (now + issuer.settings.refresh_idle_s).min(record.family_expires_at);
    let client_id: ClientId = client.client_id.clone();
    let shared = Arc::clone(issuer);
    let rotation = to_the_end(async move {
        let successor = Successor {
            presented_digest: &presented_digest,
            successor_digest: &successor_digest,
            sealed_response: &sealed_response,
            expires_at,
        };
        Ok(refresh_tokens::rotate(&shared.store, &client_id, &successor, now).await?)
    })
    .await?;
    if rotation == Rotation::Rotated {
        let refreshed = Happening::TokenRefreshed {
            client_id: client.client_id.clone(),
            subject: grant.subject.clone(),
            grant_id: grant.family_id.clone(),
        };
        issuer.note(refreshed, now);
        let of = (GrantType::RefreshToken, &client.client_id);
        issuer.note_token(of, now, || issued);
    }
    Ok((rotation, response))
}

/// A spent token came again: the same answer for the immediate predecessor within the grace, else the family
/// is over.
async fn retried(
    issuer: &SharedIssuer,
    client: &Client,
    grant: &Grant,
    spent: &Spent,
    presented: &RefreshToken,
    now: i64,
) -> Result<String, TokenError> {
    // Either way: the node that spent it may have a clock ahead of this one's.
    let in_grace = (now - spent.at).abs() < issuer.settings.refresh_grace_s;
    if in_grace
        && !spent.successor_used
        && let Some(sealed) = &spent.sealed_response
    {
        let context = context(presented.digest().as_str());
        let response = sealing_key(presented)?
            .open(&context, sealed)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| FlowError::Internal("a stored response can't be opened".to_owned()))?;
        standing(issuer, client, grant).await?;
        issuer.note(
            Happening::RefreshRetried {
                client_id: grant.client_id.clone(),
                subject: grant.subject.clone(),
                grant_id: grant.family_id.clone(),
            },
            now,
        );
        return Ok(response);
    }
    let shared = Arc::clone(issuer);
    let (grant, grant_id) = (grant.clone(), &grant.family_id);
    to_the_end(async move {
        let mut tx = shared.store.begin().await?;
        if refresh_tokens::revoke_family(&mut tx, &grant.family_id, now, "refresh_replayed").await?
        {
            let replayed = Happening::RefreshReplayed {
                client_id: grant.client_id.clone(),
                subject: grant.subject.clone(),
                grant_id: grant.family_id.clone(),
            };
            shared.record(&mut tx, replayed, now)?;
        }
        tx.commit().await?;
        Ok(())
    })
    .await?;
    Err(dead(TokenRefusal::RefreshReplayed, Some(grant_id)))
}

fn sealing_key(presented: &RefreshToken) -> Result<SealingKey, FlowError> {
    SealingKey::from_token(presented.expose())
        .ok_or_else(|| FlowError::Internal("no key can be derived from a token".to_owned()))
}

fn context(presented_digest: &str) -> String {
    format!("refresh_token.sealed_response {presented_digest}")
}

/// The account behind a grant, if the grant still stands: scope, APIs, consent and the account itself.
async fn standing(
    issuer: &SharedIssuer,
    client: &Client,
    grant: &Grant,
) -> Result<Account, TokenError> {
    still_permitted(issuer, client, grant)?;
    consent_stands(issuer, client, grant).await?;
    live_account(issuer, grant).await
}

/// Whether the consent that the grant rests on is still there.
pub(super) async fn consent_stands(
    issuer: &SharedIssuer,
    client: &Client,
    grant: &Grant,
) -> Result<(), TokenError> {
    if client.first_party {
        return Ok(());
    }
    let consent = consents::find(
        &issuer.store,
        &grant.subject,
        &grant.client_id,
        &grant.registered_redirect_uri,
    )
    .await?;
    if consent.is_some_and(|consent| grant.scope.is_subset(&consent.scope)) {
        Ok(())
    } else {
        Err(withdrawn(TokenRefusal::ConsentWithdrawn, grant))
    }
}
