//! What happens, as events: everything that an operator may want to see, count, be warned of, or have explained.
//!
//! Log, metrics, alerts and the activity page are views of this one stream. No event has a secret, token or password.

mod happening;
mod reasons;
mod sort;

pub use happening::{ChainEnd, Happening};
pub use reasons::{
    AccessRefusal, AssertionFault, BrowserSession, ClientAuthFailure, Decision, FailureCause,
    LoginFailure, RequestRefusal, SessionEnd, ThrottleScope, TokenRefusal, UnverifiedRequest,
    UriDifference,
};
pub use sort::Sort;

use super::device::DeviceClass;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// How much somebody should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The normal course of things.
    Info,
    /// Refused, as it should be.
    Notice,
    /// Somebody should look: a stolen token, or a guessed password, looks like this.
    Warning,
    /// Somebody must act.
    Critical,
}

impl Severity {
    /// Every value, from least to most.
    pub const ALL: [Self; 4] = [Self::Info, Self::Notice, Self::Warning, Self::Critical];

    /// The value as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// How an event comes into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// In the transaction of the act that it tells of: both happen, or neither.
    Committed,
    /// Through a bounded queue, in batches: it never slows or fails a request.
    Queued,
}

impl Recording {
    /// The value as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Queued => "queued",
        }
    }
}

/// What is known of a kind of event before any happens.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// As stored and logged.
    pub name: &'static str,
    /// How much somebody should care.
    pub severity: Severity,
    /// How it comes into the table.
    pub recording: Recording,
    /// When it happens.
    pub when: &'static str,
    /// The names in its detail.
    pub fields: &'static [&'static str],
}

impl Kind {
    /// The field that its events are counted by and found with, if there is one: a word of a short list.
    pub fn counted_by(&self) -> Option<&'static str> {
        Some(match self.name {
            "login_failed"
            | "client_authentication_failed"
            | "access_refused"
            | "access_decided" => "reason",
            "token_issued" | "tokens_issued" => "grant",
            "token_refused" | "authorization_refused" => "error",
            "login_throttled" => "scope",
            "request_failed" => "cause",
            "administration" => "what",
            "alert_opened" => "rule",
            _ => return None,
        })
    }

    /// Whether one of its events may stand for many, with their number as `count` in its detail.
    pub fn may_be_many(&self) -> bool {
        matches!(
            self.name,
            "login_failed"
                | "login_throttled"
                | "authorization_refused"
                | "token_refused"
                | "client_authentication_failed"
                | "access_refused"
                | "request_refused"
                | "request_failed"
                | "tokens_issued"
        )
    }
}

/// On whose behalf something happens: the request's ids and sender. Empty outside of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// The id that the caller sees.
    pub request_id: Option<Arc<str>>,
    /// The trace's id, 32 hex digits.
    pub trace_id: Option<Arc<str>>,
    /// The sender's address, as far as the privacy setting lets it be kept.
    pub address: Option<String>,
    /// What kind of device it sent from.
    pub device: Option<DeviceClass>,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its id, 32 hex digits: ids that one node makes sort as they were made.
    pub id: String,
    /// When, Unix seconds.
    pub at: i64,
    /// What.
    pub happening: Happening,
    /// On whose behalf.
    pub request: RequestContext,
    /// How many it stands for, if it isn't one.
    pub amount: Option<u64>,
}

/// Hex digits of an event's id.
const ID_DIGITS: usize = 32;

impl Event {
    /// Numbers in ids before they begin anew.
    pub const NUMBERS: u32 = 1 << 24;

    /// An id: the time, a number that goes up, and digits that tell it from those of other nodes.
    pub fn make_id(at: i64, number: u32, distinct: u64) -> String {
        let at = u64::try_from(at).unwrap_or(0) & 0xff_ffff_ffff;
        let id = format!("{at:010x}{:06x}{distinct:016x}", number % Self::NUMBERS);
        debug_assert_eq!(id.len(), ID_DIGITS);
        id
    }

    /// The number in an id; `None` if it's not one of [`Self::make_id`].
    pub fn number(id: &str) -> Option<u32> {
        let is_one = id.len() == ID_DIGITS && id.bytes().all(|digit| digit.is_ascii_hexdigit());
        let digits = id.get(10..16).filter(|_| is_one)?;
        u32::from_str_radix(digits, 16).ok()
    }

    /// The client that it is about, if there is one.
    pub fn client_id<'d>(&self, detail: &'d Map<String, Value>) -> Option<&'d str> {
        detail.get("client_id").and_then(Value::as_str)
    }

    /// The person that it is about, if there is one.
    pub fn subject<'d>(&self, detail: &'d Map<String, Value>) -> Option<&'d str> {
        detail.get("subject").and_then(Value::as_str)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ClientId, Subject};
    use std::collections::BTreeSet;

    #[test]
    fn a_kind_is_counted_by_a_field_that_it_has() {
        let mut counted = 0;
        for kind in Happening::KINDS {
            if let Some(field) = kind.counted_by() {
                assert!(kind.fields.contains(&field), "{}: {field}", kind.name);
                counted += 1;
            }
        }
        assert_eq!(counted, 12, "a kind was renamed");
    }

    #[test]
    fn an_id_tells_its_number() {
        let last = Event::NUMBERS - 1;
        for (number, told) in [(0, 0), (7, 7), (last, last), (Event::NUMBERS, 0)] {
            let id = Event::make_id(1_795_687_200, number, u64::MAX);
            assert_eq!(Event::number(&id), Some(told), "{id}");
        }
        for other in ["", "call-1", &"x".repeat(32)] {
            assert_eq!(Event::number(other), None, "{other}");
        }
    }

    #[test]
    fn names_are_distinct_and_fit_a_metric_label() {
        let names: BTreeSet<&str> = Happening::KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), Happening::KINDS.len());
        for name in names {
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_absent_is_left_out_and_an_event_can_be_read_again() {
        let happening = Happening::LoginFailed {
            reason: LoginFailure::WrongPassword,
            subject: Some(Subject::new("ada")),
            same_password_accounts: None,
        };
        let detail = happening.detail();
        assert_eq!(
            Value::Object(detail.clone()),
            serde_json::json!({"reason": "wrong_password", "subject": "ada"})
        );
        assert_eq!(Happening::restore("login_failed", detail), Some(happening));
        assert_eq!(Happening::restore("of_a_later_version", Map::new()), None);
    }

    #[test]
    fn the_name_is_that_of_the_kind() {
        let happening = Happening::ConsentRefused {
            client_id: ClientId::new("web"),
            subject: Subject::new("ada"),
        };
        assert_eq!(happening.kind().name, "consent_refused");
        assert_eq!(happening.kind().fields, ["client_id", "subject"]);
    }
}
