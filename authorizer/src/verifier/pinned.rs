//! Key sets from files of the deployment.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::jose::{JwkError, JwkSet};
use crate::policy::IssuerRules;

/// Why a pinned key set can't be used.
#[derive(Debug)]
pub struct PinnedKeysError {
    path: PathBuf,
    issuer: String,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Unreadable(std::io::Error),
    Refused(JwkError),
}

impl fmt::Display for PinnedKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let issuer = &self.issuer;
        write!(f, "the pinned keys {path} of {issuer} can't be used: ")?;
        match &self.cause {
            Cause::Unreadable(error) => write!(
                f,
                "{error}; put the file beside the policy file, or correct `pinned`"
            ),
            Cause::Refused(error) => {
                write!(
                    f,
                    "{error}; save the document of the issuer's jwks_uri there"
                )
            }
        }
    }
}

impl std::error::Error for PinnedKeysError {}

/// The pinned set of an issuer, if it has one.
pub(super) fn read(
    issuer: &IssuerRules,
    directory: &Path,
) -> Result<Option<JwkSet>, PinnedKeysError> {
    let Some(pinned) = &issuer.jwks.pinned else {
        return Ok(None);
    };
    let path = directory.join(pinned);
    let keys = std::fs::read(&path)
        .map_err(Cause::Unreadable)
        .and_then(|text| JwkSet::parse(&text).map_err(Cause::Refused));
    keys.map(Some).map_err(|cause| PinnedKeysError {
        path,
        issuer: issuer.url.clone(),
        cause,
    })
}
