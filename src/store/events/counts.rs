//! Counting events of a kind: over time, and by whom or what they are about most.
//!
//! Each count reads at most so many rows as the caller says, the newest first: a page that shows counts costs the same
//! however much happened. The index `event_count` has all that a count over time or by label needs.

use crate::store::{Store, StoreError, params};

/// Of which events, and how many are read at most.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// Their kind.
    pub kind: &'a str,
    /// From this time on, Unix seconds.
    pub since: i64,
    /// Before this time.
    pub until: i64,
    /// Rows read, at most; beyond it only the newest count.
    pub limit: i64,
}

/// How many there were in a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Stretch {
    /// Which stretch, from 0.
    pub stretch: i64,
    /// What they were counted by: reason, grant, error.
    pub label: Option<String>,
    /// How many.
    pub count: i64,
    /// The rows that it took to know.
    pub rows_read: i64,
}

/// By what the most frequent are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Clients.
    Client,
    /// People.
    Subject,
    /// Addresses, as they were kept.
    Address,
    /// Routes of APIs, of calls that were not allowed.
    DeniedRoute,
}

const OVER_TIME: &str = "
    SELECT (at - $2) / $4 AS stretch, label, CAST(SUM(amount) AS BIGINT) AS count, COUNT(*) AS rows_read
      FROM (SELECT at, label, COALESCE(amount, 1) AS amount
              FROM event
             WHERE kind = $1
               AND at >= $2
               AND at < $3
             ORDER BY at DESC
             LIMIT $5) AS newest
     GROUP BY (at - $2) / $4, label
     ORDER BY 1, 2";

macro_rules! most {
    ($column:literal, $condition:literal) => {
        concat!(
            "
    SELECT named, CAST(SUM(amount) AS BIGINT) AS count
      FROM (SELECT ",
            $column,
            " AS named, COALESCE(amount, 1) AS amount
              FROM event
             WHERE kind = $1
               AND at >= $2
               AND at < $3
               AND ",
            $condition,
            "
             ORDER BY at DESC
             LIMIT $4) AS newest
     GROUP BY named
     ORDER BY count DESC, named
     LIMIT $5"
        )
    };
}

const MOST_BY_CLIENT: &str = most!("client_id", "client_id IS NOT NULL");
const MOST_BY_SUBJECT: &str = most!("subject", "subject IS NOT NULL");
const MOST_BY_ADDRESS: &str = most!("address", "address IS NOT NULL");
const MOST_BY_DENIED_ROUTE: &str = most!("route", "label IS NOT NULL AND route IS NOT NULL");

/// How many there were in each stretch of `stretch_s` seconds from `since` on, by label.
///
/// # Errors
/// [`StoreError`]
pub async fn over_time(
    store: &Store,
    counted: Counted<'_>,
    stretch_s: i64,
) -> Result<Vec<Stretch>, StoreError> {
    let Counted {
        kind,
        since,
        until,
        limit,
    } = counted;
    store
        .fetch_all(
            OVER_TIME,
            params![kind, since, until, stretch_s.max(1), limit],
        )
        .await
}

/// What they were about most, and how often; at most `most` of them.
///
/// # Errors
/// [`StoreError`]
pub async fn most(
    store: &Store,
    counted: Counted<'_>,
    by: By,
    most: i64,
) -> Result<Vec<(String, i64)>, StoreError> {
    let sql = match by {
        By::Client => MOST_BY_CLIENT,
        By::Subject => MOST_BY_SUBJECT,
        By::Address => MOST_BY_ADDRESS,
        By::DeniedRoute => MOST_BY_DENIED_ROUTE,
    };
    let Counted {
        kind,
        since,
        until,
        limit,
    } = counted;
    store
        .fetch_all(sql, params![kind, since, until, limit, most])
        .await
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[
    OVER_TIME,
    MOST_BY_CLIENT,
    MOST_BY_SUBJECT,
    MOST_BY_ADDRESS,
    MOST_BY_DENIED_ROUTE,
];
