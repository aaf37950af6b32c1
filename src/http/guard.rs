//! What every request passes and every response carries.
//!
//! Owns the request id, the trace that a request belongs to, the client's address, the names that a listener on loopback
//! answers to, the limits of a request, the last resort for panics, the headers that belong on every response, and the
//! access log. It wraps the whole router and knows nothing of its routes but their names. The access log holds the path and never the query, a header or a body.

mod catch_panic;
mod client_addr;
mod limits;
mod noted;
mod own_hosts;
mod received;
mod request_id;
mod trace;
mod untrusted;

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use ipnet::IpNet;
use tower::Service;

use super::endpoints::Counted;
use super::server::{PeerAddr, Refused};
use crate::config::Config;
use crate::domain::device::DeviceClass;
use crate::domain::event::RequestRefusal;
use crate::flows::events::AddressPrivacy;

pub(super) use noted::Noted;
pub use noted::OnNoted;
pub use own_hosts::OwnHosts;
pub use received::Received;
pub use request_id::RequestId;
use request_id::chance;
pub use trace::{TraceContext, Tracing};
use untrusted::Untrusted;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Two years, as the preload list asks.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// What the guard holds requests to.
#[derive(Debug, Clone)]
pub struct GuardSettings {
    /// Largest body.
    pub body_limit: usize,
    /// From the headers to the last byte of the body.
    pub body_timeout: Duration,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The names that it answers to, but for trusted proxies, whose `Host` may be anything; `None` answers to all.
    pub hosts: Option<OwnHosts>,
    /// Send `Strict-Transport-Security`?
    pub hsts: bool,
    /// Are requests a proxy's questions about other requests? Then their `X-Forwarded-…` headers are what is asked,
    /// and the handler judges whom to believe; else nothing behind the guard sees them.
    pub relayed: bool,
    /// Behind it is somebody else's server: bodies pass as they come, and answers keep their own headers. Whoever
    /// relays limits the body.
    pub relays: bool,
    /// How much of a caller's address the access log has.
    pub addresses: AddressPrivacy,
    /// Set if requests are recorded as spans of traces.
    pub traces: Option<Arc<Tracing>>,
}

impl GuardSettings {
    /// As configured.
    pub fn new(config: &Config) -> Self {
        Self {
            body_limit: config.http.body_limit_bytes,
            body_timeout: Duration::from_secs(config.http.body_timeout_s),
            trusted_proxies: config.trusted_proxies.clone(),
            hosts: OwnHosts::of_issuer(config.listen, &config.issuer, &config.http.hosts),
            hsts: config.tls.is_some() || config.issuer.starts_with("https://"),
            relayed: false,
            relays: false,
            addresses: config.events.addresses.into(),
            traces: Tracing::of(config),
        }
    }
}

/// Who is asking: the peer, or what a trusted proxy says of it. An extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

/// Puts the guard around all of `router`, its fallback included.
pub fn layer(settings: GuardSettings, router: Router) -> Guarded {
    Guarded {
        settings: Arc::new(settings),
        router,
        on_noted: None,
        counted: None,
        logs: true,
        untrusted: Arc::default(),
    }
}

/// A router behind the guard; cheap to clone. Not a layer of the router itself, which would cost every request a
/// box and a copy of its route.
#[derive(Clone)]
pub struct Guarded {
    settings: Arc<GuardSettings>,
    router: Router,
    on_noted: Option<OnNoted>,
    counted: Option<Counted>,
    logs: bool,
    untrusted: Arc<Untrusted>,
}

impl Guarded {
    /// Tells of failures and refusals, on behalf of the request that each belongs to.
    #[must_use]
    pub fn telling(mut self, on_noted: OnNoted) -> Self {
        self.on_noted = Some(on_noted);
        self
    }

    /// Counts every request, by endpoint.
    #[must_use]
    pub fn counted_by(mut self, counted: Counted) -> Self {
        self.counted = Some(counted);
        self
    }

    /// Leaves requests that went well out of the access log: a scrape comes every few seconds.
    #[must_use]
    pub fn without_access_log(mut self) -> Self {
        self.logs = false;
        self
    }

    /// Answers one request.
    pub async fn answer(self, request: Request) -> Response {
        self.receive(request).await.answer().await
    }

    /// Waits for all of a request: whoever has many of them open waits in small futures.
    #[expect(
        clippy::disallowed_methods,
        reason = "measures how long the answer took"
    )]
    pub async fn receive(self, mut request: Request) -> Received {
        let began = Instant::now();
        let settings = &self.settings;
        let id = RequestId::random();
        let version = request.version();
        let seen = (request.method().clone(), request.uri().clone());
        let peer = request
            .extensions()
            .get::<PeerAddr>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let client = client_addr::find(peer, request.headers(), &settings.trusted_proxies);
        let unheard = self.on_noted.as_ref().and_then(|_| {
            let news = self
                .untrusted
                .news(settings, (peer, request.headers()), began);
            news.map(Box::new)
        });
        if !settings.relayed {
            client_addr::strip_forwarded(request.headers_mut());
        }
        request.extensions_mut().insert(id.clone());
        request.extensions_mut().insert(ClientAddr(client));
        let is_stand_in = request.extensions().get::<Refused>().is_some();
        let trace = TraceContext::begin(settings.traces.as_deref(), request.headers());
        if let Some(trace) = &trace {
            request.extensions_mut().insert(trace.clone());
        }
        let device = DeviceClass::of(
            request
                .headers()
                .get(header::USER_AGENT)
                .and_then(|agent| agent.to_str().ok()),
        );
        let admitted = limits::admit(settings, request).await;
        Received {
            guarded: self,
            admitted,
            began,
            id,
            version,
            seen,
            is_stand_in,
            client,
            trace,
            device,
            unheard,
        }
    }
}

/// For whoever speaks to it without a listener.
impl Service<Request> for Guarded {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let guarded = self.clone();
        Box::pin(async move { Ok(guarded.answer(request).await) })
    }
}

/// The router says no to a method by itself.
fn method_refused(method: &Method, response: &Response) -> Option<Noted> {
    let status = response.status();
    let reason = match *method {
        Method::OPTIONS => RequestRefusal::PreflightRefused,
        _ => RequestRefusal::MethodNotAllowed,
    };
    (status == StatusCode::METHOD_NOT_ALLOWED).then(|| Noted::refused(reason, status, None))
}

/// The rest of the connection cannot be trusted, or is not worth reading.
fn refusal(settings: &GuardSettings, refused: Refused, id: &RequestId) -> Response {
    let relayed = serde_json::json!({ "message": refused.reason });
    let error = match refused.status {
        StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        _ => "invalid_request",
    };
    let own = serde_json::json!({
        "error": error,
        "error_description": refused.reason,
        "request_id": &*id.0,
    });
    let body = if settings.relays { relayed } else { own };
    let mut response = json(refused.status, &body);
    let reason = match refused.status {
        StatusCode::MISDIRECTED_REQUEST => RequestRefusal::HostUnknown,
        StatusCode::PAYLOAD_TOO_LARGE => RequestRefusal::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => RequestRefusal::BodyEncoded,
        StatusCode::REQUEST_TIMEOUT => RequestRefusal::BodyTooSlow,
        StatusCode::SERVICE_UNAVAILABLE => RequestRefusal::NoMemory,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG => {
            RequestRefusal::TooManyHeaders
        }
        _ => RequestRefusal::Framing,
    };
    let noted = Noted::refused(reason, refused.status, Some(refused.reason));
    response.extensions_mut().insert(noted);
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if refused.status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if refused.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
    }
    response
}

fn json(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn finish(headers: &mut HeaderMap, settings: &GuardSettings, id: &RequestId) {
    if settings.relays && headers.contains_key(X_REQUEST_ID) {
        return;
    }
    if !settings.relays {
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
    }
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID, id);
    }
    if settings.hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
}
