//! Key sets from files of the deployment.

use std::path::Path;

use super::IssuerKeysError;
use crate::jose::JwkSet;
use crate::jwks::tell_of_passed_over;
use crate::policy::IssuerRules;

/// The pinned set of an issuer, if it has one.
pub(super) fn read(
    issuer: &IssuerRules,
    directory: &Path,
) -> Result<Option<JwkSet>, IssuerKeysError> {
    let Some(pinned) = &issuer.jwks.pinned else {
        return Ok(None);
    };
    let path = directory.join(pinned);
    let text = std::fs::read(&path)
        .map_err(|error| IssuerKeysError::unreadable(issuer, "pinned", &path, error))?;
    let keys = JwkSet::parse_usable(&text)
        .map_err(|error| IssuerKeysError::refused(issuer, &path, error))?;
    tell_of_passed_over(&issuer.url, &keys);
    Ok(Some(keys))
}
