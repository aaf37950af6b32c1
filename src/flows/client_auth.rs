//! Client authentication (RFC 6749 §2.3, RFC 7523, OIDC Core §9).

use super::client_assertion::{unverified_subject, verify_assertion};
use super::clients::RegisteredClient;
use super::error::refuse;
use super::{Issuer, TokenError};
use crate::crypto::token::equal;
use crate::domain::client::{AuthMethod, Client, ClientType};
use crate::domain::event::{AssertionFault, ClientAuthFailure, Happening};
use crate::domain::form::{self, Form};
use crate::domain::{ClientId, ErrorCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

/// `client_assertion_type` of RFC 7523.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a request says of its client.
pub struct Presented<'a> {
    /// The `Authorization` header, if any.
    pub authorization: Option<&'a str>,
    /// The body.
    pub form: &'a Form,
}

enum Credential {
    None,
    Secret { secret: String, basic: bool },
    Assertion(String),
}

/// Establishes which client asks. Public clients pass by naming themselves.
///
/// # Errors
/// [`TokenError::Client`] for whoever isn't a client or can't prove it; `invalid_request` for several ways at
/// once (RFC 6749 §2.3).
pub async fn authenticate(
    issuer: &Issuer,
    presented: &Presented<'_>,
    now: i64,
) -> Result<Arc<RegisteredClient>, TokenError> {
    let basic = matches!(presented.authorization, Some(value) if is_basic(value));
    let refused = TokenError::Client { basic };
    let (client_id, credential) = match read(presented) {
        Ok(read) => read,
        Err(Unread::Refused(error)) => return Err(error),
        Err(Unread::Nobody(reason)) => {
            failed(issuer, None, (reason, None), None, now);
            return Err(refused);
        }
    };
    let found = issuer.clients.find_any(&issuer.store, &client_id).await?;
    let Some(registered) = found.as_ref().filter(|found| !found.client.disabled) else {
        // The same work as for a wrong secret. What was sent is not logged: it may be a secret in the wrong place.
        if let Credential::Secret { secret, .. } = &credential {
            let _ = equal(
                &issuer.master.client_secret_digest(&client_id, secret),
                &"-".repeat(43),
            );
        }
        let disabled = found.as_ref().map(|found| &found.client.client_id);
        let reason = match disabled {
            Some(_) => ClientAuthFailure::ClientDisabled,
            None => ClientAuthFailure::UnknownClient,
        };
        failed(issuer, disabled, (reason, None), None, now);
        return Err(refused);
    };
    let client = &registered.client;
    let presented = credential.method();
    match proves(issuer, registered, credential, now).await? {
        Ok(()) => {
            let method = client.auth_method;
            let metrics = issuer.store.metrics();
            metrics.identity.client_authenticated(true);
            issuer
                .events
                .note_authenticated(&client.client_id, method, now);
            Ok(Arc::clone(registered))
        }
        Err(reason) => {
            failed(
                issuer,
                Some(&client.client_id),
                reason,
                Some(presented),
                now,
            );
            Err(refused)
        }
    }
}

/// Notes a failure. An id that isn't a client's is not kept: it may be a secret in the wrong place.
fn failed(
    issuer: &Issuer,
    client_id: Option<&ClientId>,
    (reason, assertion): Fault,
    presented: Option<AuthMethod>,
    now: i64,
) {
    let happening = Happening::ClientAuthenticationFailed {
        client_id: client_id.cloned(),
        reason,
        presented,
        assertion,
    };
    issuer.note(happening, now);
}

/// Notes credentials that can't be read.
pub fn note_unreadable(issuer: &Issuer, now: i64) {
    let fault = (ClientAuthFailure::Unreadable, None);
    failed(issuer, None, fault, None, now);
}

/// Notes that a client that proved nothing asked for what needs a proof.
pub(super) fn note_public(issuer: &Issuer, client: &Client, now: i64) {
    let fault = (ClientAuthFailure::WrongMethod, None);
    let presented = Some(AuthMethod::None);
    failed(issuer, Some(&client.client_id), fault, presented, now);
}

/// Why a credential proves nothing.
pub(super) type Fault = (ClientAuthFailure, Option<AssertionFault>);

/// What came of looking at a credential.
pub(super) type Proof = Result<(), Fault>;

impl Credential {
    /// The way of authenticating that it belongs to.
    fn method(&self) -> AuthMethod {
        match self {
            Self::None => AuthMethod::None,
            Self::Secret { basic: true, .. } => AuthMethod::ClientSecretBasic,
            Self::Secret { basic: false, .. } => AuthMethod::ClientSecretPost,
            Self::Assertion(_) => AuthMethod::PrivateKeyJwt,
        }
    }
}

async fn proves(
    issuer: &Issuer,
    registered: &RegisteredClient,
    credential: Credential,
    now: i64,
) -> Result<Proof, TokenError> {
    let client = &registered.client;
    Ok(match (client.auth_method, credential) {
        (AuthMethod::None, Credential::None) if client.client_type == ClientType::Public => Ok(()),
        (AuthMethod::ClientSecret, Credential::Secret { secret, .. })
        | (
            AuthMethod::ClientSecretBasic,
            Credential::Secret {
                secret,
                basic: true,
            },
        )
        | (
            AuthMethod::ClientSecretPost,
            Credential::Secret {
                secret,
                basic: false,
            },
        ) => verify_secret(issuer, registered, &secret, now).map_err(|reason| (reason, None)),
        (AuthMethod::PrivateKeyJwt, Credential::Assertion(assertion)) => {
            verify_assertion(issuer, registered, &assertion, now).await?
        }
        _ => Err((ClientAuthFailure::WrongMethod, None)),
    })
}

fn is_basic(authorization: &str) -> bool {
    authorization
        .get(..6)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic "))
}

/// The client that a request says it comes from, unproven.
pub(super) fn claimed(presented: &Presented<'_>) -> Option<String> {
    read(presented).ok().map(|(client_id, _)| client_id)
}

/// Why a request has no credential that could be looked at.
enum Unread {
    /// It says two things.
    Refused(TokenError),
    /// It's nobody's.
    Nobody(ClientAuthFailure),
}

fn twofold<T>(words: &'static str) -> Result<T, Unread> {
    refuse(ErrorCode::InvalidRequest, words).map_err(Unread::Refused)
}

/// Finds the one credential in a request and the client it is for.
fn read(presented: &Presented<'_>) -> Result<(String, Credential), Unread> {
    let form = presented.form;
    let body_id = form.get("client_id");
    let body_secret = form.get("client_secret");
    let assertion = form.get("client_assertion");
    let assertion_type = form.get("client_assertion_type");
    let ways = usize::from(presented.authorization.is_some())
        + usize::from(body_secret.is_some())
        + usize::from(assertion.is_some() || assertion_type.is_some());
    if ways > 1 {
        return twofold("authenticate the client in one way only");
    }
    if let Some(authorization) = presented.authorization {
        let Some((id, secret)) = parse_basic(authorization) else {
            return Err(Unread::Nobody(ClientAuthFailure::Unreadable));
        };
        if body_id.is_some_and(|other| other != id) {
            return twofold("client_id differs from the one in HTTP Basic");
        }
        return Ok((
            id,
            Credential::Secret {
                secret,
                basic: true,
            },
        ));
    }
    if let Some(secret) = body_secret {
        let Some(id) = body_id else {
            return Err(Unread::Nobody(ClientAuthFailure::ClientMissing));
        };
        return Ok((
            id.to_owned(),
            Credential::Secret {
                secret: secret.to_owned(),
                basic: false,
            },
        ));
    }
    if let Some(assertion) = assertion {
        let unreadable = Unread::Nobody(ClientAuthFailure::Unreadable);
        if assertion_type != Some(JWT_BEARER) {
            return Err(unreadable);
        }
        let subject = unverified_subject(assertion).ok_or(unreadable)?;
        if body_id.is_some_and(|other| other != subject) {
            return twofold("client_id differs from the assertion's sub");
        }
        return Ok((subject, Credential::Assertion(assertion.to_owned())));
    }
    match body_id {
        Some(id) => Ok((id.to_owned(), Credential::None)),
        None => Err(Unread::Nobody(ClientAuthFailure::ClientMissing)),
    }
}

/// Basic credentials: both halves are form-encoded before base64 (RFC 6749 §2.3.1).
fn parse_basic(authorization: &str) -> Option<(String, String)> {
    let encoded = is_basic(authorization)
        .then(|| authorization.get(6..))
        .flatten()?;
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let id = form::decode(id.as_bytes()).ok()?;
    let secret = form::decode(secret.as_bytes()).ok()?;
    (!id.is_empty()).then_some((id, secret))
}

/// Every secret is compared, and in the same time, whatever comes of it.
fn verify_secret(
    issuer: &Issuer,
    registered: &RegisteredClient,
    secret: &str,
    now: i64,
) -> Result<(), ClientAuthFailure> {
    let presented = issuer
        .master
        .client_secret_digest(registered.client.client_id.as_str(), secret);
    let (mut matched, mut ended) = (None, false);
    for record in &registered.secrets {
        let live = record.expires_at.is_none_or(|end| end > now);
        let equal = equal(&presented, &record.digest) && !secret.is_empty();
        if equal && live {
            matched = Some(record);
        }
        ended |= equal && !live;
    }
    match matched {
        Some(record) => {
            issuer.clients.note_use(record, now);
            Ok(())
        }
        None if ended => Err(ClientAuthFailure::SecretEnded),
        None => Err(ClientAuthFailure::WrongSecret),
    }
}
