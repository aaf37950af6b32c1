//! Browser sessions: found by cookie, begun by a password, ended by logging out.

use super::{FlowError, Issuer};
use crate::crypto::token::SessionCookie;
use crate::domain::session::Session;
use crate::store::sessions;

/// The live session of a cookie. Notes at most once a minute that it was used.
///
/// # Errors
/// [`FlowError`]
pub async fn find(issuer: &Issuer, cookie: &str, now: i64) -> Result<Option<Session>, FlowError> {
    let digest = SessionCookie::presented(cookie).digest();
    let idle_since = now - issuer.settings.session_idle_s;
    let session = sessions::find(&issuer.store, digest.as_str(), now, idle_since).await?;
    if let Some(session) = &session
        && now - session.seen_at >= 60
    {
        sessions::seen(&issuer.store, &session.session_id, now).await?;
    }
    Ok(session)
}
