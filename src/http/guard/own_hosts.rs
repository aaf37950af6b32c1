//! The names that a listener on loopback answers to.

use std::net::{IpAddr, SocketAddr};

use url::Url;

/// Whoever owns a name can have it lead to 127.0.0.1, and so let a page of theirs talk to what listens there as if to its
/// own server (DNS rebinding). Such requests have that name as their `Host`; honest ones have one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnHosts(Vec<String>);

impl OwnHosts {
    /// For a listener at this address: `localhost`, loopback addresses and these names, whatever the port, which
    /// forwarding changes. `None` if other machines reach it: it goes by names that nobody here knows.
    pub fn of<'a>(listen: SocketAddr, names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let known = || names.into_iter().map(str::to_ascii_lowercase).collect();
        listen.ip().is_loopback().then(|| Self(known()))
    }

    /// The same for an issuer: its URL's host is one of the names.
    pub fn of_issuer(listen: SocketAddr, issuer: &str, names: &[String]) -> Option<Self> {
        let url = Url::parse(issuer).ok();
        let host = url.as_ref().and_then(Url::host_str);
        Self::of(listen, names.iter().map(String::as_str).chain(host))
    }

    /// Whether this is one of them; a port behind it doesn't count.
    pub(super) fn include(&self, host: &str) -> bool {
        let name = host
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(host, |(name, _)| name);
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let loopback = bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback());
        let known = |own: &String| own.eq_ignore_ascii_case(name);
        loopback || name.eq_ignore_ascii_case("localhost") || self.0.iter().any(known)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn on(listen: &str) -> Option<OwnHosts> {
        let listen = listen.parse().unwrap();
        OwnHosts::of_issuer(
            listen,
            "https://ID.example.com:8443/a",
            &["api.test".to_owned()],
        )
    }

    #[test]
    fn a_loopback_listener_knows_its_names() {
        for listen in ["127.0.0.1:8080", "127.0.0.9:1", "[::1]:8080"] {
            let own = on(listen).unwrap();
            for host in [
                "127.0.0.1:8080",
                "127.0.0.1",
                "127.0.0.9:9000",
                "localhost",
                "LocalHost:8080",
                "[::1]",
                "[::1]:8080",
                "[::ffff:127.0.0.1]:8080",
                "id.example.com",
                "id.example.com:443",
                "ID.Example.com",
                "api.test:8080",
            ] {
                assert!(own.include(host), "{host}");
            }
            for host in [
                "evil.example",
                "evil.example:8080",
                "127.0.0.1.evil.example",
                "localhost.evil.example",
                "evil.localhost",
                "example.com",
                "a.id.example.com",
                "id.example.com.",
                "0.0.0.0:8080",
                "192.0.2.1",
                "[2001:db8::1]:8080",
                "localhost:x",
                "",
            ] {
                assert!(!own.include(host), "{host}");
            }
        }
    }

    #[test]
    fn what_other_machines_reach_goes_by_any_name() {
        for listen in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80"] {
            assert_eq!(on(listen), None);
        }
    }
}
