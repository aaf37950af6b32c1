//! What is normal at this hour: what the same hour held on the days before.

use crate::store::alerts::observed::{self, Which};
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Days that are looked back.
const DAYS: i64 = 7;
/// With fewer of them nothing is known to be normal.
const DAYS_NEEDED: usize = 3;
const DAY_S: i64 = 86_400;
const HOUR_S: i64 = 3600;

/// What is known, for an hour at a time: counting days of events is not for every few seconds.
#[derive(Default)]
pub(super) struct Baselines(Mutex<HashMap<String, (i64, Option<i64>)>>);

impl Baselines {
    /// How many events that fit are normal in `span_s` seconds at this hour; `None` in the first days. The median, so
    /// that one bad day among them neither hides an attack nor is forgotten for long.
    pub(super) async fn normal(
        &self,
        store: &Store,
        which: Which<'_>,
        (span_s, now): (i64, i64),
    ) -> Result<Option<i64>, StoreError> {
        let hour = now.div_euclid(HOUR_S);
        let known = self.locked().get(which.kind).copied();
        let an_hour = match known {
            Some((at, an_hour)) if at == hour => an_hour,
            _ => {
                let an_hour = an_hour(store, which, now).await?;
                self.locked().insert(which.kind.to_owned(), (hour, an_hour));
                an_hour
            }
        };
        Ok(an_hour.map(|count| rounded_up(count * span_s, HOUR_S)))
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, (i64, Option<i64>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn an_hour(store: &Store, which: Which<'_>, now: i64) -> Result<Option<i64>, StoreError> {
    let Some(first) = observed::first(store).await? else {
        return Ok(None);
    };
    let mut counts = Vec::new();
    for day in 1..=DAYS {
        let middle = now - day * DAY_S;
        let (from, to) = (middle - HOUR_S / 2, middle + HOUR_S / 2);
        if from < first {
            break;
        }
        counts.push(observed::count(store, which, (from, to)).await?);
    }
    Ok(median(counts))
}

fn median(mut counts: Vec<i64>) -> Option<i64> {
    if counts.len() < DAYS_NEEDED {
        return None;
    }
    counts.sort_unstable();
    // The upper one of two in the middle: rather a little late than a false alarm.
    counts.get(counts.len() / 2).copied()
}

fn rounded_up(count: i64, by: i64) -> i64 {
    (count + by - 1).div_euclid(by)
}

#[cfg(test)]
mod tests {
    use super::{median, rounded_up};

    #[test]
    fn one_bad_day_doesnt_move_what_is_normal() {
        assert_eq!(median(vec![10, 12, 9_000, 11, 13]), Some(12));
        assert_eq!(median(vec![10, 12]), None);
        assert_eq!(rounded_up(1, 12), 1);
        assert_eq!(rounded_up(24, 12), 2);
    }
}
