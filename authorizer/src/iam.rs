//! Evaluates an authorizer's IAM document as API Gateway does: an explicit deny beats an allow, and what nothing
//! allows is denied.
//!
//! It's used by the local front door, as the last check of every answer, and as the tests' oracle, so it must not
//! import anything of this crate.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

/// What a document says of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Some statement allows it and none denies it.
    Allow,
    /// A statement denies it.
    ExplicitDeny,
    /// Nothing allows it.
    ImplicitDeny,
}

impl Outcome {
    /// Whether the call goes on.
    pub fn is_allow(self) -> bool {
        self == Self::Allow
    }
}

/// The document is not one that this evaluator understands; API Gateway would answer 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDocument;

impl std::fmt::Display for InvalidDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not an IAM policy document that is understood here")
    }
}

impl std::error::Error for InvalidDocument {}

/// The condition that it's before this time, in Unix seconds; `None` for a time that no date can say.
pub fn before(time: i64) -> Option<Value> {
    let date = DateTime::from_timestamp(time, 0)?.to_rfc3339_opts(SecondsFormat::Secs, true);
    Some(json!({"DateLessThan": {"aws:CurrentTime": date}}))
}

/// Evaluates `execute-api:Invoke` on a resource, whatever the time.
///
/// # Errors
/// When the document has another shape, or uses conditions, principals or negated elements.
pub fn evaluate(document: &Value, resource: &str) -> Result<Outcome, InvalidDocument> {
    evaluate_when(document, resource, None)
}

/// Evaluates `execute-api:Invoke` on a resource at a time, in Unix seconds.
///
/// # Errors
/// When the document has another shape, or uses principals, negated elements, or other conditions than [`before`] makes.
pub fn evaluate_at(document: &Value, resource: &str, now: i64) -> Result<Outcome, InvalidDocument> {
    evaluate_when(document, resource, Some(now))
}

fn evaluate_when(
    document: &Value,
    resource: &str,
    now: Option<i64>,
) -> Result<Outcome, InvalidDocument> {
    let statements = one_or_many(document.get("Statement").ok_or(InvalidDocument)?);
    let mut outcome = Outcome::ImplicitDeny;
    for statement in statements {
        let members = statement.as_object().ok_or(InvalidDocument)?;
        let known = ["Sid", "Effect", "Action", "Resource", "Condition"];
        if members.keys().any(|key| !known.contains(&key.as_str())) {
            return Err(InvalidDocument);
        }
        let holds = match members.get("Condition") {
            None => true,
            Some(condition) => now.ok_or(InvalidDocument)? < end_of(condition)?,
        };
        let effect = members
            .get("Effect")
            .and_then(Value::as_str)
            .ok_or(InvalidDocument)?;
        let applies = any_matches(members.get("Action"), |action| {
            matches(&action.to_ascii_lowercase(), "execute-api:invoke")
        })? && any_matches(members.get("Resource"), |pattern| {
            matches(pattern, resource)
        })?;
        match (effect, applies && holds) {
            ("Deny", true) => outcome = Outcome::ExplicitDeny,
            ("Allow", true) if outcome == Outcome::ImplicitDeny => outcome = Outcome::Allow,
            ("Allow" | "Deny", _) => {}
            _ => return Err(InvalidDocument),
        }
    }
    Ok(outcome)
}

/// The time that a condition of [`before`] names.
fn end_of(condition: &Value) -> Result<i64, InvalidDocument> {
    let only = |value: &Value, name: &str| {
        let members = value.as_object().filter(|members| members.len() == 1);
        members?.get(name).cloned()
    };
    let date = only(condition, "DateLessThan").and_then(|dates| only(&dates, "aws:CurrentTime"));
    let date = date.ok_or(InvalidDocument)?;
    let date = DateTime::parse_from_rfc3339(date.as_str().ok_or(InvalidDocument)?);
    Ok(date.map_err(|_| InvalidDocument)?.timestamp())
}

fn one_or_many(value: &Value) -> &[Value] {
    value
        .as_array()
        .map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn any_matches(
    element: Option<&Value>,
    test: impl Fn(&str) -> bool,
) -> Result<bool, InvalidDocument> {
    let patterns = one_or_many(element.ok_or(InvalidDocument)?);
    let mut any = false;
    for pattern in patterns {
        any |= test(pattern.as_str().ok_or(InvalidDocument)?);
    }
    Ok(any)
}

/// IAM's wildcards: `*` is any run of characters, `/` included; `?` is exactly one character.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match (pattern.get(p), retry) {
            (Some(b'*'), _) => {
                retry = Some((p + 1, t));
                p += 1;
            }
            (Some(expected), _) if *expected == b'?' || expected == byte => {
                p += 1;
                t += 1;
            }
            (_, Some((after_star, from))) => {
                retry = Some((after_star, from + 1));
                p = after_star;
                t = from + 1;
            }
            (_, None) => return false,
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_crosses_slashes_and_a_question_mark_is_one_character() {
        assert!(matches("GET/orders/*/items", "GET/orders/a/b/items"));
        assert!(matches("GET/*", "GET/"));
        assert!(!matches("GET/?*", "GET/"));
        assert!(matches("a?c", "a/c"));
        assert!(!matches("a?c", "ac"));
        assert!(matches("*a*a*a", "xaxaa"));
        assert!(!matches("abc", "ab"));
        assert!(matches("**", ""));
    }

    #[test]
    fn deny_beats_allow_and_silence_is_deny() {
        let document = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": ["x/*"]},
            {"Effect": "Deny", "Action": "execute-api:*", "Resource": "x/secret"},
        ]});
        assert_eq!(evaluate(&document, "x/a").unwrap(), Outcome::Allow);
        assert_eq!(
            evaluate(&document, "x/secret").unwrap(),
            Outcome::ExplicitDeny
        );
        assert_eq!(evaluate(&document, "y").unwrap(), Outcome::ImplicitDeny);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for statement in [
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}),
            json!({"Effect": "allow", "Action": "*", "Resource": "*"}),
            json!({"Effect": "Allow", "Action": "*", "NotResource": "x"}),
            json!({"Effect": "Allow", "Action": "*", "Resource": [1]}),
            json!("Allow"),
        ] {
            assert_eq!(
                evaluate(&json!({"Statement": [statement]}), "x"),
                Err(InvalidDocument)
            );
        }
        assert_eq!(evaluate(&json!({}), "x"), Err(InvalidDocument));
    }
}
