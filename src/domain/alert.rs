//! Alerts: what is watched for, and what was found.

use super::event::Severity;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $severity:ident, $limit:literal $unit:ident, $window_s:literal;)+) => {
        /// What is watched for. The names are those of the Prometheus rules, the alarms of
        /// `CloudWatch` and the runbooks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Rule {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant),+
        }
        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The rule as it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
            /// How much somebody should care.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),+ }
            }
            /// What it takes, unless it's configured otherwise.
            pub const fn default_limit(self) -> i64 {
                match self { $(Self::$variant => $limit),+ }
            }
            /// What its limit counts.
            pub const fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit),+ }
            }
            /// Seconds in which events count together; 0 for a state.
            pub const fn window_s(self) -> i64 {
                match self { $(Self::$variant => $window_s),+ }
            }
        }
    };
}

rules! {
    /// Many logins fail, over all accounts.
    LoginFailures = "login_failures", Warning, 50 Events, 300;
    /// Many logins fail on one account.
    LoginFailuresAccount = "login_failures_account", Warning, 10 Events, 900;
    /// Many logins fail from one address.
    LoginFailuresAddress = "login_failures_address", Warning, 30 Events, 900;
    /// One password is tried on many accounts.
    PasswordSpraying = "password_spraying", Critical, 10 Accounts, 900;
    /// A client's secret is guessed, or clients are.
    ClientSecretGuessing = "client_secret_guessing", Warning, 20 Events, 900;
    /// A spent refresh token came again: it was stolen, or a client keeps old ones.
    RefreshReplay = "refresh_replay", Critical, 1 Events, 3600;
    /// A spent code came again.
    CodeReplay = "code_replay", Critical, 1 Events, 3600;
    /// An authorizer meets many tokens that name keys which nobody has.
    UnknownKidFlood = "unknown_kid_flood", Warning, 20 Events, 300;
    /// An authorizer refuses many calls.
    DenialSpike = "denial_spike", Warning, 100 Events, 300;
    /// An administrator logged in from a device that the account didn't know.
    AdminNewDevice = "admin_new_device", Warning, 1 Events, 3600;
    /// A signing key should sign by now, or should have a successor.
    KeysOverdue = "keys_overdue", Critical, 60 Seconds, 0;
    /// A node's clock and the database's disagree.
    ClockSkew = "clock_skew", Critical, 30 Seconds, 900;
    /// Events were lost.
    EventLoss = "event_loss", Critical, 1 Events, 3600;
    /// Requests fail for the database.
    DatabaseTrouble = "database_trouble", Critical, 5 Events, 900;
    /// The disk of an SQLite database is nearly full.
    DiskTrouble = "disk_trouble", Critical, 5 Percent, 0;
    /// Messages about alerts can't be delivered.
    NotifierDown = "notifier_down", Critical, 300 Seconds, 0;
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|rule| rule.as_str() == text);
        known.copied().ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|rule| rule.as_str()).collect();
            format!("{text:?} is not one of: {}", names.join(", "))
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Events in the window.
    Events,
    /// Accounts in the window.
    Accounts,
    /// Seconds of delay or difference.
    Seconds,
    /// Percent that are left; fewer are too few.
    Percent,
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertStatus {
    /// Nobody has taken notice.
    Open,
    /// Somebody has.
    Acknowledged,
    /// What it was about has ended.
    Resolved,
}

impl AlertStatus {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Open, Self::Acknowledged, Self::Resolved];

    /// The value as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

impl FromStr for AlertStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| format!("{text:?} is not one of: open, acknowledged, resolved"))
    }
}

/// What an alert is about: one account, one client, …, or everything. One alert is open for a rule and a target at a
/// time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Nothing in particular.
    All,
    /// A person, by `sub`.
    Account(String),
    /// A client.
    Client(String),
    /// An address, as it was kept.
    Address(String),
    /// A node.
    Node(String),
    /// The signing key of an algorithm.
    Key(String),
    /// A notifier.
    Notifier(String),
}

impl Target {
    /// The kind and the id.
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::All => ("all", ""),
            Self::Account(id) => ("account", id),
            Self::Client(id) => ("client", id),
            Self::Address(id) => ("address", id),
            Self::Node(id) => ("node", id),
            Self::Key(id) => ("key", id),
            Self::Notifier(id) => ("notifier", id),
        }
    }

    /// As stored: `client:web`.
    pub fn stored(&self) -> String {
        let (kind, id) = self.parts();
        format!("{kind}:{id}")
    }
}

/// One of the most frequent, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frequent {
    /// What: an id, an address, a reason.
    pub name: String,
    /// How often.
    pub count: i64,
}

/// Who and where: the five most frequent of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopFive {
    /// People, by `sub`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Frequent>,
    /// Clients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<Frequent>,
    /// Addresses, as they were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Frequent>,
    /// Why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Frequent>,
    /// Routes of an API.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Frequent>,
    /// Nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Frequent>,
}

/// That a rule's limit is reached, and everything that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// About what.
    pub target: Target,
    /// The first sign of it, Unix seconds.
    pub since: i64,
    /// The last, Unix seconds.
    pub seen_at: i64,
    /// How much.
    pub observed: i64,
    /// What it takes, with what is normal taken into account.
    pub limit: i64,
    /// How much is normal in such a window at this hour, where that is known.
    pub normal: Option<i64>,
    /// One sentence. Nothing secret.
    pub summary: String,
    /// Who and where.
    pub top: TopFive,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct_and_read_again() {
        let names: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
        assert_eq!(names.len(), 16);
        for rule in Rule::ALL {
            assert_eq!(rule.as_str().parse(), Ok(*rule));
        }
        assert!("other".parse::<Rule>().unwrap_err().contains("clock_skew"));
    }

    #[test]
    fn a_targets_stored_form_tells_its_kind() {
        let client = Target::Client("x".to_owned()).stored();
        assert_eq!(client, "client:x");
        assert_ne!(client, Target::Account("x".to_owned()).stored());
        assert_eq!(Target::All.stored(), "all:");
    }
}
