//! What was found before: so that an alert is raised once, and what it was raised for isn't counted again.

use crate::domain::alert::{Rule, Target};
use crate::store::alerts::{self, AlertRow};
use crate::store::{Store, StoreError};
use std::collections::HashMap;

/// How long before now events are counted, at most, seconds.
pub(super) const REMEMBERED_S: i64 = 3600;

/// Alerts that are not over, and those that ended lately.
pub(super) struct Past {
    unresolved: HashMap<(String, String), AlertRow>,
    resolved: HashMap<(String, String), Ended>,
}

#[derive(Clone, Copy)]
struct Ended {
    seen_at: i64,
    resolved_at: i64,
}

impl Past {
    pub(super) async fn load(store: &Store, since: i64) -> Result<Self, StoreError> {
        let mut resolved: HashMap<_, Ended> = HashMap::new();
        for alert in alerts::resolved_since(store, since).await? {
            let resolved_at = alert.resolved_at.unwrap_or(i64::MIN);
            let seen_at = alert.seen_at;
            let ended = Ended {
                seen_at,
                resolved_at,
            };
            resolved
                .entry((alert.rule, alert.target))
                .and_modify(|known| {
                    known.seen_at = known.seen_at.max(seen_at);
                    known.resolved_at = known.resolved_at.max(resolved_at);
                })
                .or_insert(ended);
        }
        let unresolved = alerts::unresolved(store).await?;
        Ok(Self {
            unresolved: unresolved
                .into_iter()
                .map(|alert| ((alert.rule.clone(), alert.target.clone()), alert))
                .collect(),
            resolved,
        })
    }

    pub(super) fn unresolved(&self) -> impl Iterator<Item = &AlertRow> {
        self.unresolved.values()
    }

    pub(super) fn unresolved_of(&self, rule: Rule, target: &Target) -> Option<&AlertRow> {
        self.unresolved.get(&key(rule, target))
    }

    /// Events up to here were counted by an alert that has ended.
    pub(super) fn counted_until(&self, rule: Rule, target: &Target) -> i64 {
        let ended = self.resolved.get(&key(rule, target));
        ended.map_or(i64::MIN, |ended| ended.seen_at)
    }

    /// When the last alert of this kind ended.
    pub(super) fn ended_at(&self, rule: Rule, target: &Target) -> Option<i64> {
        let ended = self.resolved.get(&key(rule, target));
        ended.map(|ended| ended.resolved_at)
    }
}

fn key(rule: Rule, target: &Target) -> (String, String) {
    (rule.as_str().to_owned(), target.stored())
}
