//! The keys of one moment: who signs, and what the JWKS says.

use super::signing_key::SigningKey;
use super::token::sha256;
use bytes::Bytes;
use gatewright_authorizer::jose::{Algorithm, JwkSet, PublicKey};
use serde_json::{Value, json};
use std::sync::Arc;

/// An immutable snapshot; a new one replaces it when the keys change.
#[derive(Debug)]
pub struct Keyring {
    active: Vec<Arc<SigningKey>>,
    published: JwkSet,
    former: Vec<(PublicKey, i64)>,
    jwks: Bytes,
    etag: Arc<str>,
    version: Vec<(String, String)>,
    rejected: Vec<Rejected>,
}

/// A key of the database that isn't used, for it isn't as we wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its id.
    pub kid: String,
    /// Why.
    pub cause: String,
}

impl Keyring {
    /// A snapshot of the keys that sign and the public JWKs of all that verify. `version` tells snapshots
    /// apart: kid and state of each.
    pub fn new(
        active: Vec<Arc<SigningKey>>,
        published: &[Value],
        version: Vec<(String, String)>,
    ) -> Self {
        let jwks = json!({ "keys": published }).to_string();
        let etag = format!("\"{}\"", sha256(&jwks)).into();
        let jwks = Bytes::from(jwks);
        let keys = published
            .iter()
            .filter_map(|jwk| PublicKey::from_jwk(jwk).ok())
            .collect();
        Self {
            active,
            published: JwkSet::from_keys(keys),
            former: Vec::new(),
            jwks,
            etag,
            version,
            rejected: Vec::new(),
        }
    }

    /// The same, with the keys that are not used.
    #[must_use]
    pub fn without(self, rejected: Vec<Rejected>) -> Self {
        Self { rejected, ..self }
    }

    /// The keys that are not used.
    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    /// The same, with keys that have left the JWKS, each with the time (Unix seconds) until which it tells whose a hint is.
    #[must_use]
    pub fn remembering(self, former: Vec<(PublicKey, i64)>) -> Self {
        Self { former, ..self }
    }

    /// The key that signs with this algorithm.
    pub fn signer(&self, algorithm: Algorithm) -> Option<&Arc<SigningKey>> {
        self.active.iter().find(|key| key.algorithm() == algorithm)
    }
    /// The keys that sign.
    pub fn active(&self) -> &[Arc<SigningKey>] {
        &self.active
    }
    /// The public keys that tokens may still be verified with.
    pub fn published(&self) -> &JwkSet {
        &self.published
    }
    /// The key that verifies an ID token that comes back as a hint: a published one, or a former one while sessions may
    /// live that it signed for. Nothing else may be verified with it.
    pub fn hint_key(&self, kid: &str, now: i64) -> Option<&PublicKey> {
        let lasting = self.former.iter().filter(|(_, until)| *until > now);
        self.published
            .iter()
            .chain(lasting.map(|(key, _)| key))
            .find(|key| key.kid() == Some(kid))
    }
    /// The JWKS document, prepared.
    pub fn jwks(&self) -> &Bytes {
        &self.jwks
    }
    /// Its entity tag.
    pub fn etag(&self) -> &Arc<str> {
        &self.etag
    }
    /// Kid and state of each key.
    pub fn version(&self) -> &[(String, String)] {
        &self.version
    }
}
