//! What happens, as events: security events are stored in the transaction of the act they describe.

use serde_json::{Map, Value};

/// Kinds of security events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A code came a second time; its family was revoked.
    CodeReplayed,
    /// A spent refresh token came again outside its grace; its family was revoked.
    RefreshReplayed,
    /// A client revoked a token.
    TokenRevoked,
    /// A person logged in.
    LoginSucceeded,
    /// An account's failures reached the limit.
    LoginThrottled,
    /// A session was ended.
    SessionEnded,
    /// A person allowed a client something.
    ConsentGiven,
    /// A key was made or brought in.
    KeyCreated,
    /// A key began to sign.
    KeyActivated,
    /// A key ceased to sign.
    KeyRetired,
    /// An administrator changed something.
    Administration,
}

impl EventKind {
    /// The name as stored and logged.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CodeReplayed => "code_replayed",
            Self::RefreshReplayed => "refresh_replayed",
            Self::TokenRevoked => "token_revoked",
            Self::LoginSucceeded => "login_succeeded",
            Self::LoginThrottled => "login_throttled",
            Self::SessionEnded => "session_ended",
            Self::ConsentGiven => "consent_given",
            Self::KeyCreated => "key_created",
            Self::KeyActivated => "key_activated",
            Self::KeyRetired => "key_retired",
            Self::Administration => "administration",
        }
    }

    /// Whether somebody should look: a stolen token, or a guessed password, looks like this.
    pub const fn is_suspicious(self) -> bool {
        matches!(
            self,
            Self::CodeReplayed | Self::RefreshReplayed | Self::LoginThrottled
        )
    }
}

/// One event. Never a secret, token or password.
#[derive(Clone, Debug)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// When, Unix seconds.
    pub at: i64,
    /// Client, subject, family, and whatever else says what happened.
    pub detail: Map<String, Value>,
}

impl Event {
    /// An event without detail yet.
    pub fn new(kind: EventKind, at: i64) -> Self {
        Self {
            kind,
            at,
            detail: Map::new(),
        }
    }
    /// Adds one detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}
