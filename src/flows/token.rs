//! The token endpoint (RFC 6749 §3.2): one form, one client, one grant.

use super::checks::{Known, once};
use super::client_auth::{self, Presented};
use super::clients::RegisteredClient;
use super::error::{RefusedRequest, refuse, refused};
use super::{Issuer, SharedIssuer, TokenError, client_credentials, code_exchange, refresh};
use crate::domain::client::GrantType;
use crate::domain::event::{Happening, TokenRefusal};
use crate::domain::form::Form;
use crate::domain::resource::Audience;
use crate::domain::{Client, ErrorCode, Scope};

/// Parameters of the token, introspection and revocation endpoints that mean something here, each to be sent once.
const KNOWN: Known = once![
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
    "token",
    "token_type_hint",
];

/// Parameters that may come more than once (RFC 8707 §2).
pub const REPEATABLE: &[&str] = &["resource"];

/// Answers a token request with the JSON to send.
///
/// # Errors
/// [`TokenError`]
pub async fn token(
    issuer: &SharedIssuer,
    presented: &Presented<'_>,
    now: i64,
) -> Result<String, TokenError> {
    let form = presented.form;
    no_duplicates(form)?;
    let client = client_auth::authenticate(issuer, presented, now).await?;
    let Some(grant_type) = form.get("grant_type") else {
        return refuse(ErrorCode::InvalidRequest, "grant_type is missing");
    };
    let grant: GrantType = match grant_type.parse() {
        Ok(grant) => grant,
        Err(_) => {
            return refuse(
                ErrorCode::UnsupportedGrantType,
                "use authorization_code, client_credentials or refresh_token",
            );
        }
    };
    if !client.client.may_use(grant) {
        return refuse(
            ErrorCode::UnauthorizedClient,
            "this client may not use this grant_type",
        );
    }
    match grant {
        GrantType::AuthorizationCode => code_exchange::redeem(issuer, client, form, now).await,
        GrantType::ClientCredentials => client_credentials::issue(issuer, &client, form, now),
        GrantType::RefreshToken => refresh::rotate(issuer, client, form, now).await,
    }
}

/// Notes that a request at the token, introspection or revocation endpoint was refused. Only ids and grants that mean
/// something here are kept of it. (Whoever isn't a client was noted by [`client_auth`].)
pub async fn note_refusal(
    issuer: &Issuer,
    presented: Option<&Presented<'_>>,
    refused: RefusedRequest,
    now: i64,
) {
    let registered = match presented.and_then(client_auth::claimed) {
        Some(id) => issuer.clients.find(&issuer.store, &id).await.ok().flatten(),
        None => None,
    };
    let grant = presented
        .and_then(|presented| presented.form.get("grant_type"))
        .and_then(|grant| grant.parse().ok());
    let beyond = issuer.named(&refused.beyond).await;
    issuer.note(
        Happening::TokenRefused {
            grant,
            client_id: registered.map(|registered| registered.client.client_id.clone()),
            error: refused.code,
            words: refused.words.to_owned(),
            cause: refused.cause,
            grant_id: refused.grant_id,
            beyond,
        },
        now,
    );
}

/// Refuses parameters that came more than once (RFC 6749 §3.2).
///
/// # Errors
/// `invalid_request`
pub fn no_duplicates(form: &Form) -> Result<(), TokenError> {
    let Some(twice) = form.duplicates(REPEATABLE).next() else {
        return Ok(());
    };
    let known = KNOWN.iter().find(|(name, _)| *name == twice);
    refuse(
        ErrorCode::InvalidRequest,
        known.map_or(
            "a parameter that means nothing here was sent more than once",
            |(_, words)| *words,
        ),
    )
}

/// The scope that a token request asks for; `None` if it names none.
pub(super) fn asked_scope(form: &Form) -> Result<Option<Scope>, TokenError> {
    match form.get("scope").map(Scope::parse) {
        None => Ok(None),
        Some(Ok(scope)) => Ok(Some(scope)),
        Some(Err(fault)) => refuse(ErrorCode::InvalidScope, fault.words()),
    }
}

/// The resources that a request names, each of them the client's own.
pub(super) fn asked_resources(
    form: &Form,
    client: &Client,
    issuer: &str,
) -> Result<Vec<Audience>, TokenError> {
    permitted_resources(form, client, issuer)
        .map_err(|(cause, words)| refused(ErrorCode::InvalidTarget, words, cause, None))
}

/// The same, with the cause and the words of a refusal.
pub(super) fn permitted_resources(
    form: &Form,
    client: &Client,
    issuer: &str,
) -> Result<Vec<Audience>, (TokenRefusal, &'static str)> {
    let mut resources = Vec::new();
    for resource in form.all("resource") {
        let audience = Audience::parse(resource).map_err(|_| {
            (
                TokenRefusal::ResourceMalformed,
                "resource must be an absolute URI without a fragment (RFC 8707)",
            )
        })?;
        if resource != issuer && !client.audiences.contains(&audience) {
            return Err((
                TokenRefusal::ResourceUnknown,
                "resource is not an audience of this client",
            ));
        }
        if !resources.contains(&audience) {
            resources.push(audience);
        }
    }
    Ok(resources)
}

/// What the grants get.
pub(super) type AuthenticatedClient = std::sync::Arc<RegisteredClient>;
