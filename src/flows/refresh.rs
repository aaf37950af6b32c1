//! Refreshing (RFC 6749 §6, RFC 9700 §4.14): rotation, reuse detection, idempotent retry.

use super::error::{refuse, refused};
use super::issue::{Access, PersonResponse};
use super::reach::{Standing, standing};
use super::token::AuthenticatedClient;
use super::{FlowError, Issuer, SharedIssuer, TokenError, to_the_end};
use crate::crypto::refresh_token::RefreshToken;
use crate::crypto::seal::SealingKey;
use crate::domain::client::GrantType;
use crate::domain::event::{Happening, TokenRefusal};
use crate::domain::form::Form;
use crate::domain::grant::Grant;
use crate::domain::refresh::{
    Lineage, LiveToken, Place, RefreshTokenRecord, RefreshTokenState, Rotation,
};
use crate::domain::{Client, ErrorCode, FamilyId};
use crate::store::refresh_tokens::{self, Successor, rows};
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
    // A loser of the race for the token reads what the winner wrote.
    for _ in 0..2 {
        let Some(record) = find(issuer, client, &presented).await? else {
            return Err(dead(TokenRefusal::RefreshUnknown, None));
        };
        let of = Some(&record.grant.family_id);
        if record.family_revoked {
            return Err(dead(TokenRefusal::RefreshRevoked, of));
        }
        if record.family_expires_at <= now {
            return Err(dead(TokenRefusal::RefreshFamilyEnded, of));
        }
        let live = match &record.state {
            RefreshTokenState::Live(live) => live,
            RefreshTokenState::Predecessor {
                spent_at,
                sealed_response: Some(sealed),
                // Either way: the node that spent it may have a clock ahead of this one's.
            } if (now - spent_at).abs() < issuer.settings.refresh_grace_s => {
                return retried(issuer, client, &record.grant, sealed, &presented, now).await;
            }
            _ => return replayed(issuer, &record.grant, now).await,
        };
        if live.expires_at <= now {
            return Err(dead(TokenRefusal::RefreshExpired, of));
        }
        let standing = standing(issuer, client, &record.grant).await?;
        let attempt = Attempt {
            record: &record,
            live,
            standing,
            presented: &presented,
        };
        let (rotation, response) = attempt.rotate(issuer, client, form, now).await?;
        if rotation == Rotation::Rotated {
            return Ok(response);
        }
    }
    // Whoever won has rotated it away meanwhile.
    Err(dead(TokenRefusal::RefreshRevoked, None))
}

/// A refresh token that a client presents, as the store knows it.
pub(super) async fn find(
    issuer: &Issuer,
    client: &Client,
    presented: &RefreshToken,
) -> Result<Option<RefreshTokenRecord>, FlowError> {
    let lineage = presented.lineage(&issuer.master, &client.client_id);
    let digest = presented.digest();
    let (store, client_id) = (&issuer.store, &client.client_id);
    Ok(refresh_tokens::find(store, digest.as_str(), lineage.as_ref(), client_id).await?)
}

/// The one answer for a refresh token that is worth nothing; the record has the cause.
fn dead(cause: TokenRefusal, grant_id: Option<&FamilyId>) -> TokenError {
    refused(ErrorCode::InvalidGrant, DEAD, cause, grant_id)
}

/// A live token that was presented, and all that it stands for.
struct Attempt<'a> {
    record: &'a RefreshTokenRecord,
    live: &'a LiveToken,
    standing: Standing,
    presented: &'a RefreshToken,
}

impl Attempt<'_> {
    async fn rotate(
        self,
        issuer: &SharedIssuer,
        client: &Client,
        form: &Form,
        now: i64,
    ) -> Result<(Rotation, String), TokenError> {
        let asked = self.standing.asked(issuer, client, form)?;
        let grant = &self.standing.grant;
        let generation = self.live.generation + 1;
        let stays_in_rows = self.live.place == Place::Row && generation <= rows::ROTATIONS;
        let successor = if stays_in_rows {
            RefreshToken::generate_nameless(&issuer.entropy)?
        } else {
            let lineage = Lineage {
                family_id: grant.family_id.clone(),
                generation,
            };
            RefreshToken::generate(&issuer.entropy, &issuer.master, &client.client_id, &lineage)?
        };
        // OIDC Core §12.2: the nonce belongs to the first ID token alone.
        let without_nonce = Grant {
            nonce: None,
            ..grant.clone()
        };
        let access = Access {
            scope: &asked.scope,
            resources: &asked.resources,
            own: &self.standing.audiences,
        };
        let PersonResponse { body, issued } = issuer.person_response(
            (GrantType::RefreshToken, client),
            &self.standing.account,
            &without_nonce,
            &access,
            Some(successor.expose()),
            now,
        )?;
        let rotation = self
            .write(issuer, &successor, stays_in_rows, &body, now)
            .await?;
        if rotation == Rotation::Rotated {
            let of = (GrantType::RefreshToken, &client.client_id);
            if self.record.is_busy(generation, now) {
                issuer.count_token(of);
            } else {
                let refreshed = Happening::TokenRefreshed {
                    client_id: client.client_id.clone(),
                    subject: grant.subject.clone(),
                    grant_id: grant.family_id.clone(),
                };
                issuer.note(refreshed, now);
                issuer.note_token(of, now, || issued);
            }
        }
        Ok((rotation, body))
    }

    /// Puts the successor in the token's place.
    async fn write(
        &self,
        issuer: &SharedIssuer,
        successor: &RefreshToken,
        stays_in_rows: bool,
        response: &str,
        now: i64,
    ) -> Result<Rotation, TokenError> {
        let presented_digest = self.presented.digest();
        let sealed_response = sealing_key(self.presented)?.seal(
            &issuer.entropy,
            &context(presented_digest.as_str()),
            response.as_bytes(),
        )?;
        let successor_digest = successor.digest();
        let idle_end = now + issuer.settings.refresh_idle_s;
        let expires_at = idle_end.min(self.record.family_expires_at);
        let (place, generation) = (self.live.place, self.live.generation + 1);
        let grant = self.standing.grant.clone();
        let shared = Arc::clone(issuer);
        let rotation = to_the_end(async move {
            let successor = Successor {
                presented_digest: presented_digest.as_str(),
                successor_digest: successor_digest.as_str(),
                sealed_response: &sealed_response,
                expires_at,
            };
            let store = &shared.store;
            Ok(match place {
                Place::Family => {
                    let of = (&grant.family_id, &grant.client_id);
                    refresh_tokens::rotate(store, of, &successor, now).await?
                }
                Place::Row => {
                    let goes_over = (!stays_in_rows).then_some(generation);
                    rows::rotate(store, &grant, goes_over, &successor, now).await?
                }
            })
        });
        Ok(rotation.await?)
    }
}

/// The immediate predecessor came again within the grace: the same answer.
async fn retried(
    issuer: &SharedIssuer,
    client: &Client,
    grant: &Grant,
    sealed_response: &str,
    presented: &RefreshToken,
    now: i64,
) -> Result<String, TokenError> {
    let context = context(presented.digest().as_str());
    let response = sealing_key(presented)?
        .open(&context, sealed_response)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| FlowError::Internal("a stored response can't be opened".to_owned()))?;
    standing(issuer, client, grant).await?;
    issuer.store.metrics().identity.refresh_retried();
    let of = format!("refresh_retried {}", grant.family_id);
    let retried = || Happening::RefreshRetried {
        client_id: grant.client_id.clone(),
        subject: grant.subject.clone(),
        grant_id: grant.family_id.clone(),
    };
    issuer.events.note_hourly(&of, retried, now);
    Ok(response)
}

/// Anything else from a spent token: the family is over.
async fn replayed(issuer: &SharedIssuer, grant: &Grant, now: i64) -> Result<String, TokenError> {
    let shared = Arc::clone(issuer);
    let (grant, grant_id) = (grant.clone(), &grant.family_id);
    to_the_end(async move {
        let mut tx = shared.store.begin().await?;
        let of = (&grant.family_id, &grant.client_id);
        if refresh_tokens::revoke_family(&mut tx, of, now, "refresh_replayed").await? {
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
