//! Whole journeys, as client libraries make them, and as a process that may be killed lives through them.

mod crash;
pub mod demo;
mod machine;
mod person;
pub mod process;
mod shutdown;

use crate::support::TestApp;
use axum::body::Body;
use http::Request;
use oauth2::{HttpRequest, HttpResponse};
use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the client crates take for the network: the router itself.
fn network(
    app: &TestApp,
) -> impl Fn(
    HttpRequest,
) -> std::pin::Pin<Box<dyn Future<Output = Result<HttpResponse, Infallible>> + Send>> {
    let app = app.clone();
    move |request| {
        let app = app.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let host = parts.uri.authority().unwrap().to_string();
            parts.headers.insert("host", host.parse().unwrap());
            parts.uri = parts
                .uri
                .path_and_query()
                .unwrap()
                .as_str()
                .parse()
                .unwrap();
            let answer = app.send(Request::from_parts(parts, Body::from(body))).await;
            let mut response = http::Response::new(answer.body.into_bytes());
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok(response)
        })
    }
}

/// The app's clock, as the client crates tell the time.
fn clock_of(app: &TestApp) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(app.now().unsigned_abs())
}
