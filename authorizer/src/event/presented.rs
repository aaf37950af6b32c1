//! Finds the one credential of a request, or says why there isn't one (RFC 6750 §2.1, RFC 9449 §7.1).

use serde_json::Value;

use super::text;
use crate::credentials::{Credentials, Scheme};
use crate::reason::Reason;

/// An `Authorization` value on its own: no event of such a kind holds a proof or a certificate.
pub(crate) fn alone<'e>(value: &'e str, method: &'e str) -> Result<Credentials<'e>, Reason> {
    let (scheme, token) = authorization(value)?;
    Ok(Credentials {
        scheme,
        method,
        ..Credentials::bearer(token)
    })
}

/// The credentials of a request with headers, on a connection that may have a client certificate.
pub(super) fn in_request<'e>(
    event: &'e Value,
    method: &'e str,
    path: &[&str],
    certificate: &[&str],
) -> Result<Credentials<'e>, Reason> {
    let value = header(event, "authorization")?.ok_or(Reason::TokenMissing)?;
    let (scheme, token) = authorization(value)?;
    let proof = header(event, "dpop")?;
    if proof.is_some_and(|proof| proof.contains(',')) {
        return Err(Reason::CredentialsAmbiguous);
    }
    Ok(Credentials {
        scheme,
        token,
        proof,
        certificate: text(event, certificate),
        method,
        url: url(event, path),
    })
}

/// A token without a scheme, from where no scheme belongs.
pub(crate) fn bare(token: &str) -> Result<&str, Reason> {
    if token.is_empty() {
        return Err(Reason::TokenMissing);
    }
    if token.contains(|c: char| c == ',' || c.is_control() || c.is_whitespace()) {
        return Err(Reason::CredentialsAmbiguous);
    }
    Ok(token)
}

/// The URL as the caller knows it: the gateway's domain name and the path that it was asked for.
fn url(event: &Value, path: &[&str]) -> Option<String> {
    let domain = text(event, &["requestContext", "domainName"])?;
    let path = text(event, path).filter(|path| path.starts_with('/'))?;
    Some(format!("https://{domain}{path}"))
}

/// Scheme and token. The scheme is case-insensitive; one space follows it.
pub(crate) fn authorization(value: &str) -> Result<(Scheme, &str), Reason> {
    if value.is_empty() {
        return Err(Reason::TokenMissing);
    }
    if value.chars().any(|c| c == ',' || c.is_control()) {
        return Err(Reason::CredentialsAmbiguous);
    }
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Scheme::Bearer,
        "dpop" => Scheme::Dpop,
        _ => return Err(Reason::SchemeRefused),
    };
    if token.is_empty() {
        return Err(Reason::TokenMissing);
    }
    if token.contains(char::is_whitespace) {
        return Err(Reason::CredentialsAmbiguous);
    }
    Ok((scheme, token))
}

/// The only value of a header in the maps of an event; either map may be missing or null, but they must not disagree.
pub(super) fn header<'e>(event: &'e Value, name: &str) -> Result<Option<&'e str>, Reason> {
    in_both(event, ["headers", "multiValueHeaders"], name)
}

/// The only value of a query parameter, in the same way. Another case of its name counts as the same, and is ambiguous.
pub(super) fn parameter<'e>(event: &'e Value, name: &str) -> Result<Option<&'e str>, Reason> {
    let maps = ["queryStringParameters", "multiValueQueryStringParameters"];
    in_both(event, maps, name)
}

fn in_both<'e>(event: &'e Value, maps: [&str; 2], name: &str) -> Result<Option<&'e str>, Reason> {
    let [single, multi] = maps.map(|map| event.get(map));
    let is_map = |map: Option<&Value>| map.is_some_and(Value::is_object);
    let values = (only_value(single, name)?, only_value(multi, name)?);
    if is_map(single) && is_map(multi) && values.0 != values.1 {
        return Err(Reason::CredentialsAmbiguous);
    }
    Ok(values.0.or(values.1))
}

/// The only value in one map, whatever the case of its name.
pub(crate) fn only_value<'e>(
    headers: Option<&'e Value>,
    name: &str,
) -> Result<Option<&'e str>, Reason> {
    let Some(headers) = headers.and_then(Value::as_object) else {
        return Ok(None);
    };
    let mut values = headers
        .iter()
        .filter(|(own, _)| own.eq_ignore_ascii_case(name))
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

    fn token(value: &str) -> Result<&str, Reason> {
        let (scheme, token) = authorization(value)?;
        assert_eq!(scheme, Scheme::Bearer);
        Ok(token)
    }

    fn from_headers(event: &Value) -> Result<&str, Reason> {
        in_request(event, "GET", &[], &[]).map(|credentials| credentials.token)
    }

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
    fn two_proofs_are_ambiguous_whatever_the_scheme() {
        let ambiguous = [
            json!({"headers": {"Authorization": "Bearer a", "DPoP": "p", "dpop": "p"}}),
            json!({"headers": {"authorization": "DPoP a", "dpop": "p,p"}}),
            json!({"multiValueHeaders": {"Authorization": ["DPoP a"], "DPoP": ["p", "p"]}}),
            json!({
                "headers": {"Authorization": "DPoP a", "DPoP": "p"},
                "multiValueHeaders": {"Authorization": ["DPoP a"], "DPoP": ["q"]},
            }),
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
