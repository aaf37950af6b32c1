//! Peers that nobody trusts and that say whom they speak for: a proxy that isn't listed, or somebody who makes it up.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use ipnet::IpNet;

use super::GuardSettings;
use crate::domain::event::Happening;

/// Networks that are remembered, of each sort: strangers push out no proxy on a network of one's own.
const REMEMBERED: usize = 16;
/// How often each is told of.
const EVERY: Duration = Duration::from_hours(24);

/// The networks that were told of lately.
#[derive(Debug, Default)]
pub(super) struct Untrusted {
    private: Mutex<VecDeque<(IpNet, Instant)>>,
    public: Mutex<VecDeque<(IpNet, Instant)>>,
}

impl Untrusted {
    /// What is recorded of a peer that sends forwarded headers without being trusted, and the word in the log about it.
    pub(super) fn news(
        &self,
        settings: &GuardSettings,
        (peer, headers): (IpAddr, &HeaderMap),
        now: Instant,
    ) -> Option<Happening> {
        let peer = peer.to_canonical();
        let mut trusted = settings.trusted_proxies.iter();
        if trusted.any(|network| network.contains(&peer)) || !self.is_news(peer, headers, now) {
            return None;
        }
        let kept = settings.addresses.kept(peer);
        tracing::warn!(
            peer = kept.as_deref(),
            "forwarded headers come from a peer that isn't in trusted_proxies, and aren't believed: if it's a proxy of \
             yours, list it, for everybody behind it shares one address and its limits"
        );
        Some(Happening::ForwardedUntrusted {
            peer: kept,
            private: is_private(peer),
        })
    }

    /// Whether this peer, which isn't believed, sent forwarded headers, and its network is to be told of. Public ones
    /// are told of until so many are remembered: there are more strangers than a log has room for.
    fn is_news(&self, peer: IpAddr, headers: &HeaderMap, now: Instant) -> bool {
        if !claims_to_forward(headers) {
            return false;
        }
        let Some(network) = network_of(peer) else {
            return false;
        };
        let told = if is_private(peer) {
            &self.private
        } else {
            &self.public
        };
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|(_, at)| now.saturating_duration_since(*at) < EVERY);
        if told.len() >= REMEMBERED || told.iter().any(|(known, _)| *known == network) {
            return false;
        }
        told.push_back((network, now));
        true
    }
}

/// What proxies add for the servers behind them.
fn claims_to_forward(headers: &HeaderMap) -> bool {
    headers.contains_key("x-forwarded-for") || headers.contains_key("forwarded")
}

fn network_of(peer: IpAddr) -> Option<IpNet> {
    let prefix = if peer.is_ipv4() { 24 } else { 64 };
    let network = IpNet::new(peer, prefix).ok()?;
    Some(network.trunc())
}

/// Whether the address is one of a network of one's own, where a proxy is likely and a stranger is not.
fn is_private(peer: IpAddr) -> bool {
    match peer {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use super::*;

    fn forwarded(name: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, "198.51.100.1".parse().unwrap());
        headers
    }

    #[test]
    fn a_network_is_told_of_once_a_day() {
        let (untrusted, now) = (Untrusted::default(), Instant::now());
        let news = |peer: &str, name, later: u64| {
            let now = now + Duration::from_hours(later);
            untrusted.is_news(peer.parse().unwrap(), &forwarded(name), now)
        };
        assert!(!news("10.0.3.7", "x-other", 0));
        assert!(news("10.0.3.7", "x-forwarded-for", 0));
        assert!(!news("10.0.3.9", "forwarded", 0), "its network is known");
        assert!(news("10.0.4.9", "forwarded", 0));
        assert!(news("2001:db8::1", "forwarded", 0));
        assert!(!news("2001:db8::2", "forwarded", 0));
        assert!(!news("10.0.3.7", "x-forwarded-for", 23));
        assert!(news("10.0.3.7", "x-forwarded-for", 24));
    }

    #[test]
    fn strangers_are_told_of_so_often_and_hide_no_proxy() {
        let (untrusted, now) = (Untrusted::default(), Instant::now());
        let headers = forwarded("x-forwarded-for");
        let told = (0..=255u8)
            .filter(|net| untrusted.is_news([203, 0, *net, 7].into(), &headers, now))
            .count();
        assert_eq!(told, REMEMBERED);
        assert!(untrusted.is_news([10, 0, 0, 1].into(), &headers, now));
        assert!(untrusted.is_news([127, 0, 0, 1].into(), &headers, now));
        assert!(untrusted.is_news([100, 64, 0, 1].into(), &headers, now));
    }
}
