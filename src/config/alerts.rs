//! Settings of what is warned of, and who is told.

use super::SecretText;
use ipnet::IpNet;
use std::path::PathBuf;

/// `[alerts]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertsConfig {
    /// Seconds between two evaluations; 0 is never.
    pub every_s: i64,
    /// Seconds without a sign after which an alert resolves, and in which it isn't opened anew.
    pub quiet_s: i64,
    /// How many times what is normal at this hour is unusual.
    pub unusual_times: i64,
    /// What each rule takes.
    pub limits: AlertLimits,
    /// Where the runbooks are.
    pub runbooks: String,
    /// Addresses that are not public, and that messages may be sent to all the same.
    pub outbound_allow: Vec<IpNet>,
    /// A certificate authority of your own, PEM.
    pub ca_file: Option<PathBuf>,
    /// Where messages are posted to.
    pub webhook_url: Option<SecretText>,
    /// What they are signed with.
    pub webhook_secret_file: Option<PathBuf>,
    /// `smtps://HOST` or `smtp://HOST`.
    pub email_server: Option<String>,
    /// Who the mail is from.
    pub email_from: Option<String>,
    /// Who it goes to.
    pub email_to: Vec<String>,
    /// The user at the mail server.
    pub email_user: Option<String>,
    /// The user's password.
    pub email_password_file: Option<PathBuf>,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            every_s: 10,
            quiet_s: 900,
            unusual_times: 3,
            limits: AlertLimits::default(),
            runbooks: concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/runbooks").to_owned(),
            outbound_allow: Vec::new(),
            ca_file: None,
            webhook_url: None,
            webhook_secret_file: None,
            email_server: None,
            email_from: None,
            email_to: Vec::new(),
            email_user: None,
            email_password_file: None,
        }
    }
}

macro_rules! limits {
    ($($(#[$doc:meta])* $rule:ident = $limit:literal,)+) => {
        /// What each rule takes; 0 turns it off.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct AlertLimits {
            $($(#[$doc])* pub $rule: i64,)+
        }
        impl Default for AlertLimits {
            fn default() -> Self {
                Self { $($rule: $limit,)+ }
            }
        }
        impl AlertLimits {
            /// Each with its rule's name.
            pub fn named(&self) -> Vec<(&'static str, i64)> {
                vec![$((stringify!($rule), self.$rule)),+]
            }
        }
    };
}

limits! {
    /// Failed logins in 5 minutes.
    login_failures = 50,
    /// Failed logins of one account in 15 minutes.
    login_failures_account = 10,
    /// Failed logins from one address in 15 minutes.
    login_failures_address = 30,
    /// Accounts on which one password was tried in an hour.
    password_spraying = 10,
    /// Failed authentications of one client, or of unknown ones from one address, in 15 minutes.
    client_secret_guessing = 20,
    /// Replays of one client.
    refresh_replay = 1,
    /// Replays of one client.
    code_replay = 1,
    /// Tokens in 5 minutes that name unknown keys.
    unknown_kid_flood = 20,
    /// Denied calls in 5 minutes.
    denial_spike = 100,
    /// Logins.
    admin_new_device = 1,
    /// Seconds late.
    keys_overdue = 60,
    /// Seconds of difference.
    clock_skew = 30,
    /// Events.
    event_loss = 1,
    /// Failed requests in 15 minutes.
    database_trouble = 5,
    /// Percent free.
    disk_trouble = 5,
    /// Seconds that a message waits.
    notifier_down = 300,
}

impl super::Config {
    pub(super) fn alert_faults(&self, refuse: &mut impl FnMut(&'static str, &str)) {
        let alerts = &self.alerts;
        for (given, needs, missing, what) in [
            (
                alerts.webhook_url.is_some(),
                alerts.webhook_secret_file.is_none(),
                "alerts.webhook_secret_file",
                "is missing: alerts.webhook_url is set, and messages are signed; make a secret with `openssl rand -base64 32`",
            ),
            (
                alerts.email_server.is_some(),
                alerts.email_from.is_none(),
                "alerts.email_from",
                "is missing: alerts.email_server is set; say who the mail is from",
            ),
            (
                alerts.email_server.is_some(),
                alerts.email_to.is_empty(),
                "alerts.email_to",
                "is empty: alerts.email_server is set; say who the mail goes to",
            ),
            (
                alerts.email_user.is_some(),
                alerts.email_password_file.is_none(),
                "alerts.email_password_file",
                "is missing: alerts.email_user is set, and a user has a password",
            ),
        ] {
            if given && needs {
                refuse(missing, what);
            }
        }
    }
}
