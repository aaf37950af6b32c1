//! Exchanges over HTTP(S): small documents, with addresses that the operator configured.
//!
//! `https` only, except to this machine; no redirects; one deadline for everything; the body is cut off at its limit
//! while it streams in. This is the only module of the library that reads a clock.

mod keys;

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use http::request::Builder;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;

use crate::jose::MAX_SET_BYTES;
use crate::jwks::Clock;
use crate::outbound::{Environment, Outbound, OutboundError, Way, innermost};
use crate::policy::is_loopback;

pub use keys::HttpKeys;

/// What one fetch may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first packet to the last byte.
    pub timeout: Duration,
    /// Largest body.
    pub max_bytes: usize,
}

impl Default for Limits {
    /// 1.5 seconds and 256 KB.
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(1500),
            max_bytes: MAX_SET_BYTES,
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
    /// No server can be called from here.
    Outbound(OutboundError),
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
            Self::Outbound(error) => error.fmt(f),
            Self::Url => f.write_str("the URL is neither https nor http to this machine"),
            Self::Transport(what) => write!(f, "the request failed: {what}"),
            Self::Timeout => f.write_str("the server did not answer in time"),
            Self::TooLarge => f.write_str("the answer is too large"),
        }
    }
}

impl std::error::Error for GetError {}

/// Fetches one document, as the environment says. Must run inside a Tokio runtime.
///
/// # Errors
/// See [`GetError`]; an HTTP error status is not one of them.
pub async fn get(url: &str, limits: Limits) -> Result<Response, GetError> {
    Client::of_process()?.get(url, limits).await
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
    Client::of_process()?.send(request, body, limits).await
}

/// Makes such exchanges. It keeps no idle connections: fetches are minutes apart, and a Lambda that was frozen wakes up
/// with dead ones.
#[derive(Clone, Debug)]
pub struct Client(legacy::Client<HttpsConnector<Way>, Full<Bytes>>);

impl Client {
    /// One whose calls leave so.
    pub fn of(outbound: &Outbound) -> Self {
        Self(
            legacy::Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(outbound.connector()),
        )
    }

    /// The one whose calls leave as the environment says.
    ///
    /// # Errors
    /// When a variable of the environment names something that can't be used.
    pub fn of_process() -> Result<&'static Self, OutboundError> {
        static CLIENT: OnceLock<Result<Client, OutboundError>> = OnceLock::new();
        let build = || Outbound::of(&Environment::of_process()).map(|outbound| Self::of(&outbound));
        CLIENT.get_or_init(build).as_ref().map_err(Clone::clone)
    }

    /// Fetches one document. Must run inside a Tokio runtime.
    ///
    /// # Errors
    /// See [`GetError`]; an HTTP error status is not one of them.
    pub async fn get(&self, url: &str, limits: Limits) -> Result<Response, GetError> {
        self.send(Request::get(checked(url)?), Bytes::new(), limits)
            .await
    }

    async fn send(
        &self,
        request: Builder,
        body: Bytes,
        limits: Limits,
    ) -> Result<Response, GetError> {
        let request = request.header(ACCEPT, "application/json");
        let request = request.body(Full::new(body)).map_err(|_| GetError::Url)?;
        tokio::time::timeout(limits.timeout, self.exchange(request, limits.max_bytes))
            .await
            .map_err(|_| GetError::Timeout)?
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        max_bytes: usize,
    ) -> Result<Response, GetError> {
        let response = self
            .0
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

fn transport(error: &dyn std::error::Error) -> GetError {
    GetError::Transport(innermost(error))
}

impl From<OutboundError> for GetError {
    fn from(error: OutboundError) -> Self {
        Self::Outbound(error)
    }
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
}
