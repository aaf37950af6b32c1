//! An authorizer's decisions, on their way to an issuer: lines of its decision log in a bounded queue.
//!
//! Whoever decides never waits. When the queue is full the oldest lines make room and are counted. Of what was allowed
//! only a share is kept; what wasn't is kept whole.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FormatFields as _;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::{Context, Layer};

use super::line::{Format, write_time};
use crate::config::{Ratio, Share};

/// The target of the lines.
pub(super) const TARGET: &str = "gatewright::decision";
/// How a line says that a call was allowed; text of others stands behind backslashes and can't look like it.
const ALLOWED: &str = "\"decision\":\"allow\"";
/// Lines that may wait; with the longest line this bounds the memory that a silent issuer costs.
const QUEUE: usize = 10_000;
/// Longer lines are lost; the issuer doesn't read them either.
const LONGEST: usize = 16_000;

/// The queue; cheap to clone.
#[derive(Clone)]
pub struct DecisionLines(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    came: Notify,
}

struct Waiting {
    allowed: Share,
    lines: VecDeque<String>,
    lost: u64,
}

impl DecisionLines {
    /// An empty queue, for all that wasn't allowed and this share of what was.
    pub fn new(allowed: Ratio) -> Self {
        Self(Arc::new(Shared {
            waiting: Mutex::new(Waiting {
                allowed: Share::new(allowed),
                lines: VecDeque::new(),
                lost: 0,
            }),
            came: Notify::new(),
        }))
    }

    /// Keeps a line, unless it is one of those that the share leaves out.
    pub fn put(&self, line: String) {
        let mut waiting = self.waiting();
        if line.contains(ALLOWED) && !waiting.allowed.picks() {
            return;
        }
        if line.len() > LONGEST {
            waiting.lost += 1;
            return;
        }
        if waiting.lines.len() == QUEUE {
            waiting.lines.pop_front();
            waiting.lost += 1;
        }
        waiting.lines.push_back(line);
        drop(waiting);
        self.0.came.notify_one();
    }

    /// Takes the oldest lines, as many as go into `max_bytes` with their line ends, and how many were lost so far.
    pub fn take(&self, max_bytes: usize) -> (Vec<String>, u64) {
        let mut waiting = self.waiting();
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some(next) = waiting.lines.front() {
            bytes += next.len() + 1;
            if bytes > max_bytes && !taken.is_empty() {
                break;
            }
            taken.extend(waiting.lines.pop_front());
        }
        (taken, std::mem::take(&mut waiting.lost))
    }

    /// Puts lines back that were taken, before the others; the bound may be passed by them.
    pub fn give_back(&self, lines: Vec<String>) {
        let mut waiting = self.waiting();
        for line in lines.into_iter().rev() {
            waiting.lines.push_front(line);
        }
    }

    /// How many wait.
    pub fn waiting_lines(&self) -> usize {
        self.waiting().lines.len()
    }

    /// Waits until a line came since the last call.
    pub async fn came(&self) {
        self.0.came.notified().await;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        let waiting = self.0.waiting.lock();
        waiting.unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for DecisionLines {
    #[expect(clippy::disallowed_methods, reason = "a line says when it was written")]
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut line = "{\"@timestamp\":\"".to_owned();
        let written = write_time(&mut line, SystemTime::now()).and_then(|()| {
            line.push_str("\",\"log.logger\":\"gatewright::decision\"");
            Format::Json.format_fields(Writer::new(&mut line), event)
        });
        // Writing to a string doesn't fail, and a value that can't be written is none of a decision's.
        if written.is_ok() {
            line.push('}');
            self.put(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    fn lines(allowed: f64) -> DecisionLines {
        DecisionLines::new(Ratio::new(allowed).unwrap())
    }

    #[test]
    fn a_decision_is_one_object_and_other_lines_are_none() {
        let lines = lines(1.0);
        tracing::subscriber::with_default(
            tracing_subscriber::registry().with(lines.clone()),
            || {
                tracing::info!(target: "gatewright::decision", decision = "deny", method = "\"a\nb", us = 7, "decision");
                tracing::info!(target: "gatewright::other", decision = "deny", "decision");
            },
        );
        let (taken, lost) = lines.take(10_000);
        assert_eq!((taken.len(), lost), (1, 0));
        let line: serde_json::Value = serde_json::from_str(&taken[0]).unwrap();
        assert_eq!(line["log.logger"], "gatewright::decision");
        assert_eq!(line["method"], "\"a\nb");
        assert_eq!(line["us"], 7);
        assert!(line["@timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn all_that_was_denied_is_kept_and_a_share_of_what_was_allowed() {
        for (share, kept) in [(0.0, 0), (0.1, 10), (0.25, 25), (1.0, 100)] {
            let lines = lines(share);
            for n in 0..100 {
                lines.put(format!("{{\"decision\":\"allow\",\"n\":{n}}}"));
                lines.put(format!(
                    "{{\"decision\":\"deny\",\"method\":\"\\\"decision\\\":\\\"allow\\\"\",\"n\":{n}}}"
                ));
            }
            let (taken, lost) = lines.take(usize::MAX);
            assert_eq!((taken.len(), lost), (100 + kept, 0), "{share}");
        }
    }

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let lines = lines(1.0);
        for n in 0..QUEUE + 3 {
            lines.put(n.to_string());
        }
        lines.put("x".repeat(LONGEST + 1));
        let (first, lost) = lines.take(12);
        assert_eq!(first, ["3", "4", "5", "6", "7", "8"]);
        assert_eq!(lost, 4);
        let (rest, lost) = lines.take(usize::MAX);
        assert_eq!((rest.len(), lost), (QUEUE - 6, 0));
        assert_eq!(lines.waiting_lines(), 0);
    }

    #[test]
    fn a_line_that_is_longer_than_a_batch_is_taken_by_itself() {
        let lines = lines(1.0);
        lines.put("x".repeat(100));
        lines.put("y".to_owned());
        assert_eq!(lines.take(10).0.len(), 1);
        assert_eq!(lines.take(10).0, ["y"]);
    }
}
