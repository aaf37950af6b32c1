//! Signing keys as administrators see them.

use super::{Admin, AdminError};
use crate::crypto::signing_key;
use crate::flows::keys::{self, ALGORITHMS, MASTER_KEY_ID, PendingKey};
use crate::store::settings;
use crate::store::signing_keys::{self as rows, KeyRecord};
use gatewright_authorizer::jose::Algorithm;

/// How long a key may be due before something is wrong with the servers, seconds.
const OVERDUE_S: i64 = 30;

/// Every key there ever was, oldest first.
///
/// # Errors
/// [`AdminError`]
pub async fn list(admin: Admin<'_>) -> Result<Vec<KeyRecord>, AdminError> {
    Ok(rows::all(admin.store).await?)
}

/// Publishes a new key of each algorithm; see [`keys::rotate`].
///
/// # Errors
/// [`AdminError`]
pub async fn rotate(
    admin: Admin<'_>,
    algorithms: &[Algorithm],
    jwks_max_age_s: i64,
    now: i64,
) -> Result<Vec<PendingKey>, AdminError> {
    keys::ensure_first_keys(admin.store, admin.master, admin.events, now).await?;
    let mut made = Vec::new();
    for algorithm in algorithms {
        let times = (jwks_max_age_s, now);
        made.push(keys::rotate(admin.store, admin.master, admin.events, *algorithm, times).await?);
    }
    Ok(made)
}

/// Publishes a key that was made elsewhere.
///
/// # Errors
/// [`AdminError::Refused`] for a file that is no such key, [`AdminError::Conflict`] while another key of its
/// algorithm is pending.
pub async fn import(
    admin: Admin<'_>,
    pem: &str,
    jwks_max_age_s: i64,
    now: i64,
) -> Result<PendingKey, AdminError> {
    let refused = |error: signing_key::KeyError| AdminError::Refused(vec![error.to_string()]);
    let private = signing_key::import_pem(pem).map_err(refused)?;
    let key = signing_key::SigningKey::recognise(&private).map_err(refused)?;
    let known = rows::all(admin.store).await?;
    if let Some(same) = known.iter().find(|record| record.kid == key.kid()) {
        return Err(AdminError::Conflict(format!(
            "key {} is here already, {}: see 'gatewright key list --all'; a key is never used twice",
            same.kid, same.state
        )));
    }
    keys::ensure_first_keys(admin.store, admin.master, admin.events, now).await?;
    let times = (jwks_max_age_s, now);
    let pending = keys::import(admin.store, admin.master, admin.events, &private, times).await?;
    if pending.created {
        return Ok(pending);
    }
    Err(AdminError::Conflict(format!(
        "another {} key is pending: {}. Wait until it signs, or take it back with 'gatewright key retire {}', and \
         import again",
        pending.algorithm, pending.kid, pending.kid
    )))
}

/// Takes a pending or retiring key out of the JWKS at once.
///
/// # Errors
/// [`AdminError::Conflict`] for the key that signs, [`AdminError::Unknown`].
pub async fn retire(admin: Admin<'_>, kid: &str, now: i64) -> Result<(), AdminError> {
    if keys::retire(admin.store, admin.events, kid, now).await? {
        return Ok(());
    }
    let known = rows::all(admin.store).await?;
    match known
        .iter()
        .find(|key| key.kid == kid)
        .map(|key| key.state.as_str())
    {
        Some("active") => Err(AdminError::Conflict(format!(
            "key {kid} signs tokens now: rotate first with 'gatewright key rotate', and retire it when it is 'retiring'"
        ))),
        Some("gone") => Err(AdminError::Conflict(format!(
            "key {kid} is gone already: nothing to do"
        ))),
        _ => Err(AdminError::Unknown(format!(
            "there is no key {kid:?}: see 'gatewright key list'"
        ))),
    }
}

/// What is wrong with the keys, each with what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysReport {
    /// Algorithms with a key that signs.
    pub active: Vec<Algorithm>,
    /// Algorithms without one.
    pub without: Vec<Algorithm>,
    /// Pending keys whose time has come and that no server took up.
    pub overdue: Vec<String>,
    /// The id of the master key that sealed the database, if it is another than the one given.
    pub sealed_by_another: Option<String>,
    /// Why the keys can't be opened.
    pub unreadable: Option<String>,
    /// Keys that are left out, for we never wrote their rows.
    pub rejected: Vec<String>,
}

/// Looks at the keys without changing anything.
///
/// # Errors
/// [`AdminError`]
pub async fn examine(admin: Admin<'_>, now: i64) -> Result<KeysReport, AdminError> {
    let mut report = KeysReport::default();
    let known = rows::all(admin.store).await?;
    for algorithm in ALGORITHMS {
        let of = |state: &str| {
            known
                .iter()
                .find(|key| key.algorithm == algorithm.as_str() && key.state == state)
        };
        match of("active") {
            Some(_) => report.active.push(algorithm),
            None => report.without.push(algorithm),
        }
        if let Some(pending) = of("pending").filter(|key| key.activates_at + OVERDUE_S < now) {
            report.overdue.push(pending.kid.clone());
        }
    }
    let sealed_by = settings::get(admin.store, MASTER_KEY_ID).await?;
    report.sealed_by_another = sealed_by.filter(|id| id != admin.master.id());
    match keys::load(admin.store, admin.master).await {
        Ok(keyring) => {
            let rejected = keyring.rejected().iter();
            report.rejected = rejected.map(|key| key.kid.clone()).collect();
        }
        Err(error) => report.unreadable = Some(error.to_string()),
    }
    let is_forged = |key: &&KeyRecord| {
        key.state == "gone"
            && key.public_seal.is_some()
            && keys::sealed_public(admin.master, key).is_none()
    };
    let forged = known.iter().filter(is_forged);
    report.rejected.extend(forged.map(|key| key.kid.clone()));
    Ok(report)
}
