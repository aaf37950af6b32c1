//! Who may look at everything: administrators among the people.

use super::users::{Ended, find};
use super::{Act, Admin, AdminError};
use crate::domain::{Account, Subject};
use crate::flows::administration;
use crate::store::{accounts as rows, sessions};
use serde_json::json;

/// What became of a change.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The person.
    pub account: Account,
    /// Their sessions that ended by it: a session id never outlives a change of what it may do.
    pub ended: Ended,
    /// Whether nobody is an administrator now.
    pub none_left: bool,
}

/// Everybody who is one.
///
/// # Errors
/// [`AdminError`]
pub async fn all(admin: Admin<'_>) -> Result<Vec<Subject>, AdminError> {
    let rows = rows::administrations(admin.store).await?;
    let ours = rows
        .into_iter()
        .filter(|row| administration::is_ours(admin.master, row));
    Ok(ours.map(|row| Subject::new(row.subject)).collect())
}

/// Whom the database calls an administrator and we never made one: an older version may have, or somebody who can write
/// the database.
///
/// # Errors
/// [`AdminError`]
pub async fn unsealed(admin: Admin<'_>) -> Result<Vec<Subject>, AdminError> {
    let rows = rows::administrations(admin.store).await?;
    let others = rows
        .into_iter()
        .filter(|row| !administration::is_ours(admin.master, row));
    Ok(others.map(|row| Subject::new(row.subject)).collect())
}

/// Whether a person is one.
///
/// # Errors
/// [`AdminError`]
pub async fn is(admin: Admin<'_>, subject: &Subject) -> Result<bool, AdminError> {
    Ok(administration::administers(admin.store, admin.master, subject).await?)
}

/// Makes a person one, or no longer one.
///
/// # Errors
/// [`AdminError::Unknown`]
pub async fn set(
    admin: Admin<'_>,
    name: &str,
    administrator: bool,
    now: i64,
) -> Result<Changed, AdminError> {
    let account = find(admin, name).await?;
    let mut ended = Ended::default();
    let mut tx = admin.store.begin().await?;
    let subject = &account.subject;
    if administration::set(&mut tx, admin.master, subject, administrator, now).await? {
        ended.sessions = sessions::end_subject(&mut tx, &account.subject).await?;
        let what = if administrator {
            "administrator_granted"
        } else {
            "administrator_removed"
        };
        let act = Act {
            what,
            target: account.subject.as_str(),
            before: Some(json!({"administrator": !administrator})),
            after: Some(json!({"administrator": administrator})),
        };
        admin.record(&mut tx, act, now)?;
        tx.commit().await?;
    }
    let none_left = all(admin).await?.is_empty();
    Ok(Changed {
        account,
        ended,
        none_left,
    })
}
