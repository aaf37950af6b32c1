//! Which trace a call belongs to, as callers say it: W3C `traceparent` and X-Ray's `X-Amzn-Trace-Id`.
//!
//! Both name the same 128 bits, so one id finds a call in every log whichever header it came with. What a caller says is
//! believed of nothing but this: it's an id to search for, and a malformed one is none.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

/// The header of W3C Trace Context §3.2.
pub const TRACEPARENT: &str = "traceparent";
/// The header of AWS X-Ray.
pub const X_AMZN_TRACE_ID: &str = "x-amzn-trace-id";
/// Longest value that is read; X-Ray lets members be added.
const MAX_HEADER: usize = 512;

/// A trace's id, never zero: 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

/// A span's id, never zero: 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

/// A place in a trace, as one server tells the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: TraceId,
    /// The span that calls; X-Ray doesn't always say it.
    pub span_id: Option<SpanId>,
    /// Whether the trace is recorded; `None` leaves it to whoever is called.
    pub sampled: Option<bool>,
}

impl TraceId {
    /// A new one that X-Ray takes: its first 32 bits are the time in Unix seconds, the other 96 are chance.
    pub fn new(now: i64, chance: [u8; 12]) -> Self {
        let seconds = u32::try_from(now).unwrap_or(u32::MAX).to_be_bytes();
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(seconds.iter().chain(&chance)) {
            *to = *from;
        }
        Self(NonZeroU128::new(u128::from_be_bytes(bytes)).unwrap_or(NonZeroU128::MIN))
    }

    /// 128 bits.
    pub fn bits(self) -> u128 {
        self.0.get()
    }

    /// X-Ray's way of writing it: `1-`, 8 digits, `-`, 24 digits (AWS X-Ray, "Trace ID format").
    pub fn to_x_ray(self) -> String {
        let bits = self.bits();
        format!("1-{:08x}-{:024x}", bits >> 96, bits & ((1 << 96) - 1))
    }

    fn parse(hex: &str) -> Option<Self> {
        let bits = u128::from_str_radix(digits(hex, 32)?, 16).ok()?;
        NonZeroU128::new(bits).map(Self)
    }

    fn parse_x_ray(text: &str) -> Option<Self> {
        let (epoch, unique) = text.strip_prefix("1-")?.split_once('-')?;
        let (epoch, unique) = (digits(epoch, 8)?, digits(unique, 24)?);
        Self::parse(&format!("{epoch}{unique}"))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl SpanId {
    /// Of chance.
    pub fn new(chance: [u8; 8]) -> Self {
        Self(NonZeroU64::new(u64::from_be_bytes(chance)).unwrap_or(NonZeroU64::MIN))
    }

    /// 64 bits.
    pub fn bits(self) -> u64 {
        self.0.get()
    }

    fn parse(hex: &str) -> Option<Self> {
        let bits = u64::from_str_radix(digits(hex, 16)?, 16).ok()?;
        NonZeroU64::new(bits).map(Self)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl TraceParent {
    /// Reads a `traceparent`. Versions to come are read as far as this one goes (W3C Trace Context §4.3).
    pub fn from_w3c(value: &str) -> Option<Self> {
        let value = value.trim_matches([' ', '\t']);
        let mut fields = value.splitn(5, '-').filter(|_| value.len() <= MAX_HEADER);
        let version = digits(fields.next()?, 2).filter(|version| *version != "ff")?;
        let trace_id = TraceId::parse(fields.next()?)?;
        let span_id = SpanId::parse(fields.next()?)?;
        let flags = u8::from_str_radix(digits(fields.next()?, 2)?, 16).ok()?;
        if version == "00" && fields.next().is_some() {
            return None;
        }
        Some(Self {
            trace_id,
            span_id: Some(span_id),
            sampled: Some(flags & 1 == 1),
        })
    }

    /// Reads an `X-Amzn-Trace-Id`: `Root=1-…;Parent=…;Sampled=1`, in any order and with anything beside. Only the root
    /// is needed.
    pub fn from_x_ray(value: &str) -> Option<Self> {
        if value.len() > MAX_HEADER {
            return None;
        }
        let member = |name: &str| {
            let mut members = value.split(';').filter_map(|member| member.split_once('='));
            let (_, value) = members.find(|(own, _)| own.trim().eq_ignore_ascii_case(name))?;
            Some(value.trim())
        };
        Some(Self {
            trace_id: TraceId::parse_x_ray(member("Root")?)?,
            span_id: member("Parent").and_then(SpanId::parse),
            sampled: match member("Sampled") {
                Some("1") => Some(true),
                Some("0") => Some(false),
                _ => None,
            },
        })
    }

    /// Reads the one value that each header has; where both are sound, `traceparent` counts.
    pub fn from_either(traceparent: Option<&str>, x_amzn_trace_id: Option<&str>) -> Option<Self> {
        let w3c = traceparent.and_then(Self::from_w3c);
        w3c.or_else(|| x_amzn_trace_id.and_then(Self::from_x_ray))
    }

    /// Reads the headers of a request. A header that is there twice says nothing (W3C Trace Context §3.2).
    #[cfg(feature = "fetch")]
    pub fn from_headers(headers: &http::HeaderMap) -> Option<Self> {
        let only = |name: &str| {
            let mut values = headers.get_all(name).iter();
            let value = values.next().filter(|_| values.next().is_none())?;
            value.to_str().ok()
        };
        Self::from_either(only(TRACEPARENT), only(X_AMZN_TRACE_ID))
    }

    /// As a `traceparent`; `None` without a span.
    pub fn to_w3c(self) -> Option<String> {
        let flags = u8::from(self.sampled == Some(true));
        let span_id = self.span_id?;
        Some(format!("00-{}-{span_id}-{flags:02x}", self.trace_id))
    }

    /// As an `X-Amzn-Trace-Id`.
    pub fn to_x_ray(self) -> String {
        let mut text = format!("Root={}", self.trace_id.to_x_ray());
        if let Some(span_id) = self.span_id {
            text = format!("{text};Parent={span_id}");
        }
        if let Some(sampled) = self.sampled {
            text.push_str(if sampled { ";Sampled=1" } else { ";Sampled=0" });
        }
        text
    }
}

/// So many lower-case hex digits, and nothing else.
fn digits(text: &str, count: usize) -> Option<&str> {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    Some(text).filter(|text| text.len() == count && text.bytes().all(is_digit))
}
