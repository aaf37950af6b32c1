//! Client secrets: several live at once, so that a rotation needs no outage.

use super::client_change::uses_secret;
use super::{Act, Admin, AdminError, clients};
use crate::crypto::token::ClientSecret;
use crate::domain::Client;
use crate::store::Tx;
use crate::store::clients::{self as rows, ClientSecretRecord};
use serde_json::json;

/// Longest life of a secret that ends: ten years, in seconds.
const LONGEST_S: i64 = 10 * 365 * 86_400;

/// A secret at its one showing.
#[derive(Debug)]
pub struct NewSecret {
    /// Names it in listings.
    pub secret_id: String,
    /// Shown once; the database has a keyed digest.
    pub secret: ClientSecret,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds; `None` for never.
    pub expires_at: Option<i64>,
}

/// Says what is wrong with a secret's lifetime.
pub(super) fn lifetime_fault(expires_in: Option<i64>) -> Option<String> {
    expires_in.filter(|s| !(60..=LONGEST_S).contains(s)).map(|s| {
        format!("a secret can't expire in {s} seconds: choose from 60 to {LONGEST_S}, or leave it out for never")
    })
}

/// Makes a secret in the transaction of the act it belongs to.
pub(super) async fn make(
    admin: Admin<'_>,
    tx: &mut Tx,
    client: &Client,
    expires_in: Option<i64>,
    now: i64,
) -> Result<NewSecret, AdminError> {
    let secret = ClientSecret::generate(admin.entropy)?;
    let record = ClientSecretRecord {
        secret_id: format!("sec_{}", admin.entropy.id()?),
        digest: admin
            .master
            .client_secret_digest(client.client_id.as_str(), secret.expose()),
        created_at: now,
        expires_at: expires_in.map(|s| now + s),
        last_used_at: None,
    };
    rows::add_secret(tx, &client.client_id, &record).await?;
    let ClientSecretRecord {
        secret_id,
        created_at,
        expires_at,
        ..
    } = record;
    Ok(NewSecret {
        secret_id,
        secret,
        created_at,
        expires_at,
    })
}

/// Adds a secret; those that there are stay live.
///
/// # Errors
/// [`AdminError`]
pub async fn add(
    admin: Admin<'_>,
    client_id: &str,
    expires_in: Option<i64>,
    now: i64,
) -> Result<NewSecret, AdminError> {
    let client = clients::find(admin, client_id).await?;
    let mut faults: Vec<String> = lifetime_fault(expires_in).into_iter().collect();
    if !uses_secret(&client) {
        faults.push(format!(
            "client {client_id:?} authenticates by {}, not by a secret: change that first with \
             'gatewright client update {client_id} --auth-method client_secret_basic'",
            client.auth_method.as_str()
        ));
    }
    super::accept(faults)?;
    let mut tx = admin.store.begin().await?;
    let secret = make(admin, &mut tx, &client, expires_in, now).await?;
    let after = json!({"secret_id": secret.secret_id, "expires_at": secret.expires_at});
    let act = Act {
        what: "client_secret_added",
        target: client_id,
        before: None,
        after: Some(after),
    };
    admin.record(&mut tx, act, now)?;
    tx.commit().await?;
    Ok(secret)
}

/// A client's secrets without their digests' use: id, times.
///
/// # Errors
/// [`AdminError`]
pub async fn list(
    admin: Admin<'_>,
    client_id: &str,
) -> Result<Vec<ClientSecretRecord>, AdminError> {
    let client = clients::find(admin, client_id).await?;
    Ok(rows::secrets(admin.store, &client.client_id).await?)
}

/// Removes a secret: who holds it gets nothing any more. Returns how many live ones are left.
///
/// # Errors
/// [`AdminError`]
pub async fn revoke(
    admin: Admin<'_>,
    client_id: &str,
    secret_id: &str,
    now: i64,
) -> Result<usize, AdminError> {
    let client = clients::find(admin, client_id).await?;
    let mut tx = admin.store.begin().await?;
    if !rows::revoke_secret(&mut tx, &client.client_id, secret_id).await? {
        return Err(AdminError::Unknown(format!(
            "client {client_id:?} has no secret {secret_id:?}: see 'gatewright client secret list {client_id}'"
        )));
    }
    let before = json!({"secret_id": secret_id});
    let act = Act {
        what: "client_secret_revoked",
        target: client_id,
        before: Some(before),
        after: None,
    };
    admin.record(&mut tx, act, now)?;
    tx.commit().await?;
    let left = rows::secrets(admin.store, &client.client_id).await?;
    Ok(left
        .iter()
        .filter(|secret| secret.expires_at.is_none_or(|end| end > now))
        .count())
}
