//! Passwords that an administrator sets.

use super::users::{Ended, end_everything, find};
use super::{Act, Admin, AdminError, accept};
use crate::domain::account::{canonical_password, check_password};
use crate::domain::{Account, Secret};
use crate::store::accounts as rows;
use serde_json::json;

/// The password in the form that is hashed, or what is wrong with it.
pub(super) fn check(password: &Secret, username: &str) -> Result<String, String> {
    let canonical = canonical_password(password.expose());
    check_password(&canonical, username)?;
    Ok(canonical)
}

/// The checked password; a fault goes to the others.
pub(super) fn collect(
    checked: Option<Result<String, String>>,
    faults: &mut Vec<String>,
) -> Option<String> {
    match checked {
        Some(Ok(password)) => Some(password),
        Some(Err(fault)) => {
            faults.push(fault);
            None
        }
        None => None,
    }
}

/// Sets a person's password; codes, sessions and refresh tokens from before are dead.
///
/// # Errors
/// [`AdminError::Refused`], [`AdminError::Unknown`].
pub async fn set(
    admin: Admin<'_>,
    name: &str,
    password: &Secret,
    now: i64,
) -> Result<(Account, Ended), AdminError> {
    let account = find(admin, name).await?;
    let mut faults = Vec::new();
    let checked = collect(Some(check(password, &account.username)), &mut faults);
    accept(faults)?;
    let hash = admin.passwords.hash(checked.unwrap_or_default()).await?;
    let mut tx = admin.store.begin().await?;
    if !rows::set_password(&mut tx, &account.subject, &hash, now).await? {
        return Err(AdminError::Unknown(format!(
            "there is no user {name:?} any more: see 'gatewright user list'"
        )));
    }
    let ended = end_everything(&mut tx, &account.subject, now, "password set").await?;
    let after = json!({"sessions_ended": ended.sessions, "families_revoked": ended.families});
    let target = account.subject.as_str();
    let act = Act {
        what: "password_set",
        target,
        before: None,
        after: Some(after),
    };
    admin.record(&mut tx, act, now)?;
    tx.commit().await?;
    Ok((account, ended))
}
