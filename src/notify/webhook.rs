//! Messages to a URL: https only, to addresses that are allowed, no redirects, five seconds, signed.

use super::address::is_allowed;
use crate::crypto::webhook::WebhookSecret;
use bytes::Bytes;
use gatewright_authorizer::outbound::{Outbound, Stream};
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use rustls::pki_types::ServerName;
use std::fmt::Display;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// From the first look at the name to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of an answer, of which nothing but its status counts.
const ANSWER_MAX_BYTES: usize = 65_536;

/// What a name resolves to.
pub type Resolved = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;
/// How names are resolved.
pub type Resolve = Arc<dyn Fn(String, u16) -> Resolved + Send + Sync>;

/// The system's way of resolving names.
pub fn system_resolver() -> Resolve {
    Arc::new(|host, port| {
        Box::pin(async move { Ok(lookup_host((host.as_str(), port)).await?.collect()) })
    })
}

/// A receiver.
pub struct Webhook {
    url: Url,
    host: Host<String>,
    port: u16,
    secret: WebhookSecret,
    allowed: Vec<IpNet>,
    outbound: Outbound,
    resolve: Resolve,
}

impl Webhook {
    /// A receiver at an https URL, which is reached as `outbound` says. Addresses that aren't public must be `allowed`.
    ///
    /// # Errors
    /// What to write instead; nothing of the URL, which may hold a secret.
    pub fn new(
        url: &str,
        secret: WebhookSecret,
        allowed: Vec<IpNet>,
        outbound: Outbound,
        resolve: Resolve,
    ) -> Result<Self, String> {
        let url = checked(url)?;
        let host = url.host().map(|host| host.to_owned()).ok_or_else(wrong)?;
        let port = url.port_or_known_default().ok_or_else(wrong)?;
        Ok(Self {
            url,
            host,
            port,
            secret,
            allowed,
            outbound,
            resolve,
        })
    }

    /// Sends a message, once.
    ///
    /// # Errors
    /// Why it didn't arrive; nothing of the answer.
    pub async fn send(&self, message_id: &str, body: &str, now: i64) -> Result<(), String> {
        timeout(PATIENCE, self.exchange(message_id, body, now))
            .await
            .map_err(|_| "no answer within 5 seconds".to_owned())?
    }

    async fn exchange(&self, message_id: &str, body: &str, now: i64) -> Result<(), String> {
        let failed = |what: &str, error: &dyn Display| format!("{what} failed ({error})");
        let stream = self.connect().await?;
        let name = match &self.host {
            Host::Domain(name) => {
                ServerName::try_from(name.clone()).map_err(|error| failed("TLS", &error))?
            }
            Host::Ipv4(address) => ServerName::from(IpAddr::from(*address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::from(*address)),
        };
        let stream = TlsConnector::from(self.outbound.tls())
            .connect(name, TokioIo::new(stream))
            .await
            .map_err(|error| failed("TLS", &error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed("the request", &error))?;
        // It ends with this call, whatever becomes of it.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.path())
            .header(HOST, self.authority())
            .header(CONTENT_TYPE, "application/json")
            .header(
                USER_AGENT,
                concat!("gatewright/", env!("CARGO_PKG_VERSION")),
            )
            .header("gatewright-message-id", message_id)
            .header("gatewright-signature", self.secret.sign(now, body))
            .body(Full::new(Bytes::from(body.to_owned())))
            .map_err(|error| failed("the request", &error))?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| failed("the request", &error))?;
        let status = answer.status();
        Limited::new(answer.into_body(), ANSWER_MAX_BYTES)
            .collect()
            .await
            .map_err(|_| "the answer is broken, or over 64 KB".to_owned())?;
        match status {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => Err(format!(
                "it answered {status}, and redirects are not followed: configure the URL that it leads to"
            )),
            status => Err(format!("it answered {status}")),
        }
    }

    /// Connects to an address that was looked at: the name is not asked again, so it can't lead elsewhere meanwhile. A proxy
    /// looks the name up itself, and is believed; an address in the URL is looked at either way.
    async fn connect(&self) -> Result<Stream, String> {
        let literal: Option<IpAddr> = match &self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some((*address).into()),
            Host::Ipv6(address) => Some((*address).into()),
        };
        self.check(literal)?;
        let url = self.url.as_str().parse().map_err(|_| wrong())?;
        if let Some(connected) = self.outbound.through_proxy(&url).await {
            return connected.map_err(|error| format!("no connection ({error})"));
        }
        let addresses = match (&self.host, literal) {
            (Host::Domain(name), _) => (self.resolve)(name.clone(), self.port)
                .await
                .map_err(|error| format!("the host's name can't be resolved ({error})"))?,
            (_, literal) => literal
                .map(|address| SocketAddr::from((address, self.port)))
                .into_iter()
                .collect(),
        };
        self.check(addresses.iter().map(SocketAddr::ip))?;
        let mut last = "the host has no address".to_owned();
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(Stream::from(TokioIo::new(stream))),
                Err(error) => last = format!("no connection ({error})"),
            }
        }
        Err(last)
    }

    fn check(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Result<(), String> {
        let mut addresses = addresses.into_iter();
        if addresses.all(|address| is_allowed(address, &self.allowed)) {
            return Ok(());
        }
        Err(
            "the host's address is not a public one: if that is meant, allow it in alerts.outbound_allow".to_owned(),
        )
    }

    fn path(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }

    fn authority(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }
}

fn wrong() -> String {
    "must be an https URL without user and fragment, such as https://alerts.example.com/gatewright"
        .to_owned()
}

/// A URL that a message may be sent to, as far as it tells by itself.
///
/// # Errors
/// What to write instead; nothing of the URL.
pub fn checked(url: &str) -> Result<Url, String> {
    let url: Url = url.parse().map_err(|_| wrong())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if url.scheme() == "https" && plain && url.host().is_some() {
        Ok(url)
    } else {
        Err(wrong())
    }
}
