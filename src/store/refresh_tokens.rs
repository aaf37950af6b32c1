//! Token families and their refresh tokens: one live leaf each, rotated by one guarded UPDATE.

use super::{Store, StoreError, Tx, params};
use crate::domain::grant::Grant;
use crate::domain::refresh::{RefreshTokenRecord, Rotation, Spent};
use crate::domain::{ClientId, FamilyId, Subject};

type TokenRow = (
    String,
    i64,
    Option<i64>,
    i64,
    Option<i64>,
    Option<String>,
    Option<String>,
);

const INSERT_FAMILY: &str = "
    INSERT INTO token_family (family_id, client_id, subject, grant_detail, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6)";
const INSERT_TOKEN: &str = "
    INSERT INTO refresh_token (token_digest, family_id, created_at, expires_at)
    VALUES ($1, $2, $3, $4)";
const FIND: &str = "
    SELECT f.grant_detail, f.expires_at, f.revoked_at, t.expires_at, t.used_at, t.sealed_response,
           t.successor_digest
      FROM refresh_token t
      JOIN token_family f ON f.family_id = t.family_id
     WHERE t.token_digest = $1
       AND f.client_id = $2";
const IS_SPENT: &str = "
    SELECT COUNT(*)
      FROM refresh_token
     WHERE token_digest = $1
       AND used_at IS NOT NULL";
/// Marks the token spent by its successor. At most one caller ever gets the row back; the client, the family's
/// life and the token's own are part of the guard.
const ROTATE: &str = "
    UPDATE refresh_token
       SET used_at = $3,
           successor_digest = $4,
           sealed_response = $5
     WHERE token_digest = $1
       AND used_at IS NULL
       AND expires_at > $3
       AND family_id IN (SELECT family_id
                           FROM token_family
                          WHERE client_id = $2
                            AND revoked_at IS NULL
                            AND expires_at > $3)
    RETURNING family_id";
/// The response of the token before last is needed by nobody any more.
const FORGET_RESPONSES: &str = "
    UPDATE refresh_token
       SET sealed_response = NULL
     WHERE family_id = $1
       AND successor_digest = $2";
const REVOKE_FAMILY: &str = "
    UPDATE token_family
       SET revoked_at = $2,
           revoked_reason = $3
     WHERE family_id = $1
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
const FAMILY_OF_TOKEN: &str = "
    SELECT f.family_id, f.client_id
      FROM refresh_token t
      JOIN token_family f ON f.family_id = t.family_id
     WHERE t.token_digest = $1";
const FAMILY_LIVE: &str = "
    SELECT COUNT(*)
      FROM token_family
     WHERE family_id = $1
       AND revoked_at IS NULL";
const LIVE_LEAVES: &str = "
    SELECT COUNT(*)
      FROM refresh_token t
      JOIN token_family f ON f.family_id = t.family_id
     WHERE f.family_id = $1
       AND f.revoked_at IS NULL
       AND t.used_at IS NULL";

/// Begins a family, with the grant that its tokens stand for. It is kept until `expires_at`.
///
/// # Errors
/// [`StoreError`]
pub async fn insert_family(
    tx: &mut Tx,
    grant: &Grant,
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
        ],
    )
    .await
    .map(drop)
}

/// Adds the family's live leaf.
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

/// Reads a token of this client; another client's token doesn't exist for it.
///
/// # Errors
/// [`StoreError`]
pub async fn find(
    store: &Store,
    token_digest: &str,
    client_id: &ClientId,
) -> Result<Option<RefreshTokenRecord>, StoreError> {
    let row: Option<TokenRow> = store
        .fetch_optional(FIND, params![token_digest, client_id.as_str()])
        .await?;
    let Some((
        grant,
        family_expires_at,
        revoked_at,
        expires_at,
        used_at,
        sealed_response,
        successor,
    )) = row
    else {
        return Ok(None);
    };
    let spent = match used_at {
        None => None,
        Some(at) => {
            let successor_used = match successor {
                None => true,
                Some(digest) => {
                    store
                        .fetch_one::<(i64,)>(IS_SPENT, params![digest])
                        .await?
                        .0
                        > 0
                }
            };
            Some(Spent {
                at,
                sealed_response,
                successor_used,
            })
        }
    };
    Ok(Some(RefreshTokenRecord {
        grant: serde_json::from_str(&grant)?,
        family_expires_at,
        family_revoked: revoked_at.is_some(),
        expires_at,
        spent,
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

/// Spends the presented token and puts its successor in its place, in one transaction.
///
/// # Errors
/// [`StoreError`]
pub async fn rotate(
    store: &Store,
    client_id: &ClientId,
    successor: &Successor<'_>,
    now: i64,
) -> Result<Rotation, StoreError> {
    let mut tx = store.begin().await?;
    let spent: Option<(String,)> = tx
        .fetch_optional(
            ROTATE,
            params![
                successor.presented_digest,
                client_id.as_str(),
                now,
                successor.successor_digest,
                successor.sealed_response,
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
    insert_token(
        &mut tx,
        &FamilyId::new(family_id),
        successor.successor_digest,
        now,
        successor.expires_at,
    )
    .await?;
    tx.commit().await?;
    Ok(Rotation::Rotated)
}

/// Revokes a family; true if it was live.
///
/// # Errors
/// [`StoreError`]
pub async fn revoke_family(
    tx: &mut Tx,
    family_id: &FamilyId,
    now: i64,
    reason: &str,
) -> Result<bool, StoreError> {
    Ok(tx
        .execute(REVOKE_FAMILY, params![family_id.as_str(), now, reason])
        .await?
        == 1)
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

/// The family of a refresh token, spent or not, and its client.
///
/// # Errors
/// [`StoreError`]
pub async fn family_of_token(
    store: &Store,
    token_digest: &str,
) -> Result<Option<(FamilyId, ClientId)>, StoreError> {
    let row: Option<(String, String)> = store
        .fetch_optional(FAMILY_OF_TOKEN, params![token_digest])
        .await?;
    Ok(row.map(|(family, client)| (FamilyId::new(family), ClientId::new(client))))
}

/// Whether a family exists and isn't revoked.
///
/// # Errors
/// [`StoreError`]
pub async fn family_is_live(store: &Store, family_id: &str) -> Result<bool, StoreError> {
    Ok(store
        .fetch_one::<(i64,)>(FAMILY_LIVE, params![family_id])
        .await?
        .0
        == 1)
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
    INSERT_TOKEN,
    FIND,
    IS_SPENT,
    ROTATE,
    FORGET_RESPONSES,
    REVOKE_FAMILY,
    REVOKE_SUBJECT,
    REVOKE_SUBJECT_CLIENT,
    FAMILY_OF_TOKEN,
    FAMILY_LIVE,
    LIVE_LEAVES,
];
