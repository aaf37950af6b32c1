//! Pages that a browser fetches before anybody asked for them.

use super::guard::Noted;
use super::headers::no_store;
use crate::domain::event::RequestRefusal;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::VARY;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Where browsers say it, and the words that they say it with.
const SAID: [(HeaderName, &[&str]); 4] = [
    (
        HeaderName::from_static("sec-purpose"),
        &["prefetch", "prerender"],
    ),
    (
        HeaderName::from_static("purpose"),
        &["prefetch", "prerender", "preview"],
    ),
    (HeaderName::from_static("x-purpose"), &["preview"]),
    (HeaderName::from_static("x-moz"), &["prefetch"]),
];

/// Around pages that do something when they are asked for: a prefetch does nothing. Browsers drop what isn't answered
/// with success, and ask again when the person goes there.
pub async fn refused(request: Request, next: Next) -> Response {
    if !is_prefetch(request.headers()) {
        return next.run(request).await;
    }
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = (status, "not before somebody asks for it\n").into_response();
    no_store(&mut response);
    response.headers_mut().insert(
        VARY,
        HeaderValue::from_static("Sec-Purpose, Purpose, X-Purpose, X-Moz"),
    );
    let noted = Noted::refused(RequestRefusal::Prefetch, status, None);
    response.extensions_mut().insert(noted);
    response
}

/// Each header may be a list whose items have parameters: `prefetch;prerender`.
fn is_prefetch(headers: &HeaderMap) -> bool {
    SAID.iter().any(|(name, words)| {
        let values = headers.get_all(name).iter();
        let mut said =
            values.flat_map(|value| value.as_bytes().split(|byte| b",; ".contains(byte)));
        said.any(|said| {
            words
                .iter()
                .any(|word| said.eq_ignore_ascii_case(word.as_bytes()))
        })
    })
}
