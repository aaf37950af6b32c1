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
    /// The token is not one that userinfo takes.
    InvalidToken,
    /// The token lacks `openid`.
    InsufficientScope,
}

/// What the record says of a refusal; the caller learns less.
enum Judged {
    Claims(Map<String, Value>),
    Invalid(&'static str),
    InsufficientScope,
}

/// Answers for the person that the token names.
///
/// # Errors
/// [`FlowError`]
pub async fn userinfo(issuer: &Issuer, presented: &str, now: i64) -> Result<Userinfo, FlowError> {
    let token = own_token::examine(issuer, presented, now);
    let judged = match &token {
        Ok(token) => judge(issuer, token).await?,
        Err(reason) => Judged::Invalid(reason.as_str()),
    };
    let (answer, reason) = match judged {
        Judged::Claims(claims) => return Ok(Userinfo::Claims(claims)),
        Judged::Invalid(reason) => (Userinfo::InvalidToken, reason),
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
    let invalid = |refusal: AccessRefusal| Ok(Judged::Invalid(refusal.as_str()));
    // A client's own token is about no person, whatever the client is called.
    if !token.claims.contains_key("grant_id") {
        return invalid(AccessRefusal::NoPerson);
    }
    let subject = Subject::new(token.subject.as_str());
    let account = match accounts::by_subject(&issuer.store, &subject).await? {
        Some(account) if !account.disabled => account,
        _ => return invalid(AccessRefusal::AccountUnusable),
    };
    if issuer
        .clients
        .find(&issuer.store, &token.client_id)
        .await?
        .is_none()
    {
        return invalid(AccessRefusal::ClientUnusable);
    }
    if !own_token::is_live(issuer, token).await? {
        return invalid(AccessRefusal::Revoked);
    }
    if !token.scope.contains("openid") {
        return Ok(Judged::InsufficientScope);
    }
    if !token.audiences.contains(&issuer.url) {
        return Ok(Judged::Invalid(Reason::AudienceMismatch.as_str()));
    }
    let words: Vec<&str> = token.scope.iter().collect();
    let scope = Scope::parse(&words.join(" ")).unwrap_or_default();
    let mut released = claims::released(&account, &scope);
    released.insert("sub".to_owned(), Value::from(account.subject.as_str()));
    Ok(Judged::Claims(released))
}
