//! What the stored password hashes cost: one row for all that cost the same.

use super::{Store, StoreError, Tx, params};
use crate::crypto::password::Costs;

/// The update holds the row until the hash is committed, and moves what [`FORGET`] looks at.
const USED: &str = "
    INSERT INTO password_cost (parameters, used_at)
    VALUES ($1, $2)
    ON CONFLICT (parameters) DO UPDATE
       SET used_at = CASE WHEN password_cost.used_at >= excluded.used_at THEN password_cost.used_at + 1
                          ELSE excluded.used_at END";
const ALL: &str = "SELECT parameters, used_at FROM password_cost";
const AN_ACCOUNT: &str = "SELECT subject FROM account WHERE password_hash LIKE $1 LIMIT 1";
const STILL_USED: &str = "
    UPDATE password_cost
       SET used_at = $3
     WHERE parameters = $1
       AND used_at = $2";
const FORGET: &str = "
    DELETE FROM password_cost
     WHERE parameters = $1
       AND used_at = $2";

/// Costs of stored hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredCosts {
    /// The costs.
    pub costs: Costs,
    /// When a hash of them was last stored or looked for, Unix seconds.
    pub used_at: i64,
}

/// Notes the costs of a hash that is stored in the same transaction.
pub(super) async fn used(tx: &mut Tx, hash: &str, now: i64) -> Result<(), StoreError> {
    if let Some(costs) = Costs::of(hash) {
        tx.execute(USED, params![costs.to_string(), now]).await?;
    }
    Ok(())
}

/// All of them.
///
/// # Errors
/// [`StoreError`]
pub async fn all(store: &Store) -> Result<Vec<StoredCosts>, StoreError> {
    let rows: Vec<(String, i64)> = store.fetch_all(ALL, params![]).await?;
    let readable = |(parameters, used_at): (String, i64)| {
        let costs = Costs::parse(&parameters)?;
        Some(StoredCosts { costs, used_at })
    };
    Ok(rows.into_iter().filter_map(readable).collect())
}

/// Forgets costs that no account's hash has any more; looks through all accounts for that. False if one has.
///
/// # Errors
/// [`StoreError`]
pub async fn forget_unused(
    store: &Store,
    stored: &StoredCosts,
    now: i64,
) -> Result<bool, StoreError> {
    let parameters = stored.costs.to_string();
    let like = format!("{}%", stored.costs.beginning());
    let account: Option<(String,)> = store.fetch_optional(AN_ACCOUNT, params![like]).await?;
    if account.is_some() {
        let params = params![parameters, stored.used_at, now];
        store.execute(STILL_USED, params).await?;
        return Ok(false);
    }
    // Whoever stored such a hash since it was looked has moved the time.
    let params = params![parameters, stored.used_at];
    Ok(store.execute(FORGET, params).await? == 1)
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[USED, ALL, AN_ACCOUNT, STILL_USED, FORGET];
