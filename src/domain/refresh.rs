//! Refresh token rotation (RFC 9700 §4.14.2): one live leaf per family.

use super::grant::Grant;

/// A presented refresh token as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshTokenRecord {
    /// The family's grant.
    pub grant: Grant,
    /// When the family ends, whatever happens. Unix seconds.
    pub family_expires_at: i64,
    /// Whether the family was revoked.
    pub family_revoked: bool,
    /// When this token ends if unused. Unix seconds.
    pub expires_at: i64,
    /// Whether and how it was spent.
    pub spent: Option<Spent>,
}

/// A spent token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// When, Unix seconds.
    pub at: i64,
    /// The response it was answered with, sealed under a key that only the token's holder has.
    pub sealed_response: Option<String>,
    /// Whether its successor was used: then nobody needs that response again.
    pub successor_used: bool,
}

/// What came of a rotation. Each of them commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The successor is live.
    Rotated,
    /// Another call spent it first, or it is no longer live: read it again.
    Lost,
}
