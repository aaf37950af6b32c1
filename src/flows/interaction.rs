//! An authorization request on its way through the browser: sealed, bound to that browser, short-lived.

use super::{FlowError, Issuer};
use crate::domain::SessionId;
use crate::domain::authorization::AuthorizationRequest;
use serde::{Deserialize, Serialize};

/// How long a person may take over the pages, seconds.
const LIFETIME_S: i64 = 1800;
const CONTEXT: &str = "interaction";

/// The request and how far it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// What the client asked.
    pub request: AuthorizationRequest,
    /// The session that was begun by giving the password within this interaction.
    pub authenticated: Option<SessionId>,
    /// What the client looked like on the consent page; an answer counts for nothing else.
    pub shown: Option<String>,
    /// When it ends, Unix seconds.
    pub expires_at: i64,
}

impl Interaction {
    /// A new one.
    pub fn begin(request: AuthorizationRequest, now: i64) -> Self {
        Self {
            request,
            authenticated: None,
            shown: None,
            expires_at: now + LIFETIME_S,
        }
    }

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
        let interaction: Self = serde_json::from_slice(&plain).ok()?;
        (interaction.expires_at > now).then_some(interaction)
    }
}

fn context(browser: &str) -> String {
    format!("{CONTEXT} {browser}")
}
