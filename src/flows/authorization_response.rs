//! What an authorization request is answered with: a response through the browser, or a refusal on a page of ours.

use super::{FlowError, Issuer};
use crate::crypto::token::AuthorizationCode;
use crate::domain::authorization::{AuthorizationRequest, ResponseMode};
use crate::domain::event::{Happening, UnverifiedRequest};
use crate::domain::redirect_uri::VerifiedRedirectUri;
use crate::domain::{ClientId, ErrorCode};

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
    /// Notes that a request was refused.
    pub fn note(&self, issuer: &Issuer, now: i64) {
        let (client_id, error, unverified, words) = match self {
            Self::Unverified(reason) => (None, None, Some(*reason), None),
            Self::Reportable(response) => {
                let client_id = Some(response.client_id.clone());
                (client_id, response.error, None, response.words())
            }
            // Told as a failure of ours.
            Self::Failed(_) => return,
        };
        issuer.note(
            Happening::AuthorizationRefused {
                client_id,
                error,
                unverified,
                words: words.map(str::to_owned),
            },
            now,
        );
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
    pub(super) client_id: &'a ClientId,
    pub(super) to: &'a VerifiedRedirectUri,
    pub(super) mode: ResponseMode,
    pub(super) state: Option<&'a str>,
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
