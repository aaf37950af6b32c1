//! The scope of a token: an exact set of words.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

/// A set of scope tokens (RFC 6749 §3.3). Membership is exact: `read` is neither `read:all` nor `readonly`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// Splits a `scope` value at its spaces.
    pub fn parse(scope: &str) -> Self {
        Self(
            scope
                .split(' ')
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    /// The set, if all its words are scope tokens.
    pub(super) fn filter_valid(self) -> Option<Self> {
        if self.iter().all(Self::is_scope_token) {
            Some(self)
        } else {
            None
        }
    }

    /// Whether exactly this scope token is in the set.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scope tokens in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether `word` is a scope token: visible ASCII without `"` and `\` (RFC 6749 §3.3).
    pub fn is_scope_token(word: &str) -> bool {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    }
}

impl<S: Into<String>> FromIterator<S> for Scopes {
    fn from_iter<I: IntoIterator<Item = S>>(words: I) -> Self {
        Self(words.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
