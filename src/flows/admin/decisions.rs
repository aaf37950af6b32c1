//! An authorizer's decision log, brought into the stream of events.

use super::{Admin, AdminError};
use crate::crypto::token::sha256_number;
use crate::domain::ClientId;
use crate::domain::event::{Decision, Event, Happening, RequestContext};
use crate::store::events::{self, search};
use chrono::DateTime;
use serde_json::{Map, Value};
use std::ops::AddAssign;

/// The target of the lines.
const TARGET: &str = "gatewright::decision";
/// The longest line that is looked at, bytes.
const LINE_MAX_BYTES: usize = 16_384;

/// What became of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Decisions that are new.
    pub added: u64,
    /// Decisions that were here already.
    pub known: u64,
    /// Lines that are no decisions.
    pub passed_over: u64,
}

impl AddAssign for Imported {
    fn add_assign(&mut self, other: Self) {
        self.added += other.added;
        self.known += other.known;
        self.passed_over += other.passed_over;
    }
}

/// Adds the decisions among some lines of a log. A line that came before is not added again.
///
/// # Errors
/// [`AdminError`]
pub async fn import(admin: Admin<'_>, lines: &[String], now: i64) -> Result<Imported, AdminError> {
    let mut imported = Imported::default();
    let mut fresh: Vec<Event> = Vec::new();
    for line in lines.iter().filter(|line| !line.trim().is_empty()) {
        let Some(event) = decision(line, now) else {
            imported.passed_over += 1;
            continue;
        };
        let twice = fresh.iter().any(|other| other.id == event.id);
        if twice || search::by_id(admin.store, &event.id).await?.is_some() {
            imported.known += 1;
        } else {
            fresh.push(event);
        }
    }
    if !fresh.is_empty() {
        events::write(admin.store, admin.events.recorder(), &fresh).await?;
        imported.added = fresh.len() as u64;
    }
    Ok(imported)
}

/// The decision of one line: JSON as the Lambda function or `log.format = "json"` writes it, also with something before
/// it, as log collectors put there.
pub fn decision(line: &str, now: i64) -> Option<Event> {
    if line.len() > LINE_MAX_BYTES || !line.contains(TARGET) {
        return None;
    }
    let json = line.get(line.find('{')?..)?;
    let Ok(Value::Object(outer)) = serde_json::from_str(json) else {
        return None;
    };
    let target = outer
        .get("target")
        .or_else(|| outer.get("log.logger"))
        .and_then(Value::as_str);
    if target != Some(TARGET) {
        return None;
    }
    let time = ["timestamp", "time", "@timestamp"]
        .iter()
        .find_map(|name| outer.get(*name)?.as_str());
    let at = time
        .and_then(|time| DateTime::parse_from_rfc3339(time).ok())
        .map_or(now, |time| time.timestamp());
    let fields = match outer.get("fields") {
        Some(Value::Object(fields)) => fields,
        _ => &outer,
    };
    Some(Event {
        id: id_of(json, at),
        at,
        happening: happening(fields)?,
        request: RequestContext {
            request_id: text(fields, "request_id").map(Into::into),
            trace_id: text(fields, "trace_id")
                .and_then(|id| hex_trace_id(&id))
                .map(Into::into),
            ..RequestContext::default()
        },
    })
}

/// The same for the same line.
fn id_of(json: &str, at: i64) -> String {
    Event::make_id(at, 0, sha256_number(json))
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    let value = fields.get(name)?.as_str()?;
    // What an API's caller chose, such as a method, may hold anything; PostgreSQL takes no NUL.
    Some(value.replace('\0', "\u{fffd}"))
}

fn happening(fields: &Map<String, Value>) -> Option<Happening> {
    let decision = text(fields, "decision")?;
    let decision = Decision::ALL
        .iter()
        .find(|known| known.as_str() == decision)?;
    let missing =
        text(fields, "missing").map(|scopes| scopes.split(' ').map(str::to_owned).collect());
    Some(Happening::AccessDecided {
        decision: *decision,
        reason: text(fields, "reason"),
        rule: text(fields, "rule"),
        missing,
        api: text(fields, "api"),
        stage: text(fields, "stage"),
        call: text(fields, "kind"),
        connection: text(fields, "connection"),
        answer: text(fields, "answer"),
        method: text(fields, "method"),
        route: text(fields, "route"),
        issuer: text(fields, "issuer"),
        client_id: text(fields, "client").map(ClientId::new),
        subject_digest: text(fields, "subject"),
        jti_digest: text(fields, "jti"),
        kid: text(fields, "kid"),
        jwks: text(fields, "jwks"),
        config: text(fields, "config"),
        us: fields.get("us").and_then(Value::as_u64),
    })
}

/// A trace id as 32 hex digits, also from X-Ray's `1-5759e988-bd862e3fe1be46a994272793`.
pub fn hex_trace_id(id: &str) -> Option<String> {
    let digits: String = id.strip_prefix("1-").unwrap_or(id).replace('-', "");
    let is_hex = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| digits.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAMBDA: &str = r#"{"timestamp":"2026-11-26T10:00:00.123456Z","level":"INFO","fields":{"message":"decision","decision":"deny","reason":"insufficient_scope","rule":"orders-write","request_id":"r-1","trace_id":"1-5759e988-bd862e3fe1be46a994272793","method":"POST","client":"worker","us":52},"target":"gatewright::decision"}"#;

    #[test]
    fn the_lambdas_line_is_read_with_its_time_and_ids() {
        let event = decision(LAMBDA, 0).unwrap();
        assert_eq!(event.at, 1_795_687_200);
        assert_eq!(event.request.request_id.as_deref(), Some("r-1"));
        assert_eq!(
            event.request.trace_id.as_deref(),
            Some("5759e988bd862e3fe1be46a994272793")
        );
        let detail = Value::Object(event.happening.detail());
        assert_eq!(detail["decision"], "deny");
        assert_eq!(detail["client_id"], "worker");
        assert_eq!(detail["us"], 52);
    }

    #[test]
    fn a_collectors_prefix_is_passed_over_and_doesnt_change_the_id() {
        let prefixed = format!("2026-11-26T10:00:01 stream/x {LAMBDA}");
        assert_eq!(decision(&prefixed, 0), decision(LAMBDA, 0));
    }

    #[test]
    fn other_lines_are_no_decisions() {
        for line in [
            "",
            "{}",
            "START RequestId: gatewright::decision",
            r#"{"target":"gatewright::other","fields":{"decision":"allow"}}"#,
            r#"{"target":"gatewright::decision","fields":{"decision":"perhaps"}}"#,
        ] {
            assert_eq!(decision(line, 0), None, "{line}");
        }
    }
}
