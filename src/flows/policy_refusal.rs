//! A policy file that can't be used, for the record.

use super::FlowError;
use super::events::EventStream;
use super::keys::MASTER_KEY_ID;
use crate::crypto::MasterKeys;
use crate::domain::event::Happening;
use crate::store::{Store, settings};

/// Characters of a file's name, at most.
const FILE_MAX_CHARS: usize = 200;
/// Characters of a cause, at most.
const CAUSE_MAX_CHARS: usize = 400;

/// What couldn't be used, why, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct PolicyRefusal<'a> {
    /// The file's name.
    pub file: &'a str,
    /// The words of the error, with line and column.
    pub cause: &'a str,
    /// The node that doesn't start.
    pub node: &'a str,
}

/// Records it, in a database that has this version's schema and was sealed by this master key; changes nothing in any
/// other. Whether it did.
///
/// # Errors
/// [`FlowError`]
pub async fn record(
    store: &Store,
    master: &MasterKeys,
    events: &EventStream,
    refusal: PolicyRefusal<'_>,
    now: i64,
) -> Result<bool, FlowError> {
    if !store.pending_migrations().await?.is_empty() {
        return Ok(false);
    }
    if settings::get(store, MASTER_KEY_ID).await?.as_deref() != Some(master.id()) {
        return Ok(false);
    }
    let happening = Happening::PolicyRefused {
        file: bounded(refusal.file, FILE_MAX_CHARS),
        cause: bounded(&unquoted(refusal.cause), CAUSE_MAX_CHARS),
        node: refusal.node.to_owned(),
    };
    events.note(happening, now);
    Ok(events.write(store, now).await? > 0)
}

/// The words without what they quote of the file: the setting may name a wrong one, and what stands there may be a
/// secret. Line and column lead to it.
fn unquoted(words: &str) -> String {
    let parts: Vec<&str> = words.split('"').collect();
    let shown = parts.iter().enumerate().map(|(at, part)| match at % 2 {
        0 => *part,
        _ => "…",
    });
    shown.collect::<Vec<_>>().join("\"")
}

fn bounded(text: &str, most: usize) -> String {
    let mut bounded: String = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(most)
        .collect();
    if text.chars().nth(most).is_some() {
        bounded.push('…');
    }
    bounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_of_a_file_is_left_out_and_the_rest_is_bounded() {
        for (words, told) in [
            ("line 1, column 2: no", "line 1, column 2: no"),
            (
                r#"the id "gws_secret" is used twice; say "ids""#,
                r#"the id "…" is used twice; say "…""#,
            ),
            (
                r#"an end is missing: "gws_secret"#,
                r#"an end is missing: "…"#,
            ),
        ] {
            assert_eq!(unquoted(words), told);
        }
        assert_eq!(bounded("a\nb", 3), "a\u{fffd}b");
        assert_eq!(bounded("äbcd", 3), "äbc…");
    }
}
