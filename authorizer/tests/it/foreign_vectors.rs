//! Tokens, proofs and keys that npm's jose and `PyPI`'s joserfc made (`tests/vectors`).

use gatewright_authorizer::credentials::Scheme;
use gatewright_authorizer::jose::JwkSet;
use gatewright_authorizer::{Credentials, Reason, Verifier};
use serde::Deserialize;
use serde_json::Value;

use crate::support::{NOW, block_on, rules};

#[derive(Deserialize)]
struct Vectors {
    made_by: String,
    jwks: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    scheme: String,
    token: String,
    proof: Option<String>,
    certificate: Option<String>,
    #[serde(default)]
    method: String,
    url: Option<String>,
    reason: Option<String>,
}

impl Case {
    fn credentials(&self) -> Credentials<'_> {
        Credentials {
            scheme: match self.scheme.as_str() {
                "dpop" => Scheme::Dpop,
                _ => Scheme::Bearer,
            },
            token: &self.token,
            proof: self.proof.as_deref(),
            certificate: self.certificate.as_deref(),
            method: &self.method,
            url: self.url.clone(),
        }
    }
}

fn check(vectors: &str) {
    let vectors: Vectors = serde_json::from_str(vectors).unwrap();
    let keys = JwkSet::parse(vectors.jwks.to_string().as_bytes()).unwrap();
    assert_eq!(keys.iter().count(), 4);
    for case in &vectors.cases {
        let verifier = Verifier::with_fixed_keys([(rules(), keys.clone())]);
        let outcome = block_on(verifier.verify(case.credentials(), NOW));
        assert_eq!(
            outcome.err().map(Reason::as_str),
            case.reason.as_deref(),
            "{}: {}",
            vectors.made_by,
            case.name
        );
    }
}

#[test]
fn jose_and_we_agree() {
    check(include_str!("../vectors/jose.json"));
}

#[test]
fn joserfc_and_we_agree() {
    check(include_str!("../vectors/joserfc.json"));
}
