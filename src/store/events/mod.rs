//! The table of events: rows are added and, when they are old enough, removed from the beginning; never changed.

use super::{Store, StoreError, Tx, params};
use crate::crypto::chain::{ChainKey, GENESIS};
use crate::domain::event::{Event, Sort};
use std::fmt;
use std::sync::Arc;

pub mod budget;
pub mod counts;
mod line;
pub mod retention;
mod row;
pub mod search;
pub mod verify;

pub use row::EventRow;

/// Holds the end of the writer's chain until the transaction ends, and tells it.
const HOLD: &str = "
    INSERT INTO event_writer (writer, seq, hash, removed_seq, removed_hash, removed_signature)
    VALUES ($1, CAST(0 AS BIGINT), $2, CAST(0 AS BIGINT), $2, $2)
    ON CONFLICT (writer) DO UPDATE
       SET seq = event_writer.seq
    RETURNING seq, hash";
const INSERT: &str = "
    INSERT INTO event (event_id, kind, severity, at, writer, seq, hash, request_id, trace_id, address, device,
                       subject, client_id, detail, label, route, amount)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
const ADVANCE: &str = "
    UPDATE event_writer
       SET seq = $2,
           hash = $3
     WHERE writer = $1";

/// Told of each event once it has happened.
pub type Watch = Arc<dyn Fn(&Event) + Send + Sync>;

/// Who writes events, the key of the chain, and who is told.
#[derive(Clone)]
pub struct Recorder {
    writer: Arc<str>,
    key: ChainKey,
    watch: Option<Watch>,
}

impl Recorder {
    /// One for the node of this name.
    pub fn new(writer: &str, key: ChainKey) -> Self {
        Self {
            writer: writer.into(),
            key,
            watch: None,
        }
    }

    /// Tells `watch` of every event, too.
    #[must_use]
    pub fn watched_by(self, watch: Watch) -> Self {
        Self {
            watch: Some(watch),
            ..self
        }
    }

    /// Tells log and watch of an event that has happened.
    pub fn tell(&self, event: &Event) {
        line::log(event);
        if let Some(watch) = &self.watch {
            watch(event);
        }
    }

    /// The node's name, which that of each of its chains begins with.
    pub fn writer(&self) -> &str {
        &self.writer
    }

    /// The key of the chain.
    pub fn key(&self) -> &ChainKey {
        &self.key
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recorder").field(&self.writer).finish()
    }
}

/// Records an event in the transaction of the act it describes. It's written just before the commit, when everything
/// else has its locks: so two transactions never wait for each other here.
pub fn record(tx: &mut Tx, recorder: &Recorder, event: Event) {
    tx.announce(recorder, event);
}

/// Appends events to the node's chains, one for each sort, in the transaction at hand. Every transaction takes the chains
/// in the same order, so two never wait for each other.
pub(super) async fn append(
    tx: &mut Tx,
    recorder: &Recorder,
    events: &[Event],
) -> Result<(), StoreError> {
    for sort in Sort::ALL {
        let of_sort: Vec<&Event> = events
            .iter()
            .filter(|event| event.happening.sort() == sort)
            .collect();
        if !of_sort.is_empty() {
            let chain = sort.chain(recorder.writer());
            append_to(tx, recorder.key(), &chain, &of_sort).await?;
        }
    }
    Ok(())
}

async fn append_to(
    tx: &mut Tx,
    key: &ChainKey,
    writer: &str,
    events: &[&Event],
) -> Result<(), StoreError> {
    let head: Option<(i64, String)> = tx.fetch_optional(HOLD, params![writer, GENESIS]).await?;
    let (mut seq, mut hash) =
        head.ok_or_else(|| StoreError::Internal("an event's chain has no end".to_owned()))?;
    for event in events {
        seq += 1;
        let mut row = EventRow::of(event, writer, seq);
        hash = row.link(key, &hash);
        row.hash = Some(hash.clone());
        tx.execute(INSERT, row.params()).await?;
    }
    tx.execute(ADVANCE, params![writer, seq, &hash]).await?;
    Ok(())
}

/// Writes queued events, of which log and watch were told, in a transaction of their own.
///
/// # Errors
/// [`StoreError`]: then none is written.
pub async fn write(store: &Store, recorder: &Recorder, events: &[Event]) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    append(&mut tx, recorder, events).await?;
    tx.commit().await
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[HOLD, INSERT, ADVANCE];
