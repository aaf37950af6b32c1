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

/// Records an event in the transaction of the act it describes.
///
/// # Errors
/// [`StoreError`]
pub async fn record(tx: &mut Tx, event_id: &str, event: &Event) -> Result<(), StoreError> {
    let detail = Value::Object(event.detail.clone()).to_string();
    tx.execute(
        INSERT,
        params![event_id, event.kind.as_str(), event.at, detail],
    )
    .await
    .map(drop)
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
