//! A person's browser sessions: seen and ended.

use super::users::{Ended, end_everything, find};
use super::{Act, Admin, AdminError};
use crate::domain::SessionId;
use crate::domain::session::Session;
use crate::store::sessions as rows;
use serde_json::json;

/// A person's sessions, oldest first, without those that were unused for `idle_s` seconds.
///
/// # Errors
/// [`AdminError::Unknown`]
pub async fn list(
    admin: Admin<'_>,
    name: &str,
    idle_s: i64,
    now: i64,
) -> Result<Vec<Session>, AdminError> {
    let account = find(admin, name).await?;
    let mut sessions = rows::of_subject(admin.store, &account.subject, now).await?;
    sessions.retain(|session| {
        session.seen_at > now - idle_s && session.auth_time >= account.password_changed_at
    });
    Ok(sessions)
}

/// Ends one session of a person.
///
/// # Errors
/// [`AdminError::Unknown`] also for a session of somebody else.
pub async fn end(
    admin: Admin<'_>,
    name: &str,
    session_id: &str,
    now: i64,
) -> Result<(), AdminError> {
    let account = find(admin, name).await?;
    let session_id = SessionId::new(session_id);
    let unknown = || {
        AdminError::Unknown(format!(
            "user {name:?} has no session {:?}: see 'gatewright user sessions {name}'",
            session_id.as_str()
        ))
    };
    let sessions = rows::of_subject(admin.store, &account.subject, now).await?;
    if !sessions
        .iter()
        .any(|session| session.session_id == session_id)
    {
        return Err(unknown());
    }
    let mut tx = admin.store.begin().await?;
    if !rows::end(&mut tx, &session_id).await? {
        return Err(unknown());
    }
    let before = json!({"sid": session_id.as_str()});
    let target = account.subject.as_str();
    let act = Act {
        what: "session_ended",
        target,
        before: Some(before),
        after: None,
    };
    admin.record(&mut tx, act, now)?;
    tx.commit().await?;
    Ok(())
}

/// Signs a person out everywhere: ends every session and every refresh token.
///
/// # Errors
/// [`AdminError::Unknown`]
pub async fn end_all(admin: Admin<'_>, name: &str, now: i64) -> Result<Ended, AdminError> {
    let account = find(admin, name).await?;
    let mut tx = admin.store.begin().await?;
    let ended = end_everything(
        &mut tx,
        &account.subject,
        now,
        "signed out by an administrator",
    )
    .await?;
    let before = json!({"sessions": ended.sessions, "families": ended.families});
    let target = account.subject.as_str();
    let act = Act {
        what: "sessions_ended",
        target,
        before: Some(before),
        after: None,
    };
    admin.record(&mut tx, act, now)?;
    tx.commit().await?;
    Ok(ended)
}
