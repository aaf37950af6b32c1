//! How old the signing keys are, and which are late: for metrics, from what was read last.

use super::keys::ALGORITHMS;
use super::{FlowError, Settings};
use crate::metrics::KeyAge;
use crate::store::{Store, signing_keys};

/// Seconds after which a key that should sign by now is called overdue: every node looks each second.
const OVERDUE_S: i64 = 30;
const STATES: [&str; 3] = ["pending", "active", "retiring"];

/// What matters of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    algorithm: &'static str,
    state: &'static str,
    created_at: i64,
    /// When something should have happened to it.
    overdue_at: Option<i64>,
}

/// Reads the keys that are in use.
///
/// # Errors
/// [`FlowError`]
pub async fn read(store: &Store, settings: &Settings) -> Result<Vec<KeyTimes>, FlowError> {
    let records = signing_keys::all(store).await?;
    let times = records.iter().filter_map(|key| {
        let known = ALGORITHMS.iter().map(|algorithm| algorithm.as_str());
        let algorithm = known.into_iter().find(|name| *name == key.algorithm)?;
        let state = STATES.into_iter().find(|name| *name == key.state)?;
        let period = settings.rotate_every_days * 86_400;
        // Its successor is published for twice the JWKS' max-age before it takes its place.
        let replaced_at = key.activates_at + period + 2 * settings.jwks_max_age_s;
        let due_at = match state {
            "pending" => Some(key.activates_at),
            "active" if period > 0 => Some(replaced_at),
            _ => None,
        };
        Some(KeyTimes {
            algorithm,
            state,
            created_at: key.created_at,
            overdue_at: due_at.map(|at| at + OVERDUE_S),
        })
    });
    Ok(times.collect())
}

/// The age of the oldest key of each algorithm and state, and how many are overdue.
pub fn at(keys: &[KeyTimes], now: i64) -> (Vec<KeyAge>, usize) {
    let mut ages: Vec<KeyAge> = Vec::new();
    for key in keys {
        let seconds = now - key.created_at;
        let same =
            |known: &&mut KeyAge| (known.algorithm, known.state) == (key.algorithm, key.state);
        match ages.iter_mut().find(same) {
            Some(known) => known.seconds = known.seconds.max(seconds),
            None => ages.push(KeyAge {
                algorithm: key.algorithm,
                state: key.state,
                seconds,
            }),
        }
    }
    let is_overdue = |key: &&KeyTimes| key.overdue_at.is_some_and(|at| at < now);
    (ages, keys.iter().filter(is_overdue).count())
}
