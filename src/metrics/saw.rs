//! What the stream of events counts for.

use super::Metrics;
use crate::domain::ClientId;
use crate::domain::event::{Event, Happening};

impl Metrics {
    /// Counts an event. Tokens, retried refreshes and clients that proved who they are aren't counted here but where they
    /// are, since not each of them is an event.
    pub fn saw(&self, event: &Event) {
        self.events.happened(event.happening.kind().name);
        match &event.happening {
            Happening::LoginSucceeded { .. } => self.identity.login(Ok(())),
            Happening::LoginFailed { reason, .. } => self.identity.login(Err(*reason)),
            Happening::LoginThrottled { scope, .. } => self.identity.throttled(*scope),
            Happening::ClientAuthenticationFailed { .. } => {
                self.identity.client_authenticated(false);
            }
            Happening::RefreshReplayed { .. } => self.identity.refresh_replayed(),
            Happening::CodeReplayed { .. } => self.identity.code_replayed(),
            Happening::TokenRefused {
                grant,
                client_id,
                error,
                ..
            } => {
                let client_id = client_id.as_ref().map(ClientId::as_str);
                self.tokens.refused(*grant, client_id, *error);
            }
            Happening::EventsLost { count } => self.events.lost(*count),
            _ => {}
        }
    }
}
