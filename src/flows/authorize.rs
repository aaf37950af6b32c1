//! The authorization endpoint (RFC 6749 §4.1, OIDC Core §3.1.2, RFC 9207).

use super::authorization_response::Reply;
pub use super::authorization_response::{AuthorizationResponse, AuthorizeError, UnverifiedReason};
use super::checks::{self, Refusal};
use super::clients::RegisteredClient;
use super::interaction::{Interaction, Viewer};
use super::{FlowError, Issuer, request_object};
use crate::crypto::token::{AuthorizationCode, sha256};
use crate::domain::authorization::AuthorizationRequest;
use crate::domain::event::Happening;
use crate::domain::form::Form;
use crate::domain::grant::{CodeGrant, Grant};
use crate::domain::resource::Audience;
use crate::domain::session::Session;
use crate::domain::{Account, Client, ErrorCode, FamilyId};
use crate::store::{accounts, codes, consents};
use std::sync::Arc;

/// What happens next.
pub enum Next {
    /// The person must log in.
    Login(Box<Interaction>, Arc<RegisteredClient>),
    /// The person must agree.
    Consent(Box<Interaction>, Arc<RegisteredClient>, Box<Account>),
    /// The person has agreed, and must say that it was they who began this.
    Continue(Box<Interaction>, Arc<RegisteredClient>, Box<Account>),
    /// The client gets its answer.
    Respond(AuthorizationResponse),
}

impl Next {
    /// Asks for consent to the client as it looks now.
    fn consent(
        interaction: Interaction,
        registered: Arc<RegisteredClient>,
        account: Account,
        session: &Session,
    ) -> Self {
        let interaction = Interaction {
            shown: Some(fingerprint(&registered.client)),
            continued: None,
            viewer: Some(Viewer::of(session)),
            ..interaction
        };
        Self::Consent(Box::new(interaction), registered, Box::new(account))
    }

    /// Asks whether to go on to the client as it looks now.
    fn go_on(
        interaction: Interaction,
        registered: Arc<RegisteredClient>,
        account: Account,
        session: &Session,
    ) -> Self {
        let interaction = Interaction {
            shown: None,
            continued: Some(fingerprint(&registered.client)),
            viewer: Some(Viewer::of(session)),
            ..interaction
        };
        Self::Continue(Box::new(interaction), registered, Box::new(account))
    }
}

/// Checks a request and says what happens next.
///
/// # Errors
/// [`AuthorizeError`]
pub async fn authorize(
    issuer: &Issuer,
    form: &Form,
    session: Option<&Session>,
    now: i64,
) -> Result<Next, AuthorizeError> {
    let registered = checks::known_client(issuer, form).await?;
    let client = &registered.client;
    let (redirect_uri, redirect_uri_named) = checks::registered_redirect_uri(form, client)?;
    checks::echo_fits(form)?;
    // From here on, errors may redirect.
    let wishes = request_object::wishes(form);
    let named = form
        .get("response_mode")
        .or(wishes.response_mode.as_deref());
    let mode = checks::response_mode(named);
    let to = redirect_uri.clone();
    let checked = (|| -> Result<AuthorizationRequest, Refusal> {
        checks::sent_once(form)?;
        request_object::absent(form)?;
        checks::response_type_is_code(form)?;
        let hint = checks::hint(issuer, form, now)?;
        Ok(AuthorizationRequest {
            client_id: client.client_id.clone(),
            redirect_uri,
            redirect_uri_named,
            response_mode: mode?,
            state: form.get("state").map(str::to_owned),
            nonce: form.get("nonce").map(str::to_owned),
            scope: checks::permitted_scope(form, client)?,
            resources: checks::permitted_audiences(form, client, &issuer.url)?,
            code_challenge: checks::s256_challenge(form, client)?,
            prompt: checks::prompt(form)?,
            max_age: checks::max_age(form)?,
            login_hint: checks::login_hint(form),
            hint_unproven: hint.as_ref().is_some_and(|hint| !hint.proven),
            hinted_subject: hint.map(|hint| hint.subject),
            requested_at: now,
        })
    })();
    let request = checked.map_err(|(code, words)| {
        let reply = Reply {
            client_id: &client.client_id,
            to: &to,
            mode: mode.unwrap_or_default(),
            state: form.get("state").or(wishes.state.as_deref()),
        };
        AuthorizeError::Reportable(reply.error(issuer, code, words))
    })?;
    proceed(
        issuer,
        Interaction::begin(request, now),
        registered,
        session,
        now,
    )
    .await
}

/// Goes on with an interaction after a page.
///
/// # Errors
/// [`AuthorizeError`]
pub async fn resume(
    issuer: &Issuer,
    interaction: Interaction,
    session: Option<&Session>,
    now: i64,
) -> Result<Next, AuthorizeError> {
    let registered = client_of(issuer, &interaction).await?;
    proceed(issuer, interaction, registered, session, now).await
}

/// The client of an interaction, if it still is one, its redirect URI still stands, and it may still have what it
/// asked for: pages take time, and registrations change.
///
/// # Errors
/// [`AuthorizeError`] if not.
pub async fn client_of(
    issuer: &Issuer,
    interaction: &Interaction,
) -> Result<Arc<RegisteredClient>, AuthorizeError> {
    let request = &interaction.request;
    let registered = checks::login_client(issuer, request.client_id.as_str()).await?;
    let client = &registered.client;
    if client
        .verify_redirect_uri(request.redirect_uri.as_str())
        .is_none()
    {
        return Err(AuthorizeError::Unverified(UnverifiedReason::RedirectUri));
    }
    let refused = |code, words| {
        Err(AuthorizeError::Reportable(
            Reply::to(request).error(issuer, code, words),
        ))
    };
    if !request.scope.is_subset(&client.scope) {
        return refused(
            ErrorCode::InvalidScope,
            "scope goes beyond what this client may have",
        );
    }
    let known = |r: &Audience| r.as_str() == issuer.url || client.audiences.contains(r);
    if !request.resources.iter().all(known) {
        return refused(
            ErrorCode::InvalidTarget,
            "resource is not an audience of this client",
        );
    }
    Ok(registered)
}

/// The person of a session, unless the account went or its password changed while the request was under way.
pub(super) async fn account_of(
    issuer: &Issuer,
    session: &Session,
) -> Result<Option<Account>, FlowError> {
    let account = accounts::by_subject(&issuer.store, &session.subject).await?;
    Ok(account
        .filter(|account| !account.disabled && account.password_changed_at <= session.auth_time))
}

/// Does what is still wanting, or answers.
pub(super) async fn proceed(
    issuer: &Issuer,
    interaction: Interaction,
    registered: Arc<RegisteredClient>,
    session: Option<&Session>,
    now: i64,
) -> Result<Next, AuthorizeError> {
    let request = &interaction.request;
    let reply = Reply::to(request);
    let refused = |code, words| Err(AuthorizeError::Reportable(reply.error(issuer, code, words)));
    let (session, account) = match logged_in(issuer, &interaction, session, now).await? {
        Ok(person) => person,
        Err(words) if request.prompt.none => return refused(ErrorCode::LoginRequired, words),
        Err(_) => return Ok(Next::Login(Box::new(interaction), registered)),
    };
    if request
        .hinted_subject
        .as_ref()
        .is_some_and(|hinted| *hinted != session.subject)
    {
        return refused(
            ErrorCode::LoginRequired,
            "somebody else is logged in than id_token_hint names",
        );
    }
    let client = &registered.client;
    if must_consent(issuer, client, request, &account).await? {
        return match (request.prompt.none, request.hint_unproven) {
            (false, _) => Ok(Next::consent(interaction, registered, account, session)),
            (true, false) => refused(
                ErrorCode::ConsentRequired,
                "consent is needed, and prompt=none",
            ),
            // Whom nobody has agreed to doesn't learn who is logged in by guessing a subject.
            (true, true) => refused(ErrorCode::LoginRequired, UNPROVEN),
        };
    }
    // Giving the password for this very request, on a page that names the client and where it leads, is an act.
    let has_acted = interaction.authenticated.as_ref() == Some(&session.session_id);
    if !has_acted && client.needs_an_act(&request.redirect_uri) {
        if request.prompt.none {
            return refused(
                ErrorCode::InteractionRequired,
                "any program of the person's machine could ask this: they must act, and prompt=none",
            );
        }
        return Ok(Next::go_on(interaction, registered, account, session));
    }
    let response = grant_code(issuer, client, request, session, &account, now).await?;
    Ok(Next::Respond(response))
}

/// For a hint whose key is kept no longer, and a session that isn't the one it names.
const UNPROVEN: &str =
    "id_token_hint is signed by a key that this server keeps no longer, and prompt=none";

/// The person who is logged in as the request wants it; else why somebody must log in.
async fn logged_in<'s>(
    issuer: &Issuer,
    interaction: &Interaction,
    session: Option<&'s Session>,
    now: i64,
) -> Result<Result<(&'s Session, Account), &'static str>, FlowError> {
    let Some(session) = session else {
        return Ok(Err("nobody is logged in, and prompt=none"));
    };
    if let Some(words) = must_log_in(interaction, session, now) {
        return Ok(Err(words));
    }
    let account = account_of(issuer, session).await?;
    Ok(account
        .map(|account| (session, account))
        .ok_or("the session has just ended, and prompt=none"))
}

/// Why the password must be asked, unless it was given within this very interaction. Words for `prompt=none`.
pub(super) fn must_log_in(
    interaction: &Interaction,
    session: &Session,
    now: i64,
) -> Option<&'static str> {
    if interaction.authenticated.as_ref() == Some(&session.session_id) {
        return None;
    }
    let request = &interaction.request;
    let named = request.hinted_subject.as_ref();
    match request.max_age {
        Some(0) => Some("max_age=0 asks for a new login, and prompt=none"),
        Some(max_age) if now - session.auth_time > max_age => {
            Some("the login is older than max_age, and prompt=none")
        }
        _ if request.prompt.login => Some("prompt=login asks for a new login"),
        _ if request.hint_unproven && named != Some(&session.subject) => Some(UNPROVEN),
        _ => None,
    }
}

/// Whether consent must be asked: the client isn't the operator's own, and none that was given covers the request.
pub(super) async fn must_consent(
    issuer: &Issuer,
    client: &Client,
    request: &AuthorizationRequest,
    account: &Account,
) -> Result<bool, FlowError> {
    if request.prompt.consent {
        return Ok(true);
    }
    if client.first_party {
        return Ok(false);
    }
    let given = consents::find(
        &issuer.store,
        &account.subject,
        &client.client_id,
        request.redirect_uri.registered(),
    )
    .await?;
    let fingerprint = fingerprint(client);
    let audiences = client.audiences_for(&request.resources);
    Ok(!given.is_some_and(|consent| consent.covers(&request.scope, audiences, &fingerprint)))
}

/// What a person saw of the client when they agreed; any change asks again.
pub(super) fn fingerprint(client: &Client) -> String {
    let audiences: Vec<&str> = client.audiences.iter().map(Audience::as_str).collect();
    sha256(&format!(
        "{}\n{}\n{}\n{}",
        client.client_id,
        client.client_type.as_str(),
        client.name,
        audiences.join(" ")
    ))
}

/// Issues a code for what the person granted: to the client as it looked when they did, whatever it gets later.
pub(super) async fn grant_code(
    issuer: &Issuer,
    client: &Client,
    request: &AuthorizationRequest,
    session: &Session,
    account: &Account,
    now: i64,
) -> Result<AuthorizationResponse, FlowError> {
    let code = AuthorizationCode::generate(&issuer.entropy)?;
    let grant = Grant {
        family_id: FamilyId::new(issuer.entropy.id()?),
        client_id: request.client_id.clone(),
        subject: account.subject.clone(),
        scope: request.scope.clone(),
        resources: request.resources.clone(),
        audiences: Some(client.audiences_for(&request.resources).to_vec()),
        registered_redirect_uri: request.redirect_uri.registered().to_owned(),
        auth_time: session.auth_time,
        session_id: session.session_id.clone(),
        nonce: request.nonce.clone(),
        password_changed_at: account.password_changed_at,
    };
    let stored = CodeGrant {
        grant,
        redirect_uri: request.redirect_uri.as_str().to_owned(),
        redirect_uri_named: request.redirect_uri_named,
        code_challenge: request.code_challenge.clone(),
    };
    let code_issued = Happening::CodeIssued {
        client_id: stored.grant.client_id.clone(),
        subject: stored.grant.subject.clone(),
        grant_id: stored.grant.family_id.clone(),
        session_id: stored.grant.session_id.clone(),
        scope: stored.grant.scope.clone(),
    };
    let expires_at = now + issuer.settings.code_s;
    codes::insert(
        &issuer.store,
        code.digest().as_str(),
        &stored,
        now,
        expires_at,
    )
    .await?;
    issuer.note(code_issued, now);
    Ok(Reply::to(request).code(issuer, &code))
}
