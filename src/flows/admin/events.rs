//! Events as administrators search them.

use super::users::find as find_user;
use super::{Admin, AdminError};
use crate::domain::event::Happening;
use crate::domain::form::{Form, encode};
use crate::store::events::EventRow;
use crate::store::events::search::{self, Filter, Position};
use chrono::DateTime;
use serde::{Deserialize, Serialize};

/// Events of one page, at most.
pub const PAGE_MAX: i64 = 1000;
/// Longest value of a parameter, bytes; cursors are longer.
const VALUE_MAX_BYTES: usize = 300;
const CURSOR_MAX_BYTES: usize = 1000;

/// What to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

impl Query {
    /// Reads the parameters of a search, for events of `limit` at a time unless they say so. An empty value is as good
    /// as none.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn read(form: &Form, limit: i64, now: i64) -> Result<Self, Vec<String>> {
        let mut faults: Vec<String> = form
            .duplicates(&[])
            .map(|name| format!("{name} came twice: send it once"))
            .collect();
        for name in form.names().filter(|name| !PARAMETERS.contains(name)) {
            faults.push(format!(
                "{name:?} is no parameter of this search: there are {}",
                PARAMETERS.join(", ")
            ));
        }
        let mut text = |name: &str| {
            let most = if name == "cursor" {
                CURSOR_MAX_BYTES
            } else {
                VALUE_MAX_BYTES
            };
            let value = form.get(name)?;
            if value.len() > most {
                faults.push(format!("{name} is over {most} bytes: send a shorter one"));
            }
            Some(value.to_owned())
        };
        let mut query = Self {
            filter: Filter {
                subject: None,
                client_id: text("client"),
                address: text("address"),
                kind: text("kind"),
                label: text("label"),
                route: text("route"),
                request_id: text("request_id"),
                trace_id: text("trace_id"),
                since: None,
                until: None,
            },
            user: text("user"),
            cursor: text("cursor"),
            limit,
        };
        let (since, until, limit) = (text("since"), text("until"), text("limit"));
        let mut at = |name: &str, value: Option<String>| {
            let read = moment(&value?, now).map_err(|words| format!("{name}: {words}"));
            read.map_err(|words| faults.push(words)).ok()
        };
        query.filter.since = at("since", since);
        query.filter.until = at("until", until);
        if let Some(limit) = limit {
            match limit.parse() {
                Ok(limit) if (1..=PAGE_MAX).contains(&limit) => query.limit = limit,
                _ => faults.push(format!("limit: send a number from 1 to {PAGE_MAX}")),
            }
        }
        if faults.is_empty() {
            Ok(query)
        } else {
            Err(faults)
        }
    }

    /// The parameters that [`Query::read`] makes this of, but for the limit.
    pub fn parameters(&self) -> String {
        let Filter {
            subject,
            client_id,
            address,
            kind,
            label,
            route,
            request_id,
            trace_id,
            since,
            until,
        } = &self.filter;
        let user = self.user.as_ref().or(subject.as_ref());
        let (since, until) = (
            since.map(|at| at.to_string()),
            until.map(|at| at.to_string()),
        );
        let pairs = [
            ("user", user),
            ("client", client_id.as_ref()),
            ("address", address.as_ref()),
            ("kind", kind.as_ref()),
            ("label", label.as_ref()),
            ("route", route.as_ref()),
            ("request_id", request_id.as_ref()),
            ("trace_id", trace_id.as_ref()),
            ("since", since.as_ref()),
            ("until", until.as_ref()),
            ("cursor", self.cursor.as_ref()),
        ];
        let pairs: Vec<String> = pairs
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", encode(value?))))
            .collect();
        pairs.join("&")
    }
}

/// The parameters of a search.
const PARAMETERS: [&str; 12] = [
    "user",
    "client",
    "address",
    "kind",
    "label",
    "route",
    "request_id",
    "trace_id",
    "since",
    "until",
    "limit",
    "cursor",
];

/// A moment: RFC 3339, Unix seconds, or how long before `now` (`90s`, `15m`, `2h`, `7d`). Unix seconds.
///
/// # Errors
/// A sentence that says what to write.
pub fn moment(text: &str, now: i64) -> Result<i64, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp());
    }
    // Further than this no clock goes; arithmetic with it can't overflow.
    if let Some(at) = text.parse().ok().filter(|at| (0..1 << 40).contains(at)) {
        return Ok(at);
    }
    let ago = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        number.parse::<u32>().ok().map(|n| i64::from(n) * seconds)
    };
    ago().map(|ago| now - ago).ok_or_else(|| {
        "write a time such as 2026-11-26T10:00:00Z, or how long ago, such as 90s, 15m, 2h or 7d"
            .to_owned()
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_absolute_or_relative() {
        let now = 1_795_687_200;
        assert_eq!(moment("2026-11-26T10:00:00Z", 0), Ok(now));
        assert_eq!(moment("1795687200", 0), Ok(now));
        assert_eq!(moment("1h", now), Ok(now - 3600));
        let far = i64::MAX.to_string();
        for wrong in ["", "h", "1w", "yesterday", "-1h", "-1", "é", &far] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_query_is_read_from_its_own_parameters() {
        let text = "user=ada&client=web&address=203.0.113.7&kind=login_failed&label=%2A&route=GET%20%2Fa%3Fb%26c\
                    &request_id=r&trace_id=t&since=5&until=9&cursor=c";
        let read = |text: &str| Query::read(&Form::parse(text.as_bytes()).unwrap(), 50, 100);
        let query = read(text).unwrap();
        assert_eq!(query.parameters(), text);
        assert_eq!((query.filter.since, query.limit), (Some(5), 50));
        assert_eq!(read("user=&limit=7").unwrap().limit, 7);
        for wrong in [
            "limit=0",
            "limit=1001",
            "limit=x",
            "since=x",
            "usr=ada",
            "kind=a&kind=b",
            &format!("user={}", "x".repeat(301)),
        ] {
            assert_eq!(read(wrong).unwrap_err().len(), 1, "{wrong}");
        }
    }
}
