//! Identifiers. None of them is a secret: each may be logged and shown.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps text that already is such an identifier.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// `client_id` (RFC 6749 §2.2).
    ClientId
);
id!(
    /// `sub`: the account's identifier, opaque, never reused (OIDC Core §8).
    Subject
);
id!(
    /// All tokens that descend from one authorization: the unit of revocation.
    FamilyId
);
id!(
    /// `sid`: a browser session's public name; not its cookie.
    SessionId
);

impl ClientId {
    /// Characters and length that a new client id may have, so that it is safe in logs, URLs and Basic.
    ///
    /// # Errors
    /// A sentence that says what is allowed.
    pub fn parse_new(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
            return Err(format!(
                "client id {text:?}: use 1 to 64 letters, digits, '-', '_' or '.'"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}
