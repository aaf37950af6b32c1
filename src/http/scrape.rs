//! The listener of metrics: one document, at `GET /metrics`.

use crate::metrics::{Exposition, Metrics};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::sync::Arc;

/// Where the document is.
pub const PATH: &str = "/metrics";

/// Every path of the listener.
pub fn router(metrics: Arc<Metrics>) -> Router {
    Router::new().fallback(answer).with_state(metrics)
}

async fn answer(State(metrics): State<Arc<Metrics>>, request: Request) -> Response {
    if request.uri().path() != PATH {
        return words(
            StatusCode::NOT_FOUND,
            "only metrics are here: GET /metrics\n",
        );
    }
    if request.method() != Method::GET {
        let mut response = words(
            StatusCode::METHOD_NOT_ALLOWED,
            "metrics are only read: GET /metrics\n",
        );
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    let exposition = wanted(request.headers());
    document(metrics.scrape(exposition), exposition.content_type())
}

/// `OpenMetrics` for those who name it, as Prometheus does; the older format for everybody else.
fn wanted(headers: &HeaderMap) -> Exposition {
    let lines = headers.get_all(ACCEPT).iter();
    let mut accepted = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let open = |range: &[u8]| {
        let media = range.split(|byte| *byte == b';').next();
        media.is_some_and(|media| {
            media
                .trim_ascii()
                .eq_ignore_ascii_case(b"application/openmetrics-text")
        })
    };
    if accepted.any(open) {
        Exposition::OpenMetrics
    } else {
        Exposition::Prometheus
    }
}

fn words(status: StatusCode, words: &'static str) -> Response {
    let mut response = document(words.to_owned(), "text/plain; charset=utf-8");
    *response.status_mut() = status;
    response
}

fn document(body: String, content_type: &'static str) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
