//! Removing events that are old enough, from the beginning of each chain, so that the rest can still be verified.

use super::row::EventRow;
use crate::crypto::chain::ChainKey;
use crate::store::{Store, StoreError, params};

/// Rows removed in one transaction, at most.
pub const BATCH: i64 = 500;

const WRITERS: &str = "
    SELECT writer, seq, removed_seq
      FROM event_writer
     ORDER BY writer";
/// The first event that stays: all before it are old.
const FIRST_KEPT: &str = "
    SELECT seq
      FROM event
     WHERE writer = $1
       AND seq > $2
       AND seq <= $3
       AND at >= $4
     ORDER BY seq
     LIMIT 1";
const LAST_REMOVED: &str = "
    SELECT event_id, kind, severity, at, writer, seq, hash, request_id, trace_id, address, device, subject,
           client_id, detail
      FROM event
     WHERE writer = $1
       AND seq = $2";
const MOVE_BEGINNING: &str = "
    UPDATE event_writer
       SET removed_seq = $3,
           removed_hash = $4,
           removed_signature = $5
     WHERE writer = $1
       AND removed_seq = $2";
const REMOVE: &str = "
    DELETE FROM event
     WHERE writer = $1
       AND seq <= $2";
const REMOVE_HEADS: &str = "
    DELETE FROM event_head
     WHERE writer = $1
       AND seq < $2";
const REMOVE_UNCHAINED: &str = "
    DELETE FROM event
     WHERE event_id IN (SELECT event_id FROM event WHERE writer IS NULL AND at < $1 LIMIT $2)";

/// Removes at most [`BATCH`] events of each writer that are from before `cutoff`, Unix seconds. Returns how many; call
/// again while that is not 0.
///
/// # Errors
/// [`StoreError`]
pub async fn batch(store: &Store, key: &ChainKey, cutoff: i64) -> Result<u64, StoreError> {
    let mut removed = store
        .execute(REMOVE_UNCHAINED, params![cutoff, BATCH])
        .await?;
    let writers: Vec<(String, i64, i64)> = store.fetch_all(WRITERS, params![]).await?;
    for (writer, end, beginning) in writers {
        let window_end = end.min(beginning + BATCH);
        let first_kept: Option<(i64,)> = store
            .fetch_optional(FIRST_KEPT, params![&writer, beginning, window_end, cutoff])
            .await?;
        let last = first_kept.map_or(window_end, |(seq,)| seq - 1);
        if last > beginning {
            removed += remove_to(store, key, &writer, (beginning, last)).await?;
        }
    }
    Ok(removed)
}

async fn remove_to(
    store: &Store,
    key: &ChainKey,
    writer: &str,
    (beginning, last): (i64, i64),
) -> Result<u64, StoreError> {
    let mut tx = store.begin().await?;
    let row: Option<EventRow> = tx
        .fetch_optional(LAST_REMOVED, params![writer, last])
        .await?;
    // A chain with a gap is evidence: it stays as it is, for 'events verify' to name it.
    let Some(hash) = row.and_then(|row| row.hash) else {
        return Ok(0);
    };
    // Another node was at it: the rows are its business.
    let signature = key.sign_removal(writer, last, &hash);
    let moved = tx
        .execute(
            MOVE_BEGINNING,
            params![writer, beginning, last, &hash, &signature],
        )
        .await?;
    if moved == 0 {
        return Ok(0);
    }
    let removed = tx.execute(REMOVE, params![writer, last]).await?;
    tx.execute(REMOVE_HEADS, params![writer, last]).await?;
    tx.commit().await?;
    Ok(removed)
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[
    WRITERS,
    FIRST_KEPT,
    LAST_REMOVED,
    MOVE_BEGINNING,
    REMOVE,
    REMOVE_HEADS,
    REMOVE_UNCHAINED,
];
