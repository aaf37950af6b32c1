//! Clients: registered, changed, disabled, removed.

use super::client_change::{ClientChange, blank, uses_secret};
use super::client_secrets::{self, NewSecret};
use super::{Act, Admin, AdminError, accept};
use crate::domain::{Client, ClientId, Subject};
use crate::store::{StoreError, accounts, clients as rows};

/// How often a change is made anew on top of somebody else's.
const ATTEMPTS: usize = 20;

/// A client just registered, and its first secret if it authenticates by one.
#[derive(Debug)]
pub struct CreatedClient {
    /// The client.
    pub client: Client,
    /// Shown once.
    pub secret: Option<NewSecret>,
}

fn unknown(client_id: &str) -> AdminError {
    AdminError::Unknown(format!(
        "there is no client {client_id:?}: see 'gatewright client list'"
    ))
}

/// Registers a client; a confidential one that authenticates by secret gets its first secret.
///
/// # Errors
/// [`AdminError::Refused`] with every fault, [`AdminError::Conflict`] if the id is taken.
pub async fn create(
    admin: Admin<'_>,
    client_id: &str,
    change: &ClientChange,
    secret_expires_in: Option<i64>,
    now: i64,
) -> Result<CreatedClient, AdminError> {
    let mut faults = Vec::new();
    if let Err(fault) = ClientId::parse_new(client_id) {
        faults.push(fault);
    }
    let mut client = blank(ClientId::new(client_id), now);
    faults.extend(change.apply(&mut client));
    faults.extend(client_secrets::lifetime_fault(secret_expires_in));
    if secret_expires_in.is_some() && !uses_secret(&client) {
        faults.push(
            "this client has no secret that could expire: leave out --secret-expires-in".to_owned(),
        );
    }
    // `sub` is the client's id in its own tokens and a person's subject in theirs: one must never pass for the other.
    if accounts::by_subject(admin.store, &Subject::new(client_id))
        .await?
        .is_some()
    {
        faults.push(format!(
            "{client_id:?} is a person's sub: choose another name"
        ));
    }
    accept(faults)?;
    let mut tx = admin.store.begin().await?;
    match rows::insert(&mut tx, &client).await {
        Err(StoreError::Conflict) => {
            return Err(AdminError::Conflict(format!(
                "client {client_id:?} exists already: choose another name, or change it with \
                 'gatewright client update {client_id}'"
            )));
        }
        outcome => outcome?,
    }
    let secret = if uses_secret(&client) {
        Some(client_secrets::make(admin, &mut tx, &client, secret_expires_in, now).await?)
    } else {
        None
    };
    let after = Some(serde_json::to_value(&client)?);
    let act = Act {
        what: "client_created",
        target: client_id,
        before: None,
        after,
    };
    admin.record(&mut tx, act, now)?;
    tx.commit().await?;
    Ok(CreatedClient { client, secret })
}

/// Finds a client.
///
/// # Errors
/// [`AdminError::Unknown`]
pub async fn find(admin: Admin<'_>, client_id: &str) -> Result<Client, AdminError> {
    let found = rows::find(admin.store, &ClientId::new(client_id)).await?;
    found.ok_or_else(|| unknown(client_id))
}

/// Clients in the order of their ids, after `after`, at most `limit`.
///
/// # Errors
/// [`AdminError`]
pub async fn page(admin: Admin<'_>, after: &str, limit: i64) -> Result<Vec<Client>, AdminError> {
    Ok(rows::page(admin.store, after, limit).await?)
}

/// Changes a client. A change by somebody else in between is kept, and this one made on top of it.
///
/// # Errors
/// [`AdminError::Refused`] with every fault of the outcome, [`AdminError::Unknown`].
pub async fn update(
    admin: Admin<'_>,
    client_id: &str,
    change: &ClientChange,
    now: i64,
) -> Result<Client, AdminError> {
    rewrite(
        admin,
        client_id,
        "client_updated",
        |client| accept(change.apply(client)),
        now,
    )
    .await
}

/// Disables or enables a client.
///
/// # Errors
/// [`AdminError::Unknown`]
pub async fn set_disabled(
    admin: Admin<'_>,
    client_id: &str,
    disabled: bool,
    now: i64,
) -> Result<Client, AdminError> {
    let what = if disabled {
        "client_disabled"
    } else {
        "client_enabled"
    };
    let edit = |client: &mut Client| {
        client.disabled = disabled;
        Ok(())
    };
    rewrite(admin, client_id, what, edit, now).await
}

async fn rewrite(
    admin: Admin<'_>,
    client_id: &str,
    what: &str,
    edit: impl Fn(&mut Client) -> Result<(), AdminError>,
    now: i64,
) -> Result<Client, AdminError> {
    for _ in 0..ATTEMPTS {
        let before = find(admin, client_id).await?;
        let mut after = before.clone();
        edit(&mut after)?;
        if after == before {
            return Ok(after);
        }
        // Every change moves it on: it is what the guard compares.
        after.updated_at = now.max(before.updated_at + 1);
        let mut tx = admin.store.begin().await?;
        if !rows::update(&mut tx, &after, before.updated_at).await? {
            continue;
        }
        let (old, new) = (
            serde_json::to_value(&before)?,
            serde_json::to_value(&after)?,
        );
        let act = Act {
            what,
            target: client_id,
            before: Some(old),
            after: Some(new),
        };
        admin.record(&mut tx, act, now)?;
        tx.commit().await?;
        return Ok(after);
    }
    Err(AdminError::Conflict(format!(
        "client {client_id:?} is being changed by somebody else: try again"
    )))
}

/// Removes a client with its secrets, consents and tokens.
///
/// # Errors
/// [`AdminError::Unknown`]
pub async fn delete(admin: Admin<'_>, client_id: &str, now: i64) -> Result<(), AdminError> {
    let before = find(admin, client_id).await?;
    let mut tx = admin.store.begin().await?;
    if !rows::delete(&mut tx, &before.client_id).await? {
        return Err(unknown(client_id));
    }
    let before = Some(serde_json::to_value(&before)?);
    let act = Act {
        what: "client_deleted",
        target: client_id,
        before,
        after: None,
    };
    admin.record(&mut tx, act, now)?;
    tx.commit().await?;
    Ok(())
}
