//! Sets of public keys (RFC 7517 §5).
//!
//! A member that can't be used is passed over, whatever is odd about it, and named: it takes no other key with it. Only what
//! is no set is refused, and a set that leaves open which key a `kid` means.

use std::fmt;

use serde_json::Value;

use super::json::parse_items;
use super::{Algorithm, JwkError, PublicKey, thumbprint};

/// Largest JWKS that is read, in bytes.
pub const MAX_SET_BYTES: usize = 256 * 1024;
/// Most members that a JWKS may have.
pub const MAX_SET_KEYS: usize = 100;
/// Characters of the `kid` of a member that was passed over which are kept.
const KID_MAX_CHARS: usize = 64;

/// Why a JWKS was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// Not a JSON object with a list `keys`, once.
    NotASet,
    /// Over 256 KB.
    TooLarge,
    /// Over 100 members.
    TooMany,
    /// Two different usable keys have this `kid`.
    DuplicateKid(String),
    /// There is no key to verify with, where one is needed, for all of these reasons.
    Empty(Vec<PassedOver>),
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASet => f.write_str("it is no JSON object with a list of keys"),
            Self::TooLarge => write!(f, "the key set is over {} KB", MAX_SET_BYTES / 1024),
            Self::TooMany => write!(f, "the key set has over {MAX_SET_KEYS} members"),
            Self::DuplicateKid(kid) => {
                write!(f, "two different keys of the set have the kid {kid:?}")
            }
            Self::Empty(passed_over) if passed_over.is_empty() => {
                f.write_str("the key set holds no key")
            }
            Self::Empty(passed_over) => write!(
                f,
                "the key set holds no usable key: {}",
                PassedOver::listed(passed_over)
            ),
        }
    }
}

impl std::error::Error for SetError {}

/// A member of a set that isn't used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Its `kid`, if it has one that is text: as much of it as a log takes.
    pub kid: Option<String>,
    /// Its place in the set, from 1.
    pub place: usize,
    /// Why.
    pub why: JwkError,
}

impl PassedOver {
    fn new(jwk: Option<&Value>, place: usize, why: JwkError) -> Self {
        let kid = jwk.and_then(|jwk| jwk.get("kid")?.as_str());
        Self {
            kid: kid.map(|kid| kid.chars().take(KID_MAX_CHARS).collect()),
            place,
            why,
        }
    }

    /// Some of them in words, for a log: the first ten.
    pub fn listed(passed_over: &[Self]) -> String {
        const MOST: usize = 10;
        let named: Vec<String> = passed_over.iter().take(MOST).map(Self::to_string).collect();
        let more = passed_over.len().saturating_sub(MOST);
        match more {
            0 => named.join("; "),
            more => format!("{}; and {more} more", named.join("; ")),
        }
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kid {
            Some(kid) => write!(f, "the key {kid:?}: {}", self.why),
            None => write!(f, "number {} of the set: {}", self.place, self.why),
        }
    }
}

/// The public keys of one issuer.
#[derive(Clone, Debug)]
pub struct JwkSet {
    keys: Vec<PublicKey>,
    passed_over: Vec<PassedOver>,
}

impl JwkSet {
    /// Reads a JWKS document. There may be no usable key in it: then its owner has none at present.
    ///
    /// # Errors
    /// Over 256 KB or 100 members, not a set, or two different usable keys with one `kid`.
    pub fn parse(bytes: &[u8]) -> Result<Self, SetError> {
        if bytes.len() > MAX_SET_BYTES {
            return Err(SetError::TooLarge);
        }
        let members = parse_items(bytes, "keys").map_err(|_| SetError::NotASet)?;
        if members.len() > MAX_SET_KEYS {
            return Err(SetError::TooMany);
        }
        let mut keys = Vec::with_capacity(members.len());
        let mut passed_over = Vec::new();
        for (jwk, place) in members.iter().zip(1..) {
            match Usable::read(jwk.as_ref()) {
                Ok(usable) => usable.join(&mut keys)?,
                Err(why) => passed_over.push(PassedOver::new(jwk.as_ref(), place, why)),
            }
        }
        Ok(Self {
            keys: keys.into_iter().map(|usable| usable.key).collect(),
            passed_over,
        })
    }

    /// Reads a document that somebody chose to rely on: a file, or what a client registers.
    ///
    /// # Errors
    /// As [`Self::parse`], and when there is no usable key in it.
    pub fn parse_usable(bytes: &[u8]) -> Result<Self, SetError> {
        let set = Self::parse(bytes)?;
        if set.keys.is_empty() {
            return Err(SetError::Empty(set.passed_over));
        }
        Ok(set)
    }

    /// A set of keys that are already parsed (an issuer's own, for example).
    pub fn from_keys(keys: Vec<PublicKey>) -> Self {
        Self {
            keys,
            passed_over: Vec::new(),
        }
    }

    /// The key with this `kid` that fits `alg`. Without a `kid`, the only key that fits, if there is just one.
    pub fn find(&self, kid: Option<&str>, alg: Algorithm) -> Option<&PublicKey> {
        let mut fitting = self.keys.iter().filter(|key| key.fits(alg));
        if let Some(kid) = kid {
            return fitting.find(|key| key.kid() == Some(kid));
        }
        let only = fitting.next();
        if fitting.next().is_some() { None } else { only }
    }

    /// Whether any key has this `kid`.
    pub fn has_kid(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    /// The members of the document that aren't used, in its order.
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// The keys, in the order of the document.
    pub fn iter(&self) -> std::slice::Iter<'_, PublicKey> {
        self.keys.iter()
    }
}

impl<'a> IntoIterator for &'a JwkSet {
    type Item = &'a PublicKey;
    type IntoIter = std::slice::Iter<'a, PublicKey>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A key that can be used, and by its thumbprint what it's made of.
struct Usable {
    key: PublicKey,
    material: String,
}

impl Usable {
    fn read(jwk: Option<&Value>) -> Result<Self, JwkError> {
        let jwk = jwk.ok_or(JwkError::Ambiguous)?;
        Ok(Self {
            key: PublicKey::from_jwk(jwk)?,
            material: thumbprint(jwk)?,
        })
    }

    /// Joins the others, unless it's there already.
    fn join(self, others: &mut Vec<Self>) -> Result<(), SetError> {
        let kid = self.key.kid();
        for other in others.iter().filter(|other| other.key.kid() == kid) {
            let same = other.material == self.material;
            if same && other.key.alg() == self.key.alg() {
                return Ok(());
            }
            if let Some(kid) = kid.filter(|_| !same) {
                let kid = kid.chars().take(KID_MAX_CHARS).collect();
                return Err(SetError::DuplicateKid(kid));
            }
        }
        others.push(self);
        Ok(())
    }
}
