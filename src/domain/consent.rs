//! Remembered consent.

use super::resource::Audience;
use super::scope::Scope;

/// What a person once allowed a client, at one redirect URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Tokens allowed.
    pub scope: Scope,
    /// APIs allowed.
    pub audiences: Vec<Audience>,
    /// What the client looked like to the person: any change asks again.
    pub client_fingerprint: String,
}

impl Consent {
    /// Whether it covers a request by a client that still looks the same.
    pub fn covers(&self, scope: &Scope, audiences: &[Audience], fingerprint: &str) -> bool {
        self.client_fingerprint == fingerprint
            && scope.is_subset(&self.scope)
            && audiences.iter().all(|a| self.audiences.contains(a))
    }
}
