//! Documents whose bytes are prepared: metadata, keys, stylesheet; and health.

use super::extract::Inbound;
use super::headers::{PagePolicy, page};
use super::page_error;
use super::pages::{FAVICON, HomePage, STYLESHEET};
use super::state::App;
use crate::flows::discovery::paths;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

/// `GET /.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`
pub async fn metadata(State(app): State<App>, headers: HeaderMap) -> Response {
    let max_age = app.issuer.settings.jwks_max_age_s;
    document(
        &headers,
        app.metadata.body.clone(),
        &app.metadata.etag,
        max_age,
    )
}

/// `GET /jwks.json`
pub async fn jwks(State(app): State<App>, headers: HeaderMap) -> Response {
    let keyring = app.issuer.keyring.load();
    let max_age = app.issuer.settings.jwks_max_age_s;
    document(&headers, keyring.jwks().clone(), keyring.etag(), max_age)
}

fn document(headers: &HeaderMap, body: Bytes, etag: &str, max_age_s: i64) -> Response {
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|tags| {
            tags.split(',')
                .any(|tag| tag.trim().trim_start_matches("W/") == etag)
        });
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        body.into_response()
    };
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    for (name, value) in [
        (ETAG, etag.to_owned()),
        (CACHE_CONTROL, format!("public, max-age={max_age_s}")),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.insert(name, value);
        }
    }
    response
}

/// The stylesheet, under a name that changes with its content.
pub async fn stylesheet() -> Response {
    asset(STYLESHEET, "text/css; charset=utf-8")
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

fn health(status: StatusCode, words: &str) -> Response {
    super::oauth_error::json(status, format!("{{\"status\":\"{words}\"}}"))
}
