//! Settings of what is recorded.

use std::fmt;

/// `[events]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsConfig {
    /// How much of an address is kept.
    pub addresses: KeptAddress,
    /// Days until an event is removed; 0 is never.
    pub retention_days: u32,
    /// Access tokens recorded one by one in a second; of more there is a number for each client and minute.
    pub tokens_per_s: u32,
    /// Events that may wait to be written.
    pub queue: usize,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            addresses: KeptAddress::Full,
            retention_days: 90,
            tokens_per_s: 50,
            queue: 10_000,
        }
    }
}

/// How much of an address is kept in events and their log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptAddress {
    /// All of it.
    Full,
    /// Its network: /24 of IPv4, /48 of IPv6.
    Truncated,
    /// Nothing.
    None,
}

impl fmt::Display for KeptAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Truncated => "truncated",
            Self::None => "none",
        })
    }
}

/// What a node is called if nobody says: the host's name.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name
        .trim()
        .chars()
        .filter(|c| usable(*c))
        .take(64)
        .collect();
    if name.is_empty() {
        "node".to_owned()
    } else {
        name
    }
}
