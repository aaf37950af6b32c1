//! Counting: who and where.

use crate::domain::alert::{Frequent, TopFive};
use crate::domain::event::Sort;
use crate::store::alerts::observed::ObservedRow;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Of each kind of name, so many are told.
const TOP: usize = 5;
/// A name of others' making is told up to here, characters.
const NAME_MAX: usize = 120;

/// One event, its detail read.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub(super) at: i64,
    pub(super) node: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) address: Option<String>,
    /// How many it stands for.
    pub(super) amount: i64,
    detail: Map<String, Value>,
}

impl Observed {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.detail.get(name)?.as_str()
    }

    pub(super) fn number(&self, name: &str) -> i64 {
        self.detail.get(name).and_then(Value::as_i64).unwrap_or(0)
    }

    fn route(&self) -> Option<String> {
        let route = self.text("route")?;
        Some(match self.text("method") {
            Some(method) => format!("{method} {route}"),
            None => route.to_owned(),
        })
    }
}

impl From<ObservedRow> for Observed {
    fn from(row: ObservedRow) -> Self {
        Self {
            at: row.at,
            node: row.writer.as_deref().map(Sort::node).map(str::to_owned),
            subject: row.subject,
            client_id: row.client_id,
            address: row.address,
            amount: row.amount.unwrap_or(1),
            detail: serde_json::from_str(&row.detail).unwrap_or_default(),
        }
    }
}

/// Who and where, of these events.
pub(super) fn top_five(rows: &[&Observed]) -> TopFive {
    let text = |name: &'static str| move |row: &Observed| row.text(name).map(str::to_owned);
    let reason = |row: &Observed| {
        let words = ["reason", "cause", "decision"];
        words.iter().find_map(|name| text(name)(row))
    };
    TopFive {
        accounts: most(rows, |row| row.subject.clone()),
        clients: most(rows, |row| row.client_id.clone()),
        addresses: most(rows, |row| row.address.clone()),
        reasons: most(rows, reason),
        routes: most(rows, Observed::route),
        nodes: Vec::new(),
    }
}

/// The most frequent names, and how often each.
pub(super) fn most(
    rows: &[&Observed],
    name: impl Fn(&Observed) -> Option<String>,
) -> Vec<Frequent> {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for (row, name) in rows.iter().filter_map(|row| Some((row, name(row)?))) {
        *counts.entry(name).or_default() += row.amount;
    }
    let mut found: Vec<Frequent> = counts
        .into_iter()
        .map(|(name, count)| Frequent {
            name: name.chars().take(NAME_MAX).collect(),
            count,
        })
        .collect();
    found.sort_by_key(|frequent| std::cmp::Reverse(frequent.count));
    found.truncate(TOP);
    found
}

#[cfg(test)]
mod tests {
    use super::{NAME_MAX, Observed, TOP, most};

    fn by(client_id: String) -> Observed {
        Observed {
            at: 0,
            node: None,
            subject: None,
            client_id: Some(client_id),
            address: None,
            amount: 1,
            detail: serde_json::Map::new(),
        }
    }

    #[test]
    fn the_most_frequent_come_first_and_no_name_is_told_without_end() {
        let seldom = (0..9).map(|n| by(format!("client-{n}")));
        let often = (0..2).map(|_| by("x".repeat(10_000)));
        let rows: Vec<Observed> = seldom.chain(often).collect();
        let rows: Vec<&Observed> = rows.iter().collect();
        let found = most(&rows, |row| row.client_id.clone());
        assert_eq!((found.len(), found[0].count), (TOP, 2));
        assert_eq!(found[0].name, "x".repeat(NAME_MAX));
    }
}
