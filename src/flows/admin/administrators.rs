//! Who may look at everything: administrators among the people.

use super::users::{Ended, find};
use super::{Act, Admin, AdminError};
use crate::domain::{Account, Subject};
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
    Ok(rows::administrators(admin.store).await?)
}

/// Whether a person is one.
///
/// # Errors
/// [`AdminError`]
pub async fn is(admin: Admin<'_>, subject: &Subject) -> Result<bool, AdminError> {
    Ok(rows::administers(admin.store, subject).await?)
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
    if rows::set_administrator(&mut tx, &account.subject, administrator, now).await? {
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
