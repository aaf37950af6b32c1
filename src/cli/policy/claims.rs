//! Claims as if a valid token had them.

use chrono::DateTime;
use gatewright_authorizer::policy::Policy;
use gatewright_authorizer::token::{TokenRules, claims_of};
use gatewright_authorizer::{AccessToken, Reason, Refused};
use serde_json::{Map, Value, json};

/// Unix seconds of an RFC 3339 time.
pub(super) fn time(text: &str) -> Option<i64> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp())
}

/// A token with these claims; what every token has and these lack is made up.
pub(super) fn token(
    policy: &Policy,
    mut claims: Map<String, Value>,
    now: i64,
) -> Result<AccessToken, Refused> {
    let named = claims.get("iss").and_then(Value::as_str);
    let issuer = policy
        .issuers()
        .iter()
        .find(|issuer| named.is_none_or(|named| issuer.url == named))
        .ok_or(Reason::IssuerUnknown)?;
    let rules: TokenRules = issuer.token_rules();
    let made_up = [
        ("iss", json!(rules.issuer)),
        ("aud", json!(rules.audiences.first())),
        ("sub", json!("somebody")),
        ("client_id", json!("some-client")),
        ("jti", json!("some-token")),
        ("iat", json!(now)),
        ("exp", json!(now.saturating_add(300))),
    ];
    for (name, value) in made_up {
        claims.entry(name).or_insert(value);
    }
    claims_of(claims, &rules, now)
}
