//! What every request passes and every response carries.
//!
//! Owns the request id, the client's address, the limits of a request, the last resort for panics, the headers that
//! belong on every response, and the access log. It wraps the whole router and knows none of its routes. The access
//! log holds the path and never the query, a header or a body.

mod catch_panic;
mod client_addr;
mod limits;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use ipnet::IpNet;
use tracing::Instrument as _;

use super::server::{PeerAddr, Refused};
use crate::config::Config;
use catch_panic::CatchPanic;

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
}

impl GuardSettings {
    /// As configured.
    pub fn new(config: &Config) -> Self {
        Self {
            body_limit: config.http.body_limit_bytes,
            body_timeout: Duration::from_secs(config.http.body_timeout_s),
            trusted_proxies: config.trusted_proxies.clone(),
            hsts: config.tls.is_some() || config.issuer.starts_with("https://"),
        }
    }
}

/// Names a request in its response (`x-request-id`) and in every line logged on its behalf: 128 random bits, ours.
/// An extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

impl RequestId {
    #[expect(clippy::disallowed_methods, reason = "an id for the log; nothing depends on it")]
    fn random() -> Self {
        let mut bits = [0; 16];
        // Without entropy nothing else here works either; the id alone is no reason to fail.
        let _ = SystemRandom::new().fill(&mut bits);
        let mut text = [0; 22];
        let length = URL_SAFE_NO_PAD
            .encode_slice(bits, &mut text)
            .unwrap_or_default();
        Self(
            text.get(..length)
                .and_then(|text| std::str::from_utf8(text).ok())
                .unwrap_or_default()
                .into(),
        )
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who is asking: the peer, or what a trusted proxy says of it. An extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

/// Puts the guard around all of `router`, its fallback included.
pub fn layer(settings: GuardSettings, router: Router) -> Router {
    router.layer(from_fn_with_state(Arc::new(settings), guard))
}

#[expect(clippy::disallowed_methods, reason = "measures how long the answer took")]
async fn guard(
    State(settings): State<Arc<GuardSettings>>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let id = RequestId::random();
    let version = request.version();
    let seen = (request.method().clone(), request.uri().clone());
    let peer = request
        .extensions()
        .get::<PeerAddr>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let client = client_addr::find(peer, request.headers(), &settings.trusted_proxies);
    client_addr::strip_forwarded(request.headers_mut());
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(ClientAddr(client));
    let refused = request.extensions().get::<Refused>().copied();

    let span = tracing::error_span!("request", request_id = %id);
    let mut response = handle(&settings, request, next, &id)
        .instrument(span.clone())
        .await;
    finish(response.headers_mut(), &settings, &id);
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
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::info!(target: "gatewright::access", method, path, status = response.status().as_u16(), micros, %client, "answered");
    response
}

async fn handle(
    settings: &GuardSettings,
    request: Request,
    next: Next,
    id: &RequestId,
) -> Response {
    let request = match limits::admit(settings, request).await {
        Ok(request) => request,
        Err(refused) => return refusal(refused, id),
    };
    match CatchPanic::new(next.run(request)).await {
        Ok(response) => response,
        Err(_panic) => {
            tracing::error!("a handler panicked");
            let body = serde_json::json!({ "error": "server_error", "request_id": &*id.0 });
            json(StatusCode::INTERNAL_SERVER_ERROR, &body)
        }
    }
}

/// The rest of the connection cannot be trusted, or is not worth reading.
fn refusal(refused: Refused, id: &RequestId) -> Response {
    let body = serde_json::json!({
        "error": "invalid_request",
        "error_description": refused.reason,
        "request_id": &*id.0,
    });
    let mut response = json(refused.status, &body);
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
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID, id);
    }
    if settings.hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
}
