//! Token families and their refresh tokens: one row a family, with its live token, rotated by one guarded UPDATE.
//!
//! The row holds digests of the live token and of its predecessor. Of older ones it holds nothing: they name their family and
//! generation themselves.

pub mod rows;

use super::{Store, StoreError, Tx, params};
use crate::domain::grant::Grant;
use crate::domain::refresh::{
    Lineage, LiveToken, Place, RefreshTokenRecord, RefreshTokenState, Rotation,
};
use crate::domain::{ClientId, FamilyId, Subject};

type FamilyRow = (
    String,
    i64,
    i64,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<String>,
);

const INSERT_FAMILY: &str = "
    INSERT INTO token_family (family_id, client_id, subject, grant_detail, created_at, expires_at, generation,
                              live_digest, live_expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
/// The response is read for the predecessor alone, and the predecessor's time for it alone.
const FIND: &str = "
    SELECT grant_detail, created_at, expires_at, revoked_at, generation, live_digest, live_expires_at,
           CASE WHEN spent_digest = $3 THEN spent_at END,
           CASE WHEN spent_digest = $3 THEN sealed_response END
      FROM token_family
     WHERE family_id = $1
       AND client_id = $2";
/// Puts the successor in the live token's place. At most one caller ever changes the row; the client, the family's life and
/// the token's own are part of the guard.
const ROTATE: &str = "
    UPDATE token_family
       SET generation = generation + CAST(1 AS BIGINT),
           live_digest = $4,
           live_expires_at = $5,
           spent_digest = $3,
           spent_at = $7,
           sealed_response = $6
     WHERE family_id = $1
       AND client_id = $2
       AND live_digest = $3
       AND live_expires_at > $7
       AND revoked_at IS NULL
       AND expires_at > $7";
const REVOKE_FAMILY: &str = "
    UPDATE token_family
       SET revoked_at = $3,
           revoked_reason = $4
     WHERE family_id = $1
       AND client_id = $2
       AND revoked_at IS NULL";
const REVOKE_SUBJECT: &str = "
    UPDATE token_family
       SET revoked_at = $2,
           revoked_reason = $3
     WHERE subject = $1
       AND revoked_at IS NULL";
const REVOKE_SUBJECT_CLIENT: &str = "
    UPDATE token_family
       SET revoked_at = $3,
           revoked_reason = $4
     WHERE subject = $1
       AND client_id = $2
       AND revoked_at IS NULL";
const FAMILY_LIVE: &str = "
    SELECT f.grant_detail, a.password_changed_at
      FROM token_family f
      JOIN account a ON a.subject = f.subject
     WHERE f.family_id = $1
       AND f.revoked_at IS NULL
       AND a.disabled = FALSE";
const LIVE_LEAVES: &str = "
    SELECT (SELECT COUNT(*)
              FROM token_family
             WHERE family_id = $1
               AND revoked_at IS NULL
               AND live_digest IS NOT NULL)
         + (SELECT COUNT(*)
              FROM refresh_token t
              JOIN token_family f ON f.family_id = t.family_id
             WHERE t.family_id = $1
               AND f.revoked_at IS NULL
               AND f.live_digest IS NULL
               AND t.used_at IS NULL)";

/// A family's first token.
pub struct FirstToken<'a> {
    /// Its digest.
    pub digest: &'a str,
    /// When it ends if unused, Unix seconds.
    pub expires_at: i64,
}

/// Begins a family, with the grant that its tokens stand for, and its first refresh token if it has any. It is kept until
/// `expires_at`.
///
/// # Errors
/// [`StoreError`]
pub async fn insert_family(
    tx: &mut Tx,
    grant: &Grant,
    first: Option<&FirstToken<'_>>,
    now: i64,
    expires_at: i64,
) -> Result<(), StoreError> {
    tx.execute(
        INSERT_FAMILY,
        params![
            grant.family_id.as_str(),
            grant.client_id.as_str(),
            grant.subject.as_str(),
            serde_json::to_string(grant)?,
            now,
            expires_at,
            first.map(|_| 1_i64),
            first.map(|first| first.digest),
            first.map(|first| first.expires_at),
        ],
    )
    .await
    .map(drop)
}

/// Reads a token of this client; another client's token doesn't exist for it. `lineage` is what the token says of itself, if
/// it says so under our MAC.
///
/// # Errors
/// [`StoreError`]
pub async fn find(
    store: &Store,
    token_digest: &str,
    lineage: Option<&Lineage>,
    client_id: &ClientId,
) -> Result<Option<RefreshTokenRecord>, StoreError> {
    let Some(lineage) = lineage else {
        return rows::find(store, token_digest, client_id).await;
    };
    let row: Option<FamilyRow> = store
        .fetch_optional(
            FIND,
            params![lineage.family_id.as_str(), client_id.as_str(), token_digest],
        )
        .await?;
    let Some((
        grant,
        began_at,
        family_expires_at,
        revoked_at,
        generation,
        live_digest,
        live_expires_at,
        spent_at,
        sealed_response,
    )) = row
    else {
        return Ok(None);
    };
    let (Some(generation), Some(live), Some(expires_at)) =
        (generation, live_digest, live_expires_at)
    else {
        // The database is older than the token.
        return Ok(None);
    };
    let state = match spent_at {
        _ if live == token_digest => RefreshTokenState::Live(LiveToken {
            expires_at,
            generation,
            place: Place::Family,
        }),
        Some(spent_at) => RefreshTokenState::Predecessor {
            spent_at,
            sealed_response,
        },
        None if lineage.generation < generation => RefreshTokenState::Spent,
        // Made for this place, or a later one, and never stored in it.
        None => return Ok(None),
    };
    Ok(Some(RefreshTokenRecord {
        grant: serde_json::from_str(&grant)?,
        began_at,
        family_expires_at,
        family_revoked: revoked_at.is_some(),
        state,
    }))
}

/// What a rotation writes.
pub struct Successor<'a> {
    /// Digest of the presented token.
    pub presented_digest: &'a str,
    /// Digest of the new leaf.
    pub successor_digest: &'a str,
    /// The whole response, sealed under a key that only the presented token's holder has.
    pub sealed_response: &'a str,
    /// When the new leaf ends if unused, Unix seconds.
    pub expires_at: i64,
}

/// Spends a family's live token and puts its successor in its place.
///
/// # Errors
/// [`StoreError`]
pub async fn rotate(
    store: &Store,
    (family_id, client_id): (&FamilyId, &ClientId),
    successor: &Successor<'_>,
    now: i64,
) -> Result<Rotation, StoreError> {
    // A transaction, though it is one statement: its isolation is ours to choose.
    let mut tx = store.begin().await?;
    let rotated = tx
        .execute(
            ROTATE,
            params![
                family_id.as_str(),
                client_id.as_str(),
                successor.presented_digest,
                successor.successor_digest,
                successor.expires_at,
                successor.sealed_response,
                now,
            ],
        )
        .await?;
    if rotated == 0 {
        return Ok(Rotation::Lost);
    }
    tx.commit().await?;
    Ok(Rotation::Rotated)
}

/// Revokes a family of this client; true if it was live.
///
/// # Errors
/// [`StoreError`]
pub async fn revoke_family(
    tx: &mut Tx,
    (family_id, client_id): (&FamilyId, &ClientId),
    now: i64,
    reason: &str,
) -> Result<bool, StoreError> {
    let revoked = tx
        .execute(
            REVOKE_FAMILY,
            params![family_id.as_str(), client_id.as_str(), now, reason],
        )
        .await?;
    Ok(revoked == 1)
}

/// Revokes every family of a person.
///
/// # Errors
/// [`StoreError`]
pub async fn revoke_subject(
    tx: &mut Tx,
    subject: &Subject,
    now: i64,
    reason: &str,
) -> Result<u64, StoreError> {
    tx.execute(REVOKE_SUBJECT, params![subject.as_str(), now, reason])
        .await
}

/// Revokes every family of a person with one client.
///
/// # Errors
/// [`StoreError`]
pub async fn revoke_subject_client(
    tx: &mut Tx,
    subject: &Subject,
    client_id: &ClientId,
    now: i64,
    reason: &str,
) -> Result<u64, StoreError> {
    tx.execute(
        REVOKE_SUBJECT_CLIENT,
        params![subject.as_str(), client_id.as_str(), now, reason],
    )
    .await
}

/// Whether a family exists and isn't revoked, and its person's credentials are still those of the grant: a code may be
/// redeemed at the very moment at which they change.
///
/// # Errors
/// [`StoreError`]
pub async fn family_is_live(store: &Store, family_id: &str) -> Result<bool, StoreError> {
    let row: Option<(String, i64)> = store
        .fetch_optional(FAMILY_LIVE, params![family_id])
        .await?;
    let Some((detail, password_changed_at)) = row else {
        return Ok(false);
    };
    let grant: Grant = serde_json::from_str(&detail)?;
    Ok(grant.password_changed_at == password_changed_at)
}

/// How many live leaves a family has: none or one.
///
/// # Errors
/// [`StoreError`]
pub async fn live_leaves(store: &Store, family_id: &FamilyId) -> Result<i64, StoreError> {
    Ok(store
        .fetch_one::<(i64,)>(LIVE_LEAVES, params![family_id.as_str()])
        .await?
        .0)
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[
    INSERT_FAMILY,
    FIND,
    ROTATE,
    REVOKE_FAMILY,
    REVOKE_SUBJECT,
    REVOKE_SUBJECT_CLIENT,
    FAMILY_LIVE,
    LIVE_LEAVES,
];
