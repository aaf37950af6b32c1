//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0).

use super::clients::RegisteredClient;
use super::id_token_hint::{self, Hint};
use super::{FlowError, Issuer};
use crate::crypto::token::SessionCookie;
use crate::domain::event::{Happening, SessionEnd};
use crate::domain::form::Form;
use crate::domain::redirect_uri::VerifiedRedirectUri;
use crate::domain::session::Session;
use crate::store::sessions;
use std::sync::Arc;

/// What a logout request amounts to.
pub struct LogoutRequest {
    /// Where to go afterwards, if anywhere; else why the address that was named can't be followed.
    pub to: Result<Option<VerifiedRedirectUri>, ReturnFault>,
    /// Returned as it came.
    pub state: Option<String>,
    /// The name of the client that asks, if it is known.
    pub client_name: Option<String>,
    /// Whether the client showed an ID token of the session itself: then nobody need be asked.
    pub proven: bool,
}

/// Why nobody is sent to a `post_logout_redirect_uri`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnFault {
    /// Nothing says whose address it is.
    NoClient,
    /// `client_id` and `id_token_hint` name two clients.
    TwoClients,
    /// There is no such client.
    UnknownClient,
    /// It's none of the client's.
    Unregistered,
    /// The hint that should say whose it is can't be taken; in words for the client's developers.
    Hint(&'static str),
}

impl ReturnFault {
    /// For the client's developers and the operator.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoClient => {
                "post_logout_redirect_uri came without client_id and id_token_hint, one of which must say whose it is"
            }
            Self::TwoClients => "id_token_hint was issued to another client than client_id names",
            Self::UnknownClient => "the client of post_logout_redirect_uri is not registered here",
            Self::Unregistered => "post_logout_redirect_uri is not registered for this client",
            Self::Hint(words) => words,
        }
    }

    /// For the person who is signing out.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Unregistered => {
                "It asked to send you to an address that isn’t registered for it."
            }
            Self::NoClient | Self::TwoClients | Self::UnknownClient | Self::Hint(_) => {
                "It didn’t say clearly which application it is."
            }
        }
    }
}

/// Reads a logout request.
///
/// # Errors
/// [`FlowError`]
pub async fn read(
    issuer: &Issuer,
    form: &Form,
    session: Option<&Session>,
    now: i64,
) -> Result<LogoutRequest, FlowError> {
    let presented = form.get("id_token_hint");
    let hint = presented.map(|hint| id_token_hint::read(issuer, hint, now));
    let named = form.get("client_id");
    // A hint that nobody can verify says no more about the client than client_id does, which is enough for an address.
    let client_id = match (&hint, named) {
        (Some(Ok(hint)), Some(named)) if hint.client_id != named => Err(ReturnFault::TwoClients),
        (Some(Ok(hint)), _) => Ok(hint.client_id.as_str()),
        (_, Some(named)) => Ok(named),
        (Some(Err(words)), None) => Err(ReturnFault::Hint(words)),
        (None, None) => Err(ReturnFault::NoClient),
    };
    let registered = match client_id {
        Ok(id) => {
            let found = issuer.clients.find(&issuer.store, id).await?;
            found.ok_or(ReturnFault::UnknownClient)
        }
        Err(fault) => Err(fault),
    };
    let proof = hint.and_then(Result::ok).filter(|hint| hint.proven);
    Ok(LogoutRequest {
        to: form
            .get("post_logout_redirect_uri")
            .map(|uri| return_to(uri, registered.as_deref()))
            .transpose(),
        state: form
            .get("state")
            .filter(|state| state.len() <= super::checks::ECHO_MAX_BYTES)
            .map(str::to_owned),
        proven: registered.is_ok() && proof.is_some_and(|hint| is_of(&hint, session)),
        client_name: registered
            .ok()
            .map(|registered: Arc<RegisteredClient>| registered.client.name.clone()),
    })
}

fn return_to(
    presented: &str,
    registered: Result<&RegisteredClient, &ReturnFault>,
) -> Result<VerifiedRedirectUri, ReturnFault> {
    let client = &registered.map_err(|fault| *fault)?.client;
    let verified = client.verify_post_logout_redirect_uri(presented);
    verified.ok_or(ReturnFault::Unregistered)
}

/// Whether a hint is of this session, or there is none to end.
fn is_of(hint: &Hint, session: Option<&Session>) -> bool {
    session.is_none_or(|session| {
        hint.subject == session.subject
            && hint.session_id.as_deref() == Some(session.session_id.as_str())
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
