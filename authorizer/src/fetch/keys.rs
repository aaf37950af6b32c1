//! An issuer's keys over HTTP(S).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderMap};
use serde_json::Value;

use super::{Client, Limits, Response, get};
use crate::jose::parse_members;
use crate::jwks::{BoxFuture, Clock, FetchError, FetchKeys, Fetched};
use crate::outbound::{Environment, Outbound};
use crate::policy::{IssuerRules, JwksUri};
use crate::verifier::{IssuerKeysError, Verifier};

/// Fetches an issuer's key set, from a known URL or from the one in its discovery document (`OpenID` Connect Discovery
/// §4).
#[derive(Clone, Debug)]
pub struct HttpKeys {
    issuer: String,
    uri: Option<String>,
    limits: Limits,
    /// `None` is the one of the process.
    client: Option<Client>,
}

impl HttpKeys {
    /// By discovery, with the usual limits for both documents together.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            uri: None,
            limits: Limits::default(),
            client: None,
        }
    }

    /// From where the policy file says, in the time that it gives, and as the environment says. The file with an authority
    /// of its own is relative to `directory`.
    ///
    /// # Errors
    /// When that file, or what the environment names, can't be used.
    pub fn of(issuer: &IssuerRules, directory: &Path) -> Result<Self, IssuerKeysError> {
        Self::leaving(issuer, directory, &Environment::of_process())
    }

    /// The same in another environment than that of the process.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn leaving(
        issuer: &IssuerRules,
        directory: &Path,
        environment: &Environment,
    ) -> Result<Self, IssuerKeysError> {
        let unusable = |error| IssuerKeysError::outbound(issuer, error);
        let mut outbound = Outbound::of(environment).map_err(unusable)?;
        if let Some(ca_file) = &issuer.ca_file {
            let path = directory.join(ca_file);
            let pem = std::fs::read(&path)
                .map_err(|error| IssuerKeysError::unreadable(issuer, "ca_file", &path, error))?;
            outbound = outbound
                .with_authority(&pem)
                .map_err(|error| IssuerKeysError::authority(issuer, &path, error))?;
        }
        let uri = match &issuer.jwks.uri {
            Some(JwksUri::At(uri)) => Some(uri.clone()),
            Some(JwksUri::Discover) | None => None,
        };
        Ok(Self {
            issuer: issuer.url.clone(),
            uri,
            limits: Limits {
                timeout: Duration::from_millis(issuer.jwks.timeout_ms),
                ..Limits::default()
            },
            client: Some(Client::of(&outbound)),
        })
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
        let document = parse_members(&document.body, &["issuer", "jwks_uri"])
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
        let fetched = match &self.client {
            Some(client) => client.get(url, self.limits).await,
            None => get(url, self.limits).await,
        };
        let response = fetched.map_err(|error| FetchError(format!("{url}: {error}")))?;
        if response.status == StatusCode::OK {
            Ok(response)
        } else {
            Err(FetchError(format!("{url} answered {}", response.status)))
        }
    }
}

impl Verifier {
    /// A verifier that fetches its issuers' keys over HTTP(S), and reads the files that the policy file names relative to
    /// `directory`.
    ///
    /// # Errors
    /// When one of these files, or what the environment names, can't be used.
    pub fn over_http(
        issuers: &[IssuerRules],
        directory: &Path,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, IssuerKeysError> {
        let fetch = |issuer: &IssuerRules| -> Result<Arc<dyn FetchKeys>, IssuerKeysError> {
            Ok(Arc::new(HttpKeys::of(issuer, directory)?))
        };
        Self::try_new(issuers, directory, fetch, clock)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
