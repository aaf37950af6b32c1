//! One row of the table of events.

use crate::crypto::chain::ChainKey;
use crate::domain::event::{Event, Happening, Kind, Severity};
use crate::store::{Param, params};
use serde_json::{Map, Value};

/// One row as stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct EventRow {
    /// Its id.
    pub event_id: String,
    /// The name of its kind.
    pub kind: String,
    /// How much somebody should care; rows of the first version have none.
    pub severity: Option<String>,
    /// Unix seconds.
    pub at: i64,
    /// The node that wrote it.
    pub writer: Option<String>,
    /// Its place in the writer's chain, from 1.
    pub seq: Option<i64>,
    /// The chain's hash up to here.
    pub hash: Option<String>,
    /// The request's id.
    pub request_id: Option<String>,
    /// The trace's id.
    pub trace_id: Option<String>,
    /// The sender's address, as far as it was kept.
    pub address: Option<String>,
    /// The sender's kind of device.
    pub device: Option<String>,
    /// The person that it is about.
    pub subject: Option<String>,
    /// The client that it is about.
    pub client_id: Option<String>,
    /// The fields of its kind, a JSON object.
    pub detail: String,
    /// What events of its kind are counted by; out of the detail, and read only where that is verified.
    #[sqlx(default)]
    pub label: Option<String>,
    /// The route, likewise.
    #[sqlx(default)]
    pub route: Option<String>,
    /// How many it stands for if it isn't one, likewise.
    #[sqlx(default)]
    pub amount: Option<i64>,
}

/// Characters of a label or a route, at most: an index holds them, and a decision log may hold anything.
const LABEL_MAX_CHARS: usize = 200;

/// Label, route and amount of a kind's detail.
fn counted(
    kind: &str,
    detail: &Map<String, Value>,
) -> (Option<String>, Option<String>, Option<i64>) {
    let text = |name: &str| {
        let text = detail.get(name).and_then(Value::as_str)?;
        Some(text.chars().take(LABEL_MAX_CHARS).collect())
    };
    let known = Happening::KINDS.iter().find(|known| known.name == kind);
    let label = known.and_then(Kind::counted_by).and_then(text);
    let route = (kind == "access_decided").then(|| text("route")).flatten();
    let amount = known
        .filter(|kind| kind.may_be_many())
        .and_then(|_| detail.get("count")?.as_i64());
    (label, route, amount)
}

impl EventRow {
    pub(super) fn of(event: &Event, writer: &str, seq: i64) -> Self {
        let kind = event.happening.kind();
        let mut detail = event.happening.detail();
        if let Some(amount) = event.amount {
            detail.insert("count".to_owned(), amount.into());
        }
        let text = |name: &str| detail.get(name).and_then(Value::as_str).map(str::to_owned);
        let (label, route, amount) = counted(kind.name, &detail);
        Self {
            event_id: event.id.clone(),
            kind: kind.name.to_owned(),
            severity: Some(kind.severity.as_str().to_owned()),
            at: event.at,
            writer: Some(writer.to_owned()),
            seq: Some(seq),
            hash: None,
            request_id: event.request.request_id.as_deref().map(str::to_owned),
            trace_id: event.request.trace_id.as_deref().map(str::to_owned),
            address: event.request.address.clone(),
            device: event
                .request
                .device
                .map(|device| device.as_str().to_owned()),
            subject: text("subject"),
            client_id: text("client_id"),
            detail: Value::Object(detail).to_string(),
            label,
            route,
            amount,
        }
    }

    /// The row of an event that stands in no chain: one that was read elsewhere.
    pub fn unchained(event: &Event) -> Self {
        Self {
            writer: None,
            seq: None,
            ..Self::of(event, "", 0)
        }
    }

    /// The hash that it must have after this one.
    pub fn link(&self, key: &ChainKey, before: &str) -> String {
        fn shown(value: Option<&String>) -> &str {
            // No column can hold NUL, so what is absent is told from what is empty.
            value.map_or("\0", String::as_str)
        }
        let (at, seq) = (
            self.at.to_string(),
            self.seq.map(|seq| seq.to_string()).unwrap_or_default(),
        );
        key.link(
            before,
            &[
                &self.event_id,
                &self.kind,
                shown(self.severity.as_ref()),
                &at,
                shown(self.writer.as_ref()),
                &seq,
                shown(self.request_id.as_ref()),
                shown(self.trace_id.as_ref()),
                shown(self.address.as_ref()),
                shown(self.device.as_ref()),
                shown(self.subject.as_ref()),
                shown(self.client_id.as_ref()),
                &self.detail,
            ],
        )
    }

    /// Whether what it's counted by is what its detail says.
    pub(super) fn is_counted_rightly(&self) -> bool {
        let said = (self.label.clone(), self.route.clone(), self.amount);
        said == counted(&self.kind, &self.fields())
    }

    /// How many it stands for.
    pub fn amount(&self) -> i64 {
        let (_, _, amount) = counted(&self.kind, &self.fields());
        amount.unwrap_or(1)
    }

    /// What happened; `None` if another version wrote it.
    pub fn happening(&self) -> Option<Happening> {
        Happening::restore(&self.kind, self.fields())
    }

    /// The fields of its kind.
    pub fn fields(&self) -> Map<String, Value> {
        serde_json::from_str(&self.detail).unwrap_or_default()
    }

    /// How much somebody should care.
    pub fn severity(&self) -> Severity {
        let named = Severity::ALL
            .into_iter()
            .find(|known| Some(known.as_str()) == self.severity.as_deref());
        named.unwrap_or(Severity::Info)
    }

    pub(super) fn params(&self) -> Vec<Param> {
        params![
            &self.event_id,
            &self.kind,
            self.severity.clone(),
            self.at,
            self.writer.clone(),
            self.seq,
            self.hash.clone(),
            self.request_id.clone(),
            self.trace_id.clone(),
            self.address.clone(),
            self.device.clone(),
            self.subject.clone(),
            self.client_id.clone(),
            &self.detail,
            self.label.clone(),
            self.route.clone(),
            self.amount,
        ]
    }

    /// The row as JSON, as listings and exports show it. What is absent is left out.
    pub fn json(&self) -> Value {
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        let text = |value: &Option<String>| value.clone().map(Value::from);
        put("event_id", Some(self.event_id.clone().into()));
        put("at", Some(self.at.into()));
        put("kind", Some(self.kind.clone().into()));
        put("severity", Some(self.severity().as_str().into()));
        put("request_id", text(&self.request_id));
        put("trace_id", text(&self.trace_id));
        put("address", text(&self.address));
        put("device", text(&self.device));
        put("subject", text(&self.subject));
        put("client_id", text(&self.client_id));
        put("detail", Some(Value::Object(self.fields())));
        put("writer", text(&self.writer));
        put("seq", self.seq.map(Value::from));
        put("hash", text(&self.hash));
        Value::Object(members)
    }
}
