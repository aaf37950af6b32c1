//! Consent: what the person was shown is what is granted.

use super::Issuer;
use super::authorize::{
    AuthorizeError, Next, account_of, client_of, fingerprint, grant_code, must_log_in,
};
use super::authorize_answer::Reply;
use super::interaction::Interaction;
use crate::domain::consent::Consent;
use crate::domain::event::Happening;
use crate::domain::session::Session;
use crate::domain::{ErrorCode, Scope};
use crate::store::consents;

/// Records the person's answer and tells the client.
///
/// # Errors
/// [`AuthorizeError`]
pub async fn decide(
    issuer: &Issuer,
    interaction: Interaction,
    session: &Session,
    allow: bool,
    now: i64,
) -> Result<Next, AuthorizeError> {
    let registered = client_of(issuer, &interaction).await?;
    let client = &registered.client;
    let request = &interaction.request;
    if !allow {
        issuer.note(
            Happening::ConsentRefused {
                client_id: client.client_id.clone(),
                subject: session.subject.clone(),
            },
            now,
        );
        let reply = Reply::to(request);
        return Err(AuthorizeError::Reportable(reply.error(
            issuer,
            ErrorCode::AccessDenied,
            "the person refused",
        )));
    }
    if must_log_in(&interaction, session, now) {
        let reply = Reply::to(request);
        return Err(AuthorizeError::Reportable(reply.error(
            issuer,
            ErrorCode::LoginRequired,
            "the login has become too old",
        )));
    }
    let Some(account) = account_of(issuer, session).await? else {
        let reply = Reply::to(request);
        return Err(AuthorizeError::Reportable(reply.error(
            issuer,
            ErrorCode::LoginRequired,
            "the session has just ended",
        )));
    };
    let look = fingerprint(client);
    if interaction.shown.as_ref() != Some(&look) {
        // The client changed while its page was open: nobody has agreed to this one.
        return Ok(Next::consent(interaction, registered, account));
    }
    let redirect_uri = request.redirect_uri.registered();
    let former = consents::find(
        &issuer.store,
        &account.subject,
        &client.client_id,
        redirect_uri,
    )
    .await?;
    let former = former.filter(|consent| consent.client_fingerprint == look);
    let mut audiences = client.audiences_for(&request.resources).to_vec();
    let mut scope: Scope = request.scope.clone();
    if let Some(former) = former {
        scope = scope.union(&former.scope);
        for audience in former.audiences {
            if !audiences.contains(&audience) {
                audiences.push(audience);
            }
        }
    }
    let consent = Consent {
        scope,
        audiences,
        client_fingerprint: look,
    };
    let mut tx = issuer.store.begin().await?;
    consents::put(
        &mut tx,
        &account.subject,
        &client.client_id,
        redirect_uri,
        &consent,
        now,
    )
    .await?;
    let given = Happening::ConsentGiven {
        client_id: client.client_id.clone(),
        subject: account.subject.clone(),
        scope: request.scope.clone(),
    };
    issuer.record(&mut tx, given, now)?;
    tx.commit().await?;
    Ok(Next::Respond(
        grant_code(issuer, request, session, &account, now).await?,
    ))
}
