//! Says of an event that isn't recognised what about it is wrong. Nothing that is decided depends on it.

use serde_json::Value;

use super::text;

/// Longest text of an event that is repeated, in characters.
const MAX_SHOWN: usize = 64;

/// What is wrong with an event that none of the kinds fits, in one sentence; `None` when nothing of it stands out.
pub fn what_is_wrong(event: &Value) -> Option<String> {
    let members = event.as_object();
    let Some(members) = members.filter(|members| !members.is_empty()) else {
        return Some("The event is no JSON object with members.".to_owned());
    };
    let kind = match (members.get("type"), members.get("version")) {
        (None, _) => return Some("The event has no `type`.".to_owned()),
        (Some(Value::String(kind)), _) if kind == "TOKEN" || kind == "REQUEST" => kind,
        (Some(other), _) => {
            return Some(format!(
                "The event's `type` is {}, neither TOKEN nor REQUEST.",
                shown(&other.to_string())
            ));
        }
    };
    if let Some(version) = members.get("version").filter(|version| !version.is_null())
        && !(kind == "REQUEST" && (version == "1.0" || version == "2.0"))
    {
        return Some(format!(
            "The event's payload version is {}, not 1.0 or 2.0 of an HTTP API's REQUEST authorizer.",
            shown(&version.to_string())
        ));
    }
    let name = if members
        .get("version")
        .is_some_and(|version| version == "2.0")
    {
        "routeArn"
    } else {
        "methodArn"
    };
    match text(event, &[name]) {
        None => Some(format!("The event has no `{name}`.")),
        Some(arn) => {
            of_arn(arn).map(|wrong| format!("The event's `{name}` is {}: {wrong}.", shown(arn)))
        }
    }
}

fn of_arn(arn: &str) -> Option<String> {
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let [scheme, partition, service, region, account, resource] = fields.as_slice() else {
        return Some("it has fewer than six parts between colons".to_owned());
    };
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let aws = *partition == "aws" || partition.starts_with("aws-");
    if *scheme != "arn" || *service != "execute-api" || !aws {
        return Some("it's not one of execute-api".to_owned());
    }
    if !is_word(region) {
        return Some(format!("the region {} is none", shown(region)));
    }
    if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
        return Some(format!(
            "the account {} is not twelve digits; set one in the emulator that made it up, such as 000000000000",
            shown(account)
        ));
    }
    let mut parts = resource.splitn(3, '/');
    match (parts.next().unwrap_or_default(), parts.next(), parts.next()) {
        (api, _, _) if !is_word(api) => Some(format!("the API {} is none", shown(api))),
        (_, Some(stage), Some(rest)) if !rest.contains('/') && rest != "$connect" => Some(format!(
            "behind the stage {} there is no method with a path",
            shown(stage)
        )),
        (_, Some(_), Some(_)) => None,
        _ => Some("it names no stage and method".to_owned()),
    }
}

/// Between quotes, in one line, and no longer than needs be.
fn shown(text: &str) -> String {
    let text = text.trim_matches('"');
    let mut short: String = text.chars().take(MAX_SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}
