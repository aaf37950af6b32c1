//! Why an issuer's keys can't be had at all, which is known at the start.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::jose::SetError;
#[cfg(feature = "fetch")]
use crate::outbound::OutboundError;
use crate::policy::IssuerRules;

/// Why the keys of an issuer can't be had: a file that the policy file names, or the environment.
#[derive(Debug)]
pub struct IssuerKeysError {
    issuer: String,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Unreadable {
        /// The key of the policy file that names it.
        key: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    Refused(PathBuf, SetError),
    #[cfg(feature = "fetch")]
    Authority(PathBuf, OutboundError),
    #[cfg(feature = "fetch")]
    Outbound(OutboundError),
}

impl IssuerKeysError {
    fn new(issuer: &IssuerRules, cause: Cause) -> Self {
        Self {
            issuer: issuer.url.clone(),
            cause,
        }
    }

    pub(crate) fn unreadable(
        issuer: &IssuerRules,
        key: &'static str,
        path: &Path,
        error: io::Error,
    ) -> Self {
        let path = path.to_owned();
        Self::new(issuer, Cause::Unreadable { key, path, error })
    }

    pub(super) fn refused(issuer: &IssuerRules, path: &Path, error: SetError) -> Self {
        Self::new(issuer, Cause::Refused(path.to_owned(), error))
    }

    #[cfg(feature = "fetch")]
    pub(crate) fn authority(issuer: &IssuerRules, path: &Path, error: OutboundError) -> Self {
        Self::new(issuer, Cause::Authority(path.to_owned(), error))
    }

    #[cfg(feature = "fetch")]
    pub(crate) fn outbound(issuer: &IssuerRules, error: OutboundError) -> Self {
        Self::new(issuer, Cause::Outbound(error))
    }
}

impl fmt::Display for IssuerKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuer = &self.issuer;
        match &self.cause {
            Cause::Unreadable { key, path, error } => write!(
                f,
                "the file {} of {issuer} can't be used: {error}; put the file beside the policy file, or correct `{key}`",
                path.display()
            ),
            Cause::Refused(path, error) => write!(
                f,
                "the pinned keys {} of {issuer} can't be used: {error}; save the document of the issuer's jwks_uri there",
                path.display()
            ),
            #[cfg(feature = "fetch")]
            Cause::Authority(path, error) => write!(
                f,
                "the certificate authority {} of {issuer}: {error}, or remove `ca_file`",
                path.display()
            ),
            #[cfg(feature = "fetch")]
            Cause::Outbound(error) => write!(f, "the keys of {issuer} can't be fetched: {error}"),
        }
    }
}

impl std::error::Error for IssuerKeysError {}
