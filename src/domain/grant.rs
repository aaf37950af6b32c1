//! What a person granted: the content of a code and of every token that descends from it.

use super::id::{ClientId, FamilyId, SessionId, Subject};
use super::pkce::CodeChallenge;
use super::resource::Audience;
use super::scope::Scope;
use serde::{Deserialize, Serialize};

/// A person's grant to a client (RFC 6749 §1.3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The unit of revocation.
    pub family_id: FamilyId,
    /// To whom.
    pub client_id: ClientId,
    /// By whom.
    pub subject: Subject,
    /// For what.
    pub scope: Scope,
    /// The APIs that the authorization request named; empty for the client's default.
    pub resources: Vec<Audience>,
    /// The APIs that the person agreed to: those, or all that the client had then. No token of the grant is for another,
    /// whatever the client gets later. `None` in a grant that version 0.1 wrote.
    #[serde(default)]
    pub audiences: Option<Vec<Audience>>,
    /// Redirect URI as registered, which the consent was given for.
    pub registered_redirect_uri: String,
    /// When the person last gave the password, Unix seconds.
    pub auth_time: i64,
    /// The session that it was given in.
    pub session_id: SessionId,
    /// `nonce` of the request.
    pub nonce: Option<String>,
    /// The account's `password_changed_at` at that moment.
    pub password_changed_at: i64,
}

/// A code as stored: the grant and what the token request must show to redeem it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeGrant {
    /// What the code stands for.
    pub grant: Grant,
    /// The redirect URI of the request, byte for byte.
    pub redirect_uri: String,
    /// Whether the request named it.
    pub redirect_uri_named: bool,
    /// PKCE.
    pub code_challenge: Option<CodeChallenge>,
}

/// What came of redeeming a code. Each of them commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redemption {
    /// Spent now, by this call.
    Granted,
    /// Spent before: the family is now revoked.
    Replayed(FamilyId),
    /// No such code for this client, or too old.
    Unknown,
}
