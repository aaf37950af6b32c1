//! Clients, their secrets, and the assertions they have used.

use super::{Store, StoreError, Tx, params};
use crate::domain::{Client, ClientId};

/// A secret as stored: a keyed digest, never the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSecretRecord {
    /// Names the secret in listings.
    pub secret_id: String,
    /// Keyed SHA-256, base64url.
    pub digest: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds; `None` for never.
    pub expires_at: Option<i64>,
    /// Unix seconds, to the minute.
    pub last_used_at: Option<i64>,
}

/// Columns of a secret in the order of [`ClientSecretRecord`].
type SecretRow = (String, String, i64, Option<i64>, Option<i64>);

const INSERT: &str = "
    INSERT INTO client (client_id, definition, created_at, updated_at)
    VALUES ($1, $2, $3, $3)";
const FIND: &str = "SELECT definition FROM client WHERE client_id = $1";
const PAGE: &str = "
    SELECT definition
      FROM client
     WHERE client_id > $1
     ORDER BY client_id
     LIMIT $2";
const UPDATE: &str = "
    UPDATE client
       SET definition = $2,
           updated_at = $3
     WHERE client_id = $1
       AND updated_at = $4";
const DELETE: &str = "DELETE FROM client WHERE client_id = $1";
const ADD_SECRET: &str = "
    INSERT INTO client_secret (secret_id, client_id, digest, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5)";
const SECRETS: &str = "
    SELECT secret_id, digest, created_at, expires_at, last_used_at
      FROM client_secret
     WHERE client_id = $1
     ORDER BY created_at, secret_id";
const REVOKE_SECRET: &str = "
    DELETE FROM client_secret
     WHERE client_id = $1
       AND secret_id = $2";
const USED_SECRET: &str = "
    UPDATE client_secret
       SET last_used_at = $2
     WHERE secret_id = $1
       AND (last_used_at IS NULL OR last_used_at < $2)";
/// Marks an assertion used. At most one caller ever gets a row.
const USE_ASSERTION: &str = "
    INSERT INTO client_assertion (client_id, jti_digest, expires_at)
    VALUES ($1, $2, $3)
    ON CONFLICT (client_id, jti_digest) DO NOTHING";

/// Adds a client.
///
/// # Errors
/// [`StoreError::Conflict`] if the id is taken.
pub async fn insert(tx: &mut Tx, client: &Client) -> Result<(), StoreError> {
    let definition = serde_json::to_string(client)?;
    tx.execute(
        INSERT,
        params![client.client_id.as_str(), definition, client.created_at],
    )
    .await
    .map(drop)
}

/// Finds a client.
///
/// # Errors
/// [`StoreError`]
pub async fn find(store: &Store, client_id: &ClientId) -> Result<Option<Client>, StoreError> {
    let row: Option<(String,)> = store
        .fetch_optional(FIND, params![client_id.as_str()])
        .await?;
    row.map(|(definition,)| Ok(serde_json::from_str(&definition)?))
        .transpose()
}

/// Clients in the order of their ids, after `after`.
///
/// # Errors
/// [`StoreError`]
pub async fn page(store: &Store, after: &str, limit: i64) -> Result<Vec<Client>, StoreError> {
    let rows: Vec<(String,)> = store.fetch_all(PAGE, params![after, limit]).await?;
    rows.iter()
        .map(|(definition,)| Ok(serde_json::from_str(definition)?))
        .collect()
}

/// Writes a client's definition, unless it changed since it was read with `updated_at = read_at`. False then.
///
/// # Errors
/// [`StoreError`]
pub async fn update(tx: &mut Tx, client: &Client, read_at: i64) -> Result<bool, StoreError> {
    let definition = serde_json::to_string(client)?;
    let rows = tx
        .execute(
            UPDATE,
            params![
                client.client_id.as_str(),
                definition,
                client.updated_at,
                read_at
            ],
        )
        .await?;
    Ok(rows == 1)
}

/// Removes a client with its secrets, consents, codes and token families.
///
/// # Errors
/// [`StoreError`]
pub async fn delete(tx: &mut Tx, client_id: &ClientId) -> Result<bool, StoreError> {
    Ok(tx.execute(DELETE, params![client_id.as_str()]).await? == 1)
}

/// Adds a secret to a client.
///
/// # Errors
/// [`StoreError`]
pub async fn add_secret(
    tx: &mut Tx,
    client_id: &ClientId,
    secret: &ClientSecretRecord,
) -> Result<(), StoreError> {
    tx.execute(
        ADD_SECRET,
        params![
            &secret.secret_id,
            client_id.as_str(),
            &secret.digest,
            secret.created_at,
            secret.expires_at,
        ],
    )
    .await
    .map(drop)
}

/// A client's secrets, oldest first, the expired ones too.
///
/// # Errors
/// [`StoreError`]
pub async fn secrets(
    store: &Store,
    client_id: &ClientId,
) -> Result<Vec<ClientSecretRecord>, StoreError> {
    let rows: Vec<SecretRow> = store
        .fetch_all(SECRETS, params![client_id.as_str()])
        .await?;
    Ok(rows
        .into_iter()
        .map(
            |(secret_id, digest, created_at, expires_at, last_used_at)| ClientSecretRecord {
                secret_id,
                digest,
                created_at,
                expires_at,
                last_used_at,
            },
        )
        .collect())
}

/// Removes a secret.
///
/// # Errors
/// [`StoreError`]
pub async fn revoke_secret(
    tx: &mut Tx,
    client_id: &ClientId,
    secret_id: &str,
) -> Result<bool, StoreError> {
    Ok(tx
        .execute(REVOKE_SECRET, params![client_id.as_str(), secret_id])
        .await?
        == 1)
}

/// Notes when a secret was last used.
///
/// # Errors
/// [`StoreError`]
pub async fn note_secret_use(store: &Store, secret_id: &str, at: i64) -> Result<(), StoreError> {
    store
        .execute(USED_SECRET, params![secret_id, at])
        .await
        .map(drop)
}

/// Marks an assertion's `jti` used by this client until it expires. True for the one caller that was first.
///
/// # Errors
/// [`StoreError`]
pub async fn use_assertion(
    store: &Store,
    client_id: &ClientId,
    jti_digest: &str,
    expires_at: i64,
) -> Result<bool, StoreError> {
    let rows = store
        .execute(
            USE_ASSERTION,
            params![client_id.as_str(), jti_digest, expires_at],
        )
        .await?;
    Ok(rows == 1)
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[
    INSERT,
    FIND,
    PAGE,
    UPDATE,
    DELETE,
    ADD_SECRET,
    SECRETS,
    REVOKE_SECRET,
    USED_SECRET,
    USE_ASSERTION,
];
