//! What strangers cause, recorded one by one up to a share, and beyond it as a number.
//!
//! Each kind has a share for each network and minute, and one over all networks; the networks and the numbers that are
//! told apart are bounded, too. What is beyond any of it counts all the same.

use crate::domain::event::{Event, Happening};
use serde_json::Value;
use std::collections::HashMap;

/// Networks that have a share of their own, for each kind and minute.
const NETWORKS: usize = 256;
/// Numbers that are told apart, for each kind and minute; beyond it nobody is named.
const NUMBERS: usize = 256;
/// Over all networks a kind has so many shares of one.
const SHARES: u32 = 20;

/// Events of one kind that are recorded one by one in a minute for one network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share(pub(super) u32);

/// Of what it is a share: of a kind, and of those that are about somebody or nobody.
type Of = (&'static str, bool);

/// What was recorded in this minute, and what wasn't.
#[derive(Default)]
pub(super) struct Sampling {
    minute: i64,
    taken: HashMap<Of, Taken>,
    beyond: HashMap<Of, HashMap<Number, Sum>>,
}

#[derive(Default)]
struct Taken {
    by_all: u32,
    by_network: HashMap<Option<String>, u32>,
}

/// What is counted together: the same, from the same network; `None` is any.
#[derive(PartialEq, Eq, Hash)]
struct Number {
    network: Option<String>,
    detail: String,
}

/// So many that are alike.
pub(super) struct Sum {
    /// The last of them, without what tells it from the others.
    pub(super) happening: Happening,
    /// Where they came from: an address, if it was always the same, or a network.
    pub(super) address: Option<String>,
    /// When the last happened, Unix seconds.
    pub(super) at: i64,
    /// How many.
    pub(super) count: u64,
}

impl Sampling {
    /// Whether an event is within its shares; if not, it counts as one of a number.
    pub(super) fn takes(&mut self, event: &Event, network: Option<String>, share: Share) -> bool {
        let minute = event.at.div_euclid(60);
        if self.minute != minute {
            self.minute = minute;
            self.taken.clear();
        }
        let of = (
            event.happening.kind().name,
            matches!(
                event.happening,
                Happening::LoginFailed {
                    subject: Some(_),
                    ..
                }
            ),
        );
        let taken = self.taken.entry(of).or_default();
        let is_known = taken.by_network.contains_key(&network);
        let network = network.filter(|_| is_known || taken.by_network.len() < NETWORKS);
        let is_within = {
            let by_network = taken.by_network.entry(network.clone()).or_default();
            let is_within = *by_network < share.0 && taken.by_all < share.0.saturating_mul(SHARES);
            *by_network += u32::from(is_within);
            is_within
        };
        taken.by_all += u32::from(is_within);
        if !is_within {
            self.count(of, event, network);
        }
        is_within
    }

    fn count(&mut self, of: Of, event: &Event, network: Option<String>) {
        let numbers = self.beyond.entry(of).or_default();
        let mut happening = event.happening.clone().as_one_of_many(true);
        let mut number = Number {
            network,
            detail: Value::Object(happening.detail()).to_string(),
        };
        let mut address = event.request.address.clone();
        if !numbers.contains_key(&number) && numbers.len() >= NUMBERS {
            happening = happening.as_one_of_many(false);
            number = Number {
                network: None,
                detail: Value::Object(happening.detail()).to_string(),
            };
            address = None;
        }
        let network = number.network.clone();
        let sum = numbers.entry(number).or_insert_with(|| Sum {
            happening,
            address: address.clone(),
            at: event.at,
            count: 0,
        });
        sum.count += 1;
        sum.at = event.at;
        if sum.address != address {
            sum.address = network;
        }
        sum.saw_accounts(&event.happening);
    }

    /// The numbers since the last time.
    pub(super) fn sum_up(&mut self) -> Vec<Sum> {
        let beyond = std::mem::take(&mut self.beyond);
        beyond
            .into_values()
            .flat_map(HashMap::into_values)
            .collect()
    }
}

impl Sum {
    /// Of passwords that were tried on several accounts the most counts.
    fn saw_accounts(&mut self, happening: &Happening) {
        if let (
            Happening::LoginFailed {
                same_password_accounts: most,
                ..
            },
            Happening::LoginFailed {
                same_password_accounts: seen,
                ..
            },
        ) = (&mut self.happening, happening)
        {
            *most = (*most).max(*seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Subject;
    use crate::domain::event::{LoginFailure, RequestContext};

    const SHARE: Share = Share(3);

    fn failed(subject: Option<&str>, address: &str) -> Event {
        Event {
            id: String::new(),
            at: 60,
            happening: Happening::LoginFailed {
                reason: LoginFailure::WrongPassword,
                subject: subject.map(Subject::new),
                same_password_accounts: None,
            },
            request: RequestContext {
                address: Some(address.to_owned()),
                ..RequestContext::default()
            },
            amount: None,
        }
    }

    #[test]
    fn beyond_its_share_a_network_is_a_number_and_others_have_their_own() {
        let mut sampling = Sampling::default();
        let mut rows = 0;
        for n in 0..10 {
            let event = failed(Some("ada"), &format!("192.0.2.{}", n % 2));
            rows += u32::from(sampling.takes(&event, Some("192.0.2.0/24".to_owned()), SHARE));
        }
        assert_eq!(rows, SHARE.0);
        assert!(sampling.takes(
            &failed(Some("ada"), "198.51.100.1"),
            Some("other".into()),
            SHARE
        ));
        let sums = sampling.sum_up();
        assert_eq!(sums.len(), 1);
        assert_eq!(sums[0].count, 7);
        assert_eq!(sums[0].address.as_deref(), Some("192.0.2.0/24"));
        assert!(sampling.sum_up().is_empty());
    }

    #[test]
    fn rows_networks_and_numbers_are_bounded_and_each_counts() {
        let mut sampling = Sampling::default();
        let mut rows = 0;
        for n in 0..5000_u64 {
            let event = failed(Some(&format!("person-{n}")), "192.0.2.1");
            rows += u64::from(sampling.takes(&event, Some(format!("network-{n}")), SHARE));
        }
        assert_eq!(rows, u64::from(SHARE.0 * SHARES));
        assert!(
            sampling
                .taken
                .values()
                .all(|taken| taken.by_network.len() <= NETWORKS + 1)
        );
        let sums = sampling.sum_up();
        assert_eq!(sums.len(), NUMBERS + 1);
        assert_eq!(rows + sums.iter().map(|sum| sum.count).sum::<u64>(), 5000);
    }

    #[test]
    fn what_names_nobody_leaves_room_for_what_names_somebody() {
        let mut sampling = Sampling::default();
        for n in 0..500 {
            sampling.takes(
                &failed(None, "192.0.2.1"),
                Some(format!("network-{n}")),
                SHARE,
            );
        }
        let named = failed(Some("ada"), "192.0.2.1");
        assert!(sampling.takes(&named, Some("network-1".to_owned()), SHARE));
    }
}
