//! Who is an administrator: whom the holder of the master key made one, and nobody whom the database alone calls so.

use crate::crypto::MasterKeys;
use crate::crypto::token::equal;
use crate::domain::Subject;
use crate::store::accounts::{self, Administration};
use crate::store::{Store, StoreError, Tx};

fn seal(master: &MasterKeys, subject: &str, granted_at: i64) -> String {
    master.row_seal("administrator", &[subject, &granted_at.to_string()])
}

/// Whether we wrote this row.
pub fn is_ours(master: &MasterKeys, row: &Administration) -> bool {
    let expected = seal(master, &row.subject, row.granted_at);
    row.seal
        .as_deref()
        .is_some_and(|seal| equal(&expected, seal))
}

/// Whether a person is an administrator now.
///
/// # Errors
/// [`StoreError`]
pub async fn administers(
    store: &Store,
    master: &MasterKeys,
    subject: &Subject,
) -> Result<bool, StoreError> {
    let row = accounts::administration(store, subject).await?;
    Ok(row.is_some_and(|row| is_ours(master, &row)))
}

/// Whether a person is an administrator, in a transaction.
///
/// # Errors
/// [`StoreError`]
pub async fn administers_in(
    tx: &mut Tx,
    master: &MasterKeys,
    subject: &Subject,
) -> Result<bool, StoreError> {
    let row = accounts::administration_in(tx, subject).await?;
    Ok(row.is_some_and(|row| is_ours(master, &row)))
}

/// Makes a person an administrator, or no longer one. False if nothing changed by it.
///
/// # Errors
/// [`StoreError::Conflict`] if there is no such person.
pub async fn set(
    tx: &mut Tx,
    master: &MasterKeys,
    subject: &Subject,
    administrator: bool,
    now: i64,
) -> Result<bool, StoreError> {
    if !administrator {
        return accounts::take_administration(tx, subject).await;
    }
    if administers_in(tx, master, subject).await? {
        return Ok(false);
    }
    let seal = seal(master, subject.as_str(), now);
    accounts::grant_administration(tx, subject, (now, &seal)).await?;
    Ok(true)
}
