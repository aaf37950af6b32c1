//! What an answer says of one resource, with AWS's own strictness about its shape.

use serde_json::{Map, Value};

use super::FrontDoorKind;
use crate::answer::MAX_ANSWER;
use crate::iam::{self, Outcome};

/// The verdict of an answer on one resource.
///
/// # Errors
/// Why AWS would reject the answer.
pub(super) fn of_answer(
    kind: FrontDoorKind,
    answer: &Value,
    resource: &str,
    now: i64,
) -> Result<Outcome, &'static str> {
    if answer.to_string().len() > MAX_ANSWER {
        return Err("the answer is larger than 8 KB");
    }
    let context = match answer.get("context") {
        None => &Map::new(),
        Some(context) => context.as_object().ok_or("context is not an object")?,
    };
    let is_flat = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    if !kind.is_payload_v2() && !context.values().all(is_flat) {
        return Err("a context value is neither string, number nor boolean");
    }
    if context.contains_key("claims") {
        return Err("context holds the reserved key claims");
    }
    if kind == FrontDoorKind::HttpV2Simple {
        let authorized = answer.get("isAuthorized").and_then(Value::as_bool);
        let authorized =
            authorized.ok_or("isAuthorized is not a boolean; simple responses are on")?;
        return Ok(if authorized {
            Outcome::Allow
        } else {
            Outcome::ImplicitDeny
        });
    }
    let principal = answer.get("principalId").and_then(Value::as_str);
    if principal.is_none_or(str::is_empty) {
        return Err("principalId is missing");
    }
    let document = answer
        .get("policyDocument")
        .ok_or("policyDocument is missing")?;
    iam::evaluate_at(document, resource, now)
        .map_err(|_| "policyDocument is not one that is understood here")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_that_aws_would_reject_are_no_verdict() {
        let arn = "arn:aws:execute-api:local-1:000000000000:api/prod/GET/x";
        let document = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn},
        ]});
        let sound =
            json!({"principalId": "p", "policyDocument": document, "context": {"a": "b", "c": 1}});
        let kind = FrontDoorKind::RestToken;
        assert_eq!(of_answer(kind, &sound, arn, 0), Ok(Outcome::Allow));
        assert_eq!(
            of_answer(kind, &sound, "arn:other", 0),
            Ok(Outcome::ImplicitDeny)
        );
        let changes = [
            ("principalId", Value::Null),
            ("principalId", json!("")),
            ("policyDocument", Value::Null),
            ("context", Value::Null),
            ("context", json!({"a": ["nested"]})),
            ("context", json!({"a": null})),
            ("context", json!({"claims": "x"})),
            ("context", json!({"a": "x".repeat(MAX_ANSWER)})),
        ];
        for (name, value) in changes {
            let mut answer = sound.clone();
            *answer.get_mut(name).unwrap() = value;
            assert!(of_answer(kind, &answer, arn, 0).is_err(), "{name}");
        }
        let nested =
            json!({"principalId": "p", "policyDocument": document, "context": {"a": ["nested"]}});
        assert_eq!(
            of_answer(FrontDoorKind::HttpV2Iam, &nested, arn, 0),
            Ok(Outcome::Allow)
        );
        assert!(of_answer(FrontDoorKind::HttpV1, &nested, arn, 0).is_err());
        assert!(of_answer(FrontDoorKind::HttpV2Simple, &sound, arn, 0).is_err());
        assert!(
            of_answer(
                FrontDoorKind::HttpV2Iam,
                &json!({"isAuthorized": true}),
                arn,
                0
            )
            .is_err()
        );
    }
}
