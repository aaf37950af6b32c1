//! What the authorization endpoint answers (RFC 6749 §4.1.2, RFC 9207): a code, an error, or nothing that may be
//! redirected; and what the record says of a refusal.

use super::{FlowError, Issuer};
use crate::crypto::token::AuthorizationCode;
use crate::domain::authorization::{AuthorizationRequest, ResponseMode};
use crate::domain::event::{BrowserSession, Happening, UnverifiedRequest, UriDifference};
use crate::domain::form::Form;
use crate::domain::redirect_uri::VerifiedRedirectUri;
use crate::domain::{ClientId, ErrorCode, Scope};

/// Why a request can't be answered at its redirect URI.
pub type UnverifiedReason = UnverifiedRequest;

/// A refusal at the authorization endpoint.
#[derive(Debug)]
pub enum AuthorizeError {
    /// Client or redirect URI not established: show a page, never redirect.
    Unverified(UnverifiedReason),
    /// Safe to report to the client (RFC 6749 §4.1.2.1).
    Reportable(AuthorizationResponse),
    /// Not the caller's fault.
    Failed(FlowError),
}

impl AuthorizeError {
    /// Notes that a request was refused, with what the caller doesn't learn: `request` is the authorization request,
    /// where there is one at hand.
    pub async fn note(
        &self,
        issuer: &Issuer,
        request: Option<&Form>,
        browser: BrowserSession,
        now: i64,
    ) {
        let (error, unverified, words) = match self {
            Self::Unverified(reason) => (None, Some(*reason), None),
            Self::Reportable(response) => (response.error, None, response.words()),
            // Told as a failure of ours.
            Self::Failed(_) => return,
        };
        // An id that isn't a client's is not kept: it may be anything.
        let claimed = match self {
            Self::Reportable(response) => Some(response.client_id.as_str()),
            _ => request.and_then(|request| request.get("client_id")),
        };
        let registered = match claimed {
            Some(id) => {
                let found = issuer.clients.find_any(&issuer.store, id).await;
                found.ok().flatten()
            }
            None => None,
        };
        let client = registered.as_ref().map(|registered| &registered.client);
        let redirect_uri = match (unverified, client, request) {
            (Some(UnverifiedRequest::RedirectUri), Some(client), Some(request)) => Some(
                UriDifference::nearest(request.get("redirect_uri"), &client.redirect_uris),
            ),
            _ => None,
        };
        let beyond = match (error, client, request) {
            (Some(ErrorCode::InvalidScope), Some(client), Some(request)) => {
                let asked = request.get("scope").map(Scope::parse);
                match asked.and_then(Result::ok) {
                    Some(asked) => issuer.named(&asked.without(&client.scope)).await,
                    None => None,
                }
            }
            _ => None,
        };
        let refused = Happening::AuthorizationRefused {
            client_id: client.map(|client| client.client_id.clone()),
            error,
            unverified,
            words: words.map(str::to_owned),
            redirect_uri,
            beyond,
            browser: Some(browser),
        };
        issuer.note(refused, now);
    }
}

/// What goes back to the client through the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationResponse {
    /// Where.
    pub to: VerifiedRedirectUri,
    /// How.
    pub mode: ResponseMode,
    /// `code` or `error`, `state`, `iss`.
    pub parameters: Vec<(&'static str, String)>,
    /// The client.
    pub client_id: ClientId,
    /// The error, if it is one.
    pub error: Option<ErrorCode>,
}

impl AuthorizationResponse {
    /// The words that the client's developers read.
    pub fn words(&self) -> Option<&str> {
        let described = |(name, _): &&(&str, String)| *name == "error_description";
        let (_, words) = self.parameters.iter().find(described)?;
        Some(words)
    }
}

/// Where and how an answer goes.
pub(super) struct Reply<'a> {
    pub client_id: &'a ClientId,
    pub to: &'a VerifiedRedirectUri,
    pub mode: ResponseMode,
    pub state: Option<&'a str>,
}

impl<'a> Reply<'a> {
    pub(super) fn to(request: &'a AuthorizationRequest) -> Self {
        Self {
            client_id: &request.client_id,
            to: &request.redirect_uri,
            mode: request.response_mode,
            state: request.state.as_deref(),
        }
    }

    pub(super) fn error(
        &self,
        issuer: &Issuer,
        code: ErrorCode,
        words: &'static str,
    ) -> AuthorizationResponse {
        self.answer(
            issuer,
            Some(code),
            vec![
                ("error", code.as_str().to_owned()),
                ("error_description", words.to_owned()),
            ],
        )
    }

    pub(super) fn code(&self, issuer: &Issuer, code: &AuthorizationCode) -> AuthorizationResponse {
        self.answer(issuer, None, vec![("code", code.expose().to_owned())])
    }

    fn answer(
        &self,
        issuer: &Issuer,
        error: Option<ErrorCode>,
        mut parameters: Vec<(&'static str, String)>,
    ) -> AuthorizationResponse {
        if let Some(state) = self.state {
            parameters.push(("state", state.to_owned()));
        }
        parameters.push(("iss", issuer.url.clone()));
        AuthorizationResponse {
            to: self.to.clone(),
            mode: self.mode,
            parameters,
            client_id: self.client_id.clone(),
            error,
        }
    }
}
