//! Messages about alerts, from the transaction that the alert changed in until they are delivered.

use crate::store::{Store, StoreError, Tx, params};

/// A message that is claimed: nobody else sends it meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct MessageRow {
    /// Its id: the same whenever it is sent again.
    pub message_id: String,
    /// The alert that it is about.
    pub alert_id: String,
    /// The notifier that is to send it.
    pub notifier: String,
    /// What it says, JSON.
    pub body: String,
    /// Unix seconds.
    pub created_at: i64,
    /// How often it was tried in vain.
    pub attempts: i64,
}

/// Messages of one notifier that wait too long.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Overdue {
    /// The notifier.
    pub notifier: String,
    /// How many wait.
    pub waiting: i64,
    /// Since when the first does, Unix seconds.
    pub since: i64,
}

const ADD: &str = "
    INSERT INTO alert_message (message_id, alert_id, notifier, body, created_at, attempts, next_at, claimed_until)
    VALUES ($1, $2, $3, $4, $5, CAST(0 AS BIGINT), $5, CAST(0 AS BIGINT))";
/// The condition is looked at again when the row is locked: two nodes never claim the same.
const CLAIM: &str = "
    UPDATE alert_message
       SET claimed_until = $2
     WHERE message_id = (SELECT message_id
                           FROM alert_message
                          WHERE next_at <= $1
                            AND claimed_until <= $1
                            AND notifier = $3
                          ORDER BY next_at, message_id
                          LIMIT 1)
       AND next_at <= $1
       AND claimed_until <= $1
    RETURNING message_id, alert_id, notifier, body, created_at, attempts";
const DELIVERED: &str = "DELETE FROM alert_message WHERE message_id = $1";
const FAILED: &str = "
    UPDATE alert_message
       SET attempts = attempts + CAST(1 AS BIGINT),
           next_at = $2,
           claimed_until = CAST(0 AS BIGINT)
     WHERE message_id = $1";
const OVERDUE: &str = "
    SELECT notifier, COUNT(*) AS waiting, MIN(created_at) AS since
      FROM alert_message
     WHERE attempts > 0
       AND created_at <= $1
     GROUP BY notifier
     ORDER BY notifier";
const GIVE_UP: &str = "
    DELETE FROM alert_message
     WHERE created_at < $1";

/// Adds a message in the transaction of what it tells.
///
/// # Errors
/// [`StoreError`]
pub async fn add(tx: &mut Tx, message: &MessageRow) -> Result<(), StoreError> {
    tx.execute(
        ADD,
        params![
            &message.message_id,
            &message.alert_id,
            &message.notifier,
            &message.body,
            message.created_at,
        ],
    )
    .await
    .map(drop)
}

/// One message of a notifier that is due, claimed until a time, Unix seconds.
///
/// # Errors
/// [`StoreError`]
pub async fn claim(
    store: &Store,
    notifier: &str,
    (now, until): (i64, i64),
) -> Result<Option<MessageRow>, StoreError> {
    store
        .execute_returning(CLAIM, params![now, until, notifier])
        .await
}

/// A message has arrived.
///
/// # Errors
/// [`StoreError`]
pub async fn delivered(store: &Store, message_id: &str) -> Result<(), StoreError> {
    store
        .execute(DELIVERED, params![message_id])
        .await
        .map(drop)
}

/// A message has not arrived, and is tried again at a time, Unix seconds.
///
/// # Errors
/// [`StoreError`]
pub async fn failed(store: &Store, message_id: &str, next_at: i64) -> Result<(), StoreError> {
    store
        .execute(FAILED, params![message_id, next_at])
        .await
        .map(drop)
}

/// Notifiers with messages from this time or before that were tried in vain.
///
/// # Errors
/// [`StoreError`]
pub async fn overdue(store: &Store, created_before: i64) -> Result<Vec<Overdue>, StoreError> {
    store.fetch_all(OVERDUE, params![created_before]).await
}

/// Removes messages from before a time. Returns how many.
///
/// # Errors
/// [`StoreError`]
pub async fn give_up(store: &Store, created_before: i64) -> Result<u64, StoreError> {
    store.execute(GIVE_UP, params![created_before]).await
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[ADD, CLAIM, DELIVERED, FAILED, OVERDUE, GIVE_UP];
