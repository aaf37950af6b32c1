//! Documents whose bytes are prepared: metadata, keys, stylesheet; and health.

use super::extract::Inbound;
use super::guard::Noted;
use super::headers::{PagePolicy, page};
use super::page_error;
use super::pages::{ADMIN_STYLESHEET, FAVICON, HomePage, STYLESHEET};
use super::state::{App, Prepared};
use crate::domain::event::RequestRefusal;
use crate::flows::discovery::paths;
use askama::Template;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use std::convert::Infallible;

/// `GET /.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`
pub async fn metadata(State(app): State<App>, known: KnownTags) -> Response {
    let Prepared { body, etag } = &app.metadata;
    document(&app, &known, body, etag)
}

/// `GET /jwks.json`
pub async fn jwks(State(app): State<App>, known: KnownTags) -> Response {
    let keyring = app.issuer.keyring.load();
    document(&app, &known, keyring.jwks(), keyring.etag())
}

fn document(app: &App, known: &KnownTags, body: &Bytes, etag: &str) -> Response {
    let mut response = if known.include(etag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::from(body.clone()))
    };
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    answer.insert(CACHE_CONTROL, app.documents_cache_control.clone());
    if let Ok(etag) = HeaderValue::from_str(etag) {
        answer.insert(ETAG, etag);
    }
    response
}

/// What the client has already, by `If-None-Match` (RFC 9110 §13.1.2).
pub struct KnownTags(Vec<HeaderValue>);

impl KnownTags {
    fn include(&self, etag: &str) -> bool {
        let lines = self.0.iter();
        let mut tags = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        tags.any(|tag| {
            let tag = tag.trim_ascii();
            tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes()
        })
    }
}

impl<S: Sync> FromRequestParts<S> for KnownTags {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let known = parts.headers.get_all(IF_NONE_MATCH);
        Ok(Self(known.iter().cloned().collect()))
    }
}

/// The stylesheet, under a name that changes with its content.
pub async fn stylesheet() -> Response {
    asset(STYLESHEET, "text/css; charset=utf-8")
}

/// The one for administrators' pages, likewise.
pub async fn admin_stylesheet() -> Response {
    asset(ADMIN_STYLESHEET, "text/css; charset=utf-8")
}

/// The icon.
pub async fn favicon() -> Response {
    asset(FAVICON, "image/svg+xml")
}

fn asset(body: &'static str, content_type: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ),
    ];
    (headers, body).into_response()
}

/// `GET /`
pub async fn home(State(app): State<App>, inbound: Inbound) -> Response {
    let home = HomePage {
        issuer: &app.issuer.url,
        discovery_href: &app.path(paths::OPENID_CONFIGURATION),
    };
    match home.render() {
        Ok(html) => page(StatusCode::OK, html, &PagePolicy::default()),
        Err(_) => page_error::show(&page_error::NOT_FOUND, &inbound.request_id),
    }
}

/// Anything else.
pub async fn not_found(State(_): State<App>, inbound: Inbound) -> Response {
    page_error::show(&page_error::NOT_FOUND, &inbound.request_id)
}

/// `GET /health/live`: the process answers.
pub async fn live() -> Response {
    health(StatusCode::OK, "live")
}

/// `GET /health/ready`: new traffic is welcome: the database answers, there are keys, no shutdown has begun.
pub async fn ready(State(app): State<App>) -> Response {
    if !app.is_ready() {
        return health(StatusCode::SERVICE_UNAVAILABLE, "shutting down");
    }
    if app.issuer.keyring.load().active().is_empty() {
        return health(StatusCode::SERVICE_UNAVAILABLE, "no signing keys");
    }
    match app.issuer.store.ping().await {
        Ok(()) => health(StatusCode::OK, "ready"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            health(StatusCode::SERVICE_UNAVAILABLE, "database unavailable")
        }
    }
}

fn health(status: StatusCode, words: &'static str) -> Response {
    let mut response = super::oauth_error::json(status, format!("{{\"status\":\"{words}\"}}"));
    if !status.is_success() {
        let noted = Noted::refused(RequestRefusal::NotReady, status, Some(words));
        response.extensions_mut().insert(noted);
    }
    response
}
