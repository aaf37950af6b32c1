//! Remembered consents: per person, client and redirect URI.

use super::{Store, StoreError, Tx, params};
use crate::domain::consent::{Consent, Reach};
use crate::domain::{ClientId, Scope, Subject};

/// A reach that was written for another look of the client is none.
const FIND: &str = "
    SELECT scope, audiences, client_fingerprint,
           CASE WHEN reach_fingerprint = client_fingerprint THEN reach END
      FROM consent
     WHERE subject = $1
       AND client_id = $2
       AND redirect_uri = $3";
const PUT: &str = "
    INSERT INTO consent (subject, client_id, redirect_uri, scope, audiences, client_fingerprint, granted_at, reach,
                         reach_fingerprint)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $6)
    ON CONFLICT (subject, client_id, redirect_uri) DO UPDATE
       SET scope = excluded.scope,
           audiences = excluded.audiences,
           client_fingerprint = excluded.client_fingerprint,
           granted_at = excluded.granted_at,
           reach = excluded.reach,
           reach_fingerprint = excluded.reach_fingerprint";
const REMOVE: &str = "
    DELETE FROM consent
     WHERE subject = $1
       AND client_id = $2";

/// The consent given before, if any.
///
/// # Errors
/// [`StoreError`]
pub async fn find(
    store: &Store,
    subject: &Subject,
    client_id: &ClientId,
    redirect_uri: &str,
) -> Result<Option<Consent>, StoreError> {
    let row: Option<(String, String, String, Option<String>)> = store
        .fetch_optional(
            FIND,
            params![subject.as_str(), client_id.as_str(), redirect_uri],
        )
        .await?;
    row.map(|(scope, audiences, client_fingerprint, reach)| {
        let scope = Scope::parse(&scope)
            .map_err(|_| StoreError::Internal("a stored scope is malformed".to_owned()))?;
        let reach: Option<Reach> = reach.as_deref().map(serde_json::from_str).transpose()?;
        let audiences = serde_json::from_str(&audiences)?;
        Ok(Consent::remembered(
            scope,
            audiences,
            reach,
            client_fingerprint,
        ))
    })
    .transpose()
}

/// Remembers a consent in place of the former.
///
/// # Errors
/// [`StoreError`]
pub async fn put(
    tx: &mut Tx,
    subject: &Subject,
    client_id: &ClientId,
    redirect_uri: &str,
    consent: &Consent,
    now: i64,
) -> Result<(), StoreError> {
    tx.execute(
        PUT,
        params![
            subject.as_str(),
            client_id.as_str(),
            redirect_uri,
            consent.scope.to_string(),
            serde_json::to_string(&consent.audiences)?,
            &consent.client_fingerprint,
            now,
            consent
                .reach
                .as_ref()
                .map(serde_json::to_string)
                .transpose()?,
        ],
    )
    .await
    .map(drop)
}

/// Forgets what a person allowed a client.
///
/// # Errors
/// [`StoreError`]
pub async fn remove(
    tx: &mut Tx,
    subject: &Subject,
    client_id: &ClientId,
) -> Result<u64, StoreError> {
    tx.execute(REMOVE, params![subject.as_str(), client_id.as_str()])
        .await
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[FIND, PUT, REMOVE];
