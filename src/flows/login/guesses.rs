//! The counters that bound guessing, and what they let an attempt do.
//!
//! All that an attempt can see (its answer, its work, its wait) goes by what was typed and from where. What the name
//! stands for decides only whether the password is looked at, which nobody sees.

use super::super::{FlowError, Issuer};
use super::device::Device;
use crate::crypto::password::{Against, Waiter};
use crate::domain::Account;
use crate::store::throttle;

/// So many times the guesses of one browser are those of all that an account knows.
const ALL_DEVICES: i64 = 3;

/// Who tries to log in, by keyed digests.
pub(super) struct Attempted {
    /// The address or its network.
    pub address: String,
    /// The name as typed, in canonical form.
    pub typed: String,
    /// The account; what stands for one that isn't there, is made of the name.
    pub account: String,
    /// The id of a browser that the account knows.
    pub device_id: Option<String>,
}

/// How far an attempt got.
pub(super) struct Counted {
    /// Whether the password may be looked at.
    pub looked_at: bool,
    /// Whether this is the first that isn't.
    pub limit_reached: bool,
    /// Whether it is worth a hash.
    hashed: bool,
    buckets: [String; 2],
}

impl Attempted {
    pub(super) fn new(
        issuer: &Issuer,
        (name, network): (&str, &str),
        account: Option<&Account>,
        device: &Device,
    ) -> Self {
        let bucket = |kind, name| issuer.master.login_bucket(kind, name);
        let known = account.filter(|account| device.is_known_to(&account.subject));
        Self {
            address: bucket("address", network),
            typed: bucket("name", name),
            account: match account {
                Some(account) => bucket("subject", account.subject.as_str()),
                None => bucket("nobody", name),
            },
            device_id: known.map(|_| device.id.clone()),
        }
    }

    /// Its place in the queue before the hash.
    pub(super) fn waiter(&self) -> Waiter {
        match &self.device_id {
            Some(device) => Waiter::known(device, &self.account),
            None => Waiter::stranger(&self.address, &self.typed),
        }
    }

    /// Whether its address has failed for too many other names.
    pub(super) async fn address_is_throttled(
        &self,
        issuer: &Issuer,
        now: i64,
    ) -> Result<bool, FlowError> {
        if self.device_id.is_some() {
            return Ok(false);
        }
        let (address, typed) = (&self.address, &self.typed);
        let others = throttle::other_members(&issuer.store, address, typed, now).await?;
        Ok(others >= issuer.settings.address_accounts)
    }

    /// Counts the attempt before anything of it is known.
    pub(super) async fn count(&self, issuer: &Issuer, now: i64) -> Result<Counted, FlowError> {
        let (most, window) = (
            issuer.settings.account_failures,
            issuer.settings.account_window_s,
        );
        let buckets = match &self.device_id {
            Some(device) => [
                format!("{}@{device}", self.account),
                format!("{}@devices", self.account),
            ],
            None => [self.typed.clone(), self.account.clone()],
        };
        let [own, all] = &buckets;
        let own = throttle::count(&issuer.store, own, now, window).await?;
        let all = throttle::count(&issuer.store, all, now, window).await?;
        let (hashed, looked_at) = match self.device_id {
            // Others may use up what all browsers have together, but not the first guess of each.
            Some(_) => {
                let lets = own <= most && (own == 1 || all <= ALL_DEVICES * most);
                (lets, lets)
            }
            None => (own <= most, own <= most && all <= most),
        };
        let limit = if self.device_id.is_some() { own } else { all };
        Ok(Counted {
            looked_at,
            limit_reached: limit == most + 1,
            hashed,
            buckets,
        })
    }
}

impl Counted {
    /// What the password is held against.
    pub(super) fn against(&self, stored: Option<String>) -> Against {
        match stored.filter(|_| self.looked_at) {
            _ if !self.hashed => Against::Throttled,
            Some(stored) => Against::Hash(stored),
            None => Against::Nobody,
        }
    }

    /// Takes the attempt back: it never came to be judged.
    pub(super) async fn take_back(&self, issuer: &Issuer) -> Result<(), FlowError> {
        for bucket in &self.buckets {
            throttle::uncount(&issuer.store, bucket).await?;
        }
        Ok(())
    }
}

/// Forgets failures after a success. What all browsers have together stays counted.
pub(super) async fn forgive(
    issuer: &Issuer,
    attempted: &Attempted,
    account: &Account,
) -> Result<(), FlowError> {
    let store = &issuer.store;
    if let Some(device) = &attempted.device_id {
        let own = format!("{}@{device}", attempted.account);
        return Ok(throttle::clear(store, &own).await?);
    }
    throttle::clear(store, &attempted.account).await?;
    for name in [Some(&account.username), account.email.as_ref()]
        .into_iter()
        .flatten()
    {
        let typed = issuer.master.login_bucket("name", name);
        throttle::clear(store, &typed).await?;
    }
    Ok(())
}
