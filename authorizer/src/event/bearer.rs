//! Finds the one bearer token of a request, or says why there isn't one (RFC 6750 §2.1).

use serde_json::Value;

use crate::reason::Reason;

/// The token of an `Authorization` value. The scheme is case-insensitive; one space follows it.
pub(super) fn token(value: &str) -> Result<&str, Reason> {
    if value.is_empty() {
        return Err(Reason::TokenMissing);
    }
    if value.chars().any(|c| c == ',' || c.is_control()) {
        return Err(Reason::CredentialsAmbiguous);
    }
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Reason::SchemeRefused);
    }
    if token.is_empty() {
        return Err(Reason::TokenMissing);
    }
    if token.contains(char::is_whitespace) {
        return Err(Reason::CredentialsAmbiguous);
    }
    Ok(token)
}

/// The token in the header maps of an event; either map may be missing or null, but they must not disagree.
pub(super) fn from_headers(event: &Value) -> Result<&str, Reason> {
    let single = authorization(event.get("headers"))?;
    let multi = authorization(event.get("multiValueHeaders"))?;
    let has_both = |name| event.get(name).is_some_and(Value::is_object);
    if has_both("headers") && has_both("multiValueHeaders") && single != multi {
        return Err(Reason::CredentialsAmbiguous);
    }
    token(single.or(multi).ok_or(Reason::TokenMissing)?)
}

/// The only `Authorization` value of one map, whatever the case of its name.
fn authorization(headers: Option<&Value>) -> Result<Option<&str>, Reason> {
    let Some(headers) = headers.and_then(Value::as_object) else {
        return Ok(None);
    };
    let mut values = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        .map(|(_, value)| value);
    let only = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(only), None) => only,
        (Some(_), Some(_)) => return Err(Reason::CredentialsAmbiguous),
    };
    match only {
        Value::Null => Ok(None),
        Value::String(value) => Ok(Some(value)),
        Value::Array(list) => match list.as_slice() {
            [] => Ok(None),
            [Value::String(value)] => Ok(Some(value)),
            _ => Err(Reason::CredentialsAmbiguous),
        },
        _ => Err(Reason::CredentialsAmbiguous),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_scheme_is_case_insensitive_and_the_rest_is_strict() {
        assert_eq!(token("Bearer abc"), Ok("abc"));
        assert_eq!(token("bearer abc"), Ok("abc"));
        assert_eq!(token("BEARER abc"), Ok("abc"));
        for (value, reason) in [
            ("", Reason::TokenMissing),
            ("Bearer", Reason::TokenMissing),
            ("Bearer ", Reason::TokenMissing),
            ("Basic abc", Reason::SchemeRefused),
            ("Bearerabc", Reason::SchemeRefused),
            ("Bearér abc", Reason::SchemeRefused),
            (" Bearer abc", Reason::SchemeRefused),
            ("Bearer\tabc", Reason::CredentialsAmbiguous),
            ("Bearer a\tb", Reason::CredentialsAmbiguous),
            ("Bearer  abc", Reason::CredentialsAmbiguous),
            ("Bearer abc ", Reason::CredentialsAmbiguous),
            ("Bearer a,Bearer b", Reason::CredentialsAmbiguous),
            ("Bearer a, Bearer b", Reason::CredentialsAmbiguous),
        ] {
            assert_eq!(token(value), Err(reason), "{value:?}");
        }
    }

    #[test]
    fn two_authorization_headers_are_ambiguous() {
        let ambiguous = [
            json!({"headers": {"Authorization": "Bearer a", "authorization": "Bearer a"}}),
            json!({"multiValueHeaders": {"Authorization": ["Bearer a", "Bearer b"]}}),
            json!({"headers": {"Authorization": "Bearer a"}, "multiValueHeaders": {"Authorization": ["Bearer b"]}}),
            json!({"headers": {"Authorization": "Bearer a"}, "multiValueHeaders": {}}),
            json!({"headers": {}, "multiValueHeaders": {"Authorization": ["Bearer a"]}}),
            json!({"headers": {"Authorization": 7}}),
        ];
        for event in ambiguous {
            assert_eq!(
                from_headers(&event),
                Err(Reason::CredentialsAmbiguous),
                "{event}"
            );
        }
    }

    #[test]
    fn null_and_missing_maps_are_tolerated() {
        let event = json!({"headers": {"AUTHORIZATION": "Bearer a"}, "multiValueHeaders": null});
        assert_eq!(from_headers(&event), Ok("a"));
        let event = json!({"headers": null, "multiValueHeaders": {"authorization": ["Bearer a"]}});
        assert_eq!(from_headers(&event), Ok("a"));
        for event in [
            json!({}),
            json!({"headers": null}),
            json!({"headers": {}, "multiValueHeaders": {}}),
            json!(7),
        ] {
            assert_eq!(from_headers(&event), Err(Reason::TokenMissing));
        }
    }
}
