//! The story behind an id, in time order and in plain words: what was asked, what was decided, and what would make it
//! work; over the issuer's events and an authorizer's decisions.

mod advice;
mod causes;
mod details;
mod gaps;
mod gather;
mod order;
mod refusals;
pub mod words;

use super::admin::{Admin, AdminError};
use crate::store::events::EventRow;
use crate::store::events::search;
use gatewright_authorizer::Policy;
use gather::Gathered;
use words::Words;

/// Where an event stands in the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has the id that was asked about.
    Asked,
    /// It led there.
    Before,
}

/// One event of the story.
#[derive(Clone, Debug)]
pub struct Told {
    /// As recorded.
    pub row: EventRow,
    /// Where it stands.
    pub place: Place,
    /// In words.
    pub words: Words,
}

/// The story.
#[derive(Clone, Debug)]
pub struct Story {
    /// The id that was asked about.
    pub id: String,
    /// What happened, in time order.
    pub told: Vec<Told>,
    /// Why what was asked for did not come about; empty if it did.
    pub why: Vec<String>,
    /// What would make it work, the nearest first.
    pub remedies: Vec<String>,
    /// What is not known, and why.
    pub unknown: Vec<String>,
}

/// What else is known besides the events.
#[derive(Clone, Copy, Default)]
pub struct Known<'a> {
    /// Decisions of an authorizer's log that were not imported.
    pub log: &'a [EventRow],
    /// The policy file of the API.
    pub policy: Option<&'a Policy>,
    /// The issuer's URL.
    pub issuer: &'a str,
    /// Days that events are kept; 0 is for ever.
    pub retention_days: u32,
}

/// Tells the story of an id: a request's, a trace's, an event's, or an API's request's.
///
/// # Errors
/// [`AdminError::Unknown`] if no event has it.
pub async fn explain(
    admin: Admin<'_>,
    id: &str,
    known: Known<'_>,
    now: i64,
) -> Result<Story, AdminError> {
    let rows = Gathered::of(admin.store, id, known.log).await?.in_order();
    if rows.is_empty() {
        return Err(unknown(admin, id, known, now).await?);
    }
    let told: Vec<Told> = rows
        .into_iter()
        .map(|(row, place)| {
            let mut words = row.happening().as_ref().map_or_else(
                || Words {
                    what: format!("{}, in a version that this one doesn't know", row.kind),
                    ..Words::default()
                },
                words::of,
            );
            let amount = row.amount();
            if amount > 1 && row.kind != "tokens_issued" {
                words.what = format!("{amount} like this, told as one: {}", words.what);
            }
            Told { row, place, words }
        })
        .collect();
    let asked = || told.iter().filter(|told| told.place == Place::Asked);
    let mut why: Vec<String> = asked().filter_map(|told| told.words.why.clone()).collect();
    let mut remedies = advice::of_settings(admin, &told, known).await?;
    remedies.extend(asked().filter_map(|told| told.words.remedy.clone()));
    once_each(&mut why);
    once_each(&mut remedies);
    let unknown = gaps::gaps(admin, &told, known, now).await?;
    Ok(Story {
        id: id.to_owned(),
        told,
        why,
        remedies,
        unknown,
    })
}

fn once_each(lines: &mut Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
}

async fn unknown(
    admin: Admin<'_>,
    id: &str,
    known: Known<'_>,
    now: i64,
) -> Result<AdminError, AdminError> {
    let kept = match (known.retention_days, search::oldest(admin.store).await?) {
        (_, None) => {
            "there are no events at all: is it the database of the server that answered?".to_owned()
        }
        (0, Some(_)) => "events are kept for ever".to_owned(),
        (days, Some(oldest)) => format!(
            "events are kept for {days} days, and the oldest here is {} hours old",
            (now - oldest).max(0) / 3600
        ),
    };
    let from_log = if known.log.is_empty() {
        "if it is an API's request id, give the authorizer's log: --decisions FILE, or 'gatewright events import FILE'; a \
         gateway that misses the identity source, or has a cached answer, asks no authorizer"
    } else {
        "the decision log that was given has it neither"
    };
    Ok(AdminError::Unknown(format!(
        "no event has the id {id:?}: it may be older than events.retention_days ({kept}), not written yet (that takes a \
         second), or of a server with another database; {from_log}"
    )))
}
