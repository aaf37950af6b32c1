//! Our own pages for administrators: who may open them, after how fresh a login, and where a login leads back to.

use super::activity::Range;
use super::admin::events::Query;
use super::interaction::Interaction;
use super::{FlowError, Issuer, administration};
use crate::domain::event::Happening;
use crate::domain::form::encode;
use crate::domain::session::Session;
use crate::domain::{Account, Subject};
use crate::store::accounts;
use serde::{Deserialize, Serialize};

/// How long ago the password was given, at most, seconds.
pub const FRESH_S: i64 = 900;
/// Bytes of an event's id, at most.
const ID_MAX_BYTES: usize = 64;

/// The pages that a login may lead to. A fixed list: no address from outside is among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnPage {
    /// What has happened lately.
    Activity(Range),
    /// Events that fit a search.
    Events(Box<Query>),
    /// One event.
    Event(EventId),
}

/// An id that an event may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventId(String);

impl EventId {
    /// Reads one; `None` for what no event is called.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let fits = (1..=ID_MAX_BYTES).contains(&text.len()) && text.bytes().all(allowed);
        fits.then(|| Self(text.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl OwnPage {
    /// Its path and query below the issuer.
    pub fn path(&self) -> String {
        match self {
            Self::Activity(range) => format!("/admin/activity?range={}", range.as_str()),
            Self::Events(query) => format!("/admin/events?{}", query.parameters()),
            Self::Event(id) => format!("/admin/events/{}", encode(id.as_str())),
        }
    }
}

/// A visit that needs a login first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// Where it leads.
    pub page: OwnPage,
    /// Who must prove it anew; `None` if anybody may log in.
    pub person: Option<String>,
}

/// Whether a page opens.
pub enum Access {
    /// It does, for this administrator.
    Granted(Box<Account>),
    /// Not before the password is given.
    Login(Box<Interaction<Visit>>),
    /// Not for this person.
    Refused,
}

/// Decides about a page.
///
/// # Errors
/// [`FlowError`]
pub async fn open(
    issuer: &Issuer,
    session: Option<&Session>,
    page: OwnPage,
    now: i64,
) -> Result<Access, FlowError> {
    let login = |person| {
        let visit = Visit { page, person };
        Access::Login(Box::new(Interaction::begin(visit, now)))
    };
    let Some(session) = session else {
        return Ok(login(None));
    };
    let Some(account) = administrator(issuer, &session.subject).await? else {
        issuer.note(
            Happening::AccessRefused {
                endpoint: "administration".to_owned(),
                client_id: None,
                subject: Some(session.subject.clone()),
                reason: "not_an_administrator".to_owned(),
            },
            now,
        );
        return Ok(Access::Refused);
    };
    if now - session.auth_time > FRESH_S {
        return Ok(login(Some(account.username)));
    }
    Ok(Access::Granted(Box::new(account)))
}

/// The account of a person, if they are an administrator.
pub(super) async fn administrator(
    issuer: &Issuer,
    subject: &Subject,
) -> Result<Option<Account>, FlowError> {
    if !administration::administers(&issuer.store, &issuer.master, subject).await? {
        return Ok(None);
    }
    let account = accounts::by_subject(&issuer.store, subject).await?;
    Ok(account.filter(|account| !account.disabled))
}
