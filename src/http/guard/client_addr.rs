//! Whose request it is, when proxies stand between.

use std::net::{IpAddr, SocketAddr};

use crate::config::KeptAddress;
use crate::flows::events::AddressPrivacy;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl From<KeptAddress> for AddressPrivacy {
    fn from(kept: KeptAddress) -> Self {
        match kept {
            KeptAddress::Full => Self::Full,
            KeptAddress::Truncated => Self::Truncated,
            KeptAddress::None => Self::None,
        }
    }
}

/// The peer; if that is a trusted proxy, the rightmost hop of `X-Forwarded-For` that is not (all such headers are one
/// list), for everything left of it is only what that hop said. Where a hop can't be read, the last one that could counts:
/// what is left of it, whatever bytes it has, is not looked at.
pub(super) fn find(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let mut client = peer;
    for value in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        for hop in value.as_bytes().rsplit(|byte| *byte == b',') {
            let Some(address) = parse_hop(hop.trim_ascii()) else {
                return client;
            };
            client = address;
            if !is_trusted(&client) {
                return client;
            }
        }
    }
    client
}

/// An address, with or without a port; IPv6 also in brackets.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?;
    let bare = hop
        .strip_prefix('[')
        .and_then(|hop| hop.strip_suffix(']'))
        .unwrap_or(hop);
    let address = bare
        .parse()
        .ok()
        .or_else(|| hop.parse().ok().map(|with_port: SocketAddr| with_port.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// Nothing behind the guard is to look at what a client may have made up.
pub(super) fn strip_forwarded(headers: &mut HeaderMap) {
    // Some servers take an underscore for a hyphen.
    let claims = |name: &HeaderName| {
        let name = name.as_str().replace('_', "-");
        name.starts_with("x-forwarded")
            || matches!(
                name.as_str(),
                "forwarded" | "x-real-ip" | "x-original-url" | "x-rewrite-url"
            )
    };
    if headers.keys().any(claims) {
        let names: Vec<_> = headers
            .keys()
            .filter(|name| claims(name))
            .cloned()
            .collect();
        for name in names {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, forwarded: &[&str]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"]
            .iter()
            .map(|network| network.parse().unwrap())
            .collect();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(
                X_FORWARDED_FOR,
                http::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        find(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn the_rightmost_untrusted_hop_counts_and_only_behind_a_trusted_peer() {
        for (peer, forwarded, client) in [
            ("203.0.113.9", &[][..], "203.0.113.9"),
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
            (
                "10.0.0.1",
                &["6.6.6.6, 198.51.100.1, 10.2.3.4"],
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                &["6.6.6.6", "198.51.100.1", "192.0.2.7"],
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                &["198.51.100.1,10.0.0.3", "10.0.0.2"],
                "198.51.100.1",
            ),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("fd00::1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1,"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["nonsense, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["\u{fc}ber, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["\u{fc}", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, \u{fc}, 10.2.3.4"], "10.2.3.4"),
            ("10.0.0.1", &["198.51.100.1, unknown, 10.2.3.4"], "10.2.3.4"),
        ] {
            assert_eq!(found(peer, forwarded), client, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn nothing_forwarded_gets_past_the_guard() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-uri",
            "x_forwarded_user",
            "forwarded",
            "x-real-ip",
            "x-original-url",
        ] {
            headers.insert(HeaderName::from_static(name), "1".parse().unwrap());
        }
        headers.insert("x-other", "1".parse().unwrap());
        strip_forwarded(&mut headers);
        assert_eq!(
            headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["x-other"]
        );
    }
}
