//! Client credentials (RFC 6749 §4.4): nothing is read from or written to the database on this path.

use super::clients::RegisteredClient;
use super::error::RefusedRequest;
use super::issue::{Access, AccessTokenContent, IssuedToken, TokenResponse};
use super::token::{asked_resources, asked_scope};
use super::{FlowError, Issuer, TokenError};
use crate::domain::ErrorCode;
use crate::domain::client::GrantType;
use crate::domain::event::TokenRefusal;
use crate::domain::form::Form;
use crate::domain::scope::OPENID_SCOPES;

/// Issues an access token for the client itself.
pub(super) fn issue(
    issuer: &Issuer,
    registered: &RegisteredClient,
    form: &Form,
    now: i64,
) -> Result<String, TokenError> {
    let client = &registered.client;
    let permitted = client
        .scope
        .filtered(|token| !OPENID_SCOPES.contains(&token));
    let asked = asked_scope(form)?.unwrap_or_else(|| permitted.clone());
    if !asked.is_subset(&permitted) {
        let cause = if asked.iter().any(|token| OPENID_SCOPES.contains(&token)) {
            TokenRefusal::ScopeOfPersons
        } else {
            TokenRefusal::ScopeBeyondClient
        };
        let words = "scope goes beyond what this client may have";
        return Err(RefusedRequest::new(ErrorCode::InvalidScope, words)
            .because(cause)
            .beyond(asked.without(&permitted))
            .error());
    }
    let resources = asked_resources(form, client, &issuer.url)?;
    let asked = Access {
        scope: &asked,
        resources: &resources,
        own: &client.audiences,
    };
    let scope = issuer.scope_for_audience(&asked);
    let access = Access {
        scope: &scope,
        ..asked
    };
    let content = AccessTokenContent {
        client,
        access: &access,
        person: None,
    };
    let IssuedToken {
        access_token,
        expires_in,
        jti,
    } = issuer.access_token(&content, now)?;
    let grant = GrantType::ClientCredentials;
    issuer.note_token((grant, &client.client_id), now, || {
        issuer.issued(grant, &content, &jti)
    });
    let response = TokenResponse {
        access_token,
        token_type: "Bearer",
        expires_in,
        scope: scope.to_string(),
        refresh_token: None,
        id_token: None,
    };
    Ok(serde_json::to_string(&response).map_err(FlowError::from)?)
}
