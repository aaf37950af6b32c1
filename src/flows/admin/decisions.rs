//! An authorizer's decision log, brought into the stream of events.

use super::{Admin, AdminError};
use crate::crypto::token::sha256_number;
use crate::domain::ClientId;
use crate::domain::event::{Decision, Event, Happening, RequestContext};
use crate::store::StoreError;
use crate::store::events::{self, search};
use chrono::DateTime;
use serde_json::{Map, Value};
use std::ops::AddAssign;

/// The target of the lines.
const TARGET: &str = "gatewright::decision";
/// The longest line that is looked at, bytes.
const LINE_MAX_BYTES: usize = 16_384;
/// Lines that are taken at once.
pub const LINES_MAX: usize = 500;
/// Of a text, for an index holds some of them; of scopes there may be more.
const TEXT_MAX_CHARS: usize = 200;
const SCOPES_MAX_CHARS: usize = 2000;
/// How old a decision may be that an authorizer sends, seconds.
const SHIPPED_WITHIN_S: i64 = 86_400;
/// So that numbers can be added up.
const LOST_MAX: u64 = 1_000_000_000;

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

/// Lines of a log, and where they come from.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The lines.
    pub lines: &'a [String],
    /// The authorizer that sent them; `None` for a log that an administrator brings in.
    pub sender: Option<Sender<'a>>,
}

/// An authorizer that sends its decisions.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The client that it is here.
    pub client_id: &'a str,
    /// How many decisions it had to leave out before these.
    pub lost: u64,
    /// What tells this number from others that it sends.
    pub report: &'a str,
}

/// Adds the decisions among some lines of a log. What came before is not added again.
///
/// # Errors
/// [`AdminError`]: then nothing is added, and all may be sent again.
pub async fn import(admin: Admin<'_>, batch: Batch<'_>, now: i64) -> Result<Imported, AdminError> {
    let mut imported = Imported::default();
    let mut events: Vec<Event> = Vec::new();
    for line in batch.lines.iter().filter(|line| !line.trim().is_empty()) {
        match decision(line, batch.sender.map(|sender| sender.client_id), now) {
            Some(event) => events.push(event),
            None => imported.passed_over += 1,
        }
    }
    let decided = events.len() as u64;
    events.extend(batch.sender.and_then(|sender| lost(sender, now)));
    let mut added = write_new(admin, &events).await;
    if matches!(added, Err(StoreError::Conflict)) {
        // Another node took the same at the same time.
        added = write_new(admin, &events).await;
    }
    let added = added?;
    imported.added = added.iter().filter(|event| is_decision(event)).count() as u64;
    imported.known = decided - imported.added;
    Ok(imported)
}

/// Writes what isn't there yet, and returns it.
async fn write_new(admin: Admin<'_>, all: &[Event]) -> Result<Vec<Event>, StoreError> {
    let ids: Vec<&str> = all.iter().map(|event| event.id.as_str()).collect();
    let mut known = search::known(admin.store, &ids).await?;
    let mut new = all.to_vec();
    new.retain(|event| known.insert(event.id.clone()));
    if !new.is_empty() {
        events::write(admin.store, admin.events.recorder(), &new).await?;
    }
    // Of the decisions an authorizer's own log tells.
    for event in new.iter().filter(|event| !is_decision(event)) {
        admin.events.recorder().tell(event);
    }
    Ok(new)
}

fn is_decision(event: &Event) -> bool {
    matches!(event.happening, Happening::AccessDecided { .. })
}

fn lost(sender: Sender<'_>, now: i64) -> Option<Event> {
    (sender.lost > 0).then(|| Event {
        id: id_of(&["lost", sender.client_id, sender.report]),
        at: now,
        happening: Happening::DecisionsLost {
            client_id: ClientId::new(sender.client_id),
            count: sender.lost.min(LOST_MAX),
        },
        request: RequestContext::default(),
        amount: None,
    })
}

/// The decision of one line: JSON as the Lambda function or `log.format = "json"` writes it, also with something before
/// it, as log collectors put there.
///
/// A decision of the time to come counts as one of now, for clocks differ. An authorizer's that is older than a day is none:
/// whoever has its secret mustn't write what was usual.
pub fn decision(line: &str, shipped_by: Option<&str>, now: i64) -> Option<Event> {
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
    if shipped_by.is_some() && at < now - SHIPPED_WITHIN_S {
        return None;
    }
    let fields = match outer.get("fields") {
        Some(Value::Object(fields)) => fields,
        _ => &outer,
    };
    let request = RequestContext {
        request_id: text(fields, "request_id").map(Into::into),
        trace_id: text(fields, "trace_id")
            .and_then(|id| hex_trace_id(&id))
            .map(Into::into),
        ..RequestContext::default()
    };
    let mut happening = happening(fields)?;
    let what = Value::Object(happening.detail()).to_string();
    let id = match &request.request_id {
        Some(request_id) => id_of(&["decided", &what, request_id]),
        None => id_of(&["decided", &what, "", time.unwrap_or_default()]),
    };
    if let Happening::AccessDecided { shipped_by: by, .. } = &mut happening {
        *by = shipped_by.map(ClientId::new);
    }
    Some(Event {
        id,
        at: at.min(now),
        happening,
        request,
        amount: None,
    })
}

/// The same for the same, whichever line it stands in: a log's line and one that was sent differ in their times.
fn id_of(parts: &[&str]) -> String {
    let whole = Value::from(parts).to_string();
    let more = sha256_number(&format!("more {whole}")) >> 40;
    let number = u32::try_from(more).unwrap_or(0);
    // Among the events of its second it comes last.
    Event::make_id(i64::MAX, number, sha256_number(&whole))
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    cut(fields, name, TEXT_MAX_CHARS)
}

fn cut(fields: &Map<String, Value>, name: &str, max_chars: usize) -> Option<String> {
    let value = fields.get(name)?.as_str()?.chars().take(max_chars);
    // What an API's caller chose, such as a method, may hold anything; PostgreSQL takes no NUL.
    Some(value.collect::<String>().replace('\0', "\u{fffd}"))
}

fn happening(fields: &Map<String, Value>) -> Option<Happening> {
    let decision = text(fields, "decision")?;
    let decision = Decision::ALL
        .iter()
        .find(|known| known.as_str() == decision)?;
    let missing = cut(fields, "missing", SCOPES_MAX_CHARS)
        .map(|scopes| scopes.split(' ').map(str::to_owned).collect());
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
        shipped_by: None,
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

    const NOW: i64 = 1_795_690_000;

    #[test]
    fn a_decision_of_the_time_to_come_counts_as_one_of_now() {
        let early = decision(LAMBDA, Some("gate"), 1_795_687_000).unwrap();
        let late = decision(LAMBDA, Some("gate"), NOW).unwrap();
        assert_eq!((early.at, late.at), (1_795_687_000, 1_795_687_200));
        assert_eq!(early.id, late.id, "it is the same decision");
        assert_eq!(late.happening.detail()["shipped_by"], "gate");
    }

    #[test]
    fn the_lambdas_line_is_read_with_its_time_and_ids() {
        let event = decision(LAMBDA, None, NOW).unwrap();
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
        assert_eq!(decision(&prefixed, None, NOW), decision(LAMBDA, None, NOW));
    }

    #[test]
    fn a_line_that_was_sent_is_the_line_of_the_log() {
        let logged = r#"{"@timestamp":"2026-11-26T09:59:59.999Z","log.level":"info","log.logger":"gatewright::decision","ecs.version":"8.11.0","message":"decision","decision":"deny","reason":"no_rule","request_id":"r-1","us":52}"#;
        let sent = r#"{"@timestamp":"2026-11-26T10:00:00.000Z","log.logger":"gatewright::decision","message":"decision","decision":"deny","reason":"no_rule","request_id":"r-1","us":52}"#;
        let id = |line: &str, by| decision(line, by, NOW).unwrap().id;
        assert_eq!(id(logged, None), id(sent, Some("gate")));
        for (this, that) in [("r-1", "r-2"), ("52", "53"), ("no_rule", "expired")] {
            let other = sent.replace(this, that);
            assert_ne!(id(&other, None), id(sent, None), "{other}");
        }
        // Without a request's id there is only the time.
        let nameless = |line: &str| line.replace("\"request_id\":\"r-1\",", "");
        assert_ne!(id(&nameless(logged), None), id(&nameless(sent), None));
    }

    #[test]
    fn what_was_decided_long_ago_is_not_taken_from_an_authorizer() {
        let a_day_later = 1_795_687_200 + 86_400;
        assert!(decision(LAMBDA, Some("gate"), a_day_later).is_some());
        assert!(decision(LAMBDA, Some("gate"), a_day_later + 1).is_none());
        assert!(
            decision(LAMBDA, None, a_day_later * 2).is_some(),
            "an administrator's log"
        );
    }

    #[test]
    fn texts_are_no_longer_than_an_index_holds() {
        let long = LAMBDA.replace("worker", &"w\u{0}".repeat(500).replace('\0', "\\u0000"));
        let detail = decision(&long, None, NOW).unwrap().happening.detail();
        assert_eq!(detail["client_id"].as_str().unwrap().chars().count(), 200);
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
            assert_eq!(decision(line, None, NOW), None, "{line}");
        }
    }
}
