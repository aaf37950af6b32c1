//! The one place that picks status, code and public words for the OAuth endpoints (RFC 6749 §5.2, RFC 6750 §3).

use super::extract::{BodyError, Inbound};
use super::guard::Noted;
use super::headers::no_store;
use crate::domain::ErrorCode;
use crate::flows::{FlowError, TokenError};
use crate::store::StoreError;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value};

/// JSON with `Cache-Control: no-store`.
pub fn json(status: StatusCode, body: String) -> Response {
    let mut response = (status, body).into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    no_store(&mut response);
    response
}

/// `{"error": …, "error_description": …}`
pub fn refusal(status: StatusCode, code: ErrorCode, words: &str) -> Response {
    let mut body = Map::new();
    body.insert("error".to_owned(), Value::from(code.as_str()));
    body.insert("error_description".to_owned(), Value::from(words));
    json(status, Value::Object(body).to_string())
}

/// What a body that can't be read is answered with.
pub fn unreadable(error: BodyError) -> Response {
    refusal(error.status(), ErrorCode::InvalidRequest, error.words())
}

/// What a refusal of the token, introspection or revocation endpoint looks like.
pub fn token_error(error: &TokenError, inbound: &Inbound) -> Response {
    match error {
        TokenError::Client { basic } => {
            let mut response = refusal(
                StatusCode::UNAUTHORIZED,
                ErrorCode::InvalidClient,
                "the client is unknown or could not be authenticated; check client_id and credentials",
            );
            if *basic {
                response.headers_mut().insert(
                    WWW_AUTHENTICATE,
                    HeaderValue::from_static("Basic realm=\"gatewright\", charset=\"UTF-8\""),
                );
            }
            response
        }
        TokenError::Refused(refused) => {
            refusal(StatusCode::BAD_REQUEST, refused.code, refused.words)
        }
        TokenError::Failed(error) => failed(error, &inbound.request_id),
    }
}

/// What a failure of ours looks like: the details are in the log, under the request id.
pub fn failed(error: &FlowError, request_id: &str) -> Response {
    let (status, code, words) = status_of(error);
    tracing::error!(%error, "request failed");
    let mut body = Map::new();
    body.insert("error".to_owned(), Value::from(code.as_str()));
    body.insert("error_description".to_owned(), Value::from(words));
    body.insert("request_id".to_owned(), Value::from(request_id));
    let mut response = json(status, Value::Object(body).to_string());
    response.extensions_mut().insert(Noted::failed(error));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Status, code and words of a failure.
pub fn status_of(error: &FlowError) -> (StatusCode, ErrorCode, &'static str) {
    match error {
        FlowError::Busy | FlowError::Store(StoreError::Busy(_) | StoreError::Unavailable(_)) => (
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::TemporarilyUnavailable,
            "the server is busy; try again in a moment",
        ),
        FlowError::Store(_) | FlowError::Internal(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::ServerError,
            "the server failed; tell its operator the request id",
        ),
    }
}

/// A bearer challenge (RFC 6750 §3), for what needs `scope`.
pub fn bearer(scope: &str, status: StatusCode, error: Option<ErrorCode>, words: &str) -> Response {
    let challenge = match error {
        None => "Bearer".to_owned(),
        Some(code) => {
            let scope = if code == ErrorCode::InsufficientScope {
                format!(", scope=\"{scope}\"")
            } else {
                String::new()
            };
            format!(
                "Bearer error=\"{}\", error_description=\"{words}\"{scope}",
                code.as_str()
            )
        }
    };
    let mut response = match error {
        None => json(status, "{}".to_owned()),
        Some(code) => refusal(status, code, words),
    };
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}
