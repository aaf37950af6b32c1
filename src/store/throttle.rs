//! Counters of failed logins, shared by all nodes.

use super::{Store, StoreError, params};

/// Counts one attempt in a window that begins with the first; answers the count so far.
const COUNT: &str = "
    INSERT INTO throttle (bucket, failures, expires_at)
    VALUES ($1, CAST(1 AS BIGINT), $3)
    ON CONFLICT (bucket) DO UPDATE
       SET failures = CASE WHEN throttle.expires_at <= $2 THEN CAST(1 AS BIGINT)
                           ELSE throttle.failures + CAST(1 AS BIGINT) END,
           expires_at = CASE WHEN throttle.expires_at <= $2 THEN $3
                             ELSE throttle.expires_at END
    RETURNING failures";
const UNCOUNT: &str = "
    UPDATE throttle
       SET failures = failures - CAST(1 AS BIGINT)
     WHERE bucket = $1
       AND failures > 0";
const CLEAR: &str = "DELETE FROM throttle WHERE bucket = $1";
const ADD_MEMBER: &str = "
    INSERT INTO throttle_member (bucket, member, expires_at)
    VALUES ($1, $2, $3)
    ON CONFLICT (bucket, member) DO UPDATE
       SET expires_at = excluded.expires_at";
const MEMBERS: &str = "
    SELECT COUNT(*)
      FROM throttle_member
     WHERE bucket = $1
       AND expires_at > $2
       AND member <> $3";

/// Counts an attempt before its outcome is known, so that parallel ones can't pass the limit together.
///
/// # Errors
/// [`StoreError`]
pub async fn count(
    store: &Store,
    bucket: &str,
    now: i64,
    window_s: i64,
) -> Result<i64, StoreError> {
    let row: Option<(i64,)> = store
        .execute_returning(COUNT, params![bucket, now, now + window_s])
        .await?;
    Ok(row.map_or(i64::MAX, |(failures,)| failures))
}

/// Takes one attempt back that turned out to be none.
///
/// # Errors
/// [`StoreError`]
pub async fn uncount(store: &Store, bucket: &str) -> Result<(), StoreError> {
    store.execute(UNCOUNT, params![bucket]).await.map(drop)
}

/// Forgets a bucket after a success.
///
/// # Errors
/// [`StoreError`]
pub async fn clear(store: &Store, bucket: &str) -> Result<(), StoreError> {
    store.execute(CLEAR, params![bucket]).await.map(drop)
}

/// Notes that `member` failed in this bucket.
///
/// # Errors
/// [`StoreError`]
pub async fn add_member(
    store: &Store,
    bucket: &str,
    member: &str,
    expires_at: i64,
) -> Result<(), StoreError> {
    store
        .execute(ADD_MEMBER, params![bucket, member, expires_at])
        .await
        .map(drop)
}

/// How many others than `member` failed in this bucket.
///
/// # Errors
/// [`StoreError`]
pub async fn other_members(
    store: &Store,
    bucket: &str,
    member: &str,
    now: i64,
) -> Result<i64, StoreError> {
    Ok(store
        .fetch_one::<(i64,)>(MEMBERS, params![bucket, now, member])
        .await?
        .0)
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[COUNT, UNCOUNT, CLEAR, ADD_MEMBER, MEMBERS];
