//! Settings of what is recorded, counted and traced.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

/// `[events]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsConfig {
    /// How much of an address is kept.
    pub addresses: KeptAddress,
    /// Days until an event is removed; 0 is never.
    pub retention_days: u32,
    /// Rows that the table may have; 0 is any number.
    pub max_rows: i64,
    /// Access tokens recorded one by one in a second; of more there is a number for each client and minute.
    pub tokens_per_s: u32,
    /// Decisions that authorizers may send in a second, at most.
    pub decisions_per_s: u32,
    /// Refusals of one kind recorded one by one in a minute for each network, at most.
    pub refusals_per_minute: u32,
    /// Events of each sort that may wait to be written.
    pub queue: usize,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            addresses: KeptAddress::Full,
            retention_days: 90,
            max_rows: 10_000_000,
            tokens_per_s: 50,
            decisions_per_s: 200,
            refusals_per_minute: 30,
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

/// `[traces]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracesConfig {
    /// The collector's base URL for OTLP over HTTP; `None` records nothing.
    pub endpoint: Option<String>,
    /// How many of the traces that begin here are recorded.
    pub sample: Ratio,
    /// How many of them are recorded in a second, at most.
    pub per_s: u64,
    /// `service.name` of the spans.
    pub service_name: String,
}

/// A part of the whole, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio(u32);

impl Ratio {
    /// All of it.
    pub const ALL: Self = Self(1_000_000);

    /// From a number between 0 and 1; what is beyond millionths is rounded.
    pub fn new(part: f64) -> Option<Self> {
        let millionths = (part * 1e6).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and a million"
        )]
        (0.0..=1e6)
            .contains(&millionths)
            .then_some(Self(millionths as u32))
    }

    /// In millionths.
    pub fn millionths(self) -> u32 {
        self.0
    }
}

/// Picks a part of what comes, evenly, and from whatever comes at regular turns as evenly: by the multiples of the golden
/// ratio.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    part: Ratio,
    turn: u32,
}

impl Share {
    /// This part.
    pub fn new(part: Ratio) -> Self {
        Self { part, turn: 0 }
    }

    /// Whether the next one is picked.
    pub fn picks(&mut self) -> bool {
        let picked = u64::from(self.turn) * 1_000_000 < u64::from(self.part.millionths()) << 32;
        self.turn = self.turn.wrapping_add(0x9e37_79b9);
        picked
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", f64::from(self.0) / 1e6)
    }
}

/// How metrics are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFormat {
    /// Prometheus asks for them.
    Prometheus,
    /// A line a minute on standard output, which `CloudWatch Logs` makes metrics of.
    Emf,
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Where they can be asked for; `None` for nowhere.
    pub listen: Option<SocketAddr>,
    /// How they are read.
    pub format: MetricsFormat,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample: Ratio::ALL,
            per_s: 100,
            service_name: "gatewright".to_owned(),
        }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9464))),
            format: MetricsFormat::Prometheus,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MetricsConfig;

    #[test]
    fn metrics_are_for_this_machine_unless_somebody_says_otherwise() {
        let listen = MetricsConfig::default().listen;
        assert!(listen.is_some_and(|address| address.ip().is_loopback()));
    }
}
