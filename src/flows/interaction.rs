//! What a person is about to do, on its way through the browser: sealed, bound to that browser, short-lived.

use super::own_page::Visit;
use super::{FlowError, Issuer};
use crate::domain::authorization::AuthorizationRequest;
use crate::domain::session::Session;
use crate::domain::{SessionId, Subject};
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
    /// What it looked like on the page that asks for no consent, only whether to go on.
    #[serde(default)]
    pub continued: Option<String>,
    /// Who saw either page; nobody else's answer counts.
    #[serde(default)]
    pub viewer: Option<Viewer>,
    /// Whether the page is shown anew because somebody else had answered the last one.
    #[serde(default)]
    pub answered_by_another: bool,
    /// When it ends, Unix seconds.
    pub expires_at: i64,
}

/// The person who saw a page, and the session that it was shown in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// Who.
    pub subject: Subject,
    /// In which session.
    pub session_id: SessionId,
}

impl Viewer {
    /// The person of a session.
    pub fn of(session: &Session) -> Self {
        Self {
            subject: session.subject.clone(),
            session_id: session.session_id.clone(),
        }
    }
}

/// Why a page can't be gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// It isn't this browser's, or was altered: the two can't be told apart.
    Foreign,
    /// It was open too long.
    Expired,
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
            continued: None,
            viewer: None,
            answered_by_another: false,
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
    ///
    /// # Errors
    /// [`Unopened`]
    pub fn open(issuer: &Issuer, browser: &str, sealed: &str, now: i64) -> Result<Self, Unopened> {
        let begun = Self::unseal(issuer, browser, sealed).ok_or(Unopened::Foreign)?;
        if begun.expires_at() > now {
            Ok(begun)
        } else {
            Err(Unopened::Expired)
        }
    }

    /// The session that its page was shown in, if it has come to one that somebody answers; however old it is.
    pub fn shown_in(issuer: &Issuer, browser: &str, sealed: &str) -> Option<SessionId> {
        match Self::unseal(issuer, browser, sealed)? {
            Self::Authorization(interaction) => interaction.viewer.map(|viewer| viewer.session_id),
            Self::Visit(_) => None,
        }
    }

    fn unseal(issuer: &Issuer, browser: &str, sealed: &str) -> Option<Self> {
        let key = &issuer.master.interactions;
        let plain = key.open(&context(browser), sealed).ok()?;
        serde_json::from_slice(&plain).ok()
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
