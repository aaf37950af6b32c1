//! How calls of ours leave: whose certificates are believed, and through which proxy they go.
//!
//! The environment says both for the whole process, by the variables that other programs read as well: `SSL_CERT_FILE`,
//! `SSL_CERT_DIR`, `HTTPS_PROXY` and `NO_PROXY`. A file of the configuration may add an authority for one call. Plain `http`
//! never goes through a proxy, and `HTTP_PROXY` is not read: a web server sets it from a caller's header.

mod trust;
mod way;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use http::Uri;
use hyper_rustls::HttpsConnector;
use rustls::ClientConfig;
use tower_service::Service as _;

use trust::Trust;
use way::Proxies;

pub(crate) use way::innermost;
pub use way::{Stream, Way};

/// The file with the certificates that are believed in place of the public authorities.
const CERT_FILE: &str = "SSL_CERT_FILE";
/// Folders with such files.
const CERT_DIR: &str = "SSL_CERT_DIR";
/// The proxy for `https`.
const HTTPS_PROXY: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
/// Where it isn't used.
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Why nothing can be called, in words that hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundError(String);

impl fmt::Display for OutboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OutboundError {}

/// What the environment says of calls that leave. An empty variable says nothing.
#[derive(Clone, Default)]
pub struct Environment {
    cert_file: Option<PathBuf>,
    cert_dirs: Vec<PathBuf>,
    /// May hold a password.
    proxy: Option<OsString>,
    no_proxy: String,
}

impl Environment {
    /// Of this process.
    pub fn of_process() -> Self {
        Self::read(|name| std::env::var_os(name))
    }

    /// What these variables say.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let said = |name: &&str| variable(name).filter(|value| !value.is_empty());
        let first = |names: [&str; 2]| names.iter().find_map(said);
        let no_proxy = first(NO_PROXY).unwrap_or_default();
        Self {
            cert_file: said(&CERT_FILE).map(PathBuf::from),
            cert_dirs: said(&CERT_DIR)
                .map(|dirs| std::env::split_paths(&dirs).collect())
                .unwrap_or_default(),
            proxy: first(HTTPS_PROXY),
            no_proxy: no_proxy.to_string_lossy().into_owned(),
        }
    }
}

/// Whose certificates are believed, and which way calls go.
#[derive(Clone)]
pub struct Outbound {
    trust: Trust,
    tls: Arc<ClientConfig>,
    proxies: Arc<Proxies>,
}

impl Outbound {
    /// As the environment says.
    ///
    /// # Errors
    /// When a variable names something that can't be used.
    pub fn of(environment: &Environment) -> Result<Self, OutboundError> {
        let trust = Trust::of(environment)?;
        Ok(Self {
            tls: Arc::new(trust.client_config()?),
            trust,
            proxies: Arc::new(Proxies::of(environment)?),
        })
    }

    /// Believes an authority of one's own as well: PEM, any number of certificates.
    ///
    /// # Errors
    /// When there is no certificate in it, or one that can't be used.
    pub fn with_authority(&self, pem: &[u8]) -> Result<Self, OutboundError> {
        let trust = self.trust.with_authority(pem)?;
        Ok(Self {
            tls: Arc::new(trust.client_config()?),
            trust,
            proxies: Arc::clone(&self.proxies),
        })
    }

    /// For TLS over a connection that is there.
    pub fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// The certificates that are believed, each as DER: in place of the public authorities if the second is true, else
    /// beside them.
    pub fn certificates(&self) -> (Vec<&[u8]>, bool) {
        self.trust.certificates()
    }

    /// Connects for an HTTP client.
    pub fn connector(&self) -> HttpsConnector<Way> {
        HttpsConnector::from((self.way(), self.tls()))
    }

    /// The connection to an `https` URL through the proxy that is configured for it, without its TLS; `None` when there is
    /// no proxy for it. The proxy looks the name up.
    pub async fn through_proxy(&self, url: &Uri) -> Option<Result<Stream, String>> {
        self.proxies.way_to(url)?;
        let connected = self.way().call(url.clone()).await;
        Some(connected.map_err(|error| error.to_string()))
    }

    fn way(&self) -> Way {
        Way::new(Arc::clone(&self.proxies), self.tls())
    }
}
