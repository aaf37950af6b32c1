//! Scope (RFC 6749 §3.3): a set of case-sensitive tokens between spaces.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;

/// The scopes whose claims OpenID Connect defines, and `openid` and `offline_access` themselves.
pub const OPENID_SCOPES: [&str; 6] = [
    "openid",
    "profile",
    "email",
    "address",
    "phone",
    "offline_access",
];

/// A set of scope tokens. Written in alphabetical order, single spaces between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(BTreeSet<String>);

/// Why a text is no scope (RFC 6749 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedScope {
    /// A character that no token may have.
    Character,
    /// A space at an end, or two in a row.
    Space,
    /// Longer than is looked at.
    TooLong,
}

impl MalformedScope {
    /// What to tell the caller.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Character => "scope has a character that scopes can't have",
            Self::Space => {
                "scope has a space too many: put one between two tokens, and none at the ends"
            }
            Self::TooLong => "scope is over 4,096 bytes",
        }
    }
}

impl Scope {
    /// Longest scope parameter that is looked at, in bytes.
    pub const MAX_BYTES: usize = 4096;

    /// Parses `scope`: tokens of `%x21 / %x23-5B / %x5D-7E` between single spaces.
    ///
    /// # Errors
    /// [`MalformedScope`] on any other character, an empty token, or more than [`Self::MAX_BYTES`].
    pub fn parse(text: &str) -> Result<Self, MalformedScope> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        if text.len() > Self::MAX_BYTES {
            return Err(MalformedScope::TooLong);
        }
        text.split(' ')
            .map(|token| {
                let fits = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
                if token.is_empty() {
                    return Err(MalformedScope::Space);
                }
                if !token.bytes().all(fits) {
                    return Err(MalformedScope::Character);
                }
                Ok(token.to_owned())
            })
            .collect::<Result<BTreeSet<_>, _>>()
            .map(Self)
    }

    /// Whether the exact token is in the set.
    pub fn contains(&self, token: &str) -> bool {
        self.0.contains(token)
    }
    /// Whether every token of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }
    /// The tokens that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }
    /// The tokens that are in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }
    /// The tokens that are not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }
    /// The tokens for which `keep` holds.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|t| keep(t)).cloned().collect())
    }
    /// The tokens, alphabetically.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, token) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|_| serde::de::Error::custom("malformed scope"))
    }
}
