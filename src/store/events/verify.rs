//! Whether every event is still as it was written: the chain of each writer, and its signed ends.

pub mod anchor;
mod fault;

pub use anchor::{begin, begun};
pub use fault::Fault;

use super::Recorder;
use super::row::EventRow;
use crate::crypto::chain::ChainKey;
use crate::crypto::token::equal;
use crate::domain::event::{ChainEnd, Happening, Sort};
use crate::store::{Store, StoreError, params};
use std::collections::BTreeMap;

/// Rows read at once.
const PAGE: i64 = 1000;

const WRITERS: &str = "
    SELECT writer, seq, hash, removed_seq, removed_hash, removed_signature
      FROM event_writer
     ORDER BY writer";
pub(super) const CHAIN: &str = "
    SELECT event_id, kind, severity, at, writer, seq, hash, request_id, trace_id, address, device, subject,
           client_id, detail, label, route, amount
      FROM event
     WHERE writer = $1
       AND seq > $2
     ORDER BY seq
     LIMIT $3";
const HEADS: &str = "
    SELECT writer, seq, hash, at, signature
      FROM event_head
     ORDER BY writer, seq";
const HASH_AT: &str = "
    SELECT hash
      FROM event
     WHERE writer = $1
       AND seq = $2";
const HEAD: &str = "
    SELECT seq, hash
      FROM event_writer
     WHERE writer = $1";
const ENDS: &str = "
    SELECT writer, seq, hash
      FROM event_writer
     ORDER BY writer";
const SIGN: &str = "
    INSERT INTO event_head (writer, seq, hash, at, signature)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (writer, seq) DO NOTHING";

#[derive(sqlx::FromRow)]
struct Writer {
    #[sqlx(rename = "writer")]
    name: String,
    seq: i64,
    hash: String,
    removed_seq: i64,
    removed_hash: String,
    removed_signature: String,
}

/// The signed end of a chain, as it was kept apart from the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptHead {
    /// Whose chain.
    pub writer: String,
    /// Its place.
    pub seq: i64,
    /// The chain's hash there.
    pub hash: String,
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Chained events.
    pub events: u64,
    /// Writers.
    pub writers: u64,
    /// Signed ends.
    pub heads: u64,
    /// Events from before the chain: nothing is known of them.
    pub unchained: i64,
    /// What is wrong, at most [`MOST_FAULTS`] a writer.
    pub faults: Vec<Fault>,
}

/// Faults that are told of one writer.
pub const MOST_FAULTS: usize = 20;

/// Signs the end of each of this node's chains. Returns those that went on, for the log: a copy that is kept elsewhere
/// shows a chain that was cut short.
///
/// # Errors
/// [`StoreError`]
pub async fn sign_heads(
    store: &Store,
    recorder: &Recorder,
    now: i64,
) -> Result<Vec<KeptHead>, StoreError> {
    let mut signed = Vec::new();
    for sort in Sort::ALL {
        let writer = sort.chain(recorder.writer());
        let head: Option<(i64, String)> = store.fetch_optional(HEAD, params![&writer]).await?;
        let Some((seq, hash)) = head else { continue };
        let signature = recorder.key().sign_head(&writer, seq, &hash, now);
        let new = store
            .execute(SIGN, params![&writer, seq, &hash, now, &signature])
            .await?;
        if new > 0 {
            signed.push(KeptHead { writer, seq, hash });
        }
    }
    Ok(signed)
}

/// The end of every chain, of whichever node.
///
/// # Errors
/// [`StoreError`]
pub async fn ends(store: &Store) -> Result<Vec<ChainEnd>, StoreError> {
    let ends: Vec<(String, i64, String)> = store.fetch_all(ENDS, params![]).await?;
    let ends = ends.into_iter();
    Ok(ends
        .map(|(writer, seq, hash)| ChainEnd { writer, seq, hash })
        .collect())
}

/// Looks at every chain from its beginning to its end, and whether it holds what was kept of it elsewhere.
///
/// # Errors
/// [`StoreError`]
pub async fn verify(
    store: &Store,
    key: &ChainKey,
    kept: &[KeptHead],
) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let mut told = Told::new();
    anchor::check(store, key, &mut report).await?;
    let writers: Vec<Writer> = store.fetch_all(WRITERS, params![]).await?;
    for writer in &writers {
        let signed = key.sign_removal(&writer.name, writer.removed_seq, &writer.removed_hash);
        if writer.removed_seq > 0 && !equal(&signed, &writer.removed_signature) {
            report.faults.push(Fault::Removed {
                writer: writer.name.clone(),
                from: 1,
                to: writer.removed_seq,
            });
        }
        chain(store, key, writer, (&mut report, &mut told)).await?;
        report.writers += 1;
    }
    heads(store, key, &writers, &mut report).await?;
    for (writer, (seq, hash)) in told {
        if !writers.iter().any(|known| known.name == writer) {
            report.faults.push(Fault::Missing { writer, seq });
        } else if !holds(store, &writers, &writer, seq, &hash).await? {
            report.faults.push(Fault::Head { writer, seq });
        }
    }
    for head in kept {
        if !holds(store, &writers, &head.writer, head.seq, &head.hash).await? {
            report.faults.push(Fault::Head {
                writer: head.writer.clone(),
                seq: head.seq,
            });
        }
    }
    Ok(report)
}

/// How far each chain was, by the last that another tells of it.
type Told = BTreeMap<String, (i64, String)>;

async fn chain(
    store: &Store,
    key: &ChainKey,
    Writer {
        name: writer,
        seq: end,
        hash: end_hash,
        removed_seq,
        removed_hash,
        ..
    }: &Writer,
    (report, told): (&mut Report, &mut Told),
) -> Result<(), StoreError> {
    let (mut seq, mut hash) = (*removed_seq, removed_hash.clone());
    let mut faults = Vec::new();
    loop {
        let rows: Vec<EventRow> = store.fetch_all(CHAIN, params![writer, seq, PAGE]).await?;
        let last_page = i64::try_from(rows.len()).unwrap_or(i64::MAX) < PAGE;
        for row in rows {
            let place = row.seq.unwrap_or_default();
            let missing = place - seq - 1;
            if missing > 0 {
                faults.push(Fault::Removed {
                    writer: writer.clone(),
                    from: seq + 1,
                    to: place - 1,
                });
            } else if !row.is_counted_rightly()
                || !equal(
                    &row.link(key, &hash),
                    row.hash.as_deref().unwrap_or_default(),
                )
            {
                faults.push(Fault::Altered {
                    writer: writer.clone(),
                    seq: place,
                    event_id: row.event_id.clone(),
                });
            } else if let Some(Happening::ChainEnds { ends }) = row.happening() {
                for end in ends {
                    let known = told.entry(end.writer).or_default();
                    if known.0 < end.seq {
                        *known = (end.seq, end.hash);
                    }
                }
            }
            seq = place;
            hash = row.hash.unwrap_or_default();
            report.events += 1;
        }
        if last_page {
            break;
        }
    }
    if seq < *end {
        faults.push(Fault::Removed {
            writer: writer.clone(),
            from: seq + 1,
            to: *end,
        });
    } else if hash != *end_hash && faults.is_empty() {
        faults.push(Fault::Head {
            writer: writer.clone(),
            seq: *end,
        });
    }
    faults.truncate(MOST_FAULTS);
    report.faults.append(&mut faults);
    Ok(())
}

async fn heads(
    store: &Store,
    key: &ChainKey,
    writers: &[Writer],
    report: &mut Report,
) -> Result<(), StoreError> {
    let heads: Vec<(String, i64, String, i64, String)> = store.fetch_all(HEADS, params![]).await?;
    for (writer, seq, hash, at, signature) in heads {
        report.heads += 1;
        let genuine = equal(&key.sign_head(&writer, seq, &hash, at), &signature);
        let fits = holds(store, writers, &writer, seq, &hash).await?;
        if !(genuine && fits) {
            report.faults.push(Fault::Head { writer, seq });
        }
    }
    Ok(())
}

/// Whether a chain has this hash at this place, or had it before its beginning was removed for its age.
async fn holds(
    store: &Store,
    writers: &[Writer],
    writer: &str,
    seq: i64,
    hash: &str,
) -> Result<bool, StoreError> {
    let stored: Option<(Option<String>,)> =
        store.fetch_optional(HASH_AT, params![writer, seq]).await?;
    Ok(match stored {
        Some((stored,)) => stored.as_deref() == Some(hash),
        None => writers
            .iter()
            .any(|known| known.name == writer && seq <= known.removed_seq),
    })
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[WRITERS, CHAIN, HEADS, HASH_AT, HEAD, ENDS, SIGN];
