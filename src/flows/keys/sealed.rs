//! The rows of signing keys: sealed by the holder of the master key, and believed only then.

use crate::crypto::keyring::Rejected;
use crate::crypto::signing_key::{PrivatePkcs8, SigningKey};
use crate::crypto::token::equal;
use crate::crypto::{Entropy, Keyring, MasterKeys};
use crate::flows::{FlowError, id_token_hint};
use crate::store::signing_keys::KeyRecord;
use gatewright_authorizer::jose::Algorithm;
use serde_json::Value;
use std::sync::Arc;

/// Seals a new key.
pub(super) fn seal(
    master: &MasterKeys,
    entropy: &Entropy,
    algorithm: Algorithm,
    private: &PrivatePkcs8,
    state: &str,
    now: i64,
    activates_at: i64,
) -> Result<KeyRecord, FlowError> {
    let key = SigningKey::parse(algorithm, private)?;
    let sealed_private =
        master
            .signing_keys
            .seal(entropy, &context(key.kid()), private.expose())?;
    Ok(KeyRecord {
        kid: key.kid().to_owned(),
        algorithm: algorithm.as_str().to_owned(),
        state: state.to_owned(),
        public_jwk: key.public_jwk().to_string(),
        sealed_private,
        created_at: now,
        activates_at,
        retired_at: None,
        gone_at: None,
        public_seal: Some(public_seal(
            master,
            key.kid(),
            algorithm.as_str(),
            &key.public_jwk().to_string(),
        )),
        hints_until: None,
    })
}

pub(super) fn public_seal(
    master: &MasterKeys,
    kid: &str,
    algorithm: &str,
    public_jwk: &str,
) -> String {
    master.row_seal("signing_key", &[kid, algorithm, public_jwk])
}

/// The public half of a key whose private one may be gone: only as the holder of the master key wrote it.
pub fn sealed_public(master: &MasterKeys, record: &KeyRecord) -> Option<Value> {
    let expected = public_seal(master, &record.kid, &record.algorithm, &record.public_jwk);
    let is_ours = equal(&expected, record.public_seal.as_deref()?);
    serde_json::from_str(&record.public_jwk)
        .ok()
        .filter(|_| is_ours)
}

fn context(kid: &str) -> String {
    format!("signing_key.sealed_private {kid} sign")
}

/// Whoever can write the database mustn't make anybody trust a key: what is published was sealed by us, in whatever
/// state it is. Without a key that signs, or soon will, there's nothing to go on with; one that has ceased to sign and
/// isn't ours is left out.
pub(super) fn build(master: &MasterKeys, records: &[KeyRecord]) -> Result<Keyring, FlowError> {
    let mut active = Vec::new();
    let mut published: Vec<Value> = Vec::new();
    let mut rejected = Vec::new();
    for record in records.iter().filter(|record| record.state != "gone") {
        match (open(master, record), record.state.as_str()) {
            (Ok(key), state) => {
                published.push(key.public_jwk().clone());
                if state == "active" {
                    active.push(Arc::new(key));
                }
            }
            (Err(error), "active" | "pending") => return Err(error),
            (Err(error), _) => rejected.push(Rejected {
                kid: record.kid.clone(),
                cause: error.to_string(),
            }),
        }
    }
    let keyring = Keyring::new(active, &published, version(records));
    Ok(keyring
        .without(rejected)
        .remembering(id_token_hint::former_keys(master, records)))
}

pub(super) fn version(records: &[KeyRecord]) -> Vec<(String, String)> {
    let live = records.iter().filter(|record| record.state != "gone");
    live.map(|record| (record.kid.clone(), record.state.clone()))
        .collect()
}

/// Both halves of a key, if we sealed the private one for this kid, which is the public one's thumbprint.
pub(super) fn open(master: &MasterKeys, record: &KeyRecord) -> Result<SigningKey, FlowError> {
    let unreadable = || {
        FlowError::Internal(format!(
            "signing key {} can't be opened with master key {}: give the master key that sealed it; if that is the one, \
             somebody else wrote this row, and 'gatewright key retire' takes it away",
            record.kid,
            master.id()
        ))
    };
    let algorithm: Algorithm = record.algorithm.parse().map_err(|_| unreadable())?;
    let der = master
        .signing_keys
        .open(&context(&record.kid), &record.sealed_private)
        .map_err(|_| unreadable())?;
    let public = serde_json::from_str(&record.public_jwk).map_err(|_| unreadable())?;
    let key = SigningKey::restore(algorithm, &PrivatePkcs8::new(der), public)
        .map_err(|_| unreadable())?;
    if key.kid() == record.kid {
        Ok(key)
    } else {
        Err(unreadable())
    }
}
