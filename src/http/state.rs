//! What every handler shares.

use super::cookies::CookieNames;
use crate::flows::activity::Activities;
use crate::flows::{SharedIssuer, discovery};
use bytes::Bytes;
use http::HeaderValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The clock, as an argument: Unix seconds.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A document whose bytes are made once.
#[derive(Clone)]
pub struct Prepared {
    /// The body.
    pub body: Bytes,
    /// Its entity tag.
    pub etag: Arc<str>,
}

/// Shared state; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// What [`App`] shares.
pub struct Shared {
    /// The identity server.
    pub issuer: SharedIssuer,
    /// The clock.
    pub clock: Clock,
    /// Origins whose scripts may call the token, userinfo and revocation endpoints.
    pub cors_origins: Arc<[String]>,
    /// Names of the cookies: with `__Host-` where the issuer is https, and this issuer's alone on its host.
    pub cookies: CookieNames,
    /// The path of the issuer's URL, without trailing slash; mostly empty.
    pub base_path: Arc<str>,
    /// The scheme, host and port of the issuer's URL.
    pub origin: Arc<str>,
    /// The metadata document.
    pub metadata: Prepared,
    /// How long metadata and keys may be kept.
    pub documents_cache_control: HeaderValue,
    /// What has happened lately, counted.
    pub activities: Activities,
    ready: AtomicBool,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Prepares what doesn't change while the server runs.
    pub fn new(issuer: SharedIssuer, clock: Clock, cors_origins: Vec<String>) -> Self {
        let body = discovery::metadata(&issuer.url, &issuer.scopes).to_string();
        let etag = format!("\"{}\"", crate::crypto::token::sha256(&body)).into();
        let (origin, path) = split_origin(&issuer.url);
        Self(Arc::new(Shared {
            cookies: CookieNames::of(&issuer.url),
            base_path: path.into(),
            origin: origin.into(),
            metadata: Prepared {
                body: body.into(),
                etag,
            },
            documents_cache_control: max_age(issuer.settings.jwks_max_age_s),
            clock,
            cors_origins: cors_origins.into(),
            issuer,
            activities: Activities::default(),
            ready: AtomicBool::new(true),
        }))
    }
}

fn max_age(seconds: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("public, max-age={seconds}"))
        .unwrap_or(HeaderValue::from_static("no-store"))
}

impl Shared {
    /// Unix seconds, once a request.
    pub fn now(&self) -> i64 {
        (self.clock)()
    }
    /// Whether new traffic is welcome.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }
    /// Turns new traffic away, before a shutdown.
    pub fn leave(&self) {
        self.ready.store(false, Ordering::Release);
    }
    /// The path of one of our own pages.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }
}

/// Splits a URL into its origin and the rest.
fn split_origin(url: &str) -> (&str, &str) {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url
        .get(authority..)
        .and_then(|rest| rest.find('/'))
        .map_or(url.len(), |at| authority + at);
    url.split_at_checked(end).unwrap_or((url, ""))
}
