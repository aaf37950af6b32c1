//! Logins, clients' authentications and replays.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::catalogue::{
    CLIENT_AUTHENTICATIONS, CODE_REPLAYS, Entry, LOGINS, Of, REFRESH_REPLAYS, REFRESH_RETRIES,
    THROTTLES,
};
use super::parts::{Counters, labels};
use crate::domain::event::{LoginFailure, ThrottleScope};

/// The result of an attempt that went well; the others are [`LoginFailure`]'s words.
const SUCCEEDED: &str = "succeeded";

/// Who proved who they are, and who tried what they shouldn't; cheap to clone.
#[derive(Clone, Debug)]
pub struct IdentityMetrics {
    logins: Counters<1>,
    account_throttled: Counter,
    address_throttled: Counter,
    client_succeeded: Counter,
    client_failed: Counter,
    refresh_retries: Counter,
    refresh_replays: Counter,
    code_replays: Counter,
}

impl IdentityMetrics {
    pub(super) fn new(registry: &mut Registry, role: Of) -> Self {
        let mut family = |entry: Entry, values: &[&'static str]| {
            let family: Counters<1> = Counters::default();
            entry.register(registry, role, family.clone());
            // A series that begins at 0 shows the first that it counts.
            for value in values {
                drop(family.get_or_create(&labels(entry.labels, [(*value).into()])));
            }
            family
        };
        let mut results = vec![SUCCEEDED];
        results.extend(LoginFailure::ALL.iter().map(|failure| failure.as_str()));
        let logins = family(LOGINS, &results);
        let throttles = family(THROTTLES, &[]);
        let clients = family(CLIENT_AUTHENTICATIONS, &[]);
        let one = |family: &Counters<1>, entry: Entry, value: &'static str| {
            family.get_or_create_owned(&labels(entry.labels, [value.into()]))
        };
        let new = Self {
            logins,
            account_throttled: one(&throttles, THROTTLES, "account"),
            address_throttled: one(&throttles, THROTTLES, "address"),
            client_succeeded: one(&clients, CLIENT_AUTHENTICATIONS, "succeeded"),
            client_failed: one(&clients, CLIENT_AUTHENTICATIONS, "failed"),
            refresh_retries: Counter::default(),
            refresh_replays: Counter::default(),
            code_replays: Counter::default(),
        };
        REFRESH_RETRIES.register(registry, role, new.refresh_retries.clone());
        REFRESH_REPLAYS.register(registry, role, new.refresh_replays.clone());
        CODE_REPLAYS.register(registry, role, new.code_replays.clone());
        new
    }

    /// Somebody tried to log in, in vain or not.
    pub fn login(&self, result: Result<(), LoginFailure>) {
        let result = result.map_or_else(LoginFailure::as_str, |()| SUCCEEDED);
        let labels = labels(LOGINS.labels, [result.into()]);
        self.logins.get_or_create(&labels).inc();
    }

    /// Somebody's failures reached their limit.
    pub fn throttled(&self, scope: ThrottleScope) {
        match scope {
            ThrottleScope::Account => self.account_throttled.inc(),
            ThrottleScope::Address => self.address_throttled.inc(),
        };
    }

    /// A client proved who it is, or failed to.
    pub fn client_authenticated(&self, succeeded: bool) {
        if succeeded {
            self.client_succeeded.inc();
        } else {
            self.client_failed.inc();
        }
    }

    /// A refresh was repeated in its grace.
    pub fn refresh_retried(&self) {
        self.refresh_retries.inc();
    }

    /// A spent refresh token came again.
    pub fn refresh_replayed(&self) {
        self.refresh_replays.inc();
    }

    /// A code came a second time.
    pub fn code_replayed(&self) {
        self.code_replays.inc();
    }
}
