//! Access tokens for the admin API: meant for this server, with the scope, and not just anybody's.

use super::own_page::administrator;
use super::{FlowError, Issuer, own_token};
use crate::domain::event::Happening;
use crate::domain::{ClientId, Subject};
use gatewright_authorizer::token::AccessToken;

/// The scope that the search of events needs.
pub const EVENTS_SCOPE: &str = "gatewright:events";
/// The scope that an authorizer needs to send its decisions.
pub const DECISIONS_SCOPE: &str = "gatewright:decisions";

/// What a token may do.
pub enum Verdict {
    /// What it asks; the client acts under this name.
    Granted(String),
    /// Nothing: it's expired, revoked, no access token, or for somebody else.
    InvalidToken,
    /// Not this: it lacks the scope.
    InsufficientScope,
    /// Not this: it stands for a person who is no administrator.
    NotAdministrator,
    /// Not this: it stands for a person at all.
    Person,
}

/// Judges a token for what needs `scope`.
///
/// # Errors
/// [`FlowError`]
pub async fn judge(
    issuer: &Issuer,
    presented: &str,
    scope: &str,
    now: i64,
) -> Result<Verdict, FlowError> {
    let token = own_token::verify(issuer, presented, now);
    let verdict = match &token {
        None => Verdict::InvalidToken,
        Some(token) if !own_token::is_live(issuer, token).await? => Verdict::InvalidToken,
        Some(token) if !token.audiences.contains(&issuer.url) => Verdict::InvalidToken,
        Some(token) if !token.scope.contains(scope) => Verdict::InsufficientScope,
        Some(token) if scope == DECISIONS_SCOPE && is_persons(token) => Verdict::Person,
        // A token with a grant stands for a person, and may do no more than they.
        Some(token) if is_persons(token) => {
            let subject = Subject::new(token.subject.as_str());
            match administrator(issuer, &subject).await? {
                Some(_) => Verdict::Granted(token.client_id.clone()),
                None => Verdict::NotAdministrator,
            }
        }
        Some(token) => Verdict::Granted(token.client_id.clone()),
    };
    let reason = match &verdict {
        Verdict::Granted(_) => return Ok(verdict),
        Verdict::InvalidToken => "invalid_token",
        Verdict::InsufficientScope => "insufficient_scope",
        Verdict::NotAdministrator => "not_an_administrator",
        Verdict::Person => "not_a_machine",
    };
    issuer.note(
        Happening::AccessRefused {
            endpoint: "admin_api".to_owned(),
            client_id: token.as_ref().map(|token| ClientId::new(&token.client_id)),
            subject: token
                .as_ref()
                .filter(|token| is_persons(token))
                .map(|token| Subject::new(&token.subject)),
            reason: reason.to_owned(),
        },
        now,
    );
    Ok(verdict)
}

fn is_persons(token: &AccessToken) -> bool {
    token.claims.contains_key("grant_id")
}
