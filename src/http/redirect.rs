//! Sending the browser back to the client: only ever to a verified redirect URI.

use super::headers::{PagePolicy, form_action_source, no_store, page};
use super::page_error;
use super::pages::FormPostPage;
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

/// The answer of the authorization endpoint, as a 303 or as a form that posts itself.
pub fn to_client(
    response: &AuthorizationResponse,
    entropy: &Entropy,
    request_id: &str,
) -> Response {
    match response.mode {
        ResponseMode::Query => {
            let pairs = response
                .parameters
                .iter()
                .map(|(name, value)| (*name, value.as_str()));
            see_other(&with_query(response.to.as_str(), pairs))
        }
        ResponseMode::FormPost => form_post(response, entropy, request_id),
    }
}

/// After a logout.
pub fn after_logout(to: &VerifiedRedirectUri, state: Option<&str>) -> Response {
    see_other(&with_query(
        to.as_str(),
        state.map(|state| ("state", state)).into_iter(),
    ))
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
    let source = form_action_source(response.to.as_str());
    let policy = PagePolicy {
        form_action: Some(&source),
        script_nonce: Some(&nonce),
    };
    page(StatusCode::OK, html, &policy)
}
