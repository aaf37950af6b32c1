//! The most rows that the table may have: what strangers cause goes first, what matters never.

use super::retention::{self, BATCH};
use crate::crypto::chain::ChainKey;
use crate::domain::event::Sort;
use crate::store::{Store, StoreError, params};

/// Chains know how long they are: nothing is counted.
const CHAINS: &str = "
    SELECT writer, removed_seq, seq - removed_seq
      FROM event_writer
     ORDER BY writer";

/// How the table stands to its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Within it.
    Kept,
    /// So many rows were removed; there may be more to remove.
    Cut(u64),
    /// Beyond it, and what is left isn't removed: so many rows.
    Exceeded(i64),
}

/// A chain, where it begins, and its rows.
type Chain = (String, i64, i64);

/// Of the budget, strangers' rows have so much before traffic makes room for them: one part in so many.
const STRANGERS_PART: i64 = 4;

/// Removes at most [`BATCH`] rows if there are more than `most`; call again while something is cut. What strangers cause
/// goes first, unless it is less than a quarter of the budget and traffic is what fills it; of refusals, attempts and
/// decisions the longest chain loses its oldest rows, so a flood of one sort takes nothing of another. Rows of the first
/// version, which are in no chain, don't count.
///
/// # Errors
/// [`StoreError`]
pub async fn batch(store: &Store, key: &ChainKey, most: i64) -> Result<Budget, StoreError> {
    let mut chains: Vec<Chain> = store.fetch_all(CHAINS, params![]).await?;
    let sum = |chains: &[Chain]| chains.iter().map(|(_, _, rows)| *rows).sum::<i64>();
    let rows = sum(&chains);
    if rows <= most {
        return Ok(Budget::Kept);
    }
    let beyond = rows - most;
    chains.retain(|(writer, _, rows)| Sort::of_chain(writer) != Sort::Kept && *rows > 0);
    chains.sort_by_key(|(_, _, rows)| std::cmp::Reverse(*rows));
    let (traffic, strangers): (Vec<Chain>, Vec<Chain>) = chains
        .into_iter()
        .partition(|(writer, ..)| Sort::of_chain(writer) == Sort::Traffic);
    let too_many = sum(&strangers) - most / STRANGERS_PART;
    let bounded = |chain: Chain, bound: i64| (chain, bound.min(beyond).min(BATCH));
    let first = strangers.iter().cloned();
    let first = first.map(|chain| bounded(chain, too_many));
    let then = traffic.into_iter().map(|chain| bounded(chain, beyond));
    let last = strangers
        .iter()
        .cloned()
        .map(|chain| bounded(chain, beyond));
    for ((writer, beginning, length), bound) in first.chain(then).chain(last) {
        let cut = length.min(bound);
        if cut <= 0 {
            continue;
        }
        let to = (beginning, beginning + cut);
        let removed = retention::remove_to(store, key, &writer, to).await?;
        if removed > 0 {
            return Ok(Budget::Cut(removed));
        }
    }
    Ok(Budget::Exceeded(rows))
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[CHAINS];
