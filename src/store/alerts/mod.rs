//! Alerts: opened once for a rule and its target, acknowledged, resolved.

use super::{Store, StoreError, Tx, params};

pub mod observed;
pub mod outbox;

/// One alert as stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AlertRow {
    /// Its id.
    pub alert_id: String,
    /// The rule's name.
    pub rule: String,
    /// What it is about: `client:web`.
    pub target: String,
    /// One sentence.
    pub summary: String,
    /// The first sign, Unix seconds.
    pub since: i64,
    /// The last, Unix seconds.
    pub seen_at: i64,
    /// How much.
    pub observed: i64,
    /// How much is normal, if that is known.
    pub normal: Option<i64>,
    /// What it took.
    pub alert_limit: i64,
    /// Who and where, JSON.
    pub top: String,
    /// When it was raised, Unix seconds.
    pub opened_at: i64,
    /// When somebody took notice, Unix seconds.
    pub acknowledged_at: Option<i64>,
    /// Who did.
    pub acknowledged_by: Option<String>,
    /// When it ended, Unix seconds.
    pub resolved_at: Option<i64>,
}

/// At most one caller gets the row in, whichever nodes try.
const OPEN: &str = "
    INSERT INTO alert (alert_id, rule, target, summary, since, seen_at, observed, normal, alert_limit, top, opened_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT DO NOTHING";
/// It goes on; `since` and `opened_at` stay.
const SEEN: &str = "
    UPDATE alert
       SET summary = $2,
           seen_at = $3,
           observed = $4,
           top = $5
     WHERE alert_id = $1
       AND resolved_at IS NULL";
const ACKNOWLEDGE: &str = "
    UPDATE alert
       SET acknowledged_at = $2,
           acknowledged_by = $3
     WHERE alert_id = $1
       AND acknowledged_at IS NULL
       AND resolved_at IS NULL";
/// Only what wasn't seen again meanwhile.
const RESOLVE: &str = "
    UPDATE alert
       SET resolved_at = $2
     WHERE alert_id = $1
       AND seen_at = $3
       AND resolved_at IS NULL";
const UNRESOLVED: &str = "
    SELECT alert_id, rule, target, summary, since, seen_at, observed, normal, alert_limit, top, opened_at,
           acknowledged_at, acknowledged_by, resolved_at
      FROM alert
     WHERE resolved_at IS NULL
     ORDER BY opened_at DESC, alert_id DESC";
const RESOLVED_SINCE: &str = "
    SELECT alert_id, rule, target, summary, since, seen_at, observed, normal, alert_limit, top, opened_at,
           acknowledged_at, acknowledged_by, resolved_at
      FROM alert
     WHERE resolved_at >= $1";
const LATEST: &str = "
    SELECT alert_id, rule, target, summary, since, seen_at, observed, normal, alert_limit, top, opened_at,
           acknowledged_at, acknowledged_by, resolved_at
      FROM alert
     ORDER BY opened_at DESC, alert_id DESC
     LIMIT $1";
const BY_ID: &str = "
    SELECT alert_id, rule, target, summary, since, seen_at, observed, normal, alert_limit, top, opened_at,
           acknowledged_at, acknowledged_by, resolved_at
      FROM alert
     WHERE alert_id = $1";
const COUNT_UNRESOLVED: &str = "
    SELECT rule, COUNT(*)
      FROM alert
     WHERE resolved_at IS NULL
     GROUP BY rule";
const FORGET: &str = "
    DELETE FROM alert
     WHERE resolved_at < $1";

/// Adds an alert, unless one is open for its rule and target. True if added.
///
/// # Errors
/// [`StoreError`]
pub async fn open(tx: &mut Tx, alert: &AlertRow) -> Result<bool, StoreError> {
    let rows = tx
        .execute(
            OPEN,
            params![
                &alert.alert_id,
                &alert.rule,
                &alert.target,
                &alert.summary,
                alert.since,
                alert.seen_at,
                alert.observed,
                alert.normal,
                alert.alert_limit,
                &alert.top,
                alert.opened_at,
            ],
        )
        .await?;
    Ok(rows == 1)
}

/// What it is about goes on.
///
/// # Errors
/// [`StoreError`]
pub async fn seen(store: &Store, alert: &AlertRow) -> Result<(), StoreError> {
    let sign = params![
        &alert.alert_id,
        &alert.summary,
        alert.seen_at,
        alert.observed,
        &alert.top
    ];
    store.execute(SEEN, sign).await.map(drop)
}

/// Somebody took notice. False if somebody had, or it has ended.
///
/// # Errors
/// [`StoreError`]
pub async fn acknowledge(
    tx: &mut Tx,
    alert_id: &str,
    actor: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let rows = tx
        .execute(ACKNOWLEDGE, params![alert_id, now, actor])
        .await?;
    Ok(rows == 1)
}

/// It has ended. False if another node said so, or it was seen again.
///
/// # Errors
/// [`StoreError`]
pub async fn resolve(
    tx: &mut Tx,
    alert_id: &str,
    seen_at: i64,
    now: i64,
) -> Result<bool, StoreError> {
    let rows = tx.execute(RESOLVE, params![alert_id, now, seen_at]).await?;
    Ok(rows == 1)
}

/// Open and acknowledged ones, latest first.
///
/// # Errors
/// [`StoreError`]
pub async fn unresolved(store: &Store) -> Result<Vec<AlertRow>, StoreError> {
    store.fetch_all(UNRESOLVED, params![]).await
}

/// Those that ended at this time or later, Unix seconds.
///
/// # Errors
/// [`StoreError`]
pub async fn resolved_since(store: &Store, at: i64) -> Result<Vec<AlertRow>, StoreError> {
    store.fetch_all(RESOLVED_SINCE, params![at]).await
}

/// At most `limit`, whatever became of them, latest first.
///
/// # Errors
/// [`StoreError`]
pub async fn latest(store: &Store, limit: i64) -> Result<Vec<AlertRow>, StoreError> {
    store.fetch_all(LATEST, params![limit]).await
}

/// The alert of an id.
///
/// # Errors
/// [`StoreError`]
pub async fn by_id(store: &Store, alert_id: &str) -> Result<Option<AlertRow>, StoreError> {
    store.fetch_optional(BY_ID, params![alert_id]).await
}

/// How many are open or acknowledged, by rule.
///
/// # Errors
/// [`StoreError`]
pub async fn count_unresolved(store: &Store) -> Result<Vec<(String, i64)>, StoreError> {
    store.fetch_all(COUNT_UNRESOLVED, params![]).await
}

/// Removes those that ended before a time, Unix seconds.
///
/// # Errors
/// [`StoreError`]
pub async fn forget(store: &Store, before: i64) -> Result<u64, StoreError> {
    store.execute(FORGET, params![before]).await
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[
    OPEN,
    SEEN,
    ACKNOWLEDGE,
    RESOLVE,
    UNRESOLVED,
    RESOLVED_SINCE,
    LATEST,
    BY_ID,
    COUNT_UNRESOLVED,
    FORGET,
];
