//! Refresh token rotation (RFC 9700 §4.14.2): one live leaf per family.

use super::grant::Grant;
use super::id::FamilyId;

/// Refreshes that a family may have at once without looking busy.
const BURST: i64 = 30;
/// How often a family refreshes at most, over its life, for each refresh to be recorded by itself. Seconds.
const RECORDED_EVERY_S: i64 = 10;

/// Where a refresh token stands: its family, and which generation of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The family.
    pub family_id: FamilyId,
    /// 1 for the first token, one more with each rotation.
    pub generation: i64,
}

/// A presented refresh token as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshTokenRecord {
    /// The family's grant.
    pub grant: Grant,
    /// When the family began. Unix seconds.
    pub began_at: i64,
    /// When the family ends, whatever happens. Unix seconds.
    pub family_expires_at: i64,
    /// Whether the family was revoked.
    pub family_revoked: bool,
    /// What the token is worth.
    pub state: RefreshTokenState,
}

/// Where a refresh token is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshTokenState {
    /// It can be used.
    Live(LiveToken),
    /// It was spent, and its successor is unused.
    Predecessor {
        /// When it was spent, Unix seconds.
        spent_at: i64,
        /// The response it was answered with, sealed under a key that only the token's holder has.
        sealed_response: Option<String>,
    },
    /// It was spent, and so was its successor.
    Spent,
}

/// A token that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveToken {
    /// When it ends if unused, Unix seconds.
    pub expires_at: i64,
    /// Its generation. In a row of its own: how often version 0.2 and later rotated the family.
    pub generation: i64,
    /// Where it's kept.
    pub place: Place,
}

/// Where the database keeps a live token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In its family's row.
    Family,
    /// In a row of its own, as version 0.1 kept each.
    Row,
}

impl RefreshTokenRecord {
    /// Whether the family refreshes more often than its refreshes are recorded one by one. An access token lives 10 seconds at
    /// least, so that no client needs to.
    pub fn is_busy(&self, generation: i64, now: i64) -> bool {
        generation > BURST + (now - self.began_at).max(0) / RECORDED_EVERY_S
    }
}

/// What came of a rotation. Each of them commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The successor is live.
    Rotated,
    /// Another call spent it first, or it is no longer live: read it again.
    Lost,
}
