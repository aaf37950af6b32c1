//! Browser sessions, found by the digest of their cookie.

use super::{Store, StoreError, Tx, params};
use crate::domain::session::Session;
use crate::domain::{SessionId, Subject};

type SessionRow = (String, String, i64, i64, i64, i64);

const INSERT: &str = "
    INSERT INTO browser_session (cookie_digest, session_id, subject, auth_time, created_at, seen_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const FIND: &str = "
    SELECT s.session_id, s.subject, s.auth_time, s.created_at, s.seen_at, s.expires_at
      FROM browser_session s
      JOIN account a ON a.subject = s.subject
     WHERE s.cookie_digest = $1
       AND s.expires_at > $2
       AND s.seen_at > $3
       AND a.disabled = FALSE
       AND a.password_changed_at <= s.auth_time";
const OF_SUBJECT: &str = "
    SELECT session_id, subject, auth_time, created_at, seen_at, expires_at
      FROM browser_session
     WHERE subject = $1
       AND expires_at > $2
     ORDER BY created_at";
const SEEN: &str = "
    UPDATE browser_session
       SET seen_at = $2
     WHERE session_id = $1
       AND seen_at < $2";
const END: &str = "DELETE FROM browser_session WHERE session_id = $1";
const END_COOKIE: &str =
    "DELETE FROM browser_session WHERE cookie_digest = $1 RETURNING session_id";
const END_SUBJECT: &str = "DELETE FROM browser_session WHERE subject = $1";

fn session(row: SessionRow) -> Session {
    let (session_id, subject, auth_time, created_at, seen_at, expires_at) = row;
    Session {
        session_id: SessionId::new(session_id),
        subject: Subject::new(subject),
        auth_time,
        created_at,
        seen_at,
        expires_at,
    }
}

/// Begins a session.
///
/// # Errors
/// [`StoreError`]
pub async fn insert(tx: &mut Tx, cookie_digest: &str, session: &Session) -> Result<(), StoreError> {
    tx.execute(
        INSERT,
        params![
            cookie_digest,
            session.session_id.as_str(),
            session.subject.as_str(),
            session.auth_time,
            session.created_at,
            session.seen_at,
            session.expires_at,
        ],
    )
    .await
    .map(drop)
}

/// The live session of a cookie: not ended, not idle since `idle_since`, its account enabled and its password
/// unchanged since.
///
/// # Errors
/// [`StoreError`]
pub async fn find(
    store: &Store,
    cookie_digest: &str,
    now: i64,
    idle_since: i64,
) -> Result<Option<Session>, StoreError> {
    let row = store
        .fetch_optional(FIND, params![cookie_digest, now, idle_since])
        .await?;
    Ok(row.map(session))
}

/// A person's sessions, oldest first.
///
/// # Errors
/// [`StoreError`]
pub async fn of_subject(
    store: &Store,
    subject: &Subject,
    now: i64,
) -> Result<Vec<Session>, StoreError> {
    let rows: Vec<SessionRow> = store
        .fetch_all(OF_SUBJECT, params![subject.as_str(), now])
        .await?;
    Ok(rows.into_iter().map(session).collect())
}

/// Notes that a session was used.
///
/// # Errors
/// [`StoreError`]
pub async fn seen(store: &Store, session_id: &SessionId, now: i64) -> Result<(), StoreError> {
    store
        .execute(SEEN, params![session_id.as_str(), now])
        .await
        .map(drop)
}

/// Ends one session by its public name.
///
/// # Errors
/// [`StoreError`]
pub async fn end(tx: &mut Tx, session_id: &SessionId) -> Result<bool, StoreError> {
    Ok(tx.execute(END, params![session_id.as_str()]).await? == 1)
}

/// Ends the session of a cookie; returns its public name.
///
/// # Errors
/// [`StoreError`]
pub async fn end_cookie(tx: &mut Tx, cookie_digest: &str) -> Result<Option<SessionId>, StoreError> {
    let row: Option<(String,)> = tx
        .fetch_optional(END_COOKIE, params![cookie_digest])
        .await?;
    Ok(row.map(|(session_id,)| SessionId::new(session_id)))
}

/// Ends every session of a person.
///
/// # Errors
/// [`StoreError`]
pub async fn end_subject(tx: &mut Tx, subject: &Subject) -> Result<u64, StoreError> {
    tx.execute(END_SUBJECT, params![subject.as_str()]).await
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[INSERT, FIND, OF_SUBJECT, SEEN, END, END_COOKIE, END_SUBJECT];
