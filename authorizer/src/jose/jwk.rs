//! Public keys as JWKs.

use std::fmt;

use aws_lc_rs::{digest, signature};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use curve25519_dalek::edwards::CompressedEdwardsY;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::Algorithm;

/// Members that only a private or a symmetric key has.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Why a JWK can't be used. The member is named; its value never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwkError {
    /// Not a JSON object.
    NotAnObject,
    /// JSON that two readers could read differently: a member repeats, or it nests too deeply.
    Ambiguous,
    /// This member is missing, of the wrong type, or holds what it can't.
    Malformed(&'static str),
    /// The key holds private or symmetric material.
    Private,
    /// By this member it's a kind, curve, size, algorithm or use that we don't verify with; nothing is wrong with it.
    Unsupported(&'static str),
    /// A key that others than its holder could sign for.
    Weak,
}

impl JwkError {
    /// Whether somebody published what nobody should, as against a key for other purposes.
    pub fn is_fault(self) -> bool {
        !matches!(self, Self::Unsupported(_))
    }
}

impl fmt::Display for JwkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("it is no JSON object"),
            Self::Ambiguous => f.write_str("a member of it repeats, or it nests too deeply"),
            Self::Malformed(member) => write!(f, "its {member} is missing or malformed"),
            Self::Private => f.write_str("it holds private members"),
            Self::Unsupported(member) => {
                write!(f, "its {member} is none that tokens are verified with here")
            }
            Self::Weak => {
                f.write_str("it is weak, others than its holder could sign for it: make a new one")
            }
        }
    }
}

impl std::error::Error for JwkError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    Ed25519,
}

impl Kind {
    fn fits(self, alg: Algorithm) -> bool {
        match self {
            Self::Rsa => matches!(alg, Algorithm::Rs256 | Algorithm::Ps256),
            Self::P256 => alg == Algorithm::Es256,
            Self::Ed25519 => alg == Algorithm::EdDsa,
        }
    }
}

/// One public key, parsed once.
#[derive(Clone)]
pub struct PublicKey {
    kid: Option<String>,
    alg: Option<Algorithm>,
    kind: Kind,
    key: DecodingKey,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("kid", &self.kid)
            .field("alg", &self.alg)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Reads one JWK (RFC 7517 §4): a signature key of a kind, size and use that we verify with.
    ///
    /// # Errors
    /// `Unsupported` for a key that is fine but not for us; the other variants for one that nobody should use.
    pub fn from_jwk(jwk: &Value) -> Result<Self, JwkError> {
        let jwk = jwk.as_object().ok_or(JwkError::NotAnObject)?;
        let kty = string(jwk, "kty")?.ok_or(JwkError::Malformed("kty"))?;
        if !matches!(kty, "RSA" | "EC" | "OKP") {
            return Err(JwkError::Unsupported("kty"));
        }
        if PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
            return Err(JwkError::Private);
        }
        check_use(jwk)?;
        let (kind, key) = match kty {
            "RSA" => (Kind::Rsa, rsa(jwk)?),
            "EC" => (Kind::P256, p256(jwk)?),
            _ => (Kind::Ed25519, ed25519(jwk)?),
        };
        let alg = match string(jwk, "alg")? {
            None => None,
            Some(name) => Some(name.parse().map_err(|_| JwkError::Unsupported("alg"))?),
        };
        if alg.is_some_and(|alg| !kind.fits(alg)) {
            return Err(JwkError::Malformed("alg"));
        }
        let id = string(jwk, "kid")?.map(str::to_owned);
        Ok(Self {
            kid: id,
            alg,
            kind,
            key,
        })
    }

    /// The key's id in its set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm that the key is for, when it names one.
    pub fn alg(&self) -> Option<Algorithm> {
        self.alg
    }

    /// The JWK key type: `RSA`, `EC` or `OKP`.
    pub fn kty(&self) -> &'static str {
        match self.kind {
            Kind::Rsa => "RSA",
            Kind::P256 => "EC",
            Kind::Ed25519 => "OKP",
        }
    }

    /// Whether a signature by `alg` may be verified with this key.
    pub fn fits(&self, alg: Algorithm) -> bool {
        self.alg
            .map_or_else(|| self.kind.fits(alg), |own| own == alg)
    }

    pub(super) fn decoding_key(&self) -> &DecodingKey {
        &self.key
    }
}

/// The RFC 7638 thumbprint: SHA-256 over the required members, as base64url.
///
/// # Errors
/// When a member that the key's type requires is missing or not a string.
pub fn thumbprint(jwk: &Value) -> Result<String, JwkError> {
    let jwk = jwk.as_object().ok_or(JwkError::NotAnObject)?;
    let members: &[&'static str] = match string(jwk, "kty")?.ok_or(JwkError::Malformed("kty"))? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "oct" => &["k", "kty"],
        _ => return Err(JwkError::Unsupported("kty")),
    };
    let mut canonical = String::from("{");
    for (at, name) in members.iter().enumerate() {
        let value = string(jwk, name)?.ok_or(JwkError::Malformed(name))?;
        let comma = if at == 0 { "" } else { "," };
        canonical.push_str(comma);
        canonical.push_str(&Value::from(*name).to_string());
        canonical.push(':');
        canonical.push_str(&Value::from(value).to_string());
    }
    canonical.push('}');
    Ok(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes())))
}

fn string<'a>(
    jwk: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, JwkError> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(JwkError::Malformed(name)),
    }
}

/// `use` and `key_ops` must allow verifying, where they are present.
fn check_use(jwk: &Map<String, Value>) -> Result<(), JwkError> {
    if string(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(JwkError::Unsupported("use"));
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(ops)) if ops.iter().any(|op| op == "verify") => Ok(()),
        Some(Value::Array(_)) => Err(JwkError::Unsupported("key_ops")),
        Some(_) => Err(JwkError::Malformed("key_ops")),
    }
}

fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, JwkError> {
    let text = string(jwk, name)?.ok_or(JwkError::Malformed(name))?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| JwkError::Malformed(name))
}

/// RSA of 2048 to 8192 bits with an odd exponent of at least 3 (RFC 7518 §6.3.1).
fn rsa(jwk: &Map<String, Value>) -> Result<DecodingKey, JwkError> {
    let modulus = bytes(jwk, "n")?;
    let exponent = bytes(jwk, "e")?;
    let top = modulus
        .first()
        .copied()
        .filter(|top| *top != 0)
        .ok_or(JwkError::Malformed("n"))?;
    let bits = modulus.len() * 8 - top.leading_zeros() as usize;
    if !(2048..=8192).contains(&bits) {
        return Err(JwkError::Unsupported("n"));
    }
    // No product of two large primes is even.
    if modulus.last().is_some_and(|low| low % 2 == 0) {
        return Err(JwkError::Weak);
    }
    let odd = exponent.last().is_some_and(|low| low % 2 == 1);
    if !odd || exponent.len() > 4 || exponent.first() == Some(&0) || exponent == [1] {
        return Err(JwkError::Malformed("e"));
    }
    Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

/// A point on P-256, uncompressed (RFC 7518 §6.2.1).
fn p256(jwk: &Map<String, Value>) -> Result<DecodingKey, JwkError> {
    if string(jwk, "crv")? != Some("P-256") {
        return Err(JwkError::Unsupported("crv"));
    }
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    for (name, coordinate) in [("x", &x), ("y", &y)] {
        if coordinate.len() != 32 {
            return Err(JwkError::Malformed(name));
        }
    }
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, &point)
        .parse()
        .map_err(|_| JwkError::Malformed("point"))?;
    Ok(DecodingKey::from_ec_der(&point))
}

/// An Ed25519 key (RFC 8037 §2): a point of the curve, in the one spelling that it has (RFC 8032 §5.1.3).
fn ed25519(jwk: &Map<String, Value>) -> Result<DecodingKey, JwkError> {
    if string(jwk, "crv")? != Some("Ed25519") {
        return Err(JwkError::Unsupported("crv"));
    }
    let x = bytes(jwk, "x")?;
    let point = CompressedEdwardsY::from_slice(&x).map_err(|_| JwkError::Malformed("x"))?;
    let key = point.decompress().ok_or(JwkError::Malformed("x"))?;
    // Anybody can make a signature that a point of small order verifies (RFC 8032 §8.2).
    if key.is_small_order() {
        return Err(JwkError::Weak);
    }
    if key.compress() != point {
        return Err(JwkError::Malformed("x"));
    }
    Ok(DecodingKey::from_ed_der(&x))
}
