//! What a caller presents: a token, and where the event carries them, the means to prove that it's the caller's own.

use std::fmt;

/// The authentication scheme that the token came under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 6750.
    Bearer,
    /// RFC 9449 §7.1.
    Dpop,
}

/// A token with all that is needed to verify whom it's bound to.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials<'e> {
    /// How the token was presented.
    pub scheme: Scheme,
    /// The access token.
    pub token: &'e str,
    /// The `DPoP` header.
    pub proof: Option<&'e str>,
    /// The client certificate of the connection, as the gateway states it, in PEM.
    pub certificate: Option<&'e str>,
    /// The HTTP method of the call.
    pub method: &'e str,
    /// The URL that was called, without query; `None` where the event doesn't say.
    pub url: Option<String>,
}

/// Without the secrets.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("scheme", &self.scheme)
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl<'e> Credentials<'e> {
    /// A bearer token and nothing else.
    pub fn bearer(token: &'e str) -> Self {
        Self {
            scheme: Scheme::Bearer,
            token,
            proof: None,
            certificate: None,
            method: "",
            url: None,
        }
    }
}

/// A token on its own is a bearer token.
impl<'e> From<&'e str> for Credentials<'e> {
    fn from(token: &'e str) -> Self {
        Self::bearer(token)
    }
}

impl<'e> From<&'e String> for Credentials<'e> {
    fn from(token: &'e String) -> Self {
        Self::bearer(token)
    }
}
