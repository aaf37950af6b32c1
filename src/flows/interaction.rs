//! What a person is about to do, on its way through the browser: sealed, bound to that browser, short-lived.

use super::own_page::Visit;
use super::{FlowError, Issuer};
use crate::domain::SessionId;
use crate::domain::authorization::AuthorizationRequest;
use serde::{Deserialize, Serialize};

/// How long a person may take over the pages, seconds.
const LIFETIME_S: i64 = 1800;
const CONTEXT: &str = "interaction";

/// A request that needs a login, and how far it has come: a client's, or a visit to a page of our own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interaction<R = AuthorizationRequest> {
    /// What is asked.
    pub request: R,
    /// The session that was begun by giving the password within this interaction.
    pub authenticated: Option<SessionId>,
    /// What the client looked like on the consent page; an answer counts for nothing else.
    pub shown: Option<String>,
    /// When it ends, Unix seconds.
    pub expires_at: i64,
}

/// An interaction of either kind: what the pages carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Begun {
    /// Ends at a client.
    Authorization(Box<Interaction>),
    /// Ends at one of our own pages.
    Visit(Box<Interaction<Visit>>),
}

impl<R> Interaction<R> {
    /// A new one.
    pub fn begin(request: R, now: i64) -> Self {
        Self {
            request,
            authenticated: None,
            shown: None,
            expires_at: now + LIFETIME_S,
        }
    }
}

impl Begun {
    /// The text that travels in a form or a URL; useless in another browser.
    ///
    /// # Errors
    /// [`FlowError`]
    pub fn seal(&self, issuer: &Issuer, browser: &str) -> Result<String, FlowError> {
        let plain = serde_json::to_vec(self)?;
        Ok(issuer
            .master
            .interactions
            .seal(&issuer.entropy, &context(browser), &plain)?)
    }

    /// Opens what this server sealed for this browser, while it lasts.
    pub fn open(issuer: &Issuer, browser: &str, sealed: &str, now: i64) -> Option<Self> {
        let plain = issuer
            .master
            .interactions
            .open(&context(browser), sealed)
            .ok()?;
        let begun: Self = serde_json::from_slice(&plain).ok()?;
        (begun.expires_at() > now).then_some(begun)
    }

    /// The same, now that the password was given and this session begun.
    #[must_use]
    pub fn proven_by(mut self, session_id: SessionId) -> Self {
        match &mut self {
            Self::Authorization(interaction) => interaction.authenticated = Some(session_id),
            Self::Visit(interaction) => interaction.authenticated = Some(session_id),
        }
        self
    }

    fn expires_at(&self) -> i64 {
        match self {
            Self::Authorization(interaction) => interaction.expires_at,
            Self::Visit(interaction) => interaction.expires_at,
        }
    }
}

fn context(browser: &str) -> String {
    format!("{CONTEXT} {browser}")
}
