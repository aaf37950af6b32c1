//! CORS: documents are everybody's; token, userinfo and revocation are for registered origins; pages are nobody's.

use super::state::App;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, ORIGIN, VARY,
};
use http::{HeaderValue, Method, StatusCode};

/// `OPTIONS` of a document that is everybody's: scripts of any origin may read it, whatever headers they add. The star
/// stands for all headers but `Authorization` (Fetch §3.2.5).
pub async fn preflight_of_documents() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    for (name, value) in [
        (ALLOW, "GET, HEAD, OPTIONS"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "*, Authorization"),
        (ACCESS_CONTROL_MAX_AGE, "86400"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Around the endpoints that scripts of registered origins may call, without credentials of the browser.
pub async fn registered_origins(State(app): State<App>, request: Request, next: Next) -> Response {
    let origin = request
        .headers()
        .get(ORIGIN)
        // `null` is every sandboxed frame and local file: nobody in particular.
        .filter(|origin| *origin != "null")
        .filter(|origin| {
            app.cors_origins
                .iter()
                .any(|known| known.as_bytes() == origin.as_bytes())
        })
        .cloned();
    let preflight = request.method() == Method::OPTIONS;
    let mut response = match (preflight, &origin) {
        (true, Some(_)) => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if preflight {
            headers.insert(
                ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST"),
            );
            headers.insert(
                ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("authorization, content-type, traceparent, tracestate"),
            );
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
    }
    response
}
