//! Which addresses an outbound request may go to: public ones, and those that the configuration allows.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// May a connection go there? Looked at when it is made, of the very address that it goes to.
pub fn is_allowed(address: IpAddr, allowed: &[IpNet]) -> bool {
    let address = address.to_canonical();
    allowed.iter().any(|network| network.contains(&address)) || is_public(address)
}

/// An address that the whole internet knows by this name: not of this machine, this network, or any special purpose
/// (RFC 6890 and the registries that follow it).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

#[expect(
    clippy::unnested_or_patterns,
    reason = "a line for each registry entry"
)]
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        // This network; private; loopback; shared; link-local.
        (0 | 10 | 127, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            // Private; protocol assignments, documentation, the former 6to4 relays.
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            // Benchmarks; documentation; multicast, reserved, broadcast.
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224..=255, _, _)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    match segments {
        // NAT64 (RFC 6052): what it leads to counts.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Protocol assignments with Teredo, 6to4, documentation: each can hold or hide another address.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Global unicast is assigned out of this block; everything else is special.
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn only_public_addresses_are_allowed_by_themselves() {
        for private in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_allowed(private.parse().unwrap(), &[]), "{private}");
        }
        for public in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9b::101:101",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_allowed(public.parse().unwrap(), &[]), "{public}");
        }
    }

    #[test]
    fn what_the_configuration_names_is_allowed_in_every_form() {
        let allowed = ["10.1.0.0/16".parse().unwrap()];
        assert!(is_allowed("10.1.2.3".parse().unwrap(), &allowed));
        assert!(is_allowed("::ffff:10.1.2.3".parse().unwrap(), &allowed));
        assert!(!is_allowed("10.2.2.3".parse().unwrap(), &allowed));
    }
}
