//! What a caller presents: a token, and where the event carries them, the means to prove that it's the caller's own.

use std::fmt;

use crate::event::authorization;
use crate::reason::Reason;

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

impl<'e> Credentials<'e> {
    /// What headers say: every value of `Authorization`, and every value of `DPoP`. Certificate, method and URL are not
    /// among them.
    ///
    /// # Errors
    /// When there isn't exactly one credential that can be read in one way.
    pub fn in_headers(authorization: &[&'e [u8]], proofs: &[&'e [u8]]) -> Result<Self, Reason> {
        let value = only(authorization)?.ok_or(Reason::TokenMissing)?;
        let (scheme, token) = self::authorization(value)?;
        let proof = only(proofs)?;
        if proof.is_some_and(|proof| proof.contains(',')) {
            return Err(Reason::CredentialsAmbiguous);
        }
        Ok(Self {
            scheme,
            proof,
            ..Self::bearer(token)
        })
    }
}

/// The only value of a header.
fn only<'r>(values: &[&'r [u8]]) -> Result<Option<&'r str>, Reason> {
    match values {
        [] => Ok(None),
        [value] => std::str::from_utf8(value)
            .map(Some)
            .map_err(|_| Reason::CredentialsAmbiguous),
        _ => Err(Reason::CredentialsAmbiguous),
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
