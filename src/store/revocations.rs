//! Access tokens that a client revoked before their time: what introspection and userinfo refuse.

use super::{Store, StoreError, Tx, params};

const INSERT: &str = "
    INSERT INTO revoked_access_token (jti_digest, expires_at)
    VALUES ($1, $2)
    ON CONFLICT (jti_digest) DO NOTHING";
const FIND: &str = "SELECT COUNT(*) FROM revoked_access_token WHERE jti_digest = $1";

/// Notes a revocation until `expires_at`. False if it was noted before.
///
/// # Errors
/// [`StoreError`]
pub async fn insert(tx: &mut Tx, jti_digest: &str, expires_at: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(INSERT, params![jti_digest, expires_at]).await? == 1)
}

/// Whether the token was revoked.
///
/// # Errors
/// [`StoreError`]
pub async fn contains(store: &Store, jti_digest: &str) -> Result<bool, StoreError> {
    Ok(store
        .fetch_one::<(i64,)>(FIND, params![jti_digest])
        .await?
        .0
        > 0)
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[INSERT, FIND];
