//! The checks of an authorization request, one a function, in the order of `authorize`.

use super::authorize::{AuthorizeError, UnverifiedReason};
use super::id_token_hint::{self, Hint};
use super::token::permitted_resources;
use super::{FlowError, Issuer};
use crate::domain::authorization::{Prompt, ResponseMode};
use crate::domain::client::{Client, ClientType, GrantType, PkcePolicy};
use crate::domain::form::Form;
use crate::domain::pkce::CodeChallenge;
use crate::domain::redirect_uri::VerifiedRedirectUri;
use crate::domain::resource::Audience;
use crate::domain::{ErrorCode, Scope};
use std::sync::Arc;

/// Longest `state` and `nonce`, bytes.
pub const ECHO_MAX_BYTES: usize = 4096;

/// Longest `login_hint` that is carried to the form, bytes; what is longer names nobody.
const LOGIN_HINT_MAX_BYTES: usize = 256;

/// Parameters that are each to be sent once, with the words for one that wasn't.
pub(super) type Known = &'static [(&'static str, &'static str)];

macro_rules! once {
    ($($name:literal),+ $(,)?) => { &[$(($name, concat!($name, " was sent more than once"))),+] };
}
pub(super) use once;

/// Parameters of an authorization request that mean something here.
const KNOWN: Known = once![
    "response_type",
    "scope",
    "state",
    "nonce",
    "response_mode",
    "prompt",
    "max_age",
    "login_hint",
    "id_token_hint",
    "acr_values",
    "ui_locales",
    "code_challenge",
    "code_challenge_method",
    "display",
    "request",
    "request_uri",
    "claims",
];

/// A refusal that the client may hear of: code and words.
pub(super) type Refusal = (ErrorCode, &'static str);

pub(super) async fn known_client(
    issuer: &Issuer,
    form: &Form,
) -> Result<Arc<super::clients::RegisteredClient>, AuthorizeError> {
    for (name, reason) in [
        ("client_id", UnverifiedReason::ClientIdTwice),
        ("redirect_uri", UnverifiedReason::RedirectUriTwice),
    ] {
        if form.duplicates(&[]).any(|twice| twice == name) {
            return Err(AuthorizeError::Unverified(reason));
        }
    }
    let Some(client_id) = form.get("client_id") else {
        return Err(AuthorizeError::Unverified(UnverifiedReason::ClientMissing));
    };
    login_client(issuer, client_id).await
}

/// A client that people may log in to now. The page is one and the same for whatever is no such client.
pub(super) async fn login_client(
    issuer: &Issuer,
    client_id: &str,
) -> Result<Arc<super::clients::RegisteredClient>, AuthorizeError> {
    let reason = match issuer.clients.find_any(&issuer.store, client_id).await? {
        None => UnverifiedReason::UnknownClient,
        Some(found) if found.client.disabled => UnverifiedReason::ClientDisabled,
        Some(found) if !found.client.may_use(GrantType::AuthorizationCode) => {
            UnverifiedReason::GrantNotPermitted
        }
        Some(found) => return Ok(found),
    };
    Err(AuthorizeError::Unverified(reason))
}

/// The redirect URI and whether the request named it.
pub(super) fn registered_redirect_uri(
    form: &Form,
    client: &Client,
) -> Result<(VerifiedRedirectUri, bool), AuthorizeError> {
    let unverified = AuthorizeError::Unverified;
    if let Some(presented) = form.get("redirect_uri") {
        let verified = client.verify_redirect_uri(presented);
        let verified = verified.ok_or_else(|| unverified(UnverifiedReason::RedirectUri))?;
        return Ok((verified, true));
    }
    let openid = form
        .get("scope")
        .is_some_and(|scope| scope.split(' ').any(|t| t == "openid"));
    let only = match client.redirect_uris.as_slice() {
        [only] if !openid => only.verify(only.as_str(), false),
        _ => None,
    };
    let verified = only.ok_or_else(|| unverified(UnverifiedReason::RedirectUriMissing))?;
    Ok((verified, false))
}

pub(super) fn echo_fits(form: &Form) -> Result<(), AuthorizeError> {
    for (name, reason) in [
        ("state", UnverifiedReason::StateTooLong),
        ("nonce", UnverifiedReason::NonceTooLong),
    ] {
        if form
            .get(name)
            .is_some_and(|value| value.len() > ECHO_MAX_BYTES)
        {
            return Err(AuthorizeError::Unverified(reason));
        }
    }
    Ok(())
}

pub(super) fn sent_once(form: &Form) -> Result<(), Refusal> {
    let twice = KNOWN
        .iter()
        .find(|(name, _)| form.duplicates(&[]).any(|twice| twice == *name));
    match twice {
        Some((_, words)) => Err((ErrorCode::InvalidRequest, *words)),
        None => Ok(()),
    }
}

pub(super) fn response_type_is_code(form: &Form) -> Result<(), Refusal> {
    match form.get("response_type") {
        Some("code") => Ok(()),
        Some(_) => Err((ErrorCode::UnsupportedResponseType, "use response_type=code")),
        None => Err((ErrorCode::InvalidRequest, "response_type is missing")),
    }
}

pub(super) fn response_mode(named: Option<&str>) -> Result<ResponseMode, Refusal> {
    match named {
        None | Some("query") => Ok(ResponseMode::Query),
        Some("form_post") => Ok(ResponseMode::FormPost),
        Some(_) => Err((
            ErrorCode::InvalidRequest,
            "use response_mode=query or form_post",
        )),
    }
}

pub(super) fn permitted_scope(form: &Form, client: &Client) -> Result<Scope, Refusal> {
    let asked = form
        .get("scope")
        .map(Scope::parse)
        .ok_or((ErrorCode::InvalidScope, "scope is missing"))?
        .map_err(|fault| (ErrorCode::InvalidScope, fault.words()))?;
    if asked.is_subset(&client.scope) {
        Ok(asked)
    } else {
        Err((
            ErrorCode::InvalidScope,
            "scope goes beyond what this client may have",
        ))
    }
}

pub(super) fn permitted_audiences(
    form: &Form,
    client: &Client,
    issuer: &str,
) -> Result<Vec<Audience>, Refusal> {
    permitted_resources(form, client, issuer)
        .map_err(|(_, words)| (ErrorCode::InvalidTarget, words))
}

pub(super) fn s256_challenge(
    form: &Form,
    client: &Client,
) -> Result<Option<CodeChallenge>, Refusal> {
    let method = form.get("code_challenge_method");
    let Some(challenge) = form.get("code_challenge") else {
        let optional =
            client.pkce == PkcePolicy::Optional && client.client_type == ClientType::Confidential;
        return match method {
            None if optional => Ok(None),
            None => Err((
                ErrorCode::InvalidRequest,
                "code_challenge is missing: PKCE is required",
            )),
            Some(_) => Err((
                ErrorCode::InvalidRequest,
                "code_challenge_method came without a code_challenge",
            )),
        };
    };
    if method != Some("S256") {
        return Err((ErrorCode::InvalidRequest, "use code_challenge_method=S256"));
    }
    CodeChallenge::parse(challenge).map(Some).ok_or((
        ErrorCode::InvalidRequest,
        "code_challenge must be 43 characters of base64url",
    ))
}

pub(super) fn prompt(form: &Form) -> Result<Prompt, Refusal> {
    let mut prompt = Prompt::default();
    let mut others = false;
    for word in form
        .get("prompt")
        .unwrap_or_default()
        .split(' ')
        .filter(|w| !w.is_empty())
    {
        match word {
            "none" => prompt.none = true,
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => {
                return Err((
                    ErrorCode::InvalidRequest,
                    "prompt may be none, login or consent",
                ));
            }
        }
        others |= word != "none";
    }
    if prompt.none && others {
        return Err((ErrorCode::InvalidRequest, "prompt=none stands alone"));
    }
    Ok(prompt)
}

pub(super) fn max_age(form: &Form) -> Result<Option<i64>, Refusal> {
    match form.get("max_age").map(str::parse::<u32>) {
        None => Ok(None),
        Some(Ok(seconds)) => Ok(Some(i64::from(seconds))),
        Some(Err(_)) => Err((
            ErrorCode::InvalidRequest,
            "max_age must be a number of seconds",
        )),
    }
}

pub(super) fn login_hint(form: &Form) -> Option<String> {
    form.get("login_hint")
        .filter(|hint| hint.len() <= LOGIN_HINT_MAX_BYTES)
        .map(str::to_owned)
}

/// The ID token of ours that says who is meant, expired or not (OIDC Core §3.1.2.1).
pub(super) fn hint(issuer: &Issuer, form: &Form, now: i64) -> Result<Option<Hint>, Refusal> {
    let read = |hint| id_token_hint::read(issuer, hint, now);
    let hint = form.get("id_token_hint").map(read).transpose();
    hint.map_err(|words| (ErrorCode::InvalidRequest, words))
}

impl From<FlowError> for AuthorizeError {
    fn from(error: FlowError) -> Self {
        Self::Failed(error)
    }
}

impl From<crate::store::StoreError> for AuthorizeError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<crate::crypto::entropy::NoEntropy> for AuthorizeError {
    fn from(error: crate::crypto::entropy::NoEntropy) -> Self {
        Self::Failed(error.into())
    }
}
