//! The sample API behind the authorizer's front door: `/api/…` stands for an HTTP API of API Gateway.

use super::Demo;
use crate::http::extract::Inbound;
use crate::http::oauth_error::json;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use gatewright_authorizer::gateway::{Incoming, Passage};
use http::StatusCode;
use serde_json::{Map, Value, json};

/// `ANY /api/{path}`
pub(super) async fn call(
    State(demo): State<Demo>,
    OriginalUri(uri): OriginalUri,
    inbound: Inbound,
) -> Response {
    let path = uri.path().strip_prefix("/api").unwrap_or_default();
    let headers: Vec<(String, String)> = inbound
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let incoming = Incoming {
        method: inbound.method.as_str(),
        path,
        query: &inbound.raw_query,
        headers: &headers,
        source_ip: "127.0.0.1",
        request_id: Some(&inbound.request_id),
        trace: None,
    };
    let (status, body) = answer(&demo, &incoming, inbound.now).await;
    json(status, body.to_string() + "\n")
}

/// Admits a call by the authorizer's policy, and lets the sample API answer it.
pub(super) async fn answer(demo: &Demo, incoming: &Incoming<'_>, now: i64) -> (StatusCode, Value) {
    match demo.door.admit(incoming, now).await {
        Passage::Refuse { status, body } => (
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            body,
        ),
        Passage::Forward { context } => sample_api(incoming.method, incoming.path, &context),
    }
}

/// The API itself: it knows its caller from the authorizer's context only.
fn sample_api(method: &str, path: &str, caller: &Map<String, Value>) -> (StatusCode, Value) {
    let order = |id: &str| json!({"id": id, "item": "difference engine", "quantity": 1});
    let (status, mut body) = match (method, path.split('/').collect::<Vec<_>>().as_slice()) {
        ("GET", ["", "orders"]) => (StatusCode::OK, json!({"orders": [order("7"), order("8")]})),
        ("GET" | "HEAD", ["", "orders", id]) => (StatusCode::OK, json!({"order": order(id)})),
        ("POST", ["", "orders"]) => (StatusCode::CREATED, json!({"order": order("9")})),
        _ => (StatusCode::NOT_FOUND, json!({"message": "Not Found"})),
    };
    if let Some(members) = body.as_object_mut() {
        members.insert("caller".to_owned(), Value::Object(caller.clone()));
    }
    (status, body)
}
