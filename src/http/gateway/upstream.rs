//! The API behind the gateway: an HTTP proxy integration.
//!
//! What belongs to one connection stays there (RFC 9110 §7.6.1), and what names the caller comes from the authorizer
//! alone: whatever a client sends under those names is removed first. So is what could make the upstream read another
//! method or path than the one that was decided on.

use super::MAX_BODY;
use crate::http::guard::TraceContext;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use gatewright_authorizer::gateway::FrontDoorKind;
use gatewright_authorizer::http_call::tells_another_call;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Uri, Version};
use http_body_util::{LengthLimitError, Limited};
use hyper::body::Body as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Map, Value};
use std::error::Error;
use std::fmt;
use std::time::Duration;
use tokio::time::timeout;
use tracing::{Instrument as _, Span};

/// In front of every member of the authorizer's context.
const CONTEXT: &str = "x-authorizer-";
/// Of one connection.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// Why the upstream's answer can't be passed on.
#[derive(Debug)]
pub enum UpstreamError {
    /// It can't be reached, or doesn't speak HTTP.
    Unreachable(String),
    /// It took too long.
    TimedOut,
    /// The request's body turned out too large.
    BodyTooLarge,
    /// The answer's body is too large.
    AnswerTooLarge,
}

impl UpstreamError {
    fn class(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut => "timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::AnswerTooLarge => "answer_too_large",
        }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(
                f,
                "the upstream gave no answer ({why}); check that it runs there"
            ),
            Self::TimedOut => f.write_str("the upstream took too long"),
            Self::BodyTooLarge => f.write_str("the body is over 10 MB"),
            Self::AnswerTooLarge => f.write_str("the upstream's answer is over 10 MB"),
        }
    }
}

impl Error for UpstreamError {}

/// An API at an `http` URL.
#[derive(Clone, Debug)]
pub struct Upstream {
    authority: String,
    prefix: String,
    client: Client<HttpConnector, Body>,
}

impl Upstream {
    /// An upstream from its URL, which may have a path that is put before every other.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{url:?} is not a plain http URL: write http://HOST:PORT, with a path or without"
            )
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let sound = uri.scheme_str() == Some("http") && uri.query().is_none() && !url.contains('#');
        let authority = authority
            .filter(|authority| sound && !authority.contains('@'))
            .ok_or_else(wrong)?;
        Ok(Self {
            authority: authority.to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
        })
    }

    /// Passes a request on and its answer back.
    pub(super) async fn forward(
        &self,
        request: Request,
        kind: FrontDoorKind,
        context: &Map<String, Value>,
        client: &str,
        patience: Duration,
    ) -> Result<Response, UpstreamError> {
        let trace = request.extensions().get::<TraceContext>().cloned();
        let (mut parts, body) = request.into_parts();
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        parts.uri = format!("http://{}{}{target}", self.authority, self.prefix)
            .parse()
            .map_err(|_| UpstreamError::Unreachable("the path can't be passed on".to_owned()))?;
        let host = parts.headers.remove(header::HOST);
        strip(&mut parts.headers);
        remove_where(&mut parts.headers, could_mislead);
        introduce(&mut parts.headers, context);
        say_who_called(&mut parts.headers, kind, client, host.as_ref());
        let span = trace.map_or_else(Span::none, |trace| {
            let (span, callee) = trace.calling(&parts.method, &self.authority);
            callee.pass_on(&mut parts.headers);
            span
        });
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        let body = if body.is_end_stream() {
            Body::empty()
        } else {
            Body::new(Limited::new(body, MAX_BODY))
        };
        let answered = self.client.request(Request::from_parts(parts, body));
        let answered = timeout(patience, answered).instrument(span.clone()).await;
        let response = answered
            .map_err(|_| UpstreamError::TimedOut)
            .and_then(|answered| answered.map_err(|error| failure(&error)))
            .inspect_err(|error| {
                span.record("error.type", error.class());
            })?;
        span.record("http.response.status_code", response.status().as_u16());
        if response.body().size_hint().lower() > MAX_BODY as u64 {
            return Err(UpstreamError::AnswerTooLarge);
        }
        let mut response = response.map(|body| Body::new(Limited::new(body, MAX_BODY)));
        // The upstream's is of its connection.
        *response.version_mut() = Version::HTTP_11;
        strip(response.headers_mut());
        Ok(response)
    }
}

fn failure(error: &hyper_util::client::legacy::Error) -> UpstreamError {
    let mut cause: Option<&dyn Error> = Some(error);
    let mut last = String::new();
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return UpstreamError::BodyTooLarge;
        }
        last = error.to_string();
        cause = error.source();
    }
    UpstreamError::Unreachable(last)
}

/// Takes off what is of one connection, as HTTP says and as `Connection` names.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Whether a header could make an API read another call, or say of a caller what the gateway says by itself.
fn could_mislead(name: &str) -> bool {
    let name = name.replace('_', "-");
    let of_a_proxy = ["forwarded", "x-real-ip"];
    tells_another_call(&name) || name.starts_with("x-forwarded-") || of_a_proxy.contains(&&*name)
}

fn remove_where(headers: &mut HeaderMap, test: impl Fn(&str) -> bool) {
    let names = headers.keys().filter(|name| test(name.as_str()));
    let names: Vec<HeaderName> = names.cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Tells the upstream who calls: `client_id` is `x-authorizer-client-id`. What isn't plain ASCII is percent-encoded.
fn introduce(headers: &mut HeaderMap, context: &Map<String, Value>) {
    // Some servers take an underscore for a hyphen.
    remove_where(headers, |name| name.replace('_', "-").starts_with(CONTEXT));
    let own = [
        "sub",
        "client_id",
        "iss",
        "exp",
        "scope",
        "request_id",
        "trace_id",
    ];
    let (first, rest): (Vec<_>, Vec<_>) = context
        .iter()
        .partition(|(name, _)| own.contains(&name.as_str()));
    for (name, value) in first.into_iter().chain(rest) {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        };
        let name = format!("{CONTEXT}{}", name.chars().map(plain).collect::<String>());
        let text = match value {
            Value::String(text) => encoded(text),
            other => encoded(&other.to_string()),
        };
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&text))
        else {
            continue;
        };
        headers.entry(name).or_insert(value);
    }
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b' '..=b'~' if byte != b'%' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Whose request it was: `Forwarded` (RFC 7239) behind an HTTP API, `X-Forwarded-…` behind a REST API.
fn say_who_called(
    headers: &mut HeaderMap,
    kind: FrontDoorKind,
    client: &str,
    host: Option<&HeaderValue>,
) {
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    if kind.is_rest() {
        put("x-forwarded-for", client);
        put("x-forwarded-proto", "http");
        put("x-forwarded-host", host);
    } else {
        let node = if client.contains(':') {
            format!("\"[{client}]\"")
        } else {
            client.to_owned()
        };
        put(
            "forwarded",
            &format!("for={node};host=\"{host}\";proto=http"),
        );
    }
    put("via", "1.1 gatewright");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_is_of_one_connection_stays_there() {
        let mut all = headers(&[
            ("connection", "close, X-Secret"),
            ("connection", "keep-alive"),
            ("x-secret", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-other", "1"),
        ]);
        strip(&mut all);
        assert_eq!(names(&all), ["x-other"]);
    }

    #[test]
    fn the_caller_is_whom_the_authorizer_names_and_nobody_else() {
        let mut all = headers(&[
            ("x-authorizer-sub", "root"),
            ("x_authorizer_sub", "root"),
            ("x-authorizer-other", "root"),
            ("x-else", "1"),
        ]);
        let context = json!({"sub": "ü 1%", "client-id": "forged", "client_id": "app", "n": 7, "list": ["a"]});
        introduce(&mut all, context.as_object().unwrap());
        assert_eq!(
            names(&all),
            [
                "x-authorizer-client-id",
                "x-authorizer-list",
                "x-authorizer-n",
                "x-authorizer-sub",
                "x-else"
            ]
        );
        assert_eq!(all["x-authorizer-sub"], "%C3%BC 1%25");
        assert_eq!(all["x-authorizer-client-id"], "app");
        assert_eq!(all["x-authorizer-list"], "[\"a\"]");
    }

    #[test]
    fn only_plain_http_urls_are_upstreams() {
        for url in [
            "http://127.0.0.1:3000",
            "http://localhost:3000/base/",
            "http://[::1]:3000",
        ] {
            assert!(Upstream::parse(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "127.0.0.1:3000",
            "https://a",
            "http://a?b",
            "http://u@a",
            "http://a#b",
            "/a",
        ] {
            assert!(
                Upstream::parse(url)
                    .unwrap_err()
                    .contains("http://HOST:PORT"),
                "{url}"
            );
        }
    }
}
