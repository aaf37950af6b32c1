//! Whether every event is still as it was written: the chain of each writer, and its signed ends.

use super::Recorder;
use super::row::EventRow;
use crate::crypto::chain::ChainKey;
use crate::crypto::token::equal;
use crate::store::{Store, StoreError, params};
use std::fmt;

/// The setting that says since when events are chained, and how many there were before.
const SINCE: &str = "events_chained_since";
/// Rows read at once.
const PAGE: i64 = 1000;

const WRITERS: &str = "
    SELECT writer, seq, hash, removed_seq, removed_hash, removed_signature
      FROM event_writer
     ORDER BY writer";
const CHAIN: &str = "
    SELECT event_id, kind, severity, at, writer, seq, hash, request_id, trace_id, address, device, subject,
           client_id, detail, label, route, amount
      FROM event
     WHERE writer = $1
       AND seq > $2
     ORDER BY seq
     LIMIT $3";
const STRANGERS: &str = "
    SELECT event_id
      FROM event
     WHERE writer IS NULL
        OR seq IS NULL
        OR NOT EXISTS (SELECT 1 FROM event_writer WHERE event_writer.writer = event.writer)
     ORDER BY at, event_id
     LIMIT $1";
const UNCHAINED: &str = "
    SELECT COUNT(*)
      FROM event
     WHERE writer IS NULL
       AND at < $1";
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
const SIGN: &str = "
    INSERT INTO event_head (writer, seq, hash, at, signature)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (writer, seq) DO NOTHING";
const GET: &str = "SELECT value FROM setting WHERE name = $1";
const PUT: &str = "
    INSERT INTO setting (name, value)
    VALUES ($1, $2)
    ON CONFLICT (name) DO NOTHING";

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

/// Something that isn't as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A row's content and its hash don't belong together: it, or the one before it, was altered.
    Altered {
        /// Whose chain.
        writer: String,
        /// Its place.
        seq: i64,
        /// Its id.
        event_id: String,
    },
    /// Rows are missing between two others, or at the end.
    Removed {
        /// Whose chain.
        writer: String,
        /// The first that is missing.
        from: i64,
        /// The last that is missing.
        to: i64,
    },
    /// A row that belongs to no chain.
    Inserted {
        /// Its id.
        event_id: String,
    },
    /// A signed end of a chain isn't what was signed, or isn't in the chain.
    Head {
        /// Whose chain.
        writer: String,
        /// Its place.
        seq: i64,
    },
    /// What is known of the time before the chain was altered.
    Beginning,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered {
                writer,
                seq,
                event_id,
            } => write!(
                f,
                "altered: event {event_id} (number {seq} of {writer}) is not as it was written"
            ),
            Self::Removed { writer, from, to } if from == to => {
                write!(f, "removed: event number {from} of {writer} is missing")
            }
            Self::Removed { writer, from, to } => {
                write!(
                    f,
                    "removed: events number {from} to {to} of {writer} are missing"
                )
            }
            Self::Inserted { event_id } => {
                write!(f, "inserted: event {event_id} was not written by any node")
            }
            Self::Head { writer, seq } => write!(
                f,
                "altered: the signed end number {seq} of {writer} is not that of its chain"
            ),
            Self::Beginning => {
                f.write_str("altered: the setting events_chained_since is not as it was written")
            }
        }
    }
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

/// Notes once since when events are chained, and how many there were before.
///
/// # Errors
/// [`StoreError`]
pub async fn begin(store: &Store, recorder: &Recorder, now: i64) -> Result<(), StoreError> {
    if store
        .fetch_optional::<(String,)>(GET, params![SINCE])
        .await?
        .is_some()
    {
        return Ok(());
    }
    let (count,): (i64,) = store.fetch_one(UNCHAINED, params![i64::MAX]).await?;
    let fact = format!("{now} {count}");
    let value = format!("{fact} {}", recorder.key().sign_fact(SINCE, &fact));
    store.execute(PUT, params![SINCE, &value]).await.map(drop)
}

/// Since when events are chained, Unix seconds; `None` before the first start.
///
/// # Errors
/// [`StoreError`]
pub async fn begun(store: &Store) -> Result<Option<i64>, StoreError> {
    let value: Option<(String,)> = store.fetch_optional(GET, params![SINCE]).await?;
    Ok(value.and_then(|(value,)| value.split(' ').next()?.parse().ok()))
}

/// Signs the end of this writer's chain. Returns its number and hash, for the log: a copy that is kept elsewhere shows a
/// chain that was cut short.
///
/// # Errors
/// [`StoreError`]
pub async fn sign_head(
    store: &Store,
    recorder: &Recorder,
    now: i64,
) -> Result<Option<(i64, String)>, StoreError> {
    let writer = recorder.writer();
    let head: Option<(i64, String)> = store.fetch_optional(HEAD, params![writer]).await?;
    let Some((seq, hash)) = head else {
        return Ok(None);
    };
    let signature = recorder.key().sign_head(writer, seq, &hash, now);
    let signed = store
        .execute(SIGN, params![writer, seq, &hash, now, &signature])
        .await?;
    Ok((signed > 0).then_some((seq, hash)))
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
    beginning(store, key, &mut report).await?;
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
        chain(store, key, writer, &mut report).await?;
        report.writers += 1;
    }
    heads(store, key, &writers, &mut report).await?;
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

async fn beginning(store: &Store, key: &ChainKey, report: &mut Report) -> Result<(), StoreError> {
    let value: Option<(String,)> = store.fetch_optional(GET, params![SINCE]).await?;
    let mut parts = value.as_ref().map(|(value,)| value.splitn(3, ' '));
    let mut next = || parts.as_mut().and_then(Iterator::next).unwrap_or_default();
    let (since, count, signature) = (next(), next(), next());
    let genuine = equal(
        &key.sign_fact(SINCE, &format!("{since} {count}")),
        signature,
    );
    let since: i64 = since.parse().unwrap_or(i64::MIN);
    let known: i64 = count.parse().unwrap_or(0);
    if value.is_some() && !genuine {
        report.faults.push(Fault::Beginning);
    }
    report.unchained = store
        .fetch_one::<(i64,)>(UNCHAINED, params![since])
        .await?
        .0;
    let strangers: Vec<(String,)> = store.fetch_all(STRANGERS, params![known + PAGE]).await?;
    // Those from before the chain were counted when it began: what is beyond that number came in later.
    let beyond = usize::try_from(report.unchained.min(known)).unwrap_or(0);
    let inserted = strangers.into_iter().skip(beyond).take(MOST_FAULTS);
    report
        .faults
        .extend(inserted.map(|(event_id,)| Fault::Inserted { event_id }));
    Ok(())
}

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
    report: &mut Report,
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
pub const STATEMENTS: &[&str] = &[
    WRITERS, CHAIN, STRANGERS, UNCHAINED, HEADS, HASH_AT, HEAD, SIGN, GET, PUT,
];
