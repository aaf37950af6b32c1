//! Finding events: newest first, by whatever is known of them.

use super::row::EventRow;
use crate::store::{Param, Store, StoreError, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;
use std::iter::repeat;

/// What to look for; what is `None` may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// About this person.
    pub subject: Option<String>,
    /// About this client.
    pub client_id: Option<String>,
    /// From this address, as it was kept.
    pub address: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// With this reason, grant or error: whatever events of the kind are counted by. `*` is any: of an authorizer's
    /// decisions, those that have a reason aren't `allow`.
    pub label: Option<String>,
    /// On this route of an API.
    pub route: Option<String>,
    /// In this request.
    pub request_id: Option<String>,
    /// In this trace.
    pub trace_id: Option<String>,
    /// At this time or later, Unix seconds.
    pub since: Option<i64>,
    /// Before this time, Unix seconds.
    pub until: Option<i64>,
}

/// Where a listing goes on: what comes before this event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Unix seconds.
    pub at: i64,
    /// The event's id.
    pub event_id: String,
}

const LATEST: i64 = i64::MAX;

/// The condition that an index serves comes first; the others sift what it finds.
macro_rules! find {
    ($first:literal) => {
        concat!(
            "
    SELECT event_id, kind, severity, at, writer, seq, hash, request_id, trace_id, address, device, subject,
           client_id, detail
      FROM event
     WHERE ",
            $first,
            "
       AND (CAST($1 AS TEXT) IS NULL OR request_id = $1)
       AND (CAST($2 AS TEXT) IS NULL OR trace_id = $2)
       AND (CAST($3 AS TEXT) IS NULL OR subject = $3)
       AND (CAST($4 AS TEXT) IS NULL OR client_id = $4)
       AND (CAST($5 AS TEXT) IS NULL OR address = $5)
       AND (CAST($6 AS TEXT) IS NULL OR kind = $6)
       AND (CAST($12 AS TEXT) IS NULL OR label = $12 OR ($12 = '*' AND label IS NOT NULL))
       AND (CAST($13 AS TEXT) IS NULL OR route = $13)
       AND at >= $7
       AND at <= $8
       AND (at < $9 OR (at = $9 AND event_id < $10))
     ORDER BY at DESC, event_id DESC
     LIMIT $11"
        )
    };
}

const BY_REQUEST: &str = find!("request_id = $1");
const BY_TRACE: &str = find!("trace_id = $2");
const BY_SUBJECT: &str = find!("subject = $3");
const BY_CLIENT: &str = find!("client_id = $4");
const BY_ADDRESS: &str = find!("address = $5");
const BY_KIND: &str = find!("kind = $6");
const BY_TIME: &str = find!("at <= $8");
const BY_ID: &str = "
    SELECT event_id, kind, severity, at, writer, seq, hash, request_id, trace_id, address, device, subject,
           client_id, detail
      FROM event
     WHERE event_id = $1";
/// Which of so many ids there are already; what isn't needed is filled up.
const KNOWN: &str = "
    SELECT event_id
      FROM event
     WHERE event_id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)";
const KNOWN_AT_ONCE: usize = 20;
/// What a follower has not seen, oldest first.
const AFTER: &str = "
    SELECT event_id, kind, severity, at, writer, seq, hash, request_id, trace_id, address, device, subject,
           client_id, detail
      FROM event
     WHERE at >= $1
     ORDER BY at, writer, seq, event_id
     LIMIT $2";
/// Oldest first, for an export.
const IN_ORDER: &str = "
    SELECT event_id, kind, severity, at, writer, seq, hash, request_id, trace_id, address, device, subject,
           client_id, detail
      FROM event
     WHERE at >= $1
       AND at < $2
       AND (at > $3 OR (at = $3 AND event_id > $4))
     ORDER BY at, event_id
     LIMIT $5";

/// What names something in its detail, among the events of one client or person, oldest first.
macro_rules! naming {
    ($whose:literal) => {
        concat!(
            "
    SELECT event_id, kind, severity, at, writer, seq, hash, request_id, trace_id, address, device, subject,
           client_id, detail
      FROM event
     WHERE ",
            $whose,
            " = $1
       AND at >= $2
       AND at <= $3
       AND detail LIKE $4
     ORDER BY at, event_id
     LIMIT $5"
        )
    };
}

const NAMING_OF_CLIENT: &str = naming!("client_id");
const NAMING_OF_SUBJECT: &str = naming!("subject");
const NAMING_OF_KIND: &str = naming!("kind");
const OLDEST: &str = "SELECT MIN(at) FROM event";

/// Whose events are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// A client's.
    Client(&'a str),
    /// A person's.
    Subject(&'a str),
    /// All of a kind.
    Kind(&'a str),
}

/// At most `limit` events from `since` to `until` whose detail has this text as this member, oldest first.
///
/// # Errors
/// [`StoreError`]
pub async fn naming(
    store: &Store,
    whose: Whose<'_>,
    (since, until): (i64, i64),
    (member, text): (&str, &str),
    limit: i64,
) -> Result<Vec<EventRow>, StoreError> {
    let (sql, whose) = match whose {
        Whose::Client(client_id) => (NAMING_OF_CLIENT, client_id),
        Whose::Subject(subject) => (NAMING_OF_SUBJECT, subject),
        Whose::Kind(kind) => (NAMING_OF_KIND, kind),
    };
    // What the pattern's own signs let through besides is sifted out here.
    let pattern = format!("%{}:{}%", Value::from(member), Value::from(text));
    let found: Vec<EventRow> = store
        .fetch_all(sql, params![whose, since, until, pattern, limit])
        .await?;
    let names = |row: &EventRow| row.fields().get(member).and_then(Value::as_str) == Some(text);
    Ok(found.into_iter().filter(names).collect())
}

/// When the oldest event was that is still here, Unix seconds.
///
/// # Errors
/// [`StoreError`]
pub async fn oldest(store: &Store) -> Result<Option<i64>, StoreError> {
    Ok(store
        .fetch_one::<(Option<i64>,)>(OLDEST, params![])
        .await?
        .0)
}

/// At most `limit` events that fit, newest first, from `before` on.
///
/// # Errors
/// [`StoreError`]
pub async fn find(
    store: &Store,
    filter: &Filter,
    before: Option<&Position>,
    limit: i64,
) -> Result<Vec<EventRow>, StoreError> {
    let sql = match filter {
        Filter {
            request_id: Some(_),
            ..
        } => BY_REQUEST,
        Filter {
            trace_id: Some(_), ..
        } => BY_TRACE,
        Filter {
            subject: Some(_), ..
        } => BY_SUBJECT,
        Filter {
            client_id: Some(_), ..
        } => BY_CLIENT,
        Filter {
            address: Some(_), ..
        } => BY_ADDRESS,
        Filter { kind: Some(_), .. } => BY_KIND,
        _ => BY_TIME,
    };
    let (at, event_id) = before.map_or((LATEST, ""), |place| (place.at, place.event_id.as_str()));
    let until = filter.until.map_or(LATEST, |until| until - 1);
    store
        .fetch_all(
            sql,
            params![
                filter.request_id.as_deref(),
                filter.trace_id.as_deref(),
                filter.subject.as_deref(),
                filter.client_id.as_deref(),
                filter.address.as_deref(),
                filter.kind.as_deref(),
                filter.since.unwrap_or(i64::MIN),
                until,
                at,
                event_id,
                limit,
                filter.label.as_deref(),
                filter.route.as_deref(),
            ],
        )
        .await
}

/// The event of an id.
///
/// # Errors
/// [`StoreError`]
pub async fn by_id(store: &Store, event_id: &str) -> Result<Option<EventRow>, StoreError> {
    store.fetch_optional(BY_ID, params![event_id]).await
}

/// Which of these ids there are.
///
/// # Errors
/// [`StoreError`]
pub async fn known(store: &Store, event_ids: &[&str]) -> Result<HashSet<String>, StoreError> {
    let mut known = HashSet::new();
    for some in event_ids.chunks(KNOWN_AT_ONCE) {
        let filled_up = some.iter().copied().chain(repeat(""));
        let ids: Vec<Param> = filled_up.take(KNOWN_AT_ONCE).map(Param::from).collect();
        let found: Vec<(String,)> = store.fetch_all(KNOWN, ids).await?;
        known.extend(found.into_iter().map(|(id,)| id));
    }
    Ok(known)
}

/// At most `limit` events of this time or later, oldest first.
///
/// # Errors
/// [`StoreError`]
pub async fn after(store: &Store, at: i64, limit: i64) -> Result<Vec<EventRow>, StoreError> {
    store.fetch_all(AFTER, params![at, limit]).await
}

/// At most `limit` events from `since` to before `until`, oldest first, that come after `place`.
///
/// # Errors
/// [`StoreError`]
pub async fn in_order(
    store: &Store,
    (since, until): (i64, i64),
    place: Option<&Position>,
    limit: i64,
) -> Result<Vec<EventRow>, StoreError> {
    let (at, event_id) = place.map_or((i64::MIN, ""), |place| (place.at, place.event_id.as_str()));
    store
        .fetch_all(IN_ORDER, params![since, until, at, event_id, limit])
        .await
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[
    BY_REQUEST,
    BY_TRACE,
    BY_SUBJECT,
    BY_CLIENT,
    BY_ADDRESS,
    BY_KIND,
    BY_TIME,
    BY_ID,
    KNOWN,
    AFTER,
    IN_ORDER,
    NAMING_OF_CLIENT,
    NAMING_OF_SUBJECT,
    NAMING_OF_KIND,
    OLDEST,
];
