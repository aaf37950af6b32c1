//! The longer sentences: an authorizer's decision, and what an administrator changed.

use super::words::{Words, named, shown};
use crate::domain::event::{Decision, Happening};
use gatewright_authorizer::Reason;

pub(super) fn decided(happening: &Happening) -> Words {
    let Happening::AccessDecided {
        decision,
        reason,
        rule,
        missing,
        api,
        stage,
        method,
        route,
        client_id,
        config,
        ..
    } = happening
    else {
        return Words::default();
    };
    let known = |texts: [&Option<String>; 2]| {
        let texts: Vec<&str> = texts.into_iter().flatten().map(String::as_str).collect();
        texts.join(" ")
    };
    let (call, place) = (known([method, route]), known([api, stage]));
    let mut what = format!(
        "{} called {}",
        named("client", client_id.as_ref()),
        shown(&call)
    );
    for (joint, text) in [
        (" at ", Some(place).filter(|place| !place.is_empty())),
        (": ", Some(verdict(*decision).to_owned())),
        (", ", reason.clone()),
        (", rule ", rule.clone()),
        (", policy file ", config.clone()),
    ] {
        if let Some(text) = text {
            what.push_str(joint);
            what.push_str(&text);
        }
    }
    if *decision == Decision::Allow {
        return Words::went(what);
    }
    let cause = reason.as_deref().and_then(Reason::from_code);
    let cause = cause.map_or(
        (
            "the log gives no reason that is known",
            "see the authorizer's log",
        ),
        |reason| (reason.explain(), reason.remedy()),
    );
    let lacks = missing
        .as_ref()
        .map(|missing| format!("it lacks {}", missing.join(" and ")));
    Words::refused(what, cause).and_why(lacks.as_deref())
}

fn verdict(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allowed",
        Decision::Deny => "denied",
        Decision::Unauthorized => "refused as unauthorized (401)",
        Decision::Fault => "not decided (500)",
    }
}

/// `scope: "a b" → "a"`, for what a person can read at a glance.
pub(super) fn change(
    before: Option<&serde_json::Value>,
    after: Option<&serde_json::Value>,
) -> String {
    let (Some(before), Some(after)) = (
        before.and_then(serde_json::Value::as_object),
        after.and_then(serde_json::Value::as_object),
    ) else {
        return String::new();
    };
    let changes: Vec<String> = before
        .iter()
        .filter(|(name, _)| !name.ends_with("_at"))
        .filter_map(|(name, old)| Some(format!("{name} {old} → {}", after.get(name)?)))
        .collect();
    if changes.is_empty() {
        String::new()
    } else {
        format!(" ({})", changes.join(", "))
    }
}
