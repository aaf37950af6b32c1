//! Which cause it was, where several share a reason's code.
//!
//! The code is what programs tell apart; the cause is for whoever has to put it right. It names members and claims by their
//! names, and never holds a value that a caller sent.

use std::fmt;

use crate::jose::{JoseError, JwkError};
use crate::reason::Reason;

/// Why credentials were refused: the code, and which of its causes it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The code.
    pub reason: Reason,
    /// The one cause, where the code has several.
    pub cause: Option<Cause>,
}

/// One cause of several that share a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The token has no such claim.
    ClaimMissing(&'static str),
    /// This claim of the token is of another type than it must be, or impossible.
    ClaimMalformed(&'static str),
    /// The token's header has this member.
    HeaderMember(&'static str),
    /// This member of the token's header is no sound text.
    HeaderMemberMalformed(&'static str),
    /// The token's header has no `typ`.
    TypeMissing,
    /// The issuer publishes no key with the token's `kid`.
    KeyNotPublished,
    /// The key with the token's `kid` is for another algorithm.
    KeyForOtherAlgorithm,
    /// The key with the token's `kid` can't be used.
    KeyPassedOver(JwkError),
    /// A bound token came under the Bearer scheme.
    SentAsBearer,
    /// `cnf` names a binding that isn't supported.
    BindingUnknown,
    /// The proof is no compact JWS that could be read, or its header is not acceptable.
    ProofUnreadable,
    /// The proof's `typ` is another than `dpop+jwt`.
    ProofType,
    /// The key in the proof's header can't be used.
    ProofKey(JwkError),
    /// The signature of the proof is wrong.
    ProofSignature,
    /// This claim of the proof is missing or malformed.
    ProofClaim(&'static str),
    /// This claim of the proof is for another call or token.
    ProofFor(&'static str),
    /// The proof's `iat` is too long ago.
    ProofOld,
    /// The proof's `iat` is ahead.
    ProofAhead,
    /// The URL of the call isn't known here, so no proof can be for it.
    UrlUnknown,
    /// The path has this, and could be read in more than one way.
    PathForm(&'static str),
    /// The GraphQL document can't be read in one way: it is or has this.
    Document(&'static str),
    /// What was given as the client certificate can't be read.
    CertificateUnreadable,
}

impl Cause {
    fn reason(self) -> Reason {
        match self {
            Self::ClaimMissing(_) => Reason::ClaimMissing,
            Self::ClaimMalformed(_) => Reason::ClaimMalformed,
            Self::HeaderMember(_) | Self::HeaderMemberMalformed(_) => Reason::HeaderRefused,
            Self::TypeMissing => Reason::TypeRefused,
            Self::KeyNotPublished | Self::KeyForOtherAlgorithm | Self::KeyPassedOver(_) => {
                Reason::KeyUnknown
            }
            Self::SentAsBearer | Self::BindingUnknown => Reason::SenderConstrained,
            Self::ProofUnreadable
            | Self::ProofType
            | Self::ProofKey(_)
            | Self::ProofSignature
            | Self::ProofClaim(_) => Reason::ProofInvalid,
            Self::ProofFor(_) | Self::UrlUnknown => Reason::ProofMismatch,
            Self::ProofOld | Self::ProofAhead => Reason::ProofExpired,
            Self::CertificateUnreadable => Reason::CertificateMismatch,
            Self::PathForm(_) => Reason::PathRefused,
            Self::Document(_) => Reason::DocumentRefused,
        }
    }
}

/// One sentence, in the place of the reason's own.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClaimMissing(claim) => {
                write!(f, "The token lacks the claim {claim}, which every access token must have.")
            }
            Self::ClaimMalformed(claim) => {
                write!(f, "The claim {claim} of the token has the wrong type or an impossible value.")
            }
            Self::HeaderMember(name) => {
                write!(f, "The token's header has the member {name}, which is never accepted.")
            }
            Self::HeaderMemberMalformed(name) => write!(
                f,
                "The member {name} of the token's header is not a text, or has characters that are not accepted."
            ),
            Self::TypeMissing => f.write_str(
                "The token's header has no typ, so it doesn't say that the token is an access token.",
            ),
            Self::KeyNotPublished => {
                f.write_str("The token names a key (kid) that its issuer doesn't publish.")
            }
            Self::KeyForOtherAlgorithm => f.write_str(
                "The token names a key that its issuer publishes for another algorithm than the token's.",
            ),
            Self::KeyPassedOver(why) => write!(
                f,
                "The token names a key that its issuer publishes, but that can't be used: {why}."
            ),
            Self::SentAsBearer => {
                f.write_str("The token is bound to a key (cnf), and was sent as a plain bearer token.")
            }
            Self::BindingUnknown => f.write_str(
                "The token is bound (cnf) in a way that isn't supported: neither by jkt nor by x5t#S256 alone.",
            ),
            Self::ProofUnreadable => f.write_str(
                "The DPoP proof is not a signed JWT in strict compact form with a public jwk in its header.",
            ),
            Self::ProofType => f.write_str("The typ of the DPoP proof is not dpop+jwt."),
            Self::ProofKey(why) => {
                write!(f, "The jwk in the header of the DPoP proof can't be used: {why}.")
            }
            Self::ProofSignature => f.write_str(
                "The DPoP proof is not signed by the key in its header with the algorithm that it names.",
            ),
            Self::ProofClaim(claim) => {
                write!(f, "The claim {claim} of the DPoP proof is missing or malformed.")
            }
            Self::ProofFor("htm") => {
                f.write_str("The DPoP proof was made for another method (htm) than that of the call.")
            }
            Self::ProofFor("htu") => {
                f.write_str("The DPoP proof was made for another URL (htu) than the one that was called.")
            }
            Self::ProofFor(claim) => {
                write!(f, "The DPoP proof was made for another token ({claim}) than the one that was sent.")
            }
            Self::ProofOld => f.write_str("The DPoP proof is older than a minute."),
            Self::ProofAhead => f.write_str("The DPoP proof is from the future."),
            Self::UrlUnknown => f.write_str(
                "The URL of the call is not known to the authorizer, so no DPoP proof can be for it.",
            ),
            Self::PathForm(what) => {
                write!(f, "The path could be read in more than one way: it has {what}.")
            }
            Self::Document(what) => {
                write!(f, "The GraphQL document can't be read in one way: it {what}.")
            }
            Self::CertificateUnreadable => {
                f.write_str("The client certificate of this connection is not one certificate in PEM.")
            }
        }
    }
}

impl Refused {
    /// Why, in one sentence.
    pub fn words(&self) -> String {
        self.cause.map_or_else(
            || self.reason.explain().to_owned(),
            |cause| cause.to_string(),
        )
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            cause: None,
        }
    }
}

impl From<Cause> for Refused {
    fn from(cause: Cause) -> Self {
        Self {
            reason: cause.reason(),
            cause: Some(cause),
        }
    }
}

impl From<Refused> for Reason {
    fn from(refused: Refused) -> Self {
        refused.reason
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

/// Of a token; a proof has its own.
impl From<JoseError> for Refused {
    fn from(error: JoseError) -> Self {
        match error {
            JoseError::TooLarge => Reason::TokenTooLarge.into(),
            JoseError::Malformed => Reason::TokenMalformed.into(),
            JoseError::Header(member) => Cause::HeaderMember(member).into(),
            JoseError::HeaderMalformed(member) => Cause::HeaderMemberMalformed(member).into(),
            JoseError::Algorithm => Reason::AlgorithmRefused.into(),
            JoseError::KeyMismatch => Cause::KeyForOtherAlgorithm.into(),
            JoseError::Signature => Reason::SignatureInvalid.into(),
        }
    }
}

impl From<JoseError> for Reason {
    fn from(error: JoseError) -> Self {
        Refused::from(error).reason
    }
}
