//! How events are kept.

use std::net::IpAddr;

/// How much of an address is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressPrivacy {
    /// All of it.
    #[default]
    Full,
    /// The network: /24 of IPv4, /48 of IPv6.
    Truncated,
    /// Nothing.
    None,
}

impl AddressPrivacy {
    /// What of an address is kept.
    pub fn kept(self, address: IpAddr) -> Option<String> {
        let address = address.to_canonical();
        match (self, address) {
            (Self::None, _) => None,
            (Self::Full, address) => Some(address.to_string()),
            (Self::Truncated, IpAddr::V4(v4)) => {
                let [a, b, c, _] = v4.octets();
                Some(format!("{a}.{b}.{c}.0/24"))
            }
            (Self::Truncated, IpAddr::V6(v6)) => {
                let [a, b, c, ..] = v6.segments();
                Some(format!("{a:x}:{b:x}:{c:x}::/48"))
            }
        }
    }
}

/// How events are kept.
#[derive(Clone, Debug)]
pub struct EventSettings {
    /// How much of an address is kept.
    pub addresses: AddressPrivacy,
    /// Access tokens recorded one by one in a second, at most.
    pub tokens_per_s: u32,
    /// Decisions that authorizers may send in a second, at most.
    pub decisions_per_s: u32,
    /// Refusals of one kind that are recorded one by one in a minute for each network, at most.
    pub refusals_per_minute: u32,
    /// Events of each sort that may wait to be written.
    pub queue: usize,
}

impl Default for EventSettings {
    fn default() -> Self {
        Self {
            addresses: AddressPrivacy::Full,
            tokens_per_s: 50,
            decisions_per_s: 200,
            refusals_per_minute: 30,
            queue: 10_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AddressPrivacy;

    #[test]
    fn addresses_are_kept_as_far_as_the_setting_lets() {
        for (address, full, truncated) in [
            ("203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1:2::3", "2001:db8:1::/48"),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(AddressPrivacy::Full.kept(address).as_deref(), Some(full));
            assert_eq!(
                AddressPrivacy::Truncated.kept(address).as_deref(),
                Some(truncated)
            );
            assert_eq!(AddressPrivacy::None.kept(address), None);
        }
    }
}
