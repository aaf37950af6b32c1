//! Which trace a request belongs to, and whether it is recorded.
//!
//! A caller's trace goes on here under its id, whether anything is recorded or not. Nobody has to be trusted for that: an
//! id is only something to search for. Whether spans are recorded is the caller's choice too, up to so many requests a
//! second; where a trace begins here, chance decides, for as many again.

use super::{GuardSettings, chance};
use crate::config::{Config, Ratio};
use crate::domain::trace::TARGET;
use crate::http::forward_auth::ENDPOINT;
use crate::http::routes;
use gatewright_authorizer::fetch::unix_now;
use gatewright_authorizer::trace::{SpanId, TRACEPARENT, TraceId, TraceParent, X_AMZN_TRACE_ID};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::Span;
use tracing::field::Empty;
use url::Url;

/// Members of W3C's trace state belong to a `traceparent`.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// How requests are recorded.
#[derive(Debug)]
pub struct Tracing {
    sample: Ratio,
    per_s: u64,
    /// The path of the issuer's URL, without a slash at the end.
    base: String,
    /// Those that are recorded because their callers say so.
    asked: Recorded,
    /// Those that chance chose.
    drawn: Recorded,
}

/// The second, times 2^32, and how many were recorded in it.
#[derive(Debug, Default)]
struct Recorded(AtomicU64);

impl Recorded {
    /// Whether one more may be recorded in this second.
    fn takes(&self, now: i64, per_s: u64) -> bool {
        let now = u64::from(u32::try_from(now).unwrap_or(u32::MAX));
        let count = |recorded: u64| {
            // A thread that lags behind counts where the others are.
            let second = match recorded >> 32 {
                next if next == now + 1 => next << 32,
                _ => now << 32,
            };
            let in_this_second = recorded & !u64::from(u32::MAX) == second;
            let before = if in_this_second {
                recorded & u64::from(u32::MAX)
            } else {
                0
            };
            (before < per_s).then_some(second | (before + 1))
        };
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count)
            .is_ok()
    }
}

impl Tracing {
    /// As configured; `None` if nothing is to be recorded.
    pub fn of(config: &Config) -> Option<Arc<Self>> {
        config.traces.endpoint.as_ref()?;
        let issuer = Url::parse(&config.issuer).ok();
        let base = issuer.map_or_else(String::new, |issuer| issuer.path().to_owned());
        Some(Arc::new(Self {
            sample: config.traces.sample,
            base: base.trim_end_matches('/').to_owned(),
            per_s: config.traces.per_s,
            asked: Recorded::default(),
            drawn: Recorded::default(),
        }))
    }

    /// The name of the route, for everything but other people's APIs.
    pub(super) fn route(&self, settings: &GuardSettings, path: &str) -> Option<&'static str> {
        match (settings.relays, settings.relayed) {
            (true, _) => None,
            (false, true) => path.starts_with(ENDPOINT).then_some(ENDPOINT),
            (false, false) => routes::of(&self.base, path),
        }
    }

    fn records(&self, asked: Option<bool>, now: i64, drawn: u32) -> bool {
        match asked {
            Some(false) => false,
            Some(true) => self.asked.takes(now, self.per_s),
            None => {
                let parts = u64::from(drawn) * 1_000_000;
                parts < u64::from(self.sample.millionths()) << 32
                    && self.drawn.takes(now, self.per_s)
            }
        }
    }
}

/// The trace that a request belongs to: an extension of every request while traces are recorded, and else of those whose
/// caller names one.
#[derive(Debug, Clone)]
pub struct TraceContext {
    /// The trace's id: 32 hex digits.
    pub id: Arc<str>,
    /// The trace, and the span that what is called from here belongs to.
    here: TraceParent,
    /// The caller's span.
    parent: Option<SpanId>,
    /// Whether callees are told of this server.
    ours: bool,
}

impl TraceContext {
    #[expect(
        clippy::disallowed_methods,
        reason = "an id for the log begins with the time"
    )]
    pub(super) fn begin(tracing: Option<&Tracing>, headers: &HeaderMap) -> Option<Self> {
        let caller = TraceParent::from_headers(headers);
        let Some(tracing) = tracing else {
            return caller.map(|caller| Self::new(caller, caller.span_id, false));
        };
        let now = unix_now();
        let (span_id, drawn) = span_id_and_draw();
        let begun = || TraceId::new(now, chance());
        let trace_id = caller.map_or_else(begun, |caller| caller.trace_id);
        let here = TraceParent {
            trace_id,
            span_id: Some(span_id),
            sampled: Some(tracing.records(caller.and_then(|caller| caller.sampled), now, drawn)),
        };
        Some(Self::new(
            here,
            caller.and_then(|caller| caller.span_id),
            true,
        ))
    }

    fn new(here: TraceParent, parent: Option<SpanId>, ours: bool) -> Self {
        Self {
            id: here.trace_id.to_string().into(),
            here,
            parent,
            ours,
        }
    }

    /// The trace.
    pub fn trace_id(&self) -> TraceId {
        self.here.trace_id
    }

    /// The trace, and the span that what is called from here belongs to.
    pub fn here(&self) -> TraceParent {
        self.here
    }

    /// Whether spans are made of the request.
    pub(super) fn is_recorded(&self) -> bool {
        self.ours && self.here.sampled == Some(true)
    }

    /// The request's span.
    pub(super) fn span(&self, method: &Method, request_id: &str, route: Option<&str>) -> Span {
        let method = known(method);
        let name = match route {
            Some(route) => format!("{method} {route}"),
            None => method.to_owned(),
        };
        tracing::info_span!(
            target: TARGET,
            "request",
            trace_id = self.here.trace_id.bits(),
            span_id = self.here.span_id.map(SpanId::bits),
            parent_id = self.parent.map(SpanId::bits),
            otel.name = name,
            otel.kind = "server",
            http.request.method = method,
            http.route = route,
            http.response.status_code = Empty,
            error.type = Empty,
            gatewright.request_id = request_id,
            gatewright.decision = Empty,
            gatewright.reason = Empty,
        )
    }

    /// A span for a call that is made on behalf of the request, and the place in the trace that the callee is told; a
    /// disabled one if it is not recorded.
    pub fn calling(&self, method: &Method, address: &str) -> (Span, Self) {
        if !self.is_recorded() {
            return (Span::none(), self.clone());
        }
        let span_id = SpanId::new(chance());
        let mut callee = self.clone();
        callee.here.span_id = Some(span_id);
        let method = known(method);
        let span = tracing::info_span!(
            target: TARGET,
            "call",
            span_id = span_id.bits(),
            otel.name = method,
            otel.kind = "client",
            http.request.method = method,
            server.address = address,
            http.response.status_code = Empty,
            error.type = Empty,
        );
        (span, callee)
    }

    /// Tells the next server. While nothing is recorded here, the caller's own headers go on as they came.
    pub fn pass_on(&self, headers: &mut HeaderMap) {
        if !self.ours {
            return;
        }
        // What the state belongs to was not understood.
        if headers.get_all(TRACEPARENT).iter().count() != 1 || !self.continues(headers) {
            headers.remove(TRACESTATE);
        }
        let mut put = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put(X_AMZN_TRACE_ID, self.here.to_x_ray());
        if let Some(traceparent) = self.here.to_w3c() {
            put(TRACEPARENT, traceparent);
        }
    }

    /// Tells the caller, as API Gateway does, while requests are recorded here.
    pub fn answer(&self, headers: &mut HeaderMap) {
        let root = format!("Root={}", self.here.trace_id.to_x_ray());
        if let (true, Ok(value)) = (self.ours, HeaderValue::try_from(root)) {
            headers.insert(HeaderName::from_static(X_AMZN_TRACE_ID), value);
        }
    }

    /// Adds an authorizer's decision to the request's span.
    pub fn decided(&self, verdict: &str, reason: Option<&str>) {
        let span = Span::current();
        span.record("gatewright.decision", verdict);
        if let Some(reason) = reason {
            span.record("gatewright.reason", reason);
        }
    }

    fn continues(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(TRACEPARENT);
        let w3c = value.and_then(|value| TraceParent::from_w3c(value.to_str().ok()?));
        w3c.is_some_and(|caller| caller.trace_id == self.here.trace_id)
    }
}

/// Of one piece of chance.
fn span_id_and_draw() -> (SpanId, u32) {
    let [a, b, c, d, span_id @ ..]: [u8; 12] = chance();
    (SpanId::new(span_id), u32::from_be_bytes([a, b, c, d]))
}

/// How it went.
pub(super) fn ended(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("error.type", status.as_str());
    }
}

/// A method that HTTP knows: others are the caller's invention, and many.
fn known(method: &Method) -> &str {
    let all = [
        Method::GET,
        Method::POST,
        Method::HEAD,
        Method::OPTIONS,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::CONNECT,
        Method::TRACE,
    ];
    if all.contains(method) {
        method.as_str()
    } else {
        "_OTHER"
    }
}

#[cfg(test)]
mod tests {
    use super::Tracing;
    use crate::config::{Config, Ratio};

    fn tracing(sample: f64, per_s: u64) -> Tracing {
        let mut config = Config::default();
        assert!(Tracing::of(&config).is_none(), "off by default");
        config.traces.endpoint = Some("http://127.0.0.1:4318".to_owned());
        config.traces.sample = Ratio::new(sample).unwrap();
        config.traces.per_s = per_s;
        std::sync::Arc::into_inner(Tracing::of(&config).unwrap()).unwrap()
    }

    fn recorded(tracing: &Tracing, asked: Option<bool>, requests: u64, now: i64) -> u64 {
        (0..requests)
            .map(|_| u64::from(tracing.records(asked, now, super::span_id_and_draw().1)))
            .sum()
    }

    #[test]
    fn as_many_traces_are_recorded_as_configured() {
        let many = 1_000_000;
        assert_eq!(recorded(&tracing(0.0, many), None, 1_000, 1), 0);
        assert_eq!(recorded(&tracing(1.0, many), None, 1_000, 1), 1_000);
        // 100,000 draws of 0.1: ten standard deviations are 949.
        let tenth = recorded(&tracing(0.1, many), None, 100_000, 1);
        assert!((9_051..=10_949).contains(&tenth), "{tenth}");
    }

    #[test]
    fn so_many_are_recorded_in_a_second_and_no_more() {
        let (none, all) = (tracing(0.0, 100), tracing(1.0, 100));
        for now in [1_800_000_000, 1_800_000_001, i64::from(u32::MAX) + 7] {
            assert_eq!(recorded(&none, Some(true), 1_000, now), 100);
            assert_eq!(recorded(&all, None, 1_000, now), 100);
        }
        // What callers ask for takes nothing away from what chance chooses.
        let all = tracing(1.0, 100);
        assert_eq!(recorded(&all, Some(false), 1_000, 1), 0);
        assert_eq!(recorded(&all, Some(true), 1_000, 1), 100);
        assert_eq!(recorded(&all, None, 1_000, 1), 100);
        assert_eq!(
            recorded(&all, None, 1_000, 0),
            0,
            "the second before is over"
        );
    }
}
