//! What a message about an alert says: one JSON object for programs, and the same in words for people.

use super::{AlertSettings, lifecycle};
use crate::domain::alert::{Frequent, Rule, TopFive, Unit};
use crate::store::alerts::AlertRow;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What happened to the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was raised.
    Opened,
    /// It has ended.
    Resolved,
}

impl Change {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "alert_opened",
            Self::Resolved => "alert_resolved",
        }
    }
}

/// A message about an alert.
pub fn of_alert(change: Change, issuer: &str, settings: &AlertSettings, alert: &AlertRow) -> Value {
    json!({"type": change.as_str(), "issuer": issuer, "alert": shown(settings, alert)})
}

/// A message that says that messages arrive.
pub fn test(issuer: &str, now: i64) -> Value {
    json!({"type": "test", "issuer": issuer, "sent_at": rfc3339(now)})
}

/// An alert as listings and messages show it.
pub fn shown(settings: &AlertSettings, alert: &AlertRow) -> Value {
    let (kind, id) = alert.target.split_once(':').unwrap_or(("all", ""));
    let target = match kind {
        "all" => json!({"kind": kind}),
        _ => json!({"kind": kind, "id": id}),
    };
    let unit = alert.rule.parse::<Rule>().map(Rule::unit);
    json!({
        "alert_id": alert.alert_id,
        "rule": alert.rule,
        "severity": lifecycle::severity(&alert.rule),
        "status": status(alert),
        "summary": alert.summary,
        "target": target,
        "since": rfc3339(alert.since),
        "seen_at": rfc3339(alert.seen_at),
        "opened_at": rfc3339(alert.opened_at),
        "acknowledged_at": alert.acknowledged_at.map(rfc3339),
        "acknowledged_by": alert.acknowledged_by,
        "resolved_at": alert.resolved_at.map(rfc3339),
        "observed": alert.observed,
        "limit": alert.alert_limit,
        "normal": alert.normal,
        "unit": unit.ok().map(|unit| match unit {
            Unit::Events => "events",
            Unit::Accounts => "accounts",
            Unit::Seconds => "seconds",
            Unit::Percent => "percent",
        }),
        "top": serde_json::from_str::<Value>(&alert.top).unwrap_or_default(),
        "runbook": settings.runbook(&alert.rule),
    })
}

/// Where it stands, as it is written.
pub fn status(alert: &AlertRow) -> &'static str {
    use crate::domain::alert::AlertStatus::{Acknowledged, Open, Resolved};
    let status = match (alert.resolved_at, alert.acknowledged_at) {
        (Some(_), _) => Resolved,
        (None, Some(_)) => Acknowledged,
        (None, None) => Open,
    };
    status.as_str()
}

fn rfc3339(at: i64) -> String {
    DateTime::from_timestamp(at, 0).map_or_else(
        || at.to_string(),
        |time| time.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}

/// A message for people: subject and text.
pub fn words(body: &Value) -> (String, String) {
    let text = |of: &Value, name: &str| {
        let value = of.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let issuer = text(body, "issuer");
    let Some(alert) = body.get("alert") else {
        let subject = "[Gatewright] test".to_owned();
        let words = format!("This is a test: messages about alerts of {issuer} arrive here.\n");
        return (subject, words);
    };
    let (rule, summary) = (text(alert, "rule"), text(alert, "summary"));
    let what = match text(body, "type").as_str() {
        "alert_resolved" => "resolved",
        _ => "opened",
    };
    let severity = text(alert, "severity");
    let subject = format!("[Gatewright] {severity} alert {what}: {rule}");
    let mut words = format!("{summary}\n\n");
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing to a `String` cannot fail.
            let _ = writeln!(words, "{name:<10} {value}");
        }
    };
    let number = |name: &str| {
        let number = alert.get(name).and_then(Value::as_i64);
        number.map(|number| number.to_string()).unwrap_or_default()
    };
    line("Issuer", issuer);
    line("Since", text(alert, "since"));
    line("Last seen", text(alert, "seen_at"));
    line("Observed", number("observed"));
    line("Limit", number("limit"));
    line("Normal", number("normal"));
    let top: TopFive = alert
        .get("top")
        .and_then(|top| serde_json::from_value(top.clone()).ok())
        .unwrap_or_default();
    for (name, frequent) in [
        ("Accounts", &top.accounts),
        ("Clients", &top.clients),
        ("Addresses", &top.addresses),
        ("Reasons", &top.reasons),
        ("Routes", &top.routes),
        ("Nodes", &top.nodes),
    ] {
        line(name, list(frequent));
    }
    line("What to do", text(alert, "runbook"));
    line("Alert", text(alert, "alert_id"));
    (subject, words)
}

/// Names and counts in one line; what others wrote moves no cursor and breaks no line.
fn list(frequent: &[Frequent]) -> String {
    let one = |frequent: &Frequent| {
        let name = &frequent.name;
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        format!("{name} ({})", frequent.count)
    };
    frequent.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert() -> AlertRow {
        AlertRow {
            alert_id: "a1".to_owned(),
            rule: "login_failures".to_owned(),
            target: "all:".to_owned(),
            summary: "57 failed logins within 5 minutes; at this hour 3 are normal".to_owned(),
            since: 1_795_687_200,
            seen_at: 1_795_687_260,
            observed: 57,
            normal: Some(3),
            alert_limit: 50,
            top: r#"{"addresses":[{"name":"203.0.113.7","count":57}]}"#.to_owned(),
            opened_at: 1_795_687_270,
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: None,
        }
    }

    #[test]
    fn a_message_says_what_since_when_how_much_where_and_what_to_do() {
        let settings = AlertSettings {
            runbooks: "https://wiki.example.com/runbooks/".to_owned(),
            ..AlertSettings::default()
        };
        let body = of_alert(
            Change::Opened,
            "https://id.example.com",
            &settings,
            &alert(),
        );
        assert_eq!(body["alert"]["since"], "2026-11-26T10:00:00Z");
        assert_eq!(body["alert"]["status"], "open");
        let (subject, text) = words(&body);
        assert_eq!(subject, "[Gatewright] warning alert opened: login_failures");
        for part in [
            "57 failed logins within 5 minutes; at this hour 3 are normal",
            "Since      2026-11-26T10:00:00Z",
            "Normal     3",
            "Addresses  203.0.113.7 (57)",
            "What to do https://wiki.example.com/runbooks/login_failures.md",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn what_others_wrote_breaks_no_line() {
        let frequent = Frequent {
            name: "GET /x\r\nBcc: a\u{1b}[2J".to_owned(),
            count: 1,
        };
        assert_eq!(list(&[frequent]), "GET /xBcc: a[2J (1)");
    }
}
