//! What has happened lately, counted: what administrators look at.
//!
//! Every count is kept for some seconds and made once however many look, and no two are made at once, so that looking
//! takes at most one connection of the database.

mod count;

use super::untrusted_proxies::UntrustedProxy;
use super::{FlowError, Issuer};
use moka::future::Cache;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::Mutex;

/// How far back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// An hour, by 5 minutes.
    Hour,
    /// A day, by hours.
    #[default]
    Day,
    /// A week, by 6 hours.
    Week,
}

impl Range {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// The value as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.as_str() == text)
    }

    /// Seconds of one stretch, and how many there are.
    pub const fn stretches(self) -> (i64, i64) {
        match self {
            Self::Hour => (300, 12),
            Self::Day => (3600, 24),
            Self::Week => (21_600, 28),
        }
    }

    /// How long what was counted is shown, seconds.
    const fn kept_s(self) -> i64 {
        match self {
            Self::Hour => 5,
            Self::Day => 15,
            Self::Week => 60,
        }
    }
}

/// A kind of tokens and how many: recorded one by one, and summed up beyond the rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// As `token_issued`.
    pub single: i64,
    /// In `tokens_issued`.
    pub summed: i64,
}

/// One stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// From, Unix seconds.
    pub since: i64,
    /// Until before.
    pub until: i64,
    /// Logins that succeeded.
    pub logins: i64,
    /// Logins that failed.
    pub failures: i64,
    /// Access tokens by grant, in the order of [`GRANTS`].
    pub tokens: [Tokens; 3],
    /// Calls that an authorizer did not allow.
    pub denials: i64,
}

/// The grants as events name them, in the order in which they are shown.
pub const GRANTS: [&str; 3] = ["authorization_code", "refresh_token", "client_credentials"];

/// A word or an id, and how often.
pub type Named = (String, i64);

/// A person and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// `sub`
    pub subject: String,
    /// The name to log in with, if the account still is.
    pub username: Option<String>,
    /// How often.
    pub count: i64,
}

/// An alert that isn't resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAlert {
    /// The event that opened it.
    pub event_id: String,
    /// By which rule.
    pub rule: String,
    /// What it says.
    pub summary: String,
    /// Since when, Unix seconds.
    pub since: i64,
    /// Whether somebody took notice.
    pub acknowledged: bool,
}

/// A signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub kid: String,
    /// Its algorithm.
    pub alg: String,
    /// `pending`, `active` or `retiring`.
    pub state: String,
    /// When it was made, Unix seconds.
    pub created_at: i64,
    /// When it may begin to sign, Unix seconds.
    pub activates_at: i64,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// How far back.
    pub range: Range,
    /// From, Unix seconds.
    pub since: i64,
    /// Until before; the last stretch isn't over yet.
    pub until: i64,
    /// When it was counted.
    pub counted_at: i64,
    /// Stretch by stretch.
    pub slices: Vec<Slice>,
    /// Why logins failed.
    pub failure_reasons: Vec<Named>,
    /// Why calls were not allowed.
    pub denial_reasons: Vec<Named>,
    /// Where calls were not allowed.
    pub denied_routes: Vec<Named>,
    /// Clients that got the most tokens.
    pub clients: Vec<Named>,
    /// Clients that were refused most.
    pub refused_clients: Vec<Named>,
    /// Addresses from which the most logins failed.
    pub addresses: Vec<Named>,
    /// Accounts at which the most logins failed.
    pub accounts: Vec<Person>,
    /// Alerts that are open.
    pub alerts: Vec<OpenAlert>,
    /// Peers whose forwarded headers aren't believed.
    pub untrusted_proxies: Vec<UntrustedProxy>,
    /// Keys that are published.
    pub keys: Vec<Key>,
    /// Whether there was more than is counted: the oldest is missing.
    pub cut_short: bool,
}

/// Counts that are kept for some seconds.
pub struct Activities {
    kept: Cache<(Range, i64), Arc<Activity>>,
    one_at_a_time: Mutex<()>,
}

impl Default for Activities {
    fn default() -> Self {
        Self {
            kept: Cache::builder().max_capacity(16).build(),
            one_at_a_time: Mutex::default(),
        }
    }
}

impl Activities {
    /// What has happened, at most some seconds old.
    ///
    /// # Errors
    /// [`FlowError`]
    pub async fn of(
        &self,
        issuer: &Issuer,
        range: Range,
        now: i64,
    ) -> Result<Arc<Activity>, Arc<FlowError>> {
        let key = (range, now.div_euclid(range.kept_s()));
        self.kept
            .try_get_with(key, async {
                let _alone = self.one_at_a_time.lock().await;
                count::count(issuer, range, now).await.map(Arc::new)
            })
            .await
    }
}
