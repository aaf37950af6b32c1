//! Userinfo (OIDC Core §5.3).

use super::{FlowError, Issuer, own_token};
use crate::domain::event::Happening;
use crate::domain::{ClientId, Scope, Subject, claims};
use crate::store::accounts;
use serde_json::{Map, Value};

/// What a bearer of a token gets to know.
pub enum Userinfo {
    /// The claims.
    Claims(Map<String, Value>),
    /// The token is not one that userinfo takes.
    InvalidToken,
    /// The token lacks `openid`.
    InsufficientScope,
}

/// Answers for the person that the token names.
///
/// # Errors
/// [`FlowError`]
pub async fn userinfo(issuer: &Issuer, presented: &str, now: i64) -> Result<Userinfo, FlowError> {
    let answer = judge(issuer, presented, now).await?;
    let reason = match &answer {
        Userinfo::Claims(_) => return Ok(answer),
        Userinfo::InvalidToken => "invalid_token",
        Userinfo::InsufficientScope => "insufficient_scope",
    };
    let token = own_token::verify(issuer, presented, now);
    let refused = Happening::AccessRefused {
        endpoint: "userinfo".to_owned(),
        client_id: token.as_ref().map(|token| ClientId::new(&token.client_id)),
        subject: token.as_ref().map(|token| Subject::new(&token.subject)),
        reason: reason.to_owned(),
    };
    issuer.note(refused, now);
    Ok(answer)
}

async fn judge(issuer: &Issuer, presented: &str, now: i64) -> Result<Userinfo, FlowError> {
    let Some(token) = own_token::verify(issuer, presented, now) else {
        return Ok(Userinfo::InvalidToken);
    };
    // A client's own token is about no person, whatever the client is called.
    if !token.claims.contains_key("grant_id") {
        return Ok(Userinfo::InvalidToken);
    }
    let subject = Subject::new(token.subject.as_str());
    let account = match accounts::by_subject(&issuer.store, &subject).await? {
        Some(account) if !account.disabled => account,
        _ => return Ok(Userinfo::InvalidToken),
    };
    if issuer
        .clients
        .find(&issuer.store, &token.client_id)
        .await?
        .is_none()
    {
        return Ok(Userinfo::InvalidToken);
    }
    if !own_token::is_live(issuer, &token).await? {
        return Ok(Userinfo::InvalidToken);
    }
    if !token.scope.contains("openid") {
        return Ok(Userinfo::InsufficientScope);
    }
    if !token.audiences.contains(&issuer.url) {
        return Ok(Userinfo::InvalidToken);
    }
    let words: Vec<&str> = token.scope.iter().collect();
    let scope = Scope::parse(&words.join(" ")).unwrap_or_default();
    let mut released = claims::released(&account, &scope);
    released.insert("sub".to_owned(), Value::from(account.subject.as_str()));
    Ok(Userinfo::Claims(released))
}
