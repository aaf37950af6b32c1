//! A client with a key of its own, which signs proofs of possession (RFC 9449).

use aws_lc_rs::digest::{SHA256, digest};
use gatewright_authorizer::jose::thumbprint;
use serde_json::{Value, json};

use super::signer::shared;
use super::{NOW, Signer, b64, claims};

pub const URL: &str = "https://api.example.com/prod/orders/1";

pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    b64(digest(&SHA256, bytes.as_ref()))
}

/// A key of a client, which signs proofs.
pub struct Client(pub Signer);

impl Client {
    pub fn new() -> Self {
        Self(Signer::ed25519("client"))
    }

    /// The bare public key, as proofs carry it.
    pub fn jwk(&self) -> Value {
        let jwk = self.0.jwk();
        let mut bare = json!({});
        for name in ["kty", "crv", "x", "y", "n", "e"] {
            if let Some(value) = jwk.get(name) {
                bare[name] = value.clone();
            }
        }
        bare
    }

    pub fn token(&self) -> String {
        bound(&json!({"jkt": thumbprint(&self.jwk()).unwrap()}))
    }

    pub fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": self.0.alg, "jwk": self.jwk()})
    }

    pub fn claims(token: &str, jti: &str) -> Value {
        json!({"jti": jti, "htm": "GET", "htu": URL, "iat": NOW, "ath": sha256(token)})
    }

    pub fn proof(&self, token: &str, jti: &str) -> String {
        self.0.sign_with(&self.header(), &Self::claims(token, jti))
    }
}

pub fn bound(cnf: &Value) -> String {
    let mut claims = claims("orders:read");
    claims["cnf"] = cnf.clone();
    shared().sign(&claims)
}
