//! Opens what every command and the server work with: the database, the master key, the password pool.

use super::args::now;
use super::error::CliError;
use super::out;
use crate::config::{Announcement, Config, MasterKey, host_name, master_key};
use crate::crypto::password::{HashSettings, PasswordHasher};
use crate::crypto::{Entropy, MasterKeys};
use crate::flows::admin::Admin;
use crate::flows::events::{EventSettings, EventStream};
use crate::flows::keys;
use crate::store::events::{Recorder, verify};
use crate::store::{Backend, Store, StoreOptions};
use std::sync::Arc;

/// Which databases may be migrated on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrate {
    /// SQLite; on PostgreSQL a pending migration is an error that names `gatewright migrate`.
    Embedded,
    /// Either.
    Any,
}

/// A master key that the configuration gives, and what the operator should hear of it.
pub type GivenKey = (MasterKey, Announcement);

/// An installation, ready to work with.
pub struct Opened {
    /// The database, migrated.
    pub store: Store,
    /// Keys derived from the master key; the database is sealed by the same.
    pub master: MasterKeys,
    /// Chance.
    pub entropy: Entropy,
    /// The password pool.
    pub passwords: PasswordHasher,
    /// What happens.
    pub events: EventStream,
    /// What the operator should hear, to be logged or printed.
    pub announcements: Vec<Announcement>,
    /// Names of the migrations that were applied now.
    pub migrated: Vec<String>,
}

impl Opened {
    /// For the use cases of administrators.
    pub fn admin(&self) -> Admin<'_> {
        Admin {
            store: &self.store,
            master: &self.master,
            entropy: &self.entropy,
            passwords: &self.passwords,
            events: &self.events,
            actor: "cli",
        }
    }
}

/// Opens the database as it is.
///
/// # Errors
/// [`CliError::Failed`] that says what to check.
pub async fn open_store(config: &Config) -> Result<Store, CliError> {
    let options = StoreOptions {
        url: config.database.url.clone(),
        max_connections: config.database.max_connections,
        durable: true,
    };
    Store::open(&options)
        .await
        .map_err(|error| CliError::Failed(format!("{}: {error}", config.database.masked_url())))
}

/// Opens everything, and migrates SQLite by itself.
///
/// # Errors
/// [`CliError`]
pub async fn open(config: &Config) -> Result<Opened, CliError> {
    let given = master_key::existing(config).map_err(|error| CliError::usage(error.to_string()))?;
    open_migrating(config, Migrate::Embedded, given).await
}

/// Opens everything with the master key that was given, and migrates what may be migrated.
///
/// # Errors
/// [`CliError`]
pub async fn open_migrating(
    config: &Config,
    migrate: Migrate,
    given: Option<GivenKey>,
) -> Result<Opened, CliError> {
    // The key is read first: a mistake in it leaves nothing behind.
    let given = match given {
        Some(given) => Some(given),
        None => master_key::existing(config)?,
    };
    let store = open_store(config).await?;
    let opened = Box::pin(take_up(config, migrate, given, store.clone())).await;
    if opened.is_err() {
        // What SQLite keeps beside an open database goes with a proper end.
        store.close().await;
    }
    opened
}

async fn take_up(
    config: &Config,
    migrate: Migrate,
    given: Option<GivenKey>,
    store: Store,
) -> Result<Opened, CliError> {
    let given = own_database(config, &store, given).await?;
    let migrated = if migrate == Migrate::Any || store.backend() == Backend::Sqlite {
        store.migrate().await?
    } else {
        refuse_pending(&store).await?;
        Vec::new()
    };
    let (key, announcement) = match given {
        Some(given) => given,
        None => master_key::resolve(config)?,
    };
    let master = derive(&key)?;
    keys::check_master_key(&store, &master).await?;
    let entropy = Entropy::system();
    let passwords = hasher(config, &entropy)?;
    let events = event_stream(config, &store, &master, &entropy);
    verify::begin(&store, events.recorder(), now()).await?;
    let announcements = match announcement {
        Announcement::Quiet => Vec::new(),
        other => vec![other],
    };
    Ok(Opened {
        store,
        master,
        entropy,
        passwords,
        events,
        announcements,
        migrated,
    })
}

/// Refuses a database that another master key sealed, or one that is missing, before anything is made or changed.
async fn own_database(
    config: &Config,
    store: &Store,
    given: Option<GivenKey>,
) -> Result<Option<GivenKey>, CliError> {
    let Some(sealed_by) = keys::sealed_by(store).await? else {
        return Ok(given);
    };
    let given = match given {
        Some(given) => given,
        // Another process may have made both since.
        None => master_key::existing(config)?.ok_or_else(|| {
            let path = config.database.generated_master_key_file();
            CliError::Failed(format!(
                "this database was sealed under master key {sealed_by}, and {} is missing: restore the file from your \
                 backup, or give the key by master_key_file; a new one is never made in its place",
                path.unwrap_or_default().display()
            ))
        })?,
    };
    keys::refuse_another(&sealed_by, &derive(&given.0)?)?;
    Ok(Some(given))
}

/// Opens everything for one command, and prints what the operator should hear. Only a command that makes something
/// makes an SQLite database that isn't there: a mistyped path would else look like an empty installation.
pub(super) async fn for_command(config: &Config, makes: bool) -> Result<Opened, CliError> {
    if !makes
        && let Some(file) = config.database.sqlite_file()
        && !file.exists()
    {
        return Err(CliError::Failed(format!(
            "there is no database at {}: start 'gatewright serve', which makes it, or correct database.url \
             (GATEWRIGHT_DATABASE_URL)",
            file.display()
        )));
    }
    let opened = open(config).await?;
    for announcement in &opened.announcements {
        out::note(announcement);
    }
    Ok(opened)
}

/// An update that names nothing.
pub(super) fn nothing_to_change(what: &str, such_as: &str) -> CliError {
    CliError::usage(format!(
        "nothing to change: name at least one option, such as {such_as}; see 'gatewright {what} update --help'"
    ))
}

/// The keys that a master key stands for.
///
/// # Errors
/// [`CliError::Failed`] if the library refuses, which it never does.
pub fn derive(key: &master_key::MasterKey) -> Result<MasterKeys, CliError> {
    MasterKeys::derive(key.expose()).ok_or_else(|| {
        CliError::failed("no keys can be derived from the master key: report this as a defect")
    })
}

/// The stream of events of a node as configured.
pub fn event_stream(
    config: &Config,
    store: &Store,
    master: &MasterKeys,
    entropy: &Entropy,
) -> EventStream {
    let node = config.node.clone().unwrap_or_else(host_name);
    let metrics = Arc::clone(store.metrics());
    let recorder = Recorder::new(&node, master.events.clone())
        .watched_by(Arc::new(move |event| metrics.saw(event)));
    let settings = EventSettings {
        addresses: config.events.addresses.into(),
        tokens_per_s: config.events.tokens_per_s,
        decisions_per_s: config.events.decisions_per_s,
        refusals_per_minute: config.events.refusals_per_minute,
        queue: config.events.queue,
    };
    EventStream::new(recorder, entropy.clone(), settings)
}

/// The password pool with the configured costs.
///
/// # Errors
/// [`CliError::Usage`] for costs that argon2 doesn't take.
pub fn hasher(config: &Config, entropy: &Entropy) -> Result<PasswordHasher, CliError> {
    let password = &config.password;
    let settings = HashSettings {
        memory_kib: password.memory_kib,
        iterations: password.iterations,
        parallelism: password.parallelism,
        slots: password.slots,
        queue: password.queue,
    };
    PasswordHasher::new(settings, entropy.clone()).map_err(|_| {
        CliError::usage("argon2 doesn't take these costs: check the section [password]")
    })
}

async fn refuse_pending(store: &Store) -> Result<(), CliError> {
    let pending = store.pending_migrations().await?;
    if pending.is_empty() {
        return Ok(());
    }
    Err(CliError::Failed(format!(
        "the database lacks {} ({}): run 'gatewright migrate' first, or 'gatewright serve --migrate'",
        if pending.len() == 1 {
            "a migration"
        } else {
            "migrations"
        },
        pending.join(", ")
    )))
}
