//! PKCE (RFC 7636), S256 only (RFC 9700 §2.1.1).

use serde::{Deserialize, Serialize};

/// `code_challenge`: 43 characters of unpadded base64url, a SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// Accepts exactly what S256 can produce.
    pub fn parse(text: &str) -> Option<Self> {
        let base64url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        (text.len() == 43 && text.bytes().all(base64url)).then(|| Self(text.to_owned()))
    }
    /// The challenge as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a `code_verifier` has the length and characters of RFC 7636 §4.1.
pub fn is_code_verifier(text: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}
