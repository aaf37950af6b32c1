//! `GET /admin/events` and `/admin/events/{id}`: the events behind the numbers.

use super::{admit, events_href, show, utc};
use crate::domain::Subject;
use crate::domain::event::Happening;
use crate::flows::FlowError;
use crate::flows::admin::AdminError;
use crate::flows::admin::events::{self as search, Query};
use crate::flows::own_page::{EventId, OwnPage};
use crate::http::extract::Inbound;
use crate::http::page_error::{self, MALFORMED, NOT_FOUND};
use crate::http::pages::{EventLine, EventPage, EventsPage, Fact};
use crate::http::state::App;
use crate::store::accounts;
use crate::store::events::EventRow;
use crate::store::events::search::{Filter, by_id};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;
use std::collections::HashMap;

/// Events of one page.
const LIMIT: i64 = 50;

/// Events that fit a search, newest first.
pub async fn events(State(app): State<App>, inbound: Inbound) -> Response {
    let Ok(form) = &inbound.query else {
        return page_error::show(&MALFORMED, &inbound.request_id);
    };
    let read = Query::read(form, LIMIT, inbound.now);
    let query = read.clone().unwrap_or_default();
    let page = OwnPage::Events(Box::new(query.clone()));
    let admin = match admit(&app, &inbound, page).await {
        Ok(account) => account,
        Err(instead) => return instead,
    };
    let found = match read {
        Ok(query) => search::find(app.issuer.admin(&admin.username), &query).await,
        Err(faults) => Err(AdminError::Refused(faults)),
    };
    let (found, fault) = match found {
        Ok(found) => (Some(found), None),
        Err(AdminError::Failed(error)) => return page_error::failed(&error, &inbound.request_id),
        Err(error) => (None, Some(error.to_string())),
    };
    let rows = found.as_ref().map_or(&[][..], |found| &found.events);
    let next = found.as_ref().and_then(|found| found.next.clone());
    let next_href = next.map(|cursor| {
        let further = Query {
            cursor: Some(cursor),
            ..query.clone()
        };
        app.path(&format!("/admin/events?{}", further.parameters()))
    });
    let names = match names_of(&app, rows).await {
        Ok(names) => names,
        Err(error) => return page_error::failed(&error, &inbound.request_id),
    };
    let typed = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let shown = EventsPage {
        activity_href: &app.path("/admin/activity"),
        events_href: &app.path("/admin/events"),
        sign_out_href: &app.path("/logout"),
        lines: rows.iter().map(|row| line(&app, row, &names)).collect(),
        is_first: query.cursor.is_none(),
        next_href,
        fault: fault.as_deref(),
        kinds: Happening::KINDS.iter().map(|kind| kind.name).collect(),
        kind: &typed("kind"),
        user: &typed("user"),
        client: &typed("client"),
        address: &typed("address"),
        label: &typed("label"),
        route: &typed("route"),
        request_id: &typed("request_id"),
        trace_id: &typed("trace_id"),
        since: &moment(form.get("since"), query.filter.since),
        until: &moment(form.get("until"), query.filter.until),
    };
    let status = if fault.is_some() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    show(status, shown.render(), &inbound)
}

/// What is in a field for a moment: as it was typed if it can't be read, else as people write it.
fn moment(typed: Option<&str>, at: Option<i64>) -> String {
    match (typed, at) {
        (Some(_), Some(at)) => crate::domain::time::rfc3339(at),
        (typed, _) => typed.unwrap_or_default().to_owned(),
    }
}

fn line(app: &App, row: &EventRow, names: &Names) -> EventLine {
    let person = row.subject.as_ref().map(|subject| name(names, subject));
    let about = [
        ("client", &row.client_id),
        ("user", &person),
        ("address", &row.address),
    ];
    let about: Vec<String> = about
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)))
        .collect();
    let fields = row.fields();
    let words = [
        "reason",
        "error",
        "grant",
        "decision",
        "what",
        "rule",
        "summary",
        "route",
        "alg",
        "state",
        "method",
        "endpoint",
        "unverified",
        "cause",
    ];
    let words: Vec<&str> = words
        .iter()
        .filter_map(|name| fields.get(*name)?.as_str())
        .collect();
    EventLine {
        at: utc(row.at),
        kind: row.kind.clone(),
        severity: row.severity().as_str(),
        href: app.path(&format!("/admin/events/{}", row.event_id)),
        words: words.join(", "),
        about: about.join(", "),
    }
}

/// The names of people, by `sub`, as far as their accounts are.
type Names = HashMap<String, String>;

async fn names_of(app: &App, rows: &[EventRow]) -> Result<Names, FlowError> {
    let mut names = Names::new();
    for subject in rows.iter().filter_map(|row| row.subject.as_ref()) {
        if names.contains_key(subject) {
            continue;
        }
        let account = accounts::by_subject(&app.issuer.store, &Subject::new(subject)).await?;
        let name = account.map_or_else(|| subject.clone(), |account| account.username);
        names.insert(subject.clone(), name);
    }
    Ok(names)
}

fn name(names: &Names, subject: &str) -> String {
    names
        .get(subject)
        .map_or_else(|| subject.to_owned(), Clone::clone)
}

/// One event, with all that is known of it.
pub async fn event(State(app): State<App>, Path(id): Path<String>, inbound: Inbound) -> Response {
    let not_found = || page_error::show(&NOT_FOUND, &inbound.request_id);
    let Some(id) = EventId::parse(&id) else {
        return not_found();
    };
    if let Err(instead) = admit(&app, &inbound, OwnPage::Event(id.clone())).await {
        return instead;
    }
    let row = match by_id(&app.issuer.store, id.as_str()).await {
        Ok(Some(row)) => row,
        Ok(None) => return not_found(),
        Err(error) => return page_error::failed(&error.into(), &inbound.request_id),
    };
    let kind = Happening::KINDS.iter().find(|kind| kind.name == row.kind);
    let names = match names_of(&app, std::slice::from_ref(&row)).await {
        Ok(names) => names,
        Err(error) => return page_error::failed(&error, &inbound.request_id),
    };
    let page = EventPage {
        activity_href: &app.path("/admin/activity"),
        events_href: &app.path("/admin/events"),
        sign_out_href: &app.path("/logout"),
        kind: &row.kind,
        severity: row.severity().as_str(),
        when: kind.map_or("", |kind| kind.when.trim()),
        facts: facts(&app, &row, &names),
        detail: row
            .fields()
            .into_iter()
            .map(|(name, value)| Fact {
                name,
                value: plain(&value),
                href: None,
            })
            .collect(),
    };
    show(StatusCode::OK, page.render(), &inbound)
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// What every event has, each with where others like it are.
fn facts(app: &App, row: &EventRow, names: &Names) -> Vec<Fact> {
    let mut facts = vec![Fact {
        name: "Time (UTC)".to_owned(),
        value: utc(row.at),
        href: None,
    }];
    let mut put = |name: &str, value: &Option<String>, filter: Option<Filter>| {
        if let Some(value) = value {
            facts.push(Fact {
                name: name.to_owned(),
                value: value.clone(),
                href: filter.map(|filter| events_href(app, filter)),
            });
        }
    };
    let none = Filter::default;
    put(
        "Client",
        &row.client_id,
        Some(Filter {
            client_id: row.client_id.clone(),
            ..none()
        }),
    );
    put(
        "User",
        &row.subject.as_ref().map(|subject| name(names, subject)),
        Some(Filter {
            subject: row.subject.clone(),
            ..none()
        }),
    );
    put(
        "Address",
        &row.address,
        Some(Filter {
            address: row.address.clone(),
            ..none()
        }),
    );
    put(
        "Request",
        &row.request_id,
        Some(Filter {
            request_id: row.request_id.clone(),
            ..none()
        }),
    );
    put(
        "Trace",
        &row.trace_id,
        Some(Filter {
            trace_id: row.trace_id.clone(),
            ..none()
        }),
    );
    put("sub", &row.subject, None);
    put("Device", &row.device, None);
    put("Event", &Some(row.event_id.clone()), None);
    put("Written by", &row.writer, None);
    put("Number", &row.seq.map(|seq| seq.to_string()), None);
    facts
}
