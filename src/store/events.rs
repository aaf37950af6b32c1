//! The table of security events: rows are added, never changed.

use super::{Store, StoreError, Tx, params};
use crate::domain::event::Event;
use serde_json::Value;

const INSERT: &str = "
    INSERT INTO event (event_id, kind, at, detail)
    VALUES ($1, $2, $3, $4)";
const RECENT: &str = "
    SELECT kind, at, detail
      FROM event
     ORDER BY at DESC, event_id DESC
     LIMIT $1";

/// Records an event in the transaction of the act it describes; the log tells of it once that has happened.
///
/// # Errors
/// [`StoreError`]
pub async fn record(tx: &mut Tx, event_id: &str, event: Event) -> Result<(), StoreError> {
    let detail = Value::Object(event.detail.clone()).to_string();
    tx.execute(
        INSERT,
        params![event_id, event.kind.as_str(), event.at, detail],
    )
    .await?;
    tx.announce(event);
    Ok(())
}

/// One line of the log for an event that has happened.
pub(super) fn log(event: &Event) {
    let kind = event.kind.as_str();
    let detail = Value::Object(event.detail.clone());
    if event.kind.is_suspicious() {
        tracing::warn!(event = kind, %detail, "security event");
    } else {
        tracing::info!(event = kind, %detail, "security event");
    }
}

/// The latest events, newest first: kind, Unix seconds, detail as JSON.
///
/// # Errors
/// [`StoreError`]
pub async fn recent(store: &Store, limit: i64) -> Result<Vec<(String, i64, Value)>, StoreError> {
    let rows: Vec<(String, i64, String)> = store.fetch_all(RECENT, params![limit]).await?;
    rows.into_iter()
        .map(|(kind, at, detail)| Ok((kind, at, serde_json::from_str(&detail)?)))
        .collect()
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[INSERT, RECENT];
