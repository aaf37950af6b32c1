//! Browsers that accounts know.

use super::{Store, StoreError, Tx, params};
use crate::domain::Subject;

/// Those who logged in with the device since their credentials last changed.
const KNOWN_TO: &str = "
    SELECT d.subject
      FROM known_device d
      JOIN account a ON a.subject = d.subject
     WHERE d.device_id = $1
       AND d.expires_at > $2
       AND d.credentials_epoch = a.password_changed_at";
const REMEMBER: &str = "
    INSERT INTO known_device (subject, device_id, credentials_epoch, used_at, expires_at)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (subject, device_id) DO UPDATE
       SET credentials_epoch = excluded.credentials_epoch,
           used_at = excluded.used_at,
           expires_at = excluded.expires_at";
/// Those that were used longest ago go; the one just used stays.
const FORGET_OTHERS: &str = "
    DELETE FROM known_device
     WHERE subject = $1
       AND device_id <> $2
       AND device_id NOT IN (SELECT device_id
                               FROM known_device
                              WHERE subject = $1
                                AND device_id <> $2
                              ORDER BY used_at DESC, device_id
                              LIMIT $3)";
const FORGET_SUBJECT: &str = "DELETE FROM known_device WHERE subject = $1";

/// A login with a device.
pub struct Use<'a> {
    /// Who logged in.
    pub subject: &'a Subject,
    /// The device's id.
    pub device_id: &'a str,
    /// The account's `password_changed_at`: the device is unknown once that is another.
    pub credentials_epoch: i64,
    /// When it is forgotten unless it's used again, Unix seconds.
    pub expires_at: i64,
}

/// Who knows a device.
///
/// # Errors
/// [`StoreError`]
pub async fn known_to(
    store: &Store,
    device_id: &str,
    now: i64,
) -> Result<Vec<Subject>, StoreError> {
    let rows: Vec<(String,)> = store.fetch_all(KNOWN_TO, params![device_id, now]).await?;
    Ok(rows
        .into_iter()
        .map(|(subject,)| Subject::new(subject))
        .collect())
}

/// Makes a device known to whoever logged in with it, and forgets those beyond the `most` last used.
///
/// # Errors
/// [`StoreError`]
pub async fn remember(tx: &mut Tx, used: &Use<'_>, most: i64, now: i64) -> Result<(), StoreError> {
    let (subject, device_id) = (used.subject.as_str(), used.device_id);
    tx.execute(
        REMEMBER,
        params![
            subject,
            device_id,
            used.credentials_epoch,
            now,
            used.expires_at
        ],
    )
    .await?;
    tx.execute(FORGET_OTHERS, params![subject, device_id, most - 1])
        .await
        .map(drop)
}

/// Makes every device unknown to a person.
///
/// # Errors
/// [`StoreError`]
pub async fn forget_subject(tx: &mut Tx, subject: &Subject) -> Result<u64, StoreError> {
    tx.execute(FORGET_SUBJECT, params![subject.as_str()]).await
}

/// The statements of this file, for the test that prepares each on both databases.
pub const STATEMENTS: &[&str] = &[KNOWN_TO, REMEMBER, FORGET_OTHERS, FORGET_SUBJECT];
