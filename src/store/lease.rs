//! Leases: one node at a time does what must be done once. A node that dies loses its lease by time.

use super::{Store, StoreError, params};

/// Takes or prolongs the lease, if nobody else has it.
const TAKE: &str = "
    INSERT INTO lease (name, holder, expires_at)
    VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE
       SET holder = excluded.holder,
           expires_at = excluded.expires_at
     WHERE lease.holder = $2
        OR lease.expires_at <= $4
    RETURNING holder";
const RELEASE: &str = "
    DELETE FROM lease
     WHERE name = $1
       AND holder = $2";

/// True if `holder` has the lease from now to `until`, Unix seconds.
///
/// # Errors
/// [`StoreError`]
pub async fn take(
    store: &Store,
    name: &str,
    holder: &str,
    (now, until): (i64, i64),
) -> Result<bool, StoreError> {
    let row: Option<(String,)> = store
        .execute_returning(TAKE, params![name, holder, until, now])
        .await?;
    Ok(row.is_some())
}

/// Gives the lease back, so that another needn't wait for its end.
///
/// # Errors
/// [`StoreError`]
pub async fn release(store: &Store, name: &str, holder: &str) -> Result<(), StoreError> {
    store
        .execute(RELEASE, params![name, holder])
        .await
        .map(drop)
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[TAKE, RELEASE];
