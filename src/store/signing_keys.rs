//! Signing keys: public half in the clear, private half sealed.

use super::{Store, StoreError, Tx, params};

/// A key as stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct KeyRecord {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// `ES256`, `RS256` or `EdDSA`.
    pub algorithm: String,
    /// `pending`, `active`, `retiring` or `gone`.
    pub state: String,
    /// The public JWK, JSON.
    pub public_jwk: String,
    /// PKCS#8, sealed.
    pub sealed_private: String,
    /// Unix seconds.
    pub created_at: i64,
    /// When it may begin to sign, Unix seconds.
    pub activates_at: i64,
    /// When it ceased to sign, Unix seconds.
    pub retired_at: Option<i64>,
    /// When it leaves the JWKS, Unix seconds.
    pub gone_at: Option<i64>,
    /// Tells that the public half is ours, also when the private one is gone; rows of an older version have none.
    pub public_seal: Option<String>,
    /// Until when ID tokens that it signed count as hints after it has left the JWKS, Unix seconds; never if it was
    /// withdrawn.
    pub hints_until: Option<i64>,
}

const INSERT: &str = "
    INSERT INTO signing_key (kid, algorithm, state, public_jwk, sealed_private, created_at, activates_at, public_seal)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT DO NOTHING";
const ALL: &str = "
    SELECT kid, algorithm, state, public_jwk, sealed_private, created_at, activates_at, retired_at, gone_at,
           public_seal, hints_until
      FROM signing_key
     ORDER BY created_at, kid";
const RETIRE_ACTIVE: &str = "
    UPDATE signing_key
       SET state = 'retiring',
           retired_at = $2,
           gone_at = $3
     WHERE algorithm = $1
       AND state = 'active'
       AND EXISTS (SELECT 1
                     FROM signing_key p
                    WHERE p.algorithm = $1
                      AND p.state = 'pending'
                      AND p.activates_at <= $2)
    RETURNING kid";
const ACTIVATE: &str = "
    UPDATE signing_key
       SET state = 'active'
     WHERE algorithm = $1
       AND state = 'pending'
       AND activates_at <= $2
    RETURNING kid";
const FORGET: &str = "
    UPDATE signing_key
       SET state = 'gone',
           sealed_private = '',
           hints_until = $2
     WHERE state = 'retiring'
       AND gone_at <= $1";
const WITHDRAW: &str = "
    UPDATE signing_key
       SET state = 'gone',
           gone_at = $2,
           sealed_private = ''
     WHERE kid = $1
       AND state IN ('pending', 'retiring')";

const SEAL_PUBLIC: &str = "
    UPDATE signing_key
       SET public_seal = $2
     WHERE kid = $1
       AND public_seal IS NULL";

/// Adds a key unless its algorithm has one in that state already, or its kid was ever used. True if added.
///
/// # Errors
/// [`StoreError`]
pub async fn insert(tx: &mut Tx, key: &KeyRecord) -> Result<bool, StoreError> {
    let rows = tx
        .execute(
            INSERT,
            params![
                &key.kid,
                &key.algorithm,
                &key.state,
                &key.public_jwk,
                &key.sealed_private,
                key.created_at,
                key.activates_at,
                key.public_seal.clone(),
            ],
        )
        .await?;
    Ok(rows == 1)
}

/// Every key there ever was, oldest first.
///
/// # Errors
/// [`StoreError`]
pub async fn all(store: &Store) -> Result<Vec<KeyRecord>, StoreError> {
    store.fetch_all(ALL, vec![]).await
}

/// Seals the public half of a key that an older version wrote.
///
/// # Errors
/// [`StoreError`]
pub async fn seal_public(store: &Store, kid: &str, seal: &str) -> Result<(), StoreError> {
    store
        .execute(SEAL_PUBLIC, params![kid, seal])
        .await
        .map(drop)
}

/// Puts the pending key of an algorithm in the active one's place, if its time has come. Returns the kids of
/// the key that begins and the key that ceases.
///
/// # Errors
/// [`StoreError`]
pub async fn promote(
    tx: &mut Tx,
    algorithm: &str,
    now: i64,
    gone_at: i64,
) -> Result<Option<(String, Option<String>)>, StoreError> {
    let retired: Option<(String,)> = tx
        .fetch_optional(RETIRE_ACTIVE, params![algorithm, now, gone_at])
        .await?;
    let activated: Option<(String,)> = tx.fetch_optional(ACTIVATE, params![algorithm, now]).await?;
    Ok(activated.map(|(kid,)| (kid, retired.map(|(old,)| old))))
}

/// Takes retired keys out of the JWKS when the last token they signed has expired, and destroys their
/// private halves. Until `hints_until` their ID tokens count as hints.
///
/// # Errors
/// [`StoreError`]
pub async fn forget_expired(store: &Store, now: i64, hints_until: i64) -> Result<u64, StoreError> {
    store.execute(FORGET, params![now, hints_until]).await
}

/// Takes a key out of the JWKS at once. False for an active or unknown key.
///
/// # Errors
/// [`StoreError`]
pub async fn withdraw(tx: &mut Tx, kid: &str, now: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(WITHDRAW, params![kid, now]).await? == 1)
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[
    INSERT,
    ALL,
    RETIRE_ACTIVE,
    ACTIVATE,
    FORGET,
    WITHDRAW,
    SEAL_PUBLIC,
];
