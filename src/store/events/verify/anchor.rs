//! Since when events are chained, and what there was before: signed once, and never again.

use super::{Fault, MOST_FAULTS, Recorder, Report};
use crate::crypto::chain::ChainKey;
use crate::crypto::token::equal;
use crate::store::{Store, StoreError, params};

/// The setting that says since when events are chained, and how many there were before.
const SINCE: &str = "events_chained_since";

const GET: &str = "SELECT value FROM setting WHERE name = $1";
const PUT: &str = "
    INSERT INTO setting (name, value)
    VALUES ($1, $2)
    ON CONFLICT (name) DO NOTHING";
/// Whether anything is left of a chain.
const IS_CHAINED: &str = "
    SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM event_writer)
                       OR EXISTS (SELECT 1 FROM event_head)
                       OR EXISTS (SELECT 1 FROM event WHERE writer IS NOT NULL)
                     THEN 1 ELSE 0 END AS BIGINT)";

/// What a row of the first version looks like, which knew no chain.
macro_rules! unchained {
    () => {
        "writer IS NULL AND seq IS NULL AND hash IS NULL AND severity IS NULL AND at < $1"
    };
}

const UNCHAINED: &str = concat!("SELECT COUNT(*) FROM event WHERE ", unchained!());
/// Those beyond the number that there was.
const SURPLUS: &str = concat!(
    "
    SELECT event_id
      FROM event
     WHERE ",
    unchained!(),
    "
     ORDER BY at, event_id
     LIMIT $2 OFFSET $3"
);
/// Rows that no chain has and no first version wrote; also those that stand before their chain begins.
const STRANGERS: &str = concat!(
    "
    SELECT event_id
      FROM event
     WHERE (writer IS NULL AND NOT (",
    unchained!(),
    "))
        OR (writer IS NOT NULL
            AND (seq IS NULL
                 OR NOT EXISTS (SELECT 1
                                  FROM event_writer
                                 WHERE event_writer.writer = event.writer
                                   AND event_writer.removed_seq < event.seq)))
     ORDER BY at, event_id
     LIMIT $2"
);

/// Notes once since when events are chained, and how many there were before. Where something is chained already, somebody
/// has removed the note: it's not made again, and [`check`] tells.
///
/// # Errors
/// [`StoreError`]
pub async fn begin(store: &Store, recorder: &Recorder, now: i64) -> Result<(), StoreError> {
    if begun(store).await?.is_some() {
        return Ok(());
    }
    let (is_chained,): (i64,) = store.fetch_one(IS_CHAINED, params![]).await?;
    if is_chained != 0 {
        tracing::error!(
            "the setting {SINCE} is missing, though events are chained: somebody removed it; run 'gatewright events \
             verify', and restore the setting from a backup"
        );
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

/// Looks at the note, and at what is in no chain.
pub(super) async fn check(
    store: &Store,
    key: &ChainKey,
    report: &mut Report,
) -> Result<(), StoreError> {
    let value: Option<(String,)> = store.fetch_optional(GET, params![SINCE]).await?;
    let genuine = value.and_then(|(value,)| genuine(key, &value));
    if genuine.is_none() {
        report.faults.push(Fault::Beginning);
    }
    // Nobody vouches for anything that is in no chain then.
    let (since, known) = genuine.unwrap_or((i64::MIN, 0));
    report.unchained = store
        .fetch_one::<(i64,)>(UNCHAINED, params![since])
        .await?
        .0;
    let most = i64::try_from(MOST_FAULTS).unwrap_or(i64::MAX);
    let strangers = store.fetch_all(STRANGERS, params![since, most]).await?;
    let surplus = store
        .fetch_all(SURPLUS, params![since, most, known])
        .await?;
    let inserted = strangers.into_iter().chain(surplus).take(MOST_FAULTS);
    report
        .faults
        .extend(inserted.map(|(event_id,)| Fault::Inserted { event_id }));
    Ok(())
}

/// The time and the number that the note tells, if we signed it.
fn genuine(key: &ChainKey, value: &str) -> Option<(i64, i64)> {
    let (fact, signature) = value.rsplit_once(' ')?;
    let (since, count) = fact.split_once(' ')?;
    equal(&key.sign_fact(SINCE, fact), signature).then_some(())?;
    Some((since.parse().ok()?, count.parse().ok()?))
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[GET, PUT, IS_CHAINED, UNCHAINED, SURPLUS, STRANGERS];
