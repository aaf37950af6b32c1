//! Which call the proxy asks about.

use super::ENDPOINT;
use axum::extract::Request;
use http::HeaderMap;
use std::borrow::Cow;

/// How a proxy says which call it asks about. Only one way is believed: a client could send the headers of another,
/// and the proxy would pass them on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// `X-Original-Method` and `X-Original-URI`: nginx, and haproxy and Apache as our examples set them up.
    Nginx,
    /// `X-Forwarded-Method` and `X-Forwarded-Uri`: Traefik and Caddy.
    Forwarded,
    /// The method of the request itself and its path after the endpoint's: Envoy.
    Envoy,
}

/// The call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Original {
    /// Its method.
    pub method: String,
    /// Its raw path without query.
    pub path: String,
}

/// Whether this is the endpoint's path, or one below it.
pub(super) fn is_asked(path: &str) -> bool {
    path.strip_prefix(ENDPOINT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Original {
    /// `None` if the proxy doesn't say it, or says it twice.
    pub fn of(proxy: ProxyKind, request: &Request) -> Option<Self> {
        let headers = request.headers();
        let (method, uri) = match proxy {
            ProxyKind::Nginx => (
                only(headers, "x-original-method")?,
                only(headers, "x-original-uri")?,
            ),
            ProxyKind::Forwarded => (
                only(headers, "x-forwarded-method")?,
                only(headers, "x-forwarded-uri")?,
            ),
            ProxyKind::Envoy => (
                request.method().as_str().into(),
                request.uri().path().strip_prefix(ENDPOINT)?.into(),
            ),
        };
        let path = uri.split_once('?').map_or(&*uri, |(path, _query)| path);
        Some(Self {
            method: method.into_owned(),
            path: path.to_owned(),
        })
    }
}

/// The only value of a header. Bytes that aren't text become the replacement character, which no path or method may hold.
fn only<'r>(headers: &'r HeaderMap, name: &str) -> Option<Cow<'r, str>> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    Some(String::from_utf8_lossy(value.as_bytes())).filter(|text| !text.is_empty())
}
