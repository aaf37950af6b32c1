//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0).

use super::checks::own_id_token;
use super::{FlowError, Issuer};
use crate::crypto::token::SessionCookie;
use crate::domain::event::{Happening, SessionEnd};
use crate::domain::form::Form;
use crate::domain::redirect_uri::VerifiedRedirectUri;
use crate::domain::session::Session;
use crate::store::sessions;

/// What a logout request amounts to.
pub struct LogoutRequest {
    /// Where to go afterwards, if the client registered it.
    pub to: Option<VerifiedRedirectUri>,
    /// Returned as it came.
    pub state: Option<String>,
    /// The name of the client that asks, if it is known.
    pub client_name: Option<String>,
    /// Whether the client showed an ID token of the session itself: then nobody need be asked.
    pub proven: bool,
}

/// Reads a logout request.
///
/// # Errors
/// [`FlowError`]
pub async fn read(
    issuer: &Issuer,
    form: &Form,
    session: Option<&Session>,
) -> Result<LogoutRequest, FlowError> {
    let hint = form
        .get("id_token_hint")
        .and_then(|hint| own_id_token(issuer, hint));
    let named = form.get("client_id");
    let client_id = match (&hint, named) {
        (Some(hint), Some(named)) if hint.client_id != named => None,
        (Some(hint), _) => Some(hint.client_id.clone()),
        (None, named) => named.map(str::to_owned),
    };
    let registered = match client_id {
        Some(id) => issuer.clients.find(&issuer.store, &id).await?,
        None => None,
    };
    let to = registered.as_ref().and_then(|registered| {
        let presented = form.raw("post_logout_redirect_uri")?;
        registered.client.verify_post_logout_redirect_uri(presented)
    });
    let proven = match (&hint, session) {
        (Some(hint), Some(session)) => {
            registered.is_some()
                && hint.subject == session.subject
                && hint.session_id.as_deref() == Some(session.session_id.as_str())
        }
        (Some(_), None) => registered.is_some(),
        (None, _) => false,
    };
    Ok(LogoutRequest {
        to,
        state: form
            .raw("state")
            .filter(|state| state.len() <= super::checks::ECHO_MAX_BYTES)
            .map(str::to_owned),
        client_name: registered.map(|registered| registered.client.name.clone()),
        proven,
    })
}

/// Ends the session of a cookie.
///
/// # Errors
/// [`FlowError`]
pub async fn end(issuer: &Issuer, cookie: &str, now: i64) -> Result<(), FlowError> {
    let digest = SessionCookie::presented(cookie).digest();
    let mut tx = issuer.store.begin().await?;
    if let Some(session_id) = sessions::end_cookie(&mut tx, digest.as_str()).await? {
        let cause = SessionEnd::Logout;
        issuer.record(&mut tx, Happening::SessionEnded { session_id, cause }, now)?;
    }
    tx.commit().await?;
    Ok(())
}
