//! Exchanges over HTTP(S): small documents, with addresses that the operator configured.
//!
//! `https` only, except to this machine; no redirects; one deadline for everything; the body is cut off at its limit
//! while it streams in. This is the only module of the library that reads a clock.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue};
use http::request::Builder;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::jose::parse_object;
use crate::jwks::{BoxFuture, Clock, FetchError, FetchKeys, Fetched};
use crate::policy::{IssuerRules, JwksUri, is_loopback};
use crate::verifier::{PinnedKeysError, Verifier};

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// What one fetch may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first packet to the last byte.
    pub timeout: Duration,
    /// Largest body.
    pub max_bytes: usize,
}

impl Default for Limits {
    /// 1.5 seconds and 64 KB.
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(1500),
            max_bytes: 64 * 1024,
        }
    }
}

/// What a server answered; a redirect is an answer like any other.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetError {
    /// Not an `https` URL, nor an `http` one to this machine; or it has a user or a fragment.
    Url,
    /// No connection, broken TLS or a broken answer, in words.
    Transport(String),
    /// Not done in time.
    Timeout,
    /// The body is over the limit.
    TooLarge,
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("the URL is neither https nor http to this machine"),
            Self::Transport(what) => write!(f, "the request failed: {what}"),
            Self::Timeout => f.write_str("the server did not answer in time"),
            Self::TooLarge => f.write_str("the answer is too large"),
        }
    }
}

impl std::error::Error for GetError {}

/// Fetches one document. Must run inside a Tokio runtime.
///
/// # Errors
/// See [`GetError`]; an HTTP error status is not one of them.
pub async fn get(url: &str, limits: Limits) -> Result<Response, GetError> {
    send(Request::get(checked(url)?), Bytes::new(), limits).await
}

/// Sends a document, with the same care. Must run inside a Tokio runtime.
///
/// # Errors
/// See [`GetError`]; an HTTP error status is not one of them.
pub async fn post(
    url: &str,
    headers: &[(HeaderName, HeaderValue)],
    body: Bytes,
    limits: Limits,
) -> Result<Response, GetError> {
    let mut request = Request::post(checked(url)?);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    send(request, body, limits).await
}

async fn send(request: Builder, body: Bytes, limits: Limits) -> Result<Response, GetError> {
    let request = request.header(ACCEPT, "application/json");
    let request = request.body(Full::new(body)).map_err(|_| GetError::Url)?;
    tokio::time::timeout(limits.timeout, exchange(request, limits.max_bytes))
        .await
        .map_err(|_| GetError::Timeout)?
}

async fn exchange(request: Request<Full<Bytes>>, max_bytes: usize) -> Result<Response, GetError> {
    let response = client()?
        .request(request)
        .await
        .map_err(|error| transport(&error))?;
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(frame) = stream.frame().await {
        let frame = frame.map_err(|error| transport(&error))?;
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        if body.len() + chunk.len() > max_bytes {
            return Err(GetError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response {
        status: head.status,
        headers: head.headers,
        body,
    })
}

/// A URL that may be asked.
///
/// # Errors
/// [`GetError::Url`]
pub fn checked(url: &str) -> Result<Uri, GetError> {
    let uri: Uri = url.parse().map_err(|_| GetError::Url)?;
    let authority = uri.authority().ok_or(GetError::Url)?.as_str();
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_loopback(authority),
        _ => false,
    };
    if !secure || authority.contains('@') || url.contains('#') {
        return Err(GetError::Url);
    }
    Ok(uri)
}

/// The innermost cause says what happened; the outer ones only say that something did.
fn transport(error: &dyn std::error::Error) -> GetError {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    GetError::Transport(cause.to_string())
}

/// One client for the process. It keeps no idle connections: fetches are minutes apart, and a Lambda that was frozen
/// wakes up with dead ones.
fn client() -> Result<&'static HttpClient, GetError> {
    static CLIENT: OnceLock<Result<HttpClient, GetError>> = OnceLock::new();
    let build = || {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .map_err(|error| transport(&error))?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector))
    };
    CLIENT.get_or_init(build).as_ref().map_err(Clone::clone)
}

/// Fetches an issuer's key set, from a known URL or from the one in its discovery document (`OpenID` Connect Discovery
/// §4).
#[derive(Clone, Debug)]
pub struct HttpKeys {
    issuer: String,
    uri: Option<String>,
    limits: Limits,
}

impl HttpKeys {
    /// By discovery, with the usual limits for both documents together.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            uri: None,
            limits: Limits::default(),
        }
    }

    /// From where the policy file says, in the time that it gives.
    pub fn of(issuer: &IssuerRules) -> Self {
        let uri = match &issuer.jwks.uri {
            Some(JwksUri::At(uri)) => Some(uri.clone()),
            Some(JwksUri::Discover) | None => None,
        };
        Self {
            issuer: issuer.url.clone(),
            uri,
            limits: Limits {
                timeout: Duration::from_millis(issuer.jwks.timeout_ms),
                ..Limits::default()
            },
        }
    }

    async fn fetch_all(&self) -> Result<Fetched, FetchError> {
        let keys = match &self.uri {
            Some(uri) => self.document(uri).await?,
            None => self.document(&self.discover().await?).await?,
        };
        Ok(Fetched {
            max_age_s: max_age(&keys.headers),
            body: keys.body,
        })
    }

    async fn discover(&self) -> Result<String, FetchError> {
        let discovery = format!(
            "{}/.well-known/openid-configuration",
            self.issuer.trim_end_matches('/')
        );
        let document = self.document(&discovery).await?;
        let document = parse_object(&document.body)
            .map_err(|_| FetchError(format!("{discovery} is not a discovery document")))?;
        if document.get("issuer").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(FetchError(format!(
                "{discovery} is the document of another issuer"
            )));
        }
        let jwks_uri = document.get("jwks_uri").and_then(Value::as_str);
        let jwks_uri =
            jwks_uri.ok_or_else(|| FetchError(format!("{discovery} has no jwks_uri")))?;
        if self.issuer.starts_with("https:") && !jwks_uri.starts_with("https:") {
            return Err(FetchError(format!(
                "the jwks_uri of {} is not https",
                self.issuer
            )));
        }
        Ok(jwks_uri.to_owned())
    }

    async fn document(&self, url: &str) -> Result<Response, FetchError> {
        let response = get(url, self.limits)
            .await
            .map_err(|error| FetchError(format!("{url}: {error}")))?;
        if response.status == StatusCode::OK {
            Ok(response)
        } else {
            Err(FetchError(format!("{url} answered {}", response.status)))
        }
    }
}

impl Verifier {
    /// A verifier that fetches its issuers' keys over HTTP(S), and reads pinned ones relative to `directory`.
    ///
    /// # Errors
    /// When a file with pinned keys can't be used.
    pub fn over_http(
        issuers: &[IssuerRules],
        directory: &Path,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, PinnedKeysError> {
        let fetch = |issuer: &IssuerRules| -> Arc<dyn FetchKeys> { Arc::new(HttpKeys::of(issuer)) };
        Self::new(issuers, directory, fetch, clock)
    }
}

impl FetchKeys for HttpKeys {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(async {
            let late = |_| {
                Err(FetchError(format!(
                    "{} did not answer in time",
                    self.issuer
                )))
            };
            tokio::time::timeout(self.limits.timeout, self.fetch_all())
                .await
                .unwrap_or_else(late)
        })
    }
}

/// `max-age` in seconds; zero for what must not be kept (RFC 9111 §5.2.2).
fn max_age(headers: &HeaderMap) -> Option<u64> {
    let directives = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let directives: Vec<String> = directives
        .flat_map(|value| value.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase())
        .collect();
    if directives
        .iter()
        .any(|directive| directive == "no-store" || directive == "no-cache")
    {
        return Some(0);
    }
    directives.iter().find_map(|directive| {
        directive
            .strip_prefix("max-age=")?
            .trim_matches('"')
            .parse()
            .ok()
    })
}

/// The system's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// Starts at zero.
    #[allow(clippy::disallowed_methods, reason = "this is where the clock is read")]
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is where the clock is read")]
    fn now_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// The time of day in Unix seconds.
#[allow(clippy::disallowed_methods, reason = "this is where the clock is read")]
pub fn unix_now() -> i64 {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| {
        i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_fetched_from() {
        for url in [
            "https://issuer.example/jwks",
            "http://127.0.0.1:8080/jwks",
            "http://localhost/jwks",
            "http://[::1]:9/x",
        ] {
            assert!(checked(url).is_ok(), "{url}");
        }
        for url in [
            "http://issuer.example/jwks",
            "http://127.0.0.1.evil.example/",
            "http://127.0.0.1@evil.example/",
            "ftp://127.0.0.1/",
            "/jwks",
            "",
            "https://",
            "file:///etc/passwd",
            "http://169.254.169.254/latest",
            "http://10.0.0.1/",
            "https://u@h/",
        ] {
            assert_eq!(checked(url), Err(GetError::Url), "{url}");
        }
    }

    #[test]
    fn cache_control_is_read_and_no_store_is_zero() {
        let headers = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, value.parse().unwrap());
            headers
        };
        assert_eq!(max_age(&headers("public, Max-Age=300")), Some(300));
        assert_eq!(max_age(&headers("no-store, max-age=300")), Some(0));
        assert_eq!(max_age(&headers("public")), None);
        assert_eq!(max_age(&headers("max-age=-5")), None);
    }
}
