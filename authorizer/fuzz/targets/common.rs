//! What the targets share: an issuer, its keys, a policy, claims.

use gatewright_authorizer::jose::{Algorithm, JwkSet};
use gatewright_authorizer::token::{TokenRules, claims_of};
use gatewright_authorizer::{AccessToken, Policy};
use serde_json::{Value, json};

pub const NOW: i64 = 1_800_000_000;
pub const BASE: &str = "arn:aws:execute-api:eu-west-1:123456789012:api1/prod";
pub const HEAD: &str = "[[issuer]]\nurl = \"https://issuer.example\"\naudiences = [\"https://api.example.com\"]\nalgorithms = [\"ES256\", \"RS256\", \"PS256\", \"EdDSA\"]\n";

/// Public keys whose private halves nobody has.
pub fn keys() -> JwkSet {
    JwkSet::parse(include_bytes!("../seeds/jwks/set.json")).expect("the seed is a key set")
}

pub fn rules() -> TokenRules {
    TokenRules::new(
        "https://issuer.example",
        vec!["https://api.example.com".to_owned()],
        Algorithm::ALL.to_vec(),
    )
}

pub fn policy(rest: &str) -> Option<Policy> {
    Policy::parse(&format!("{HEAD}{rest}")).ok()
}

pub fn token(more: Value) -> Option<AccessToken> {
    let mut claims = json!({
        "iss": "https://issuer.example", "sub": "user-1", "aud": "https://api.example.com", "client_id": "app",
        "jti": "t-1", "iat": NOW - 10, "exp": NOW + 300, "scope": "orders:read",
    });
    if let (Some(claims), Value::Object(more)) = (claims.as_object_mut(), more) {
        claims.extend(more);
    }
    let Value::Object(claims) = claims else {
        return None;
    };
    claims_of(claims, &rules(), NOW).ok()
}
