//! Opaque tokens come in pairs: the token, shown once, and its digest, stored.

use super::entropy::{Entropy, NoEntropy};
use crate::domain::Secret;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// SHA-256 of a text, as base64url: for tokens that have 256 bits of entropy, and for S256.
pub fn sha256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

/// The beginning of a SHA-256 as a number: enough to tell texts apart that nobody chose to be alike.
pub fn sha256_number(text: &str) -> u64 {
    let whole = digest(&SHA256, text.as_bytes());
    u64::from_be_bytes(whole.as_ref().first_chunk().copied().unwrap_or_default())
}

/// The left half of a SHA-256, as base64url: `at_hash` (OIDC Core §3.1.3.6).
pub fn half_sha256(text: &str) -> String {
    let whole = digest(&SHA256, text.as_bytes());
    let (left, _) = whole.as_ref().split_at(16);
    URL_SAFE_NO_PAD.encode(left)
}

/// Whether two texts are equal, in a time that depends on their lengths only.
pub fn equal(left: &str, right: &str) -> bool {
    verify_slices_are_equal(left.as_bytes(), right.as_bytes()).is_ok()
}

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident, $digest:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Secret);

        #[doc = concat!("Digest of a [`", stringify!($name), "`], as stored.")]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $digest(String);

        impl $name {
            /// Makes a new one of 256 random bits.
            ///
            /// # Errors
            /// [`NoEntropy`]
            pub fn generate(entropy: &Entropy) -> Result<Self, NoEntropy> {
                Ok(Self(Secret::new(format!(concat!($prefix, "{}"), entropy.token()?))))
            }
            /// Takes one that was presented.
            pub fn presented(text: &str) -> Self {
                Self(Secret::new(text))
            }
            /// The token itself, to send or to derive a key from.
            pub fn expose(&self) -> &str {
                self.0.expose()
            }
            /// What the store keeps.
            pub fn digest(&self) -> $digest {
                $digest(sha256(self.0.expose()))
            }
        }

        impl $digest {
            /// Base64url, 43 characters.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

opaque!(
    /// An authorization code (RFC 6749 §1.3.1).
    AuthorizationCode, AuthorizationCodeDigest, "gwc_"
);
opaque!(
    /// The cookie of a browser session.
    SessionCookie, SessionCookieDigest, ""
);
opaque!(
    /// A generated client secret; stored under a keyed digest, see [`super::seal::MasterKeys`].
    ClientSecret, ClientSecretPlainDigest, "gws_"
);
