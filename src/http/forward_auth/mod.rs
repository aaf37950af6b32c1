//! Forward-auth: a proxy asks here before each call whether it may go on.
//!
//! Owns what the proxy says of the call and what it's told back. The verdict is the authorizer's; nothing here can
//! turn one into another. Only trusted proxies are answered, and of a call only that is believed which the chosen kind
//! of proxy sets by itself: whatever else a client sends is not looked at.

mod identity;
mod original;

pub use identity::ClaimHeaders;
pub use original::ProxyKind;

use super::guard::{ClientAddr, RequestId, TraceContext};
use super::oauth_error::json;
use super::server::PeerAddr;
use super::state::Clock;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use gatewright_authorizer::{AccessToken, Admitted, Authorizer, HttpCall, Reason, Refusal};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use ipnet::IpNet;
use original::Original;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where proxies ask; the path that a proxy of kind [`ProxyKind::Envoy`] puts before the original one.
pub const ENDPOINT: &str = "/auth";
/// The name in the decision log.
const KIND: &str = "forward_auth";
const X_AUTH_REASON: HeaderName = HeaderName::from_static("x-auth-reason");
const X_AUTH_REQUEST_ID: HeaderName = HeaderName::from_static("x-auth-request-id");
const X_AUTH_TRACE_ID: HeaderName = HeaderName::from_static("x-auth-trace-id");
const X_AUTH_RULE: HeaderName = HeaderName::from_static("x-auth-rule");

/// The state of the endpoint; cheap to clone.
#[derive(Clone)]
pub struct ForwardAuth(Arc<Shared>);

struct Shared {
    authorizer: Authorizer,
    settings: Settings,
    clock: Clock,
    ready: AtomicBool,
}

/// What the operator says of the proxies.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which headers they set.
    pub proxy: ProxyKind,
    /// Where they are; nobody else is answered.
    pub trusted_proxies: Vec<IpNet>,
    /// Scheme and host that callers know, without a slash at the end: what proofs of possession must be for.
    pub public_url: Option<String>,
    /// The headers for the claims that the policy passes on.
    pub claims: ClaimHeaders,
}

impl ForwardAuth {
    /// An endpoint that judges by this authorizer.
    pub fn new(authorizer: Authorizer, settings: Settings, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            authorizer,
            settings,
            clock,
            ready: AtomicBool::new(true),
        }))
    }

    /// Says at `/health/ready` that no new traffic is welcome.
    pub fn leave(&self) {
        self.0.ready.store(false, Ordering::Release);
    }
}

/// Every path of the server. What was asked about may be part of the path, so nothing but the prefix is matched.
pub fn router(door: ForwardAuth) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .fallback(ask)
        .with_state(door)
}

async fn live() -> Response {
    json(StatusCode::OK, "{\"status\":\"live\"}".to_owned())
}

async fn ready(State(door): State<ForwardAuth>) -> Response {
    if door.0.ready.load(Ordering::Acquire) {
        json(StatusCode::OK, "{\"status\":\"ready\"}".to_owned())
    } else {
        json(
            StatusCode::SERVICE_UNAVAILABLE,
            "{\"status\":\"shutting down\"}".to_owned(),
        )
    }
}

/// `ANY /auth`, and below it
async fn ask(State(door): State<ForwardAuth>, request: Request) -> Response {
    let Shared {
        authorizer,
        settings,
        clock,
        ..
    } = &*door.0;
    if !original::is_asked(request.uri().path()) {
        return not_found();
    }
    if !settings.trusts(peer(&request)) {
        return untrusted(peer(&request));
    }
    let extensions = request.extensions();
    let request_id = extensions.get::<RequestId>().cloned();
    let trace = extensions.get::<TraceContext>().cloned();
    let mut response = judge(authorizer, settings, clock(), request).await;
    // An empty one takes the place of what a client sent, too.
    let headers = response.headers_mut();
    let request_id = request_id.as_ref().map_or("", |id| &*id.0);
    put(headers, X_AUTH_REQUEST_ID, Some(request_id));
    let trace_id = trace.as_ref().map_or("", |trace| &*trace.id);
    put(headers, X_AUTH_TRACE_ID, Some(trace_id));
    response
}

async fn judge(
    authorizer: &Authorizer,
    settings: &Settings,
    now: i64,
    request: Request,
) -> Response {
    let request_id = request.extensions().get::<RequestId>();
    let request_id = request_id.map(|id| &*id.0);
    let trace = request.extensions().get::<TraceContext>();
    let Some(original) = Original::of(settings.proxy, &request) else {
        let unknown = HttpCall {
            kind: KIND,
            request_id,
            trace_id: trace.map(TraceContext::trace_id),
            ..HttpCall::default()
        };
        return refused(&authorizer.refuse(&unknown, Reason::EventUnrecognised));
    };
    let call = HttpCall {
        kind: KIND,
        method: &original.method,
        path: &original.path,
        url: settings
            .public_url
            .as_ref()
            .map(|url| format!("{url}{}", original.path)),
        source_ip: settings.caller(&request),
        request_id,
        ..HttpCall::default()
    };
    let call = HttpCall {
        // The proxy's request may be where the trace begins.
        trace_id: trace.map(TraceContext::trace_id),
        ..call.with_headers(request.headers())
    };
    let left_out = |token: &AccessToken| settings.claims.left_out(token);
    let outcome = authorizer.admit_telling(&call, now, left_out).await;
    if let Some(trace) = trace {
        let verdict = match outcome.as_ref().map_err(Refusal::status) {
            Ok(_) => "allow",
            Err(401) => "unauthorized",
            Err(403) => "deny",
            Err(_) => "fault",
        };
        let reason = outcome
            .as_ref()
            .err()
            .map(|refusal| refusal.reason().as_str());
        trace.decided(verdict, reason);
    }
    match outcome {
        Ok(call) => admitted(&call, &settings.claims),
        Err(refusal) => refused(&refusal),
    }
}

impl Settings {
    fn trusts(&self, peer: Option<IpAddr>) -> bool {
        let is_among = |peer: IpAddr| {
            let networks = &mut self.trusted_proxies.iter();
            networks.any(|network| network.contains(&peer))
        };
        peer.is_some_and(is_among)
    }

    /// Who called the proxy. Its own address is nobody's: it stands there when the proxy didn't say.
    fn caller(&self, request: &Request) -> Option<IpAddr> {
        let client = request.extensions().get::<ClientAddr>()?.0;
        (!self.trusts(Some(client))).then_some(client)
    }
}

fn peer(request: &Request) -> Option<IpAddr> {
    let peer = request.extensions().get::<PeerAddr>()?;
    Some(peer.0.ip().to_canonical())
}

fn admitted(call: &Admitted, claims: &ClaimHeaders) -> Response {
    let mut response = Response::default();
    let headers = response.headers_mut();
    claims.tell(call.caller().map(|admission| &*admission.token), headers);
    put(headers, X_AUTH_RULE, call.rule());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refused(refusal: &Refusal) -> Response {
    let mut response: Response = refusal.response();
    let headers = response.headers_mut();
    put(headers, X_AUTH_REASON, Some(refusal.reason().as_str()));
    put(headers, X_AUTH_RULE, refusal.rule());
    response
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) =
        value.and_then(|value| HeaderValue::from_str(&identity::encoded(value)).ok())
    {
        headers.insert(name, value);
    }
}

fn not_found() -> Response {
    let words = format!("ask at {ENDPOINT}: the proxy's configuration names another path");
    let body = serde_json::json!({"error": "not_found", "error_description": words});
    json(StatusCode::NOT_FOUND, body.to_string())
}

/// Whoever may ask could try paths and tokens, and would be told reasons.
fn untrusted(peer: Option<IpAddr>) -> Response {
    let peer = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
    tracing::warn!(
        peer,
        "not a trusted proxy: list it with --trusted-proxy, if it is one"
    );
    let words = "this address is not that of a trusted proxy: list it with --trusted-proxy";
    let body = serde_json::json!({"error": "access_denied", "error_description": words});
    json(StatusCode::FORBIDDEN, body.to_string())
}
