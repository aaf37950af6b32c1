//! A signer that makes any token, sound or not, and the world around it.

pub mod client;
pub mod emf_rules;
pub mod events;
#[cfg(feature = "fetch")]
pub mod http;
pub mod issuer;
pub mod signer;

use std::sync::Arc;

use gatewright_authorizer::jose::{Algorithm, JwkSet};
use gatewright_authorizer::token::TokenRules;
use gatewright_authorizer::{AccessToken, Authorizer, Policy, Reason, Scopes, Verifier};
use serde_json::{Value, json};

pub use signer::{Signer, b64};

/// The present in every test.
pub const NOW: i64 = 1_800_000_000;
pub const ISSUER: &str = "https://issuer.example";
pub const AUDIENCE: &str = "https://api.example.com";

/// One rule of each kind.
pub const POLICY: &str = r#"
[[issuer]]
url = "https://issuer.example"
audiences = ["https://api.example.com"]
algorithms = ["ES256", "RS256", "PS256", "EdDSA"]

[[rule]]
id = "orders-read"
methods = ["GET", "HEAD"]
path = "/orders/{id}"
scopes = ["orders:read"]

[[rule]]
id = "orders-delete"
methods = ["DELETE"]
path = "/orders/{id}"
scopes = ["orders:read", "orders:write"]

[[rule]]
id = "reports"
methods = ["ANY"]
path = "/reports/**"
any_scope = ["reports:read", "admin"]

[[rule]]
id = "admin"
methods = ["GET"]
path = "/admin"
scopes = ["admin"]

[[rule]]
id = "me"
methods = ["GET"]
path = "/me"

[[rule]]
id = "no-secrets"
methods = ["ANY"]
path = "/reports/secret/**"
effect = "deny"
"#;

pub fn policy() -> Policy {
    Policy::parse(POLICY).unwrap()
}

/// A policy of just these rules.
pub fn policy_of(rules: &str) -> Policy {
    let head = POLICY.split("[[rule]]").next().unwrap();
    Policy::parse(&format!("{head}\n{rules}")).unwrap()
}

pub fn rules() -> TokenRules {
    TokenRules::new(ISSUER, vec![AUDIENCE.to_owned()], Algorithm::ALL.to_vec())
}

pub fn claims(scope: &str) -> Value {
    json!({
        "iss": ISSUER, "sub": "user-1", "aud": AUDIENCE, "client_id": "app", "jti": "t-1",
        "iat": NOW - 10, "exp": NOW + 300, "scope": scope,
    })
}

/// A token of a valid kind, by scope alone.
pub fn token_with(scope: &str) -> AccessToken {
    let Value::Object(payload) = claims(scope) else {
        unreachable!()
    };
    gatewright_authorizer::token::claims_of(payload, &rules(), NOW).unwrap()
}

/// A token of a valid kind with these claims beside the usual ones.
pub fn token_having(more: &Value) -> AccessToken {
    let Value::Object(mut payload) = claims("orders:read") else {
        unreachable!()
    };
    payload.extend(more.as_object().unwrap().clone());
    gatewright_authorizer::token::claims_of(payload, &rules(), NOW).unwrap()
}

pub fn token_of(scopes: &Scopes) -> AccessToken {
    AccessToken {
        scope: scopes.clone(),
        ..token_with("")
    }
}

pub fn verifier(signers: &[&Signer]) -> Verifier {
    Verifier::with_fixed_keys([(rules(), set(signers))])
}

pub fn set(signers: &[&Signer]) -> JwkSet {
    let jwks: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    JwkSet::parse(json!({ "keys": jwks }).to_string().as_bytes()).unwrap()
}

pub fn authorizer(policy: Policy, signers: &[&Signer]) -> Arc<Authorizer> {
    Arc::new(Authorizer::new(policy, verifier(signers)))
}

/// The reason for which the token is refused.
pub fn refusal(token: &str, signers: &[&Signer]) -> Reason {
    let direct =
        gatewright_authorizer::token::verify(token, &set(signers), &rules(), NOW).unwrap_err();
    let through = block_on(verifier(signers).verify(token, NOW)).unwrap_err();
    assert!(!direct.is_fault() && !through.is_fault());
    if through != Reason::IssuerUnknown
        && !matches!(through, Reason::ClaimMissing | Reason::ClaimMalformed)
    {
        assert_eq!(direct, through, "both ways to verify must agree");
    }
    direct
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
