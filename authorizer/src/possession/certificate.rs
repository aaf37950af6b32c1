//! Certificate-bound access tokens (RFC 8705 §3).
//!
//! API Gateway terminates TLS, verifies the certificate against its trust store, and states it in the event, where no
//! header of the client can put it.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::cause::{Cause, Refused};
use crate::reason::Reason;

/// Largest certificate, in bytes of PEM.
const MAX_PEM_BYTES: usize = 32 * 1024;

/// Whether the certificate has this SHA-256 thumbprint (base64url).
pub(super) fn check(thumbprint: &str, pem: Option<&str>) -> Result<(), Refused> {
    let pem = pem.ok_or(Reason::CertificateMissing)?;
    let der = der(pem).ok_or(Cause::CertificateUnreadable)?;
    let own = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &der));
    if own == thumbprint {
        Ok(())
    } else {
        Err(Reason::CertificateMismatch.into())
    }
}

/// The one certificate of a PEM text (RFC 7468 §5).
fn der(pem: &str) -> Option<Vec<u8>> {
    if pem.len() > MAX_PEM_BYTES {
        return None;
    }
    let body = pem
        .trim()
        .strip_prefix("-----BEGIN CERTIFICATE-----")?
        .strip_suffix("-----END CERTIFICATE-----")?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(body).ok().filter(|der| !der.is_empty())
}
