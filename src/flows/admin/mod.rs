//! What administrators do: clients, people and keys.
//!
//! Each change is one transaction that also records an event: what, to whom, and how it was before and after.
//! Rules are applied together, so that everything that is wrong is said at once.

pub mod administrators;
pub mod alerts;
mod client_change;
pub mod client_secrets;
pub mod clients;
pub mod decisions;
pub mod events;
pub mod keys;
pub mod passwords;
pub mod user_sessions;
pub mod users;

use super::FlowError;
use super::events::EventStream;
use crate::crypto::entropy::NoEntropy;
use crate::crypto::password::{HashError, PasswordHasher};
use crate::crypto::{Entropy, MasterKeys};
use crate::domain::event::Happening;
use crate::store::{Store, StoreError, Tx};
use serde_json::{Map, Value};
use std::fmt;

pub use client_change::ClientChange;

/// The most that custom and profile claims may take together, as JSON: they go into tokens, which verifiers
/// refuse beyond 8 KB.
const CLAIMS_MAX_BYTES: usize = 4096;

/// What an administrator's use cases work with.
#[derive(Clone, Copy)]
pub struct Admin<'a> {
    /// The database.
    pub store: &'a Store,
    /// Keys derived from the master key.
    pub master: &'a MasterKeys,
    /// Chance.
    pub entropy: &'a Entropy,
    /// The password pool.
    pub passwords: &'a PasswordHasher,
    /// What happens.
    pub events: &'a EventStream,
    /// Who acts, for the record: `cli`, or an administrator's name.
    pub actor: &'a str,
}

/// Why a change was not made.
#[derive(Debug)]
pub enum AdminError {
    /// What was asked for is against the rules: everything that is wrong, each with what to do.
    Refused(Vec<String>),
    /// There is no such thing; says how to find those that there are.
    Unknown(String),
    /// Something is in the way, such as a name that is taken; says what to do.
    Conflict(String),
    /// Nobody's fault here.
    Failed(FlowError),
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(faults) => f.write_str(&faults.join("\n")),
            Self::Unknown(words) | Self::Conflict(words) => f.write_str(words),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AdminError {}

impl From<FlowError> for AdminError {
    fn from(error: FlowError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<NoEntropy> for AdminError {
    fn from(error: NoEntropy) -> Self {
        Self::Failed(error.into())
    }
}

impl From<serde_json::Error> for AdminError {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<HashError> for AdminError {
    fn from(error: HashError) -> Self {
        Self::Failed(match error {
            HashError::Busy => FlowError::Busy,
            HashError::Broken => FlowError::Internal(
                "the password can't be hashed; check password.memory_kib and the memory of this machine".to_owned(),
            ),
        })
    }
}

/// One administrative act, for the record.
struct Act<'a> {
    what: &'a str,
    target: &'a str,
    before: Option<Value>,
    after: Option<Value>,
}

impl Admin<'_> {
    /// Records an act in its transaction. Of a change only the members that differ are kept.
    fn record(&self, tx: &mut Tx, act: Act<'_>, now: i64) -> Result<(), AdminError> {
        let (before, after) = difference(act.before, act.after);
        let happening = Happening::Administration {
            what: act.what.to_owned(),
            target: act.target.to_owned(),
            actor: self.actor.to_owned(),
            before,
            after,
        };
        Ok(self.events.record(tx, happening, now)?)
    }
}

fn difference(before: Option<Value>, after: Option<Value>) -> (Option<Value>, Option<Value>) {
    match (before, after) {
        (Some(Value::Object(mut before)), Some(Value::Object(mut after))) => {
            before.retain(|name, old| match after.get(name) {
                Some(new) if new == old => {
                    after.remove(name);
                    false
                }
                _ => true,
            });
            (Some(Value::Object(before)), Some(Value::Object(after)))
        }
        other => other,
    }
}

/// `Ok` without faults, else all of them.
fn accept(faults: Vec<String>) -> Result<(), AdminError> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(AdminError::Refused(faults))
    }
}

/// Sets claims; `null` removes one. Adds to `faults` what is wrong with them.
fn apply_claims(
    claims: &mut Map<String, Value>,
    given: &[(String, Value)],
    faults: &mut Vec<String>,
) {
    for (name, value) in given {
        if value.is_null() {
            claims.remove(name);
            continue;
        }
        match crate::domain::claims::check_claim(name, value) {
            Ok(()) => {
                claims.insert(name.clone(), value.clone());
            }
            Err(fault) => faults.push(fault),
        }
    }
    let size = serde_json::to_string(claims).map_or(usize::MAX, |json| json.len());
    if size > CLAIMS_MAX_BYTES {
        faults.push(format!(
            "the claims take {size} bytes as JSON, and tokens carry at most {CLAIMS_MAX_BYTES}: give fewer or shorter ones"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_keeps_what_changed_and_nothing_else() {
        let before = json!({"name": "web", "disabled": false, "access_token_s": 60});
        let after = json!({"name": "web", "disabled": true});
        let kept = difference(Some(before), Some(after));
        assert_eq!(
            kept.0,
            Some(json!({"disabled": false, "access_token_s": 60}))
        );
        assert_eq!(kept.1, Some(json!({"disabled": true})));
    }

    #[test]
    fn null_removes_a_claim_and_every_fault_is_told() {
        let mut claims = Map::from_iter([("team".to_owned(), json!("a"))]);
        let mut faults = Vec::new();
        let given = [
            ("team", json!(null)),
            ("iss", json!("x")),
            ("address", json!("x")),
            ("level", json!(3)),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value));
        apply_claims(&mut claims, &given, &mut faults);
        assert_eq!(Value::Object(claims), json!({"level": 3}));
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
