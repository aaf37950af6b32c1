//! What happened lately, for whoever counts it: bounded, however much happens.

use crate::store::{Store, StoreError, params};

/// One event, as far as counting needs it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ObservedRow {
    /// Unix seconds.
    pub at: i64,
    /// The node.
    pub writer: Option<String>,
    /// The person.
    pub subject: Option<String>,
    /// The client.
    pub client_id: Option<String>,
    /// The address, as it was kept.
    pub address: Option<String>,
    /// The fields of its kind, JSON.
    pub detail: String,
    /// How many it stands for, if it isn't one.
    pub amount: Option<i64>,
}

/// The newest of a kind, or of its labelled ones, of which those are told whose detail is like the one pattern and not
/// like the other.
const RECENT: &str = "
    SELECT at, writer, subject, client_id, address, detail, amount
      FROM (SELECT at, writer, subject, client_id, address, detail, amount
              FROM event
             WHERE kind = $1
               AND at > $2
               AND (label IS NOT NULL OR NOT $6)
             ORDER BY at DESC
             LIMIT $3) AS recent
     WHERE detail LIKE $4
       AND detail NOT LIKE $5";
/// Since when the newest of a kind have happened, if there are as many.
const REACH: &str = "
    SELECT at
      FROM event
     WHERE kind = $1
       AND at > $2
       AND (label IS NOT NULL OR NOT $4)
     ORDER BY at DESC
     LIMIT 1 OFFSET $3";
const COUNT: &str = "
    SELECT CAST(COALESCE(SUM(COALESCE(amount, 1)), 0) AS BIGINT)
      FROM event
     WHERE kind = $1
       AND at > $2
       AND at <= $3
       AND detail LIKE $4
       AND detail NOT LIKE $5";
const FIRST: &str = "
    SELECT at
      FROM event
     ORDER BY at, event_id
     LIMIT 1";

/// Which events are counted.
#[derive(Clone, Copy, Debug)]
pub struct Which<'a> {
    /// The kind's name.
    pub kind: &'a str,
    /// A pattern (`LIKE`) that the detail fits.
    pub like: &'a str,
    /// A pattern that it doesn't fit.
    pub unlike: &'a str,
    /// Whether only those count that have a label, however many others there are.
    pub labelled: bool,
}

/// Of the newest `limit` events of the kind after `since`, Unix seconds, those that fit.
///
/// # Errors
/// [`StoreError`]
pub async fn recent(
    store: &Store,
    which: Which<'_>,
    since: i64,
    limit: i64,
) -> Result<Vec<ObservedRow>, StoreError> {
    store
        .fetch_all(
            RECENT,
            params![
                which.kind,
                since,
                limit,
                which.like,
                which.unlike,
                which.labelled
            ],
        )
        .await
}

/// When the last of `limit` events of the kind, or of its labelled ones, after `since` happened; `None` if there are fewer.
///
/// # Errors
/// [`StoreError`]
pub async fn reach(
    store: &Store,
    which: Which<'_>,
    since: i64,
    limit: i64,
) -> Result<Option<i64>, StoreError> {
    let sought = params![which.kind, since, limit - 1, which.labelled];
    let row: Option<(i64,)> = store.fetch_optional(REACH, sought).await?;
    Ok(row.map(|(at,)| at))
}

/// How many events that fit happened after `since` and until `until`, Unix seconds.
///
/// # Errors
/// [`StoreError`]
pub async fn count(
    store: &Store,
    which: Which<'_>,
    (since, until): (i64, i64),
) -> Result<i64, StoreError> {
    Ok(store
        .fetch_one::<(i64,)>(
            COUNT,
            params![which.kind, since, until, which.like, which.unlike],
        )
        .await?
        .0)
}

/// When the first event happened that is kept.
///
/// # Errors
/// [`StoreError`]
pub async fn first(store: &Store) -> Result<Option<i64>, StoreError> {
    let row: Option<(i64,)> = store.fetch_optional(FIRST, params![]).await?;
    Ok(row.map(|(at,)| at))
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[RECENT, REACH, COUNT, FIRST];
