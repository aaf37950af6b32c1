//! What can be wrong with the record.

use std::fmt;

/// Something that isn't as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A row's content and its hash don't belong together: it, or the one before it, was altered.
    Altered {
        /// Whose chain.
        writer: String,
        /// Its place.
        seq: i64,
        /// Its id.
        event_id: String,
    },
    /// Rows are missing between two others, or at the end.
    Removed {
        /// Whose chain.
        writer: String,
        /// The first that is missing.
        from: i64,
        /// The last that is missing.
        to: i64,
    },
    /// A row that belongs to no chain.
    Inserted {
        /// Its id.
        event_id: String,
    },
    /// A signed end of a chain isn't what was signed, or isn't in the chain.
    Head {
        /// Whose chain.
        writer: String,
        /// Its place.
        seq: i64,
    },
    /// A chain is missing whole, of which another tells that it came this far.
    Missing {
        /// Whose chain.
        writer: String,
        /// The number of its last event that is told of.
        seq: i64,
    },
    /// What is known of the time before the chain was altered, or is missing.
    Beginning,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered {
                writer,
                seq,
                event_id,
            } => write!(
                f,
                "altered: event {event_id} (number {seq} of {writer}) is not as it was written"
            ),
            Self::Removed { writer, from, to } if from == to => {
                write!(f, "removed: event number {from} of {writer} is missing")
            }
            Self::Removed { writer, from, to } => {
                write!(
                    f,
                    "removed: events number {from} to {to} of {writer} are missing"
                )
            }
            Self::Inserted { event_id } => {
                write!(f, "inserted: event {event_id} was not written by any node")
            }
            Self::Head { writer, seq } => write!(
                f,
                "altered: the signed end number {seq} of {writer} is not that of its chain"
            ),
            Self::Missing { writer, seq } => write!(
                f,
                "removed: the chain of {writer} is missing, which had {seq} events or more"
            ),
            Self::Beginning => f.write_str(
                "altered: the setting events_chained_since is missing or not as it was written, so nothing tells which \
                 events are from before the chains",
            ),
        }
    }
}
