//! Tokens that are bound to a key: whether the caller has it (RFC 9449, RFC 8705).
//!
//! A bound token without its proof is refused, and so is a proof's scheme without a bound token: neither may pass for
//! the other. Everything is checked on each call, whether or not the token was known already.

mod certificate;
mod dpop;
mod replay;

use crate::cause::{Cause, Refused};
use crate::credentials::{Credentials, Scheme};
use crate::reason::Reason;
use crate::token::AccessToken;

pub use dpop::PROOF_MAX_AGE_S;
pub use replay::{MAX_PROOFS, MAX_PROOFS_OF_KEY, ReplayCache, UsedProof};

/// The present and how far clocks may disagree, in Unix seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub now: i64,
    pub leeway_s: i64,
}

/// Whether the caller may use this token, as far as its binding goes.
///
/// # Errors
/// The first reason for which it may not.
pub(crate) fn check(
    token: &AccessToken,
    credentials: &Credentials<'_>,
    proofs: &ReplayCache,
    moment: Moment,
) -> Result<(), Refused> {
    let binding = token.confirmation.as_ref();
    let certificate = binding.and_then(|binding| binding.x5t_s256.as_deref());
    let key = binding.and_then(|binding| binding.jkt.as_deref());
    if let Some(thumbprint) = certificate {
        certificate::check(thumbprint, credentials.certificate)?;
    }
    match (credentials.scheme, key) {
        (Scheme::Bearer, None) => Ok(()),
        (Scheme::Bearer, Some(_)) => Err(Cause::SentAsBearer.into()),
        (Scheme::Dpop, None) => Err(Reason::TokenNotBound.into()),
        (Scheme::Dpop, Some(thumbprint)) => {
            dpop::check(token, thumbprint, credentials, proofs, moment)
        }
    }
}
