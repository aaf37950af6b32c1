//! Events as administrators search them.

use super::users::find as find_user;
use super::{Admin, AdminError};
use crate::domain::event::Happening;
use crate::store::events::EventRow;
use crate::store::events::search::{self, Filter, Position};

/// Events of one page, at most.
pub const PAGE_MAX: i64 = 1000;

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// What is known of the events; a user's name or address may stand for the subject.
    pub filter: Filter,
    /// The user's name, address or `sub`.
    pub user: Option<String>,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// Events of this page, at most.
    pub limit: i64,
}

/// One page, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    /// The events.
    pub events: Vec<EventRow>,
    /// Where the next page begins, if there may be one.
    pub next: Option<String>,
}

/// Finds events, newest first.
///
/// # Errors
/// [`AdminError::Refused`] for a kind that doesn't exist or a cursor that isn't ours, [`AdminError::Unknown`] for a user.
pub async fn find(admin: Admin<'_>, query: &Query) -> Result<Page, AdminError> {
    let mut filter = query.filter.clone();
    if let Some(kind) = &filter.kind
        && !Happening::KINDS.iter().any(|known| known.name == kind)
    {
        let names: Vec<&str> = Happening::KINDS.iter().map(|known| known.name).collect();
        return Err(AdminError::Refused(vec![format!(
            "kind {kind:?} is not one of: {}",
            names.join(", ")
        )]));
    }
    if let Some(user) = &query.user {
        filter.subject = Some(subject_of(admin, user).await?);
    }
    let before = match &query.cursor {
        None => None,
        Some(cursor) => Some(open_cursor(admin, &filter, cursor)?),
    };
    let limit = query.limit.clamp(1, PAGE_MAX);
    let events = search::find(admin.store, &filter, before.as_ref(), limit).await?;
    let full = i64::try_from(events.len()).is_ok_and(|found| found == limit);
    let next = match events.last().filter(|_| full) {
        None => None,
        Some(last) => Some(seal_cursor(admin, &filter, last)?),
    };
    Ok(Page { events, next })
}

/// A person who was removed has no name any more, but events that name them by `sub`.
async fn subject_of(admin: Admin<'_>, user: &str) -> Result<String, AdminError> {
    match find_user(admin, user).await {
        Ok(account) => Ok(account.subject.as_str().to_owned()),
        Err(AdminError::Unknown(words)) => {
            let filter = Filter {
                subject: Some(user.to_owned()),
                ..Filter::default()
            };
            let known = search::find(admin.store, &filter, None, 1).await?;
            if known.is_empty() {
                return Err(AdminError::Unknown(words));
            }
            Ok(user.to_owned())
        }
        Err(error) => Err(error),
    }
}

/// A cursor belongs to its search: with another filter it's refused.
fn context(filter: &Filter) -> String {
    format!("event search {filter:?}")
}

fn seal_cursor(admin: Admin<'_>, filter: &Filter, last: &EventRow) -> Result<String, AdminError> {
    let plain = format!("{} {}", last.at, last.event_id);
    let sealed = admin
        .master
        .cursors
        .seal(admin.entropy, &context(filter), plain.as_bytes())?;
    Ok(sealed)
}

fn open_cursor(admin: Admin<'_>, filter: &Filter, cursor: &str) -> Result<Position, AdminError> {
    let position = (|| {
        let plain = admin.master.cursors.open(&context(filter), cursor).ok()?;
        let plain = String::from_utf8(plain).ok()?;
        let (at, event_id) = plain.split_once(' ')?;
        Some(Position {
            at: at.parse().ok()?,
            event_id: event_id.to_owned(),
        })
    })();
    position.ok_or_else(|| {
        AdminError::Refused(vec![
            "the cursor is not one of this search: begin again without it".to_owned(),
        ])
    })
}
