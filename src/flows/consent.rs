//! A person's answer: what they were shown is what is granted.

use super::authorization_response::Reply;
use super::authorize::{
    AuthorizeError, Next, account_of, client_of, fingerprint, grant_code, must_consent,
    must_log_in, proceed,
};
use super::interaction::Interaction;
use super::{FlowError, Issuer};
use crate::domain::consent::Consent;
use crate::domain::event::Happening;
use crate::domain::session::Session;
use crate::domain::{Account, Client, ErrorCode};
use crate::store::consents;

/// Takes the answer to a page: records it and tells the client, or goes on with what is still wanting. Meanwhile another
/// tab may have signed out, in again, or in as somebody else, and the client may have changed: then the person who is
/// there now is asked, and the answer counts for nothing.
///
/// # Errors
/// [`AuthorizeError`]
pub async fn decide(
    issuer: &Issuer,
    interaction: Interaction,
    session: Option<&Session>,
    allow: bool,
    now: i64,
) -> Result<Next, AuthorizeError> {
    let registered = client_of(issuer, &interaction).await?;
    if !allow {
        return Err(refuse(issuer, &interaction, session, now));
    }
    let saw_it = |session: &&Session| {
        let viewer = interaction.viewer.as_ref();
        // Without a viewer, a node of the version before made the page: then its token is bound to the session.
        viewer.is_none_or(|viewer| viewer.subject == session.subject)
    };
    let answered_by_another = session.is_some_and(|session| !saw_it(&session));
    let viewer = session
        .filter(saw_it)
        .filter(|session| must_log_in(&interaction, session, now).is_none());
    let person = match viewer {
        Some(session) => account_of(issuer, session)
            .await?
            .map(|account| (session, account)),
        None => None,
    };
    let look = Some(fingerprint(&registered.client));
    if let Some((session, account)) = person {
        let client = &registered.client;
        let request = &interaction.request;
        if interaction.shown == look {
            remember(issuer, client, &interaction, &account, now).await?;
            let response = grant_code(issuer, client, request, session, &account, now).await?;
            return Ok(Next::Respond(response));
        }
        if interaction.continued == look && !must_consent(issuer, client, request, &account).await?
        {
            let response = grant_code(issuer, client, request, session, &account, now).await?;
            return Ok(Next::Respond(response));
        }
    }
    let interaction = Interaction {
        answered_by_another,
        ..interaction
    };
    proceed(issuer, interaction, registered, session, now).await
}

/// The person said no: the client is told.
fn refuse(
    issuer: &Issuer,
    interaction: &Interaction,
    session: Option<&Session>,
    now: i64,
) -> AuthorizeError {
    let request = &interaction.request;
    let viewer = interaction.viewer.as_ref().map(|viewer| &viewer.subject);
    if let Some(subject) = viewer.or(session.map(|session| &session.subject)) {
        let refused = Happening::ConsentRefused {
            client_id: request.client_id.clone(),
            subject: subject.clone(),
        };
        issuer.note(refused, now);
    }
    let words = "the person refused";
    AuthorizeError::Reportable(Reply::to(request).error(issuer, ErrorCode::AccessDenied, words))
}

/// Adds what the person agreed to now to what they agreed to before.
async fn remember(
    issuer: &Issuer,
    client: &Client,
    interaction: &Interaction,
    account: &Account,
    now: i64,
) -> Result<(), FlowError> {
    let request = &interaction.request;
    let look = fingerprint(client);
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
    Ok(())
}
