//! Consent: what the person was shown is what is granted.

use super::Issuer;
use super::authorization_response::Reply;
use super::authorize::{
    AuthorizeError, Next, account_of, client_of, fingerprint, grant_code, must_log_in,
};
use super::interaction::Interaction;
use crate::domain::ErrorCode;
use crate::domain::consent::Consent;
use crate::domain::event::Happening;
use crate::domain::session::Session;
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
    let audiences = client.audiences_for(&request.resources).to_vec();
    let consent = Consent::shown(request.scope.clone(), audiences, look).besides(former);
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
        grant_code(issuer, client, request, session, &account, now).await?,
    ))
}
