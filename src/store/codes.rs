//! Authorization codes: found by digest, spent by one guarded UPDATE.

use super::{Store, StoreError, Tx, params};
use crate::domain::grant::CodeGrant;
use crate::domain::{ClientId, FamilyId};

const INSERT: &str = "
    INSERT INTO authorization_code (code_digest, family_id, client_id, detail, created_at, expires_at, keep_until)
    VALUES ($1, $2, $3, $4, $5, $6, $6)";
const FIND: &str = "
    SELECT detail, expires_at, redeemed_at
      FROM authorization_code
     WHERE code_digest = $1
       AND client_id = $2";
/// Marks the code spent. At most one caller ever gets the row back.
const REDEEM: &str = "
    UPDATE authorization_code
       SET redeemed_at = $3,
           keep_until = $4
     WHERE code_digest = $1
       AND client_id = $2
       AND redeemed_at IS NULL
       AND expires_at > $3
    RETURNING family_id";

/// A code as the store knows it.
pub struct StoredCode {
    /// What it stands for.
    pub code: CodeGrant,
    /// Unix seconds.
    pub expires_at: i64,
    /// Unix seconds.
    pub redeemed_at: Option<i64>,
}

/// Stores a code that a person has just granted.
///
/// # Errors
/// [`StoreError`]
pub async fn insert(
    store: &Store,
    code_digest: &str,
    code: &CodeGrant,
    now: i64,
    expires_at: i64,
) -> Result<(), StoreError> {
    let grant = &code.grant;
    store
        .execute(
            INSERT,
            params![
                code_digest,
                grant.family_id.as_str(),
                grant.client_id.as_str(),
                serde_json::to_string(code)?,
                now,
                expires_at,
            ],
        )
        .await
        .map(drop)
}

/// Reads a code of this client; another client's code doesn't exist for it.
///
/// # Errors
/// [`StoreError`]
pub async fn find(
    store: &Store,
    code_digest: &str,
    client_id: &ClientId,
) -> Result<Option<StoredCode>, StoreError> {
    let row: Option<(String, i64, Option<i64>)> = store
        .fetch_optional(FIND, params![code_digest, client_id.as_str()])
        .await?;
    row.map(|(detail, expires_at, redeemed_at)| {
        Ok(StoredCode {
            code: serde_json::from_str(&detail)?,
            expires_at,
            redeemed_at,
        })
    })
    .transpose()
}

/// Spends a code; the row stays until `keep_until` so that a replay is recognised. `None` for all but the one
/// caller that spent it.
///
/// # Errors
/// [`StoreError`]
pub async fn redeem(
    tx: &mut Tx,
    code_digest: &str,
    client_id: &ClientId,
    now: i64,
    keep_until: i64,
) -> Result<Option<FamilyId>, StoreError> {
    let row: Option<(String,)> = tx
        .fetch_optional(
            REDEEM,
            params![code_digest, client_id.as_str(), now, keep_until],
        )
        .await?;
    Ok(row.map(|(family_id,)| FamilyId::new(family_id)))
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[INSERT, FIND, REDEEM];
