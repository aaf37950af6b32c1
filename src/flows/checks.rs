//! The checks of an authorization request, one a function, in the order of `authorize`.

use super::authorize::{AuthorizeError, UnverifiedReason};
use super::token::permitted_resources;
use super::{FlowError, Issuer};
use crate::domain::authorization::{Prompt, ResponseMode};
use crate::domain::client::{Client, ClientType, GrantType, PkcePolicy};
use crate::domain::form::Form;
use crate::domain::pkce::CodeChallenge;
use crate::domain::redirect_uri::VerifiedRedirectUri;
use crate::domain::resource::Audience;
use crate::domain::{ErrorCode, Scope, Subject};
use gatewright_authorizer::jose::Jws;
use serde_json::Value;
use std::sync::Arc;

/// Longest `state` and `nonce`, bytes.
pub const ECHO_MAX_BYTES: usize = 4096;

/// Longest `login_hint` that is carried to the form, bytes; what is longer names nobody.
const LOGIN_HINT_MAX_BYTES: usize = 256;

/// Parameters of an authorization request that mean something here, each to be sent once.
const KNOWN: &[&str] = &[
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
    let once = form
        .duplicates(&[])
        .all(|name| name != "client_id" && name != "redirect_uri");
    if !once {
        return Err(AuthorizeError::Unverified(UnverifiedReason::SentTwice));
    }
    let Some(client_id) = form.get("client_id") else {
        return Err(AuthorizeError::Unverified(UnverifiedReason::UnknownClient));
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
    let unverified = AuthorizeError::Unverified(UnverifiedReason::RedirectUri);
    if let Some(presented) = form.raw("redirect_uri") {
        let verified = client.verify_redirect_uri(presented).ok_or(unverified)?;
        return Ok((verified, true));
    }
    let openid = form
        .raw("scope")
        .is_some_and(|scope| scope.split(' ').any(|t| t == "openid"));
    match client.redirect_uris.as_slice() {
        [only] if !openid => {
            let verified = only.verify(only.as_str(), false).ok_or(unverified)?;
            Ok((verified, false))
        }
        _ => Err(unverified),
    }
}

pub(super) fn echo_fits(form: &Form) -> Result<(), AuthorizeError> {
    let fits = |name| {
        form.raw(name)
            .is_none_or(|value| value.len() <= ECHO_MAX_BYTES)
    };
    if fits("state") && fits("nonce") {
        Ok(())
    } else {
        Err(AuthorizeError::Unverified(UnverifiedReason::TooLong))
    }
}

pub(super) fn sent_once(form: &Form) -> Result<(), Refusal> {
    if form.duplicates(&[]).any(|name| KNOWN.contains(&name)) {
        return Err((
            ErrorCode::InvalidRequest,
            "a parameter was sent more than once",
        ));
    }
    Ok(())
}

pub(super) fn no_request_object(form: &Form) -> Result<(), Refusal> {
    if form.raw("request_uri").is_some() {
        return Err((
            ErrorCode::InvalidRequestUri,
            "request_uri was not issued by this server",
        ));
    }
    if form.raw("request").is_some() {
        return Err((
            ErrorCode::InvalidRequestObject,
            "request objects are not supported",
        ));
    }
    Ok(())
}

pub(super) fn response_type_is_code(form: &Form) -> Result<(), Refusal> {
    match form.get("response_type") {
        Some("code") => Ok(()),
        Some(_) => Err((ErrorCode::UnsupportedResponseType, "use response_type=code")),
        None => Err((ErrorCode::InvalidRequest, "response_type is missing")),
    }
}

pub(super) fn response_mode(form: &Form) -> Result<ResponseMode, Refusal> {
    match form.get("response_mode") {
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
        .map_err(|_| {
            (
                ErrorCode::InvalidScope,
                "scope has a character that scopes can't have",
            )
        })?;
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
    permitted_resources(form, client, issuer).ok_or((
        ErrorCode::InvalidTarget,
        "resource is not an audience of this client",
    ))
}

pub(super) fn s256_challenge(
    form: &Form,
    client: &Client,
) -> Result<Option<CodeChallenge>, Refusal> {
    let method = form.raw("code_challenge_method");
    let Some(challenge) = form.raw("code_challenge") else {
        return match (client.pkce, client.client_type, method) {
            (PkcePolicy::Optional, ClientType::Confidential, None) => Ok(None),
            _ => Err((
                ErrorCode::InvalidRequest,
                "code_challenge is missing: PKCE is required",
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

/// The person whom an ID token of ours names, expired or not (OIDC Core §3.1.2.1).
pub(super) fn hinted_subject(issuer: &Issuer, form: &Form) -> Result<Option<Subject>, Refusal> {
    match form.get("id_token_hint") {
        None => Ok(None),
        Some(hint) => own_id_token(issuer, hint)
            .map(|token| Some(token.subject))
            .ok_or((
                ErrorCode::InvalidRequest,
                "id_token_hint is not an ID token of this server",
            )),
    }
}

/// What matters of an ID token that came back.
pub(super) struct OwnIdToken {
    pub subject: Subject,
    pub client_id: String,
    pub session_id: Option<String>,
}

/// Verifies everything about an ID token of ours but its expiry.
pub(super) fn own_id_token(issuer: &Issuer, presented: &str) -> Option<OwnIdToken> {
    let jws = Jws::parse(presented, 16_384).ok()?;
    if jws
        .typ()
        .is_some_and(|typ| !typ.eq_ignore_ascii_case("jwt"))
    {
        return None;
    }
    let keyring = issuer.keyring.load();
    jws.verify(keyring.published().find(jws.kid(), jws.alg())?)
        .ok()?;
    let payload = jws.payload().ok()?;
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    (text("iss") == Some(issuer.url.as_str())).then_some(())?;
    Some(OwnIdToken {
        subject: Subject::new(text("sub")?),
        client_id: text("aud")?.to_owned(),
        session_id: text("sid").map(str::to_owned),
    })
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
