//! An authorizer's decisions, on their way to an issuer: lines of its decision log in a bounded queue.
//!
//! Whoever decides never waits. When the queue is full the oldest lines make room and are counted. Of what was allowed
//! only a share is kept; what wasn't is kept whole.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FormatFields as _;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::{Context, Layer};

use super::line::{Format, write_time};
use crate::config::{Ratio, Share};

/// The target of the lines.
pub(super) const TARGET: &str = "gatewright::decision";
/// Lines that may wait, and their bytes.
const QUEUE: usize = 10_000;
const QUEUE_BYTES: usize = 16 * 1024 * 1024;
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
    bytes: usize,
    /// Lost and not yet told of.
    lost: u64,
    lost_ever: u64,
}

impl Waiting {
    fn lose(&mut self, count: u64) {
        self.lost += count;
        self.lost_ever += count;
    }

    /// The oldest make room.
    fn keep_to_bounds(&mut self) {
        while self.lines.len() > QUEUE || self.bytes > QUEUE_BYTES {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= oldest.len();
            self.lose(1);
        }
    }
}

impl DecisionLines {
    /// An empty queue, for all that wasn't allowed and this share of what was.
    pub fn new(allowed: Ratio) -> Self {
        Self(Arc::new(Shared {
            waiting: Mutex::new(Waiting {
                allowed: Share::new(allowed),
                lines: VecDeque::new(),
                bytes: 0,
                lost: 0,
                lost_ever: 0,
            }),
            came: Notify::new(),
        }))
    }

    /// Whether the next decision is kept.
    fn wants(&self, is_allowed: bool) -> bool {
        !is_allowed || self.waiting().allowed.picks()
    }

    fn put(&self, line: String) {
        let mut waiting = self.waiting();
        if line.len() > LONGEST {
            waiting.lose(1);
        } else {
            waiting.bytes += line.len();
            waiting.lines.push_back(line);
            waiting.keep_to_bounds();
        }
        drop(waiting);
        self.0.came.notify_one();
    }

    /// Takes the oldest lines, at most `max_lines`, and as many as go into `max_bytes` with their line ends, but one at
    /// least; and how many were lost since the last call.
    pub fn take(&self, max_lines: usize, max_bytes: usize) -> (Vec<String>, u64) {
        let mut waiting = self.waiting();
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some(next) = waiting.lines.front() {
            bytes += next.len() + 1;
            if taken.len() == max_lines || (bytes > max_bytes && !taken.is_empty()) {
                break;
            }
            waiting.bytes -= next.len();
            taken.extend(waiting.lines.pop_front());
        }
        (taken, std::mem::take(&mut waiting.lost))
    }

    /// Puts lines back that were taken, before the others.
    pub fn give_back(&self, lines: Vec<String>) {
        let mut waiting = self.waiting();
        for line in lines.into_iter().rev() {
            waiting.bytes += line.len();
            waiting.lines.push_front(line);
        }
        waiting.keep_to_bounds();
    }

    /// Counts lines that were taken and will not be sent.
    pub fn lose(&self, count: u64) {
        self.waiting().lose(count);
    }

    /// How many wait, and how many were lost so far.
    pub fn standing(&self) -> (usize, u64) {
        let waiting = self.waiting();
        (waiting.lines.len(), waiting.lost_ever)
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
        let mut look = IsAllowed(false);
        event.record(&mut look);
        if !self.wants(look.0) {
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

/// Looks whether a call was allowed.
struct IsAllowed(bool);

impl Visit for IsAllowed {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0 |= field.name() == "decision" && value == "allow";
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    fn lines(allowed: f64) -> DecisionLines {
        DecisionLines::new(Ratio::new(allowed).unwrap())
    }

    fn all(lines: &DecisionLines) -> (Vec<String>, u64) {
        lines.take(usize::MAX, usize::MAX)
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
        let (taken, lost) = all(&lines);
        assert_eq!((taken.len(), lost), (1, 0));
        let line: serde_json::Value = serde_json::from_str(&taken[0]).unwrap();
        assert_eq!(line["log.logger"], "gatewright::decision");
        assert_eq!(line["method"], "\"a\nb");
        assert_eq!(line["us"], 7);
        assert!(line["@timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn all_that_was_denied_is_kept_and_a_share_of_what_was_allowed() {
        for (share, kept) in [(0.0, 0), (0.1, 1_000), (0.25, 2_500), (1.0, 10_000)] {
            let lines = lines(share);
            let mut by_turn = [0; 10];
            tracing::subscriber::with_default(
                tracing_subscriber::registry().with(lines.clone()),
                || {
                    for n in 0..10_000 {
                        tracing::info!(target: "gatewright::decision", decision = "allow", n, "decision");
                        by_turn[n % 10] += lines.standing().0;
                        all(&lines);
                        tracing::info!(target: "gatewright::decision", decision = "deny", method = "allow", "decision");
                        assert_eq!(all(&lines).0.len(), 1);
                    }
                },
            );
            let picked: usize = by_turn.iter().sum();
            assert!(picked.abs_diff(kept) <= 2, "{share}: {picked}");
            // Of calls that take turns each is seen.
            for turn in by_turn {
                assert!(
                    turn.abs_diff(kept / 10) <= kept / 50,
                    "{share}: {by_turn:?}"
                );
            }
        }
    }

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let lines = lines(1.0);
        for n in 0..QUEUE + 3 {
            lines.put(n.to_string());
        }
        lines.put("x".repeat(LONGEST + 1));
        assert_eq!(lines.standing(), (QUEUE, 4));
        let (first, lost) = lines.take(usize::MAX, 12);
        assert_eq!(first, ["3", "4", "5", "6", "7", "8"]);
        assert_eq!(lost, 4);
        // What is given back counts, too.
        for n in 0..6 {
            lines.put(n.to_string());
        }
        lines.give_back(first);
        assert_eq!(lines.standing(), (QUEUE, 10));
        let (rest, lost) = all(&lines);
        assert_eq!((rest.len(), lost), (QUEUE, 6));
        assert_eq!(rest[0], "9");
        lines.lose(2);
        assert_eq!((lines.standing(), all(&lines)), ((0, 12), (Vec::new(), 2)));
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let lines = lines(1.0);
        for _ in 0..2_000 {
            lines.put("x".repeat(LONGEST));
        }
        let (waiting, lost) = lines.standing();
        assert_eq!(waiting, QUEUE_BYTES / LONGEST);
        assert_eq!(lost, 2_000 - waiting as u64);
    }

    #[test]
    fn a_line_that_is_longer_than_a_batch_is_taken_by_itself() {
        let lines = lines(1.0);
        for line in ["x".repeat(100), "y".to_owned(), "z".to_owned()] {
            lines.put(line);
        }
        assert_eq!(lines.take(9, 10).0.len(), 1);
        assert_eq!(lines.take(1, 10).0, ["y"]);
        assert_eq!(lines.take(9, 10).0, ["z"]);
    }
}
