//! Headers that whole kinds of answers share.

use axum::response::{Html, IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, PRAGMA, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};

const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Marks an answer as nobody's to keep (RFC 6749 §5.1).
pub fn no_store(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
}

/// What a page may load and where its forms may lead.
#[derive(Default)]
pub struct PagePolicy<'a> {
    /// Where forms and their redirects may lead besides our own origin.
    pub form_action: Option<&'a str>,
    /// The nonce of its one script.
    pub script_nonce: Option<&'a str>,
}

/// An HTML page with all its protections.
pub fn page(status: StatusCode, html: String, policy: &PagePolicy<'_>) -> Response {
    let form_action = policy
        .form_action
        .filter(|source| is_csp_source(source))
        .unwrap_or_default();
    let script = policy
        .script_nonce
        .map(|nonce| format!(" script-src 'nonce-{nonce}';"))
        .unwrap_or_default();
    let csp = format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:;{script} form-action 'self' {form_action}; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    let mut response = (status, Html(html)).into_response();
    no_store(&mut response);
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_str(&csp).unwrap_or(HeaderValue::from_static("default-src 'none'")),
    );
    for (name, value) in [
        (X_FRAME_OPTIONS, "DENY"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (
            PERMISSIONS_POLICY,
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The source expression that a form's page needs if its answer leads to this redirect URI: the scheme of an application
/// of the person's own device, which is opened by a redirect. The web is reached by a page of ours: nothing.
pub fn form_action_source(redirect_uri: &str) -> String {
    if is_web(redirect_uri) {
        return String::new();
    }
    let scheme = redirect_uri.split(':').next();
    scheme
        .map(|scheme| format!("{scheme}:"))
        .unwrap_or_default()
}

/// The source expression of the page that posts a response to this redirect URI: its scheme, for the client may redirect
/// the post anywhere. The page has no other form, and shows nothing but the response.
pub fn form_post_source(redirect_uri: &str) -> String {
    if !is_web(redirect_uri) {
        form_action_source(redirect_uri)
    } else if redirect_uri.starts_with("https://") {
        "https:".to_owned()
    } else {
        "http: https:".to_owned()
    }
}

/// Whether a redirect URI leads to the web, and not to an application by its private-use scheme.
pub fn is_web(redirect_uri: &str) -> bool {
    redirect_uri.starts_with("https://") || redirect_uri.starts_with("http://")
}

fn is_csp_source(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b":/.-[]_+ ".contains(&b))
}
