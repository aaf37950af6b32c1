//! Sending the browser back to the client: only ever to a verified redirect URI.
//!
//! Browsers hold the redirects that follow a form to the `form-action` of the form's page, however many there are and
//! wherever the client's callback leads (CSP3 §6.4.2). So a form of ours ends at a page of ours, which leads on by itself,
//! and no page has to let its forms lead elsewhere.

use super::headers::{PagePolicy, form_post_source, is_web, no_store, page};
use super::page_error;
use super::pages::{FormPostPage, ReturnPage};
use crate::crypto::Entropy;
use crate::domain::authorization::ResponseMode;
use crate::domain::form::encode;
use crate::domain::redirect_uri::VerifiedRedirectUri;
use crate::flows::FlowError;
use crate::flows::authorize::AuthorizationResponse;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header::{LOCATION, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};

/// The answer of the authorization endpoint to a form of ours: a page that leads on, or a form that posts itself.
pub fn to_client(
    response: &AuthorizationResponse,
    entropy: &Entropy,
    request_id: &str,
) -> Response {
    match response.mode {
        ResponseMode::Query => lead_on(&answered(response)),
        ResponseMode::FormPost => form_post(response, entropy, request_id),
    }
}

/// The same to a request that no form of ours led to: a 303, or a form that posts itself.
pub fn to_client_at_once(
    response: &AuthorizationResponse,
    entropy: &Entropy,
    request_id: &str,
) -> Response {
    match response.mode {
        ResponseMode::Query => see_other(&answered(response)),
        ResponseMode::FormPost => form_post(response, entropy, request_id),
    }
}

fn answered(response: &AuthorizationResponse) -> String {
    let pairs = response
        .parameters
        .iter()
        .map(|(name, value)| (*name, value.as_str()));
    with_query(response.to.as_str(), pairs)
}

/// After a logout; `confirmed` by a form of ours.
pub fn after_logout(to: &VerifiedRedirectUri, state: Option<&str>, confirmed: bool) -> Response {
    let state = state.map(|state| ("state", state));
    let location = with_query(to.as_str(), state.into_iter());
    if confirmed {
        lead_on(&location)
    } else {
        see_other(&location)
    }
}

/// A page that leads on to a URI verified before. An application of the person's own device is opened by a 303: browsers
/// open it only while they know that a person did something, and it redirects nowhere.
fn lead_on(href: &str) -> Response {
    if !is_web(href) {
        return see_other(href);
    }
    match (ReturnPage { href }).render() {
        Ok(html) => page(StatusCode::OK, html, &PagePolicy::default()),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A 303 within our own pages or to a URI verified before.
pub fn see_other(location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    no_store(&mut response);
    response.headers_mut().insert(LOCATION, location);
    response
        .headers_mut()
        .insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn with_query<'a>(uri: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut location = uri.to_owned();
    let mut separator = if uri.contains('?') { '&' } else { '?' };
    for (name, value) in pairs {
        location.push(separator);
        location.push_str(name);
        location.push('=');
        location.push_str(&encode(value));
        separator = '&';
    }
    location
}

fn form_post(response: &AuthorizationResponse, entropy: &Entropy, request_id: &str) -> Response {
    let nonce = match entropy.id() {
        Ok(nonce) => nonce,
        Err(error) => return page_error::failed(&FlowError::from(error), request_id),
    };
    let form = FormPostPage {
        action: response.to.as_str(),
        fields: response
            .parameters
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect(),
        nonce: &nonce,
    };
    let Ok(html) = form.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let source = form_post_source(response.to.as_str());
    let policy = PagePolicy {
        form_action: Some(&source),
        script_nonce: Some(&nonce),
    };
    page(StatusCode::OK, html, &policy)
}
