//! Signing keys: `pending → active → retiring → gone` (ARCHITECTURE, 7).

mod sealed;

pub use sealed::sealed_public;
use sealed::{build, open, public_seal, seal, version};

use super::events::EventStream;
use super::{FlowError, Issuer};
use crate::crypto::signing_key::{self, PrivatePkcs8, SigningKey};
use crate::crypto::{Keyring, MasterKeys};
use crate::domain::event::Happening;
use crate::store::signing_keys::{self, KeyRecord};
use crate::store::{Store, clients, settings};
use gatewright_authorizer::jose::Algorithm;
use std::sync::Arc;

/// What tokens are signed with; the first is the default for access tokens.
pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa];
/// Added to a life time before a key leaves the JWKS, for clocks that are behind. Seconds.
const SKEW_S: i64 = 60;
/// How late a node may notice that a key was published. Seconds.
const POLL_S: i64 = 2;
/// The setting that names the master key that sealed the database.
pub(crate) const MASTER_KEY_ID: &str = "master_key_id";

/// The id of the master key that sealed a database; `None` for one that has none yet.
///
/// # Errors
/// [`FlowError`]
pub async fn sealed_by(store: &Store) -> Result<Option<String>, FlowError> {
    if store.pending_migrations().await? == Store::known_migrations() {
        return Ok(None);
    }
    Ok(settings::get(store, MASTER_KEY_ID).await?)
}

/// Refuses a master key that isn't the one that sealed a database.
///
/// # Errors
/// [`FlowError::Internal`] that names both key ids.
pub fn refuse_another(sealed_by: &str, master: &MasterKeys) -> Result<(), FlowError> {
    if sealed_by == master.id() {
        return Ok(());
    }
    Err(FlowError::Internal(format!(
        "this database was sealed under master key {sealed_by}, and the one given is {}: give the right one \
         (master_key or master_key_file), or restore it from your backup",
        master.id()
    )))
}

/// Refuses a database that another master key sealed, and remembers the first.
///
/// # Errors
/// As [`refuse_another`].
pub async fn check_master_key(store: &Store, master: &MasterKeys) -> Result<(), FlowError> {
    if settings::get(store, MASTER_KEY_ID).await?.is_none() {
        let mut tx = store.begin().await?;
        settings::put_if_absent(&mut tx, MASTER_KEY_ID, master.id()).await?;
        tx.commit().await?;
    }
    let known = settings::get(store, MASTER_KEY_ID).await?;
    refuse_another(&known.unwrap_or_default(), master)
}

/// Makes the first key of each algorithm. It signs at once: nobody can have cached a JWKS without it.
///
/// # Errors
/// [`FlowError`]
pub async fn ensure_first_keys(
    store: &Store,
    master: &MasterKeys,
    events: &EventStream,
    now: i64,
) -> Result<(), FlowError> {
    let entropy = events.entropy();
    let known = signing_keys::all(store).await?;
    for algorithm in ALGORITHMS {
        if known.iter().any(|key| key.algorithm == algorithm.as_str()) {
            continue;
        }
        let entropy_of_task = entropy.clone();
        let private = blocking(move || signing_key::generate(algorithm, &entropy_of_task)).await?;
        let record = seal(master, entropy, algorithm, &private, "active", now, now)?;
        insert(store, events, &record, now).await?;
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, signing_key::KeyError> + Send + 'static,
) -> Result<T, FlowError> {
    let outcome = tokio::task::spawn_blocking(work).await;
    Ok(outcome.map_err(|error| FlowError::Internal(error.to_string()))??)
}

async fn insert(
    store: &Store,
    events: &EventStream,
    record: &KeyRecord,
    now: i64,
) -> Result<bool, FlowError> {
    let mut tx = store.begin().await?;
    if !signing_keys::insert(&mut tx, record).await? {
        return Ok(false);
    }
    let created = Happening::KeyCreated {
        kid: record.kid.clone(),
        alg: record.algorithm.clone(),
        state: record.state.clone(),
    };
    events.record(&mut tx, created, now)?;
    tx.commit().await?;
    Ok(true)
}

/// Reads the keys and opens those that sign.
///
/// # Errors
/// [`FlowError::Internal`] that names a key that can't be opened; a new one is never made in its place.
pub async fn load(store: &Store, master: &MasterKeys) -> Result<Keyring, FlowError> {
    build(master, &signing_keys::all(store).await?)
}

/// What `rotate` and `import` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingKey {
    /// The new key.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// When it begins to sign, Unix seconds.
    pub activates_at: i64,
    /// False if one was pending already: then that one is told.
    pub created: bool,
}

/// Publishes a new key of an algorithm; it begins to sign when every cache has had time to see it. While one
/// is pending, that one is told instead: two nodes that rotate at once make one key.
///
/// # Errors
/// [`FlowError`]
pub async fn rotate(
    store: &Store,
    master: &MasterKeys,
    events: &EventStream,
    algorithm: Algorithm,
    (jwks_max_age_s, now): (i64, i64),
) -> Result<PendingKey, FlowError> {
    let entropy_of_task = events.entropy().clone();
    let private = blocking(move || signing_key::generate(algorithm, &entropy_of_task)).await?;
    publish(
        store,
        master,
        events,
        algorithm,
        &private,
        (jwks_max_age_s, now),
    )
    .await
}

/// Publishes a key that was made elsewhere, in PEM.
///
/// # Errors
/// [`FlowError`]
pub async fn import(
    store: &Store,
    master: &MasterKeys,
    events: &EventStream,
    private: &PrivatePkcs8,
    (jwks_max_age_s, now): (i64, i64),
) -> Result<PendingKey, FlowError> {
    let algorithm = SigningKey::recognise(private)?.algorithm();
    publish(
        store,
        master,
        events,
        algorithm,
        private,
        (jwks_max_age_s, now),
    )
    .await
}

async fn publish(
    store: &Store,
    master: &MasterKeys,
    events: &EventStream,
    algorithm: Algorithm,
    private: &PrivatePkcs8,
    (jwks_max_age_s, now): (i64, i64),
) -> Result<PendingKey, FlowError> {
    let activates_at = now + 2 * jwks_max_age_s + POLL_S;
    let record = seal(
        master,
        events.entropy(),
        algorithm,
        private,
        "pending",
        now,
        activates_at,
    )?;
    let created = insert(store, events, &record, now).await?;
    if created {
        return Ok(PendingKey {
            kid: record.kid,
            algorithm,
            activates_at,
            created,
        });
    }
    let pending = signing_keys::all(store)
        .await?
        .into_iter()
        .find(|key| key.state == "pending" && key.algorithm == algorithm.as_str())
        .ok_or_else(|| {
            FlowError::Internal(format!("key {} was used before: make another", record.kid))
        })?;
    Ok(PendingKey {
        kid: pending.kid,
        algorithm,
        activates_at: pending.activates_at,
        created,
    })
}

/// Takes a pending or retiring key out of the JWKS at once. False for any other.
///
/// # Errors
/// [`FlowError`]
pub async fn retire(
    store: &Store,
    events: &EventStream,
    kid: &str,
    now: i64,
) -> Result<bool, FlowError> {
    let mut tx = store.begin().await?;
    if !signing_keys::withdraw(&mut tx, kid, now).await? {
        return Ok(false);
    }
    let retired = Happening::KeyRetired {
        kid: kid.to_owned(),
    };
    events.record(&mut tx, retired, now)?;
    tx.commit().await?;
    Ok(true)
}

/// What every node does every second: promotes keys whose time has come, forgets keys whose tokens have all
/// expired, rotates on schedule, and takes up what changed.
///
/// # Errors
/// [`FlowError`]; the keys in use stay in use.
pub async fn tick(issuer: &Issuer, now: i64) -> Result<(), FlowError> {
    let store = &issuer.store;
    let records = signing_keys::all(store).await?;
    let state = |state: &str, algorithm: Algorithm| {
        let algorithm = algorithm.as_str();
        records
            .iter()
            .find(|key| key.state == state && key.algorithm == algorithm)
    };
    for algorithm in ALGORITHMS {
        let pending = state("pending", algorithm);
        if let Some(key) = pending.filter(|key| key.activates_at <= now) {
            // A key that nobody can use must not take the place of one that signs.
            if let Err(error) = open(&issuer.master, key) {
                note_rejected(issuer, &key.kid, &error.to_string(), now);
                return Err(error);
            }
            promote(issuer, algorithm, now).await?;
        }
        let period = issuer.settings.rotate_every_days * 86_400;
        let due = state("active", algorithm).is_some_and(|key| key.activates_at + period <= now);
        if period > 0 && pending.is_none() && due {
            let times = (issuer.settings.jwks_max_age_s, now);
            rotate(store, &issuer.master, &issuer.events, algorithm, times).await?;
        }
    }
    if records
        .iter()
        .any(|key| key.state == "retiring" && key.gone_at.is_some_and(|at| at <= now))
    {
        let hints_until = now + issuer.settings.session_absolute_s;
        signing_keys::forget_expired(store, now, hints_until).await?;
    }
    for key in &records {
        if key.public_seal.is_none() && key.state != "gone" && open(&issuer.master, key).is_ok() {
            let seal = public_seal(&issuer.master, &key.kid, &key.algorithm, &key.public_jwk);
            signing_keys::seal_public(store, &key.kid, &seal).await?;
        }
    }
    refresh(issuer).await?;
    for key in issuer.keyring.load().rejected() {
        note_rejected(issuer, &key.kid, &key.cause, now);
    }
    Ok(())
}

fn note_rejected(issuer: &Issuer, kid: &str, cause: &str, now: i64) {
    let rejected = || Happening::KeyRejected {
        kid: kid.to_owned(),
        cause: cause.to_owned(),
    };
    issuer
        .events
        .note_hourly(&format!("key {kid}"), rejected, now);
}

/// Takes up the keys as the database has them now.
///
/// # Errors
/// [`FlowError`]
pub async fn refresh(issuer: &Issuer) -> Result<(), FlowError> {
    let records = signing_keys::all(&issuer.store).await?;
    if version(&records) != issuer.keyring.load().version() {
        issuer
            .keyring
            .store(Arc::new(build(&issuer.master, &records)?));
    }
    Ok(())
}

async fn promote(issuer: &Issuer, algorithm: Algorithm, now: i64) -> Result<(), FlowError> {
    let gone_at = now + longest_lifetime(issuer).await? + SKEW_S;
    let mut tx = issuer.store.begin().await?;
    if let Some((kid, retired)) =
        signing_keys::promote(&mut tx, algorithm.as_str(), now, gone_at).await?
    {
        issuer.record(&mut tx, Happening::KeyActivated { kid }, now)?;
        if let Some(kid) = retired {
            issuer.record(&mut tx, Happening::KeyRetired { kid }, now)?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// The longest that any token lives, seconds.
async fn longest_lifetime(issuer: &Issuer) -> Result<i64, FlowError> {
    const PAGE: i64 = 500;
    let mut longest = issuer
        .settings
        .access_token_s
        .max(issuer.settings.id_token_s);
    let mut after = String::new();
    loop {
        let page = clients::page(&issuer.store, &after, PAGE).await?;
        for client in &page {
            longest = longest.max(client.access_token_s.unwrap_or(0));
        }
        match page.last() {
            Some(last) if page.len() == 500 => last.client_id.as_str().clone_into(&mut after),
            _ => return Ok(longest),
        }
    }
}
