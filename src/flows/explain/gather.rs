//! Finds the events of an id, and those that led to them.

use super::Place;
use super::order::in_order;
use crate::flows::admin::decisions::hex_trace_id;
use crate::store::events::EventRow;
use crate::store::events::search::{self, Filter, Whose};
use crate::store::{Store, StoreError};
use serde_json::Value;
use std::collections::BTreeMap;

/// Events looked at for one id.
const PAGE: i64 = 500;
/// How long before a call its token may have been issued, seconds.
const TOKEN_S: i64 = 7 * 86_400;
/// How long before a refusal a change may have been made that explains it, seconds.
const CHANGE_S: i64 = 30 * 86_400;
/// How long after a request its events may be written, seconds; also what clocks may disagree by.
const SLACK_S: i64 = 120;
/// Changes shown of one client or person.
const CHANGES: usize = 3;

/// The events, by their ids, each with its place in the story.
#[derive(Default)]
pub(super) struct Gathered {
    rows: BTreeMap<String, (EventRow, Place)>,
}

impl Gathered {
    /// Everything that is known of an id; empty if nothing is.
    pub(super) async fn of(store: &Store, id: &str, log: &[EventRow]) -> Result<Self, StoreError> {
        let mut gathered = Self::default();
        gathered.add_asked(store, id, log).await?;
        gathered.add_traced(store, log).await?;
        gathered.add_before(store).await?;
        Ok(gathered)
    }

    /// In the order in which it is told.
    pub(super) fn in_order(self) -> Vec<(EventRow, Place)> {
        in_order(self.rows.into_values())
    }

    fn add(&mut self, rows: impl IntoIterator<Item = EventRow>, place: Place) {
        for row in rows {
            self.rows
                .entry(row.event_id.clone())
                .or_insert((row, place));
        }
    }

    fn asked(&self) -> Vec<EventRow> {
        let asked = self
            .rows
            .values()
            .filter(|(_, place)| *place == Place::Asked);
        asked.map(|(row, _)| row.clone()).collect()
    }

    async fn add_asked(
        &mut self,
        store: &Store,
        id: &str,
        log: &[EventRow],
    ) -> Result<(), StoreError> {
        let trace = hex_trace_id(id);
        let is_it = |row: &&EventRow| {
            row.request_id.as_deref() == Some(id)
                || row.event_id == id
                || trace.is_some() && row.trace_id == trace
        };
        let connects = |row: &&EventRow| member(row, "connection").as_deref() == Some(id);
        let of_log = log.iter().filter(|row| is_it(row) || connects(row));
        self.add(of_log.cloned(), Place::Asked);
        self.add(of_request(store, id).await?, Place::Asked);
        if let Some(trace) = trace {
            self.add(of_trace(store, &trace).await?, Place::Asked);
        }
        if let Some(row) = search::by_id(store, id).await? {
            let request = row.request_id.clone();
            self.add([row], Place::Asked);
            if let Some(request) = request {
                self.add(of_request(store, &request).await?, Place::Asked);
            }
        }
        if self.rows.is_empty() {
            // No index serves it, so it's looked for last.
            let times = (i64::MIN, i64::MAX);
            let decided = Whose::Kind("access_decided");
            let found = search::naming(store, decided, times, ("connection", id), PAGE).await?;
            self.add(found, Place::Asked);
        }
        Ok(())
    }

    /// What belongs to the same traces.
    async fn add_traced(&mut self, store: &Store, log: &[EventRow]) -> Result<(), StoreError> {
        let mut traces: Vec<String> = self
            .asked()
            .into_iter()
            .filter_map(|row| row.trace_id)
            .collect();
        traces.sort();
        traces.dedup();
        for trace in traces {
            self.add(of_trace(store, &trace).await?, Place::Asked);
            let same = log
                .iter()
                .filter(|row| row.trace_id.as_ref() == Some(&trace));
            self.add(same.cloned(), Place::Asked);
        }
        Ok(())
    }

    /// From a call back to its token, from a token to its grant, from a grant to its login; and what administrators
    /// changed about whom it was refused to.
    async fn add_before(&mut self, store: &Store) -> Result<(), StoreError> {
        for row in self.asked() {
            if let (Some(client), Some(jti)) = (&row.client_id, member(&row, "jti_digest")) {
                let times = (row.at - TOKEN_S, row.at + SLACK_S);
                let named = ("jti_digest", jti.as_str());
                let mut found =
                    search::naming(store, Whose::Client(client), times, named, PAGE).await?;
                // Other calls with the same token didn't lead to this one.
                found.retain(|row| row.kind != "access_decided");
                self.add(found, Place::Before);
            }
        }
        let known: Vec<EventRow> = self.rows.values().map(|(row, _)| row.clone()).collect();
        let until = known.iter().map(|row| row.at).max().unwrap_or_default() + SLACK_S;
        let mut grants: Vec<(String, String)> = known
            .iter()
            .filter_map(|row| Some((row.client_id.clone()?, member(row, "grant_id")?)))
            .collect();
        grants.sort();
        grants.dedup();
        for (client, grant) in grants {
            let times = (i64::MIN, until);
            let named = ("grant_id", grant.as_str());
            let found = search::naming(store, Whose::Client(&client), times, named, PAGE).await?;
            self.add(telling(found), Place::Before);
        }
        self.add_sessions(store, until).await?;
        self.add_changes(store).await
    }

    async fn add_sessions(&mut self, store: &Store, until: i64) -> Result<(), StoreError> {
        let known: Vec<EventRow> = self.rows.values().map(|(row, _)| row.clone()).collect();
        for row in known {
            if let (Some(subject), Some(session)) = (&row.subject, member(&row, "session_id")) {
                let named = ("session_id", session.as_str());
                let times = (i64::MIN, until);
                let found =
                    search::naming(store, Whose::Subject(subject), times, named, PAGE).await?;
                let logins = found
                    .into_iter()
                    .filter(|row| row.kind == "login_succeeded");
                self.add(logins, Place::Before);
            }
        }
        Ok(())
    }

    async fn add_changes(&mut self, store: &Store) -> Result<(), StoreError> {
        let refused: Vec<EventRow> = self
            .asked()
            .into_iter()
            .filter(|row| {
                row.happening()
                    .is_some_and(|happening| super::words::of(&happening).why.is_some())
            })
            .collect();
        let subjects: Vec<String> = self
            .rows
            .values()
            .filter_map(|(row, _)| row.subject.clone())
            .collect();
        for row in refused {
            let mut targets: Vec<String> = row.client_id.iter().chain(&subjects).cloned().collect();
            targets.sort();
            targets.dedup();
            for target in targets {
                let times = (row.at - CHANGE_S, row.at + SLACK_S);
                let named = ("target", target.as_str());
                let kind = Whose::Kind("administration");
                let mut found = search::naming(store, kind, times, named, PAGE).await?;
                found.retain(|change| {
                    let what = member(change, "what").unwrap_or_default();
                    !what.ends_with("_created")
                });
                let first = found.len().saturating_sub(CHANGES);
                self.add(found.into_iter().skip(first), Place::Before);
            }
        }
        Ok(())
    }
}

/// Of a long chain of refreshes the beginning and the end.
fn telling(rows: Vec<EventRow>) -> Vec<EventRow> {
    let usual = |row: &EventRow| matches!(row.kind.as_str(), "token_refreshed" | "token_issued");
    let last = rows.iter().rposition(usual);
    let kept = |(at, row): &(usize, EventRow)| !usual(row) || Some(*at) == last;
    rows.into_iter()
        .enumerate()
        .filter(kept)
        .map(|(_, row)| row)
        .collect()
}

fn member(row: &EventRow, name: &str) -> Option<String> {
    row.fields()
        .get(name)
        .and_then(Value::as_str)
        .map(str::to_owned)
}

async fn of_request(store: &Store, id: &str) -> Result<Vec<EventRow>, StoreError> {
    let filter = Filter {
        request_id: Some(id.to_owned()),
        ..Filter::default()
    };
    search::find(store, &filter, None, PAGE).await
}

async fn of_trace(store: &Store, id: &str) -> Result<Vec<EventRow>, StoreError> {
    let filter = Filter {
        trace_id: Some(id.to_owned()),
        ..Filter::default()
    };
    search::find(store, &filter, None, PAGE).await
}
