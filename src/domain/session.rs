//! A browser's session with the server.

use super::id::{SessionId, Subject};

/// One live session. Its cookie is known to the browser alone; the store has a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Public name, `sid`.
    pub session_id: SessionId,
    /// Who logged in.
    pub subject: Subject,
    /// When the password was last given, Unix seconds.
    pub auth_time: i64,
    /// When it began, Unix seconds.
    pub created_at: i64,
    /// When it was last used, Unix seconds, to the minute.
    pub seen_at: i64,
    /// When it ends whatever happens, Unix seconds.
    pub expires_at: i64,
}
