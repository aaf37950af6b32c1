//! Refresh tokens in rows of their own, as version 0.1 kept them: read until the last family that it began has ended.
//!
//! While nodes of both versions run, such a family goes on as it was, for a former node knows nothing else. After
//! [`ROTATIONS`] more it goes over to its family's row.

use super::Successor;
use crate::domain::grant::Grant;
use crate::domain::refresh::{LiveToken, Place, RefreshTokenRecord, RefreshTokenState, Rotation};
use crate::domain::{ClientId, FamilyId};
use crate::store::{Store, StoreError, Tx, params};

/// How often a family that version 0.1 began is rotated in rows of their own before it goes over. An upgrade takes minutes,
/// and clients refresh once in minutes.
pub const ROTATIONS: i64 = 32;

type TokenRow = (
    String,
    i64,
    i64,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<String>,
    i64,
    Option<i64>,
    Option<String>,
    Option<i64>,
);

const INSERT_TOKEN: &str = "
    INSERT INTO refresh_token (token_digest, family_id, created_at, expires_at)
    VALUES ($1, $2, $3, $4)";
const FIND: &str = "
    SELECT f.grant_detail, f.created_at, f.expires_at, f.revoked_at, f.generation, f.live_digest,
           CASE WHEN f.spent_digest = $1 THEN f.spent_at END,
           CASE WHEN f.spent_digest = $1 THEN f.sealed_response END,
           t.expires_at, t.used_at, t.sealed_response, s.used_at
      FROM refresh_token t
      JOIN token_family f ON f.family_id = t.family_id
      LEFT JOIN refresh_token s ON s.token_digest = t.successor_digest
     WHERE t.token_digest = $1
       AND f.client_id = $2";
/// Marks the token spent by its successor. At most one caller ever gets the row back; the client, the family's
/// life and the token's own are part of the guard.
const SPEND: &str = "
    UPDATE refresh_token
       SET used_at = $3,
           successor_digest = $4,
           sealed_response = $5
     WHERE token_digest = $1
       AND used_at IS NULL
       AND expires_at > $3
       AND EXISTS (SELECT 1
                     FROM token_family
                    WHERE family_id = refresh_token.family_id
                      AND client_id = $2
                      AND live_digest IS NULL
                      AND revoked_at IS NULL
                      AND expires_at > $3)
    RETURNING family_id";
/// The response of the token before last is needed by nobody any more.
const FORGET_RESPONSES: &str = "
    UPDATE refresh_token
       SET sealed_response = NULL
     WHERE family_id = $1
       AND successor_digest = $2";
const COUNT_ROTATION: &str = "
    UPDATE token_family
       SET generation = COALESCE(generation, CAST(0 AS BIGINT)) + CAST(1 AS BIGINT),
           grant_detail = $2
     WHERE family_id = $1";
const GO_OVER: &str = "
    UPDATE token_family
       SET generation = $2,
           live_digest = $3,
           live_expires_at = $4,
           spent_digest = $5,
           spent_at = $6,
           sealed_response = $7,
           grant_detail = $8
     WHERE family_id = $1
       AND live_digest IS NULL";
const FAMILY_OF_TOKEN: &str = "
    SELECT f.family_id
      FROM refresh_token t
      JOIN token_family f ON f.family_id = t.family_id
     WHERE t.token_digest = $1
       AND f.client_id = $2";

/// Adds a family's live leaf as version 0.1 did.
///
/// # Errors
/// [`StoreError::Conflict`] if it has one.
pub async fn insert_token(
    tx: &mut Tx,
    family_id: &FamilyId,
    token_digest: &str,
    now: i64,
    expires_at: i64,
) -> Result<(), StoreError> {
    tx.execute(
        INSERT_TOKEN,
        params![token_digest, family_id.as_str(), now, expires_at],
    )
    .await
    .map(drop)
}

/// Reads a token of this client that names no family.
pub(super) async fn find(
    store: &Store,
    token_digest: &str,
    client_id: &ClientId,
) -> Result<Option<RefreshTokenRecord>, StoreError> {
    let row: Option<TokenRow> = store
        .fetch_optional(FIND, params![token_digest, client_id.as_str()])
        .await?;
    let Some((
        grant,
        began_at,
        family_expires_at,
        revoked_at,
        generation,
        successor_of_family,
        spent_before_family,
        response_of_family,
        expires_at,
        used_at,
        sealed_response,
        successor_used_at,
    )) = row
    else {
        return Ok(None);
    };
    let state = match (spent_before_family, used_at, successor_used_at) {
        (Some(spent_at), ..) => RefreshTokenState::Predecessor {
            spent_at,
            sealed_response: response_of_family,
        },
        // The family's row has the one live token, whatever rows there are.
        _ if successor_of_family.is_some() => RefreshTokenState::Spent,
        (None, None, _) => RefreshTokenState::Live(LiveToken {
            expires_at,
            generation: generation.unwrap_or_default(),
            place: Place::Row,
        }),
        (None, Some(spent_at), None) => RefreshTokenState::Predecessor {
            spent_at,
            sealed_response,
        },
        (None, Some(_), Some(_)) => RefreshTokenState::Spent,
    };
    Ok(Some(RefreshTokenRecord {
        grant: serde_json::from_str(&grant)?,
        began_at,
        family_expires_at,
        family_revoked: revoked_at.is_some(),
        state,
    }))
}

/// Spends the presented token and puts its successor in its place, in one transaction: in a row of its own, or, with
/// `generation`, in the family's. The grant is written anew.
///
/// # Errors
/// [`StoreError`]
pub async fn rotate(
    store: &Store,
    grant: &Grant,
    generation: Option<i64>,
    successor: &Successor<'_>,
    now: i64,
) -> Result<Rotation, StoreError> {
    let mut tx = store.begin().await?;
    let stays = generation.is_none();
    let spent: Option<(String,)> = tx
        .fetch_optional(
            SPEND,
            params![
                successor.presented_digest,
                grant.client_id.as_str(),
                now,
                successor.successor_digest,
                stays.then_some(successor.sealed_response),
            ],
        )
        .await?;
    let Some((family_id,)) = spent else {
        return Ok(Rotation::Lost);
    };
    tx.execute(
        FORGET_RESPONSES,
        params![&family_id, successor.presented_digest],
    )
    .await?;
    let detail = serde_json::to_string(grant)?;
    if let Some(generation) = generation {
        let moved = tx
            .execute(
                GO_OVER,
                params![
                    &family_id,
                    generation,
                    successor.successor_digest,
                    successor.expires_at,
                    successor.presented_digest,
                    now,
                    successor.sealed_response,
                    detail,
                ],
            )
            .await?;
        if moved == 0 {
            return Ok(Rotation::Lost);
        }
    } else {
        tx.execute(COUNT_ROTATION, params![&family_id, detail])
            .await?;
        let family_id = FamilyId::new(family_id);
        let digest = successor.successor_digest;
        insert_token(&mut tx, &family_id, digest, now, successor.expires_at).await?;
    }
    tx.commit().await?;
    Ok(Rotation::Rotated)
}

/// The family of this client that a token belongs to, spent or not.
///
/// # Errors
/// [`StoreError`]
pub async fn family_of_token(
    store: &Store,
    token_digest: &str,
    client_id: &ClientId,
) -> Result<Option<FamilyId>, StoreError> {
    let row: Option<(String,)> = store
        .fetch_optional(FAMILY_OF_TOKEN, params![token_digest, client_id.as_str()])
        .await?;
    Ok(row.map(|(family_id,)| FamilyId::new(family_id)))
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[
    INSERT_TOKEN,
    FIND,
    SPEND,
    FORGET_RESPONSES,
    COUNT_ROTATION,
    GO_OVER,
    FAMILY_OF_TOKEN,
];
