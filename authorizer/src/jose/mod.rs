//! Compact JWS (RFC 7515) and JWK (RFC 7517), read strictly.
//!
//! Everything here is refused unless it's exactly what an access token needs: three segments of canonical unpadded
//! base64url, one of four signature algorithms, and a header that can't bring keys, point at keys, or ask for
//! behaviour that we don't have. It must not import anything else of this crate.

mod json;
mod jwk;
mod numeric_date;
mod set;

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use json::{parse as parse_json, parse_members, parse_object};
pub use jwk::{JwkError, PublicKey, thumbprint};
pub use numeric_date::{Round, exact_date, numeric_date};
pub use set::{JwkSet, MAX_SET_BYTES, MAX_SET_KEYS, PassedOver, SetError};

/// Longest accepted `kid`, in bytes.
pub const MAX_KID: usize = 256;

/// Header members that bring or point at keys, or change what is signed: never accepted (RFC 8725 §3.10, T1).
const REFUSED_HEADER: [&str; 9] = [
    "crit", "zip", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "b64",
];

/// A signature algorithm that access tokens may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Every algorithm, in the order that messages list them.
    pub const ALL: [Self; 4] = [Self::Es256, Self::Rs256, Self::Ps256, Self::EdDsa];

    /// The JWA name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(crate) fn jsonwebtoken(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|alg| alg.as_str() == name)
            .ok_or(UnknownAlgorithm)
    }
}

/// The name is none of ES256, RS256, PS256 and `EdDSA` (names are case-sensitive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlgorithm;

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown signature algorithm")
    }
}

impl std::error::Error for UnknownAlgorithm {}

/// Why a compact JWS was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoseError {
    /// Over the size limit; nothing of it was read.
    TooLarge,
    /// Not three segments of canonical base64url, or not JSON inside them.
    Malformed,
    /// The header holds this member, which is never accepted, or lacks it where it's needed.
    Header(&'static str),
    /// This member of the header is no text, or has unusual characters.
    HeaderMalformed(&'static str),
    /// `alg` is missing or none of ours.
    Algorithm,
    /// The key is of another kind than the algorithm.
    KeyMismatch,
    /// The signature doesn't verify.
    Signature,
}

impl fmt::Display for JoseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the token is too large",
            Self::Malformed => "the token is not a compact JWS",
            Self::Header(_) | Self::HeaderMalformed(_) => "the token's header is not acceptable",
            Self::Algorithm => "the token's algorithm is not acceptable",
            Self::KeyMismatch => "the key doesn't fit the token's algorithm",
            Self::Signature => "the token's signature is wrong",
        })
    }
}

impl std::error::Error for JoseError {}

/// A compact JWS whose header has been read and whose signature has not been verified.
#[derive(Debug)]
pub struct Jws<'a> {
    alg: Algorithm,
    typ: Option<String>,
    kid: Option<String>,
    signing_input: &'a str,
    payload: Vec<u8>,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    /// Reads the shape and the header; `max_bytes` is checked before anything else.
    ///
    /// # Errors
    /// Anything but three canonical base64url segments with an acceptable header.
    pub fn parse(token: &'a str, max_bytes: usize) -> Result<Self, JoseError> {
        Ok(Self::read(token, max_bytes, None)?.0)
    }

    /// Reads a JWS whose header brings the public key to verify it with: a proof of possession, never a token.
    ///
    /// # Errors
    /// As [`Self::parse`], which refuses such a header; and when there is no `jwk`.
    pub fn parse_with_jwk(token: &'a str, max_bytes: usize) -> Result<(Self, Value), JoseError> {
        let (jws, mut header) = Self::read(token, max_bytes, Some("jwk"))?;
        let jwk = header.remove("jwk").ok_or(JoseError::Header("jwk"))?;
        Ok((jws, jwk))
    }

    fn read(
        token: &'a str,
        max_bytes: usize,
        needed: Option<&str>,
    ) -> Result<(Self, Map<String, Value>), JoseError> {
        if token.len() > max_bytes {
            return Err(JoseError::TooLarge);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(JoseError::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JoseError::Malformed)?;
        // A fourth segment would leave a dot in the payload, which is no base64url.
        if signature.is_empty() {
            return Err(JoseError::Malformed);
        }
        let header = decode(header)?;
        let payload = decode(payload)?;
        if !is_canonical(signature) {
            return Err(JoseError::Malformed);
        }

        let mut header = parse_object(&header).map_err(|_| JoseError::Malformed)?;
        let refused = |name: &&&str| Some(**name) != needed && header.contains_key(**name);
        if let Some(name) = REFUSED_HEADER.iter().find(refused) {
            return Err(JoseError::Header(name));
        }
        let alg = match header.get("alg") {
            Some(Value::String(name)) => name
                .parse()
                .map_err(|UnknownAlgorithm| JoseError::Algorithm)?,
            _ => return Err(JoseError::Algorithm),
        };
        let typ = take_string(&mut header, "typ")?;
        let kid = take_string(&mut header, "kid")?;
        if kid.as_deref().is_some_and(|kid| !is_sane_kid(kid)) {
            return Err(JoseError::HeaderMalformed("kid"));
        }
        let jws = Self {
            alg,
            typ,
            kid,
            signing_input,
            payload,
            signature,
        };
        Ok((jws, header))
    }

    /// The algorithm that the header names.
    pub fn alg(&self) -> Algorithm {
        self.alg
    }

    /// The media type that the header names, as written.
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// The key id that the header names.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The claims. They are nobody's word until [`Self::verify`] has passed.
    ///
    /// # Errors
    /// When the payload is not one JSON object, repeats a member at any depth, or nests too deeply.
    pub fn payload(&self) -> Result<Map<String, Value>, JoseError> {
        parse_object(&self.payload).map_err(|_| JoseError::Malformed)
    }

    /// Verifies the signature.
    ///
    /// # Errors
    /// `KeyMismatch` when the key may not be used with this algorithm, else `Signature`.
    pub fn verify(&self, key: &PublicKey) -> Result<(), JoseError> {
        if !key.fits(self.alg) {
            return Err(JoseError::KeyMismatch);
        }
        let message = self.signing_input.as_bytes();
        match jsonwebtoken::crypto::verify(
            self.signature,
            message,
            key.decoding_key(),
            self.alg.jsonwebtoken(),
        ) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(JoseError::Signature),
        }
    }
}

/// Canonical unpadded base64url: no padding, no white space, trailing bits zero.
fn decode(segment: &str) -> Result<Vec<u8>, JoseError> {
    URL_SAFE_NO_PAD
        .decode(segment)
        .map_err(|_| JoseError::Malformed)
}

/// Whether [`decode`] would take it, without doing so: what it holds is decoded where it is verified.
fn is_canonical(segment: &str) -> bool {
    let sextet = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let last = segment.bytes().next_back().and_then(sextet).unwrap_or(0);
    // Bits of the last character that belong to no byte.
    let unused = match segment.len() % 4 {
        1 => return false,
        2 => 0b1111,
        3 => 0b11,
        _ => 0,
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    last & unused == 0 && segment.bytes().fold(true, |all, b| all & plain(b))
}

fn take_string(
    header: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<String>, JoseError> {
    match header.remove(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(JoseError::HeaderMalformed(name)),
    }
}

/// Thumbprints, UUIDs, dates and the like; nothing that is a path, a control or a quote somewhere else.
fn is_sane_kid(kid: &str) -> bool {
    !kid.is_empty()
        && kid.len() <= MAX_KID
        && !kid.contains("..")
        && kid
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.~:=+@/".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::{decode, is_canonical};

    #[test]
    fn what_is_canonical_is_what_can_be_decoded() {
        let characters = "AZaz09-_Qgw8BE+/= .\u{e9}";
        let mut segments = vec![String::new()];
        for length in 0..5 {
            for segment in &segments {
                assert_eq!(
                    is_canonical(segment),
                    decode(segment).is_ok(),
                    "{segment:?}"
                );
            }
            if length < 4 {
                segments = segments
                    .iter()
                    .flat_map(|segment| characters.chars().map(move |c| format!("{segment}{c}")))
                    .collect();
            }
        }
    }
}
