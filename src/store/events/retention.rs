//! Removing events that are old enough, from the beginning of each chain, so that the rest can still be verified.

use super::row::EventRow;
use super::verify::CHAIN;
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
const BEGINNING: &str = "
    SELECT removed_hash
      FROM event_writer
     WHERE writer = $1
       AND removed_seq = $2";
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

/// Removes a chain's rows up to one, and signs where it begins from then on. What isn't as it was written is evidence: it
/// stays, for 'events verify' to name it, and nobody has us remove a row by making it look old.
pub(super) async fn remove_to(
    store: &Store,
    key: &ChainKey,
    writer: &str,
    (beginning, last): (i64, i64),
) -> Result<u64, StoreError> {
    let mut tx = store.begin().await?;
    let begins: Option<(String,)> = tx
        .fetch_optional(BEGINNING, params![writer, beginning])
        .await?;
    // Another node was at it: the rows are its business.
    let Some((mut hash,)) = begins else {
        return Ok(0);
    };
    let rows: Vec<EventRow> = tx
        .fetch_all(CHAIN, params![writer, beginning, last - beginning])
        .await?;
    for (place, row) in (beginning + 1..).zip(&rows) {
        let expected = row.link(key, &hash);
        if row.seq != Some(place) || row.hash.as_ref() != Some(&expected) {
            return Ok(0);
        }
        hash = expected;
    }
    if rows.last().and_then(|row| row.seq) != Some(last) {
        return Ok(0);
    }
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
    BEGINNING,
    MOVE_BEGINNING,
    REMOVE,
    REMOVE_HEADS,
    REMOVE_UNCHAINED,
];
