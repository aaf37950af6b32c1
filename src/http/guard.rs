//! What every request passes and every response carries.
//!
//! Owns the request id, the trace that a request belongs to, the client's address, the limits of a request, the last
//! resort for panics, the headers that belong on every response, and the access log. It wraps the whole router and knows
//! nothing of its routes but their names. The access log holds the path and never the query, a header or a body.

mod catch_panic;
mod client_addr;
mod limits;
mod request_id;
mod trace;

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use ipnet::IpNet;
use tower::Service;
use tracing::{Instrument as _, Span};

use super::endpoints::Counted;
use super::server::{PeerAddr, Refused};
use crate::config::Config;
use crate::domain::device::DeviceClass;
use crate::domain::event::{FailureCause, Happening, RequestRefusal};
use crate::flows::FlowError;
use crate::flows::context::{self, CurrentRequest};
use crate::flows::events::AddressPrivacy;
use catch_panic::CatchPanic;

pub use request_id::RequestId;
use request_id::chance;
pub use trace::{TraceContext, Tracing};

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

/// What an answer is recorded as, in its extensions: the guard tells of it on behalf of the request.
#[derive(Debug, Clone)]
pub(super) struct Noted(pub Happening);

impl Noted {
    /// A failure of ours.
    pub(super) fn failed(error: &FlowError) -> Self {
        Self(Happening::RequestFailed {
            cause: error.cause(),
            words: error.to_string(),
        })
    }

    /// A request that came to no use case.
    pub(super) fn refused(
        reason: RequestRefusal,
        status: StatusCode,
        words: Option<&'static str>,
    ) -> Self {
        Self(Happening::RequestRefused {
            reason,
            status: status.as_u16(),
            words: words.map(str::to_owned),
        })
    }
}

/// Told of what answers are recorded as.
pub type OnNoted = Arc<dyn Fn(Happening) + Send + Sync>;

/// Puts the guard around all of `router`, its fallback included.
pub fn layer(settings: GuardSettings, router: Router) -> Guarded {
    Guarded {
        settings: Arc::new(settings),
        router,
        on_noted: None,
        counted: None,
        logs: true,
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
    #[expect(
        clippy::disallowed_methods,
        reason = "measures how long the answer took"
    )]
    pub async fn answer(self, mut request: Request) -> Response {
        let Self {
            settings,
            router,
            on_noted,
            counted,
            logs,
        } = self;
        let began = Instant::now();
        let id = RequestId::random();
        let version = request.version();
        let seen = (request.method().clone(), request.uri().clone());
        let peer = request
            .extensions()
            .get::<PeerAddr>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let client = client_addr::find(peer, request.headers(), &settings.trusted_proxies);
        if !settings.relayed {
            client_addr::strip_forwarded(request.headers_mut());
        }
        request.extensions_mut().insert(id.clone());
        request.extensions_mut().insert(ClientAddr(client));
        let refused = request.extensions().get::<Refused>().copied();
        let (span, recorded) = spans(&settings, &mut request, &id);
        let current = CurrentRequest {
            request_id: Arc::clone(&id.0),
            trace_id: request
                .extensions()
                .get::<TraceContext>()
                .map(|trace| Arc::clone(&trace.id)),
            address: client,
            device: DeviceClass::of(
                request
                    .headers()
                    .get(header::USER_AGENT)
                    .and_then(|agent| agent.to_str().ok()),
            ),
        };
        let answering = async {
            let response = handle(&settings, request, router, &id).await;
            if let Some(tell) = &on_noted {
                let marked = response.extensions().get::<Noted>().cloned();
                if let Some(Noted(happening)) =
                    marked.or_else(|| method_refused(&seen.0, &response))
                {
                    tell(happening);
                }
            }
            response
        };
        let mut response = context::within(current, answering)
            .instrument(recorded.clone())
            .instrument(span.clone())
            .await;
        finish(response.headers_mut(), &settings, &id);
        trace::ended(&recorded, response.status());
        if version == Version::HTTP_2 {
            response.headers_mut().remove(header::CONNECTION);
        }

        let _entered = span.enter();
        let (method, uri) = seen;
        // What stands in for a refused request has neither.
        let (method, path) = if refused.is_some() {
            ("-", "-")
        } else {
            (method.as_str(), uri.path())
        };
        let took = began.elapsed();
        if let Some(counted) = &counted {
            counted.answered(path, response.status(), took);
        }
        if !logs && response.status().is_success() {
            return response;
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let status = response.status().as_u16();
        let address = || settings.addresses.kept(client).map(tracing::field::display);
        tracing::info!(target: "gatewright::access", method, path, status, micros, client = address(), "answered");
        response
    }
}

/// The span that every line logged on the request's behalf is in, and the one that is part of a trace, if it's recorded.
fn spans(settings: &GuardSettings, request: &mut Request, id: &RequestId) -> (Span, Span) {
    let tracing = settings.traces.as_deref();
    let Some(context) = TraceContext::begin(tracing, request.headers()) else {
        return (
            tracing::error_span!("request", request_id = %id),
            Span::none(),
        );
    };
    let span = tracing::error_span!("request", request_id = %id, trace_id = &*context.id);
    // What stands in for a refused request has no method of its own.
    let refused = request.extensions().get::<Refused>().is_some();
    let recorded = match tracing.filter(|_| context.is_recorded() && !refused) {
        None => Span::none(),
        Some(tracing) => {
            let route = tracing.route(settings, request.uri().path());
            span.in_scope(|| context.span(request.method(), &id.0, route))
        }
    };
    request.extensions_mut().insert(context);
    (span, recorded)
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

async fn handle(
    settings: &GuardSettings,
    request: Request,
    mut router: Router,
    id: &RequestId,
) -> Response {
    let request = match limits::admit(settings, request).await {
        Ok(request) => request,
        Err(refused) => return refusal(settings, refused, id),
    };
    let answer = pin!(router.call(request));
    match CatchPanic::new(answer).await {
        Ok(Ok(response)) => response,
        Err(_panic) => {
            tracing::error!("a handler panicked");
            let body = serde_json::json!({ "error": "server_error", "request_id": &*id.0 });
            let mut response = json(StatusCode::INTERNAL_SERVER_ERROR, &body);
            response
                .extensions_mut()
                .insert(Noted(Happening::RequestFailed {
                    cause: FailureCause::Internal,
                    words: "a handler panicked; the log has where, under the request id".to_owned(),
                }));
            response
        }
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
    let own = serde_json::json!({
        "error": "invalid_request",
        "error_description": refused.reason,
        "request_id": &*id.0,
    });
    let body = if settings.relays { relayed } else { own };
    let mut response = json(refused.status, &body);
    let reason = match refused.status {
        StatusCode::PAYLOAD_TOO_LARGE => RequestRefusal::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => RequestRefusal::BodyEncoded,
        StatusCode::REQUEST_TIMEOUT => RequestRefusal::BodyTooSlow,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG => {
            RequestRefusal::TooManyHeaders
        }
        _ => RequestRefusal::Framing,
    };
    let noted = Noted::refused(reason, refused.status, Some(refused.reason));
    response.extensions_mut().insert(noted);
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
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
