//! Userinfo (OIDC Core §5.3).

use super::{FlowError, Issuer, own_token};
use crate::domain::event::{AccessRefusal, Happening};
use crate::domain::{ClientId, Scope, Subject, claims};
use crate::store::accounts;
use gatewright_authorizer::{AccessToken, Reason};
use serde_json::{Map, Value};

/// What it's called in the record.
const ENDPOINT: &str = "userinfo";

/// What a bearer of a token gets to know.
pub enum Userinfo {
    /// The claims.
    Claims(Map<String, Value>),
    /// The token is not one that userinfo takes; in words for its bearer.
    InvalidToken(&'static str),
    /// The token lacks `openid`.
    InsufficientScope,
}

/// What comes of looking at a token.
enum Judged {
    Claims(Map<String, Value>),
    Invalid(Fault),
    InsufficientScope,
}

/// Why a token is no good: for the record, and in words for its bearer.
struct Fault {
    reason: &'static str,
    words: &'static str,
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        Self {
            reason: reason.as_str(),
            words: reason.explain(),
        }
    }
}

impl From<AccessRefusal> for Fault {
    fn from(refusal: AccessRefusal) -> Self {
        let words = match refusal {
            AccessRefusal::Malformed => "the access token is not sent as a token is",
            AccessRefusal::Revoked => "the access token was revoked",
            AccessRefusal::AccountRemoved | AccessRefusal::AccountDisabled => {
                "the account that the access token is about can no longer be used"
            }
            AccessRefusal::ClientRemoved | AccessRefusal::ClientDisabled => {
                "the client of the access token can no longer be used"
            }
            AccessRefusal::NoPerson => "the access token is a client's own, about no person",
        };
        Self {
            reason: refusal.as_str(),
            words,
        }
    }
}

/// Answers for the person that the token names.
///
/// # Errors
/// [`FlowError`]
pub async fn userinfo(issuer: &Issuer, presented: &str, now: i64) -> Result<Userinfo, FlowError> {
    let token = own_token::examine(issuer, presented, now);
    let judged = match &token {
        Ok(token) => judge(issuer, token).await?,
        Err(reason) => Judged::Invalid((*reason).into()),
    };
    let (answer, reason) = match judged {
        Judged::Claims(claims) => return Ok(Userinfo::Claims(claims)),
        Judged::Invalid(fault) => (Userinfo::InvalidToken(fault.words), fault.reason),
        Judged::InsufficientScope => (
            Userinfo::InsufficientScope,
            Reason::InsufficientScope.as_str(),
        ),
    };
    let token = token.as_ref().ok();
    let refused = Happening::AccessRefused {
        endpoint: ENDPOINT.to_owned(),
        client_id: token.map(|token| ClientId::new(&token.client_id)),
        subject: token.map(|token| Subject::new(&token.subject)),
        reason: reason.to_owned(),
    };
    issuer.note(refused, now);
    Ok(answer)
}

/// Notes a call without a token that can be looked at: none, or one that isn't sent as a token is.
pub fn note_unread(issuer: &Issuer, missing: bool, now: i64) {
    let reason = if missing {
        Reason::TokenMissing.as_str()
    } else {
        AccessRefusal::Malformed.as_str()
    };
    let refused = Happening::AccessRefused {
        endpoint: ENDPOINT.to_owned(),
        client_id: None,
        subject: None,
        reason: reason.to_owned(),
    };
    issuer.note(refused, now);
}

async fn judge(issuer: &Issuer, token: &AccessToken) -> Result<Judged, FlowError> {
    let invalid = |refusal: AccessRefusal| Ok(Judged::Invalid(refusal.into()));
    // A client's own token is about no person, whatever the client is called.
    if !token.claims.contains_key("grant_id") {
        return invalid(AccessRefusal::NoPerson);
    }
    let subject = Subject::new(token.subject.as_str());
    let account = match accounts::by_subject(&issuer.store, &subject).await? {
        Some(account) if !account.disabled => account,
        Some(_) => return invalid(AccessRefusal::AccountDisabled),
        None => return invalid(AccessRefusal::AccountRemoved),
    };
    let client = issuer.clients.find_any(&issuer.store, &token.client_id);
    match client.await? {
        Some(found) if !found.client.disabled => {}
        Some(_) => return invalid(AccessRefusal::ClientDisabled),
        None => return invalid(AccessRefusal::ClientRemoved),
    }
    if !own_token::is_live(issuer, token).await? {
        return invalid(AccessRefusal::Revoked);
    }
    if !token.scope.contains("openid") {
        return Ok(Judged::InsufficientScope);
    }
    if !token.audiences.contains(&issuer.url) {
        return Ok(Judged::Invalid(Reason::AudienceMismatch.into()));
    }
    let words: Vec<&str> = token.scope.iter().collect();
    let scope = Scope::parse(&words.join(" ")).unwrap_or_default();
    let mut released = claims::released(&account, &scope);
    released.insert("sub".to_owned(), Value::from(account.subject.as_str()));
    Ok(Judged::Claims(released))
}
