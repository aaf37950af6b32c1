//! Refusals as API Gateway words them: a REST API says what failed in `x-amzn-ErrorType`, an HTTP API doesn't.

use crate::http::guard::RequestId;
use axum::body::Body;
use axum::response::Response;
use gatewright_authorizer::gateway::FrontDoorKind;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REST_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const HTTP_REQUEST_ID: HeaderName = HeaderName::from_static("apigw-requestid");

/// Why a call goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Malformed,
    WebSocket,
    HeadTooLarge,
    BodyTooLarge,
    Unauthorized,
    Denied { explicit: bool },
    AuthorizerFailed,
    AuthorizerMisconfigured,
    IntegrationFailed,
    IntegrationTimedOut,
}

/// The answer to a refused call.
pub(super) fn refuse(kind: FrontDoorKind, refusal: Refusal, id: Option<&RequestId>) -> Response {
    let (status, body, error_type) = if kind.is_rest() {
        rest(refusal)
    } else {
        let (status, message) = http(refusal);
        (status, json!({"message": message}), "")
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if !error_type.is_empty() {
        headers.insert(ERROR_TYPE, HeaderValue::from_static(error_type));
    }
    if let Some(Ok(id)) = id.map(|id| HeaderValue::from_str(&id.0)) {
        let name = if kind.is_rest() {
            REST_REQUEST_ID
        } else {
            HTTP_REQUEST_ID
        };
        headers.insert(name, id);
    }
    response
}

fn http(refusal: Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::Malformed => (StatusCode::BAD_REQUEST, "Bad Request"),
        Refusal::WebSocket => (StatusCode::BAD_REQUEST, NO_WEB_SOCKET),
        Refusal::HeadTooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "Request Header Fields Too Large",
        ),
        Refusal::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
        Refusal::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized"),
        Refusal::Denied { .. } => (StatusCode::FORBIDDEN, "Forbidden"),
        Refusal::AuthorizerFailed | Refusal::AuthorizerMisconfigured => {
            (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        Refusal::IntegrationFailed | Refusal::IntegrationTimedOut => {
            (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
    }
}

/// A REST API's denials spell the member `Message`, and its authorizer's faults have the message null.
fn rest(refusal: Refusal) -> (StatusCode, Value, &'static str) {
    let plain =
        |status, message: &str, error_type| (status, json!({"message": message}), error_type);
    match refusal {
        Refusal::Malformed => plain(
            StatusCode::BAD_REQUEST,
            "Bad Request",
            "BadRequestException",
        ),
        Refusal::WebSocket => plain(
            StatusCode::BAD_REQUEST,
            NO_WEB_SOCKET,
            "BadRequestException",
        ),
        Refusal::HeadTooLarge => plain(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "Request Header Fields Too Large",
            "BadRequestException",
        ),
        Refusal::BodyTooLarge => plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Request Too Long",
            "RequestTooLargeException",
        ),
        Refusal::Unauthorized => plain(
            StatusCode::UNAUTHORIZED,
            "Unauthorized",
            "UnauthorizedException",
        ),
        Refusal::Denied { explicit } => {
            let how = if explicit {
                " with an explicit deny"
            } else {
                ""
            };
            let message = format!("User is not authorized to access this resource{how}");
            (
                StatusCode::FORBIDDEN,
                json!({"Message": message}),
                "AccessDeniedException",
            )
        }
        Refusal::AuthorizerFailed => (
            StatusCode::INTERNAL_SERVER_ERROR,
            json!({"message": null}),
            "AuthorizerFailureException",
        ),
        Refusal::AuthorizerMisconfigured => (
            StatusCode::INTERNAL_SERVER_ERROR,
            json!({"message": null}),
            "AuthorizerConfigurationException",
        ),
        Refusal::IntegrationFailed => plain(
            StatusCode::GATEWAY_TIMEOUT,
            "Network error communicating with endpoint",
            "InternalServerErrorException",
        ),
        Refusal::IntegrationTimedOut => plain(
            StatusCode::GATEWAY_TIMEOUT,
            "Endpoint request timed out",
            "InternalServerErrorException",
        ),
    }
}

/// Our own words: API Gateway would need another kind of API for it.
const NO_WEB_SOCKET: &str = "WebSocket connections are not passed on by this gateway";
