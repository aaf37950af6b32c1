//! Proxies whose forwarded headers aren't believed: everybody behind one shares its address, and the limits of that.

use crate::store::events::search::{self, Filter};
use crate::store::{Store, StoreError};
use ipnet::IpNet;
use serde_json::Value;
use std::net::IpAddr;

/// The kind of the events.
pub const KIND: &str = "forwarded_untrusted";
/// How far back is looked, seconds: a node tells of each once a day.
const LOOKED_BACK_S: i64 = 25 * 3600;
/// Events that are looked at.
const EVENTS_MAX: i64 = 200;

/// A peer that sends forwarded headers and isn't believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntrustedProxy {
    /// Its address, as much as is kept of it.
    pub peer: Option<String>,
    /// Whether it's on a network of one's own, and so most likely a proxy; else it may be anybody.
    pub private: bool,
}

impl UntrustedProxy {
    /// Who it is, in words.
    pub fn name(&self) -> &str {
        self.peer
            .as_deref()
            .unwrap_or("a peer (no address is kept)")
    }

    /// Whether one of the networks has it, so that it's believed by now.
    fn is_among(&self, trusted: &[IpNet]) -> bool {
        let Some(peer) = &self.peer else {
            return false;
        };
        let network = peer
            .parse::<IpNet>()
            .ok()
            .or_else(|| peer.parse::<IpAddr>().ok().map(IpNet::from));
        network.is_some_and(|peer| {
            trusted
                .iter()
                .any(|own| own.contains(&peer) || peer.contains(own))
        })
    }
}

/// Those of the last day, without the ones that are trusted by now; those on private networks first.
///
/// # Errors
/// [`StoreError`]
pub async fn of_the_last_day(
    store: &Store,
    trusted: &[IpNet],
    now: i64,
) -> Result<Vec<UntrustedProxy>, StoreError> {
    let filter = Filter {
        kind: Some(KIND.to_owned()),
        since: Some(now - LOOKED_BACK_S),
        ..Filter::default()
    };
    let rows = search::find(store, &filter, None, EVENTS_MAX).await?;
    let mut proxies: Vec<UntrustedProxy> = Vec::new();
    for row in rows {
        let fields = row.fields();
        let peer = fields.get("peer").and_then(Value::as_str);
        let proxy = UntrustedProxy {
            peer: peer.map(str::to_owned),
            private: fields.get("private").and_then(Value::as_bool) == Some(true),
        };
        if !proxy.is_among(trusted) && !proxies.contains(&proxy) {
            proxies.push(proxy);
        }
    }
    proxies.sort_by_key(|proxy| !proxy.private);
    Ok(proxies)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::UntrustedProxy;

    #[test]
    fn who_is_listed_meanwhile_is_known_by_address_or_network() {
        let trusted = ["10.0.3.7/32".parse().unwrap(), "fd00::/8".parse().unwrap()];
        for (peer, is_among) in [
            (Some("10.0.3.7"), true),
            (Some("10.0.3.0/24"), true),
            (Some("fd00:1:2::/48"), true),
            (Some("10.0.3.8"), false),
            (Some("10.0.4.0/24"), false),
            (None, false),
        ] {
            let proxy = UntrustedProxy {
                peer: peer.map(str::to_owned),
                private: true,
            };
            assert_eq!(proxy.is_among(&trusted), is_among, "{peer:?}");
        }
    }
}
