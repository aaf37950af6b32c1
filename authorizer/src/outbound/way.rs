//! The way to a server: straight, or through a proxy's tunnel (RFC 9110 §9.3.6).

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use super::{Environment, HTTPS_PROXY, OutboundError};
use crate::jwks::BoxFuture;
use crate::policy::is_loopback;

/// A connection: plain, or with the TLS of a proxy.
pub type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Which calls go through a proxy.
#[derive(Default)]
pub(super) struct Proxies(Option<Matcher>);

impl Proxies {
    pub fn of(environment: &Environment) -> Result<Self, OutboundError> {
        let Some(proxy) = &environment.proxy else {
            return Ok(Self::default());
        };
        let [upper, lower] = HTTPS_PROXY;
        // The value may hold a password.
        let wrong = || {
            OutboundError(format!(
                "{upper} (or {lower}) is not the http or https URL of a proxy: write it like http://proxy.example.com:3128, or remove it"
            ))
        };
        let proxy = proxy.to_str().ok_or_else(wrong)?;
        let any = Uri::from_static("https://issuer.example");
        let used = Matcher::builder().https(proxy).build().intercept(&any);
        let used = used.ok_or_else(wrong)?;
        if !matches!(used.uri().scheme_str(), Some("http" | "https")) {
            return Err(wrong());
        }
        let exceptions = environment.no_proxy.as_str();
        let matcher = Matcher::builder().https(proxy).no(exceptions).build();
        Ok(Self(Some(matcher)))
    }

    /// The proxy for this URL. A proxy's idea of this machine is another one, so that is never asked of it.
    pub fn way_to(&self, url: &Uri) -> Option<Intercept> {
        let elsewhere = !is_loopback(url.authority()?.as_str());
        self.0.as_ref().filter(|_| elsewhere)?.intercept(url)
    }
}

/// Connects to servers, for a client that then speaks TLS with them.
#[derive(Clone)]
pub struct Way {
    proxies: Arc<Proxies>,
    straight: HttpConnector,
    to_proxy: HttpsConnector<HttpConnector>,
}

impl Way {
    pub(super) fn new(proxies: Arc<Proxies>, tls: Arc<ClientConfig>) -> Self {
        let mut straight = HttpConnector::new();
        straight.enforce_http(false);
        Self {
            proxies,
            to_proxy: HttpsConnector::from((straight.clone(), tls)),
            straight,
        }
    }
}

impl Service<Uri> for Way {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Stream, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.straight.poll_ready(context).map_err(BoxError::from)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.way_to(&url) else {
            let connecting = self.straight.call(url);
            return Box::pin(async move { Ok(Stream::from(connecting.await?)) });
        };
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.to_proxy.clone());
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        let connecting = tunnel.call(url);
        Box::pin(async move {
            connecting.await.map_err(|error| {
                let failed = ProxyFailed {
                    proxy: proxy.uri().authority().map(ToString::to_string),
                    why: innermost(&error),
                };
                BoxError::from(failed)
            })
        })
    }
}

/// A proxy gave no way to a server.
#[derive(Debug)]
struct ProxyFailed {
    proxy: Option<String>,
    why: String,
}

impl fmt::Display for ProxyFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, why } = self;
        let proxy = proxy.as_deref().unwrap_or_default();
        let [variable, _] = HTTPS_PROXY;
        write!(
            f,
            "the proxy {proxy} of {variable} gave no way there ({why})"
        )
    }
}

impl std::error::Error for ProxyFailed {}

/// The innermost cause says what happened; the outer ones only say that something did.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
