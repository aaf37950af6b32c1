//! Removes what has expired, in small batches, never on the path of a request.
//!
//! What shows a replay stays: a redeemed code and a spent refresh token live as long as their family.

use super::{Store, StoreError, params};

/// Rows removed by one statement, at most.
pub const BATCH: i64 = 500;

/// The key names one row: whatever else shares a part of it stays.
macro_rules! expired {
    ($table:literal, $key:literal, $column:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE (",
            $key,
            ") IN (SELECT ",
            $key,
            " FROM ",
            $table,
            " WHERE ",
            $column,
            " <= $1 LIMIT $2)"
        )
    };
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[
    expired!("authorization_code", "code_digest", "keep_until"),
    expired!("token_family", "family_id", "expires_at"),
    expired!("browser_session", "cookie_digest", "expires_at"),
    expired!("revoked_access_token", "jti_digest", "expires_at"),
    expired!("throttle", "bucket", "expires_at"),
    expired!("throttle_member", "bucket, member", "expires_at"),
    expired!("client_assertion", "client_id, jti_digest", "expires_at"),
    expired!("known_device", "subject, device_id", "expires_at"),
];

/// Removes at most [`BATCH`] rows of each kind. Returns how many; call again while that is not 0.
///
/// # Errors
/// [`StoreError`]
pub async fn batch(store: &Store, now: i64) -> Result<u64, StoreError> {
    let mut removed = 0;
    for sql in STATEMENTS {
        removed += store.execute(sql, params![now, BATCH]).await?;
    }
    Ok(removed)
}
