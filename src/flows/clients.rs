//! Clients as the hot path sees them: with secrets and keys, from memory, at most a second old.

use super::FlowError;
use crate::domain::{Client, ClientId};
use crate::store::clients::ClientSecretRecord;
use crate::store::{Store, StoreError, clients as rows};
use gatewright_authorizer::jose::JwkSet;
use moka::future::Cache;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a change made elsewhere may go unseen.
const STALENESS: Duration = Duration::from_secs(1);
/// Clients held in memory.
const CAPACITY: u64 = 10_000;
/// How long a scope that a client got may go unnamed in the record.
const SCOPES_STALENESS: Duration = Duration::from_secs(30);
/// Scopes of clients that are known, at most.
const SCOPES: usize = 10_000;
/// Clients read at once.
const PAGE: i64 = 500;

/// A client with what it authenticates by.
#[derive(Debug)]
pub struct RegisteredClient {
    /// The client.
    pub client: Client,
    /// Digests of its secrets.
    pub secrets: Vec<ClientSecretRecord>,
    /// Its public keys.
    pub keys: Option<JwkSet>,
}

/// A bounded snapshot of the client table. Unknown ids are remembered too, so that asking for one takes the
/// same time as asking for a known one.
pub struct ClientCache {
    entries: Cache<String, Option<Arc<RegisteredClient>>>,
    scopes: Cache<(), Arc<BTreeSet<String>>>,
    uses: Mutex<HashMap<String, i64>>,
}

impl Default for ClientCache {
    fn default() -> Self {
        let entries = Cache::builder()
            .max_capacity(CAPACITY)
            .time_to_live(STALENESS)
            .build();
        let scopes = Cache::builder()
            .max_capacity(1)
            .time_to_live(SCOPES_STALENESS)
            .build();
        Self {
            entries,
            scopes,
            uses: Mutex::default(),
        }
    }
}

impl ClientCache {
    /// Finds an enabled client.
    ///
    /// # Errors
    /// [`FlowError`]
    pub async fn find(
        &self,
        store: &Store,
        client_id: &str,
    ) -> Result<Option<Arc<RegisteredClient>>, FlowError> {
        let registered = self.find_any(store, client_id).await?;
        Ok(registered.filter(|registered| !registered.client.disabled))
    }

    /// Finds a client, a disabled one too: for the record, which tells it from one that isn't there. Callers never
    /// learn the difference.
    ///
    /// # Errors
    /// [`FlowError`]
    pub async fn find_any(
        &self,
        store: &Store,
        client_id: &str,
    ) -> Result<Option<Arc<RegisteredClient>>, FlowError> {
        // What nobody can register, PostgreSQL needn't see: it fails on NUL, which a JWT may carry.
        if ClientId::parse_new(client_id).is_err() {
            return Ok(None);
        }
        if let Some(entry) = self.entries.get(client_id).await {
            return Ok(entry);
        }
        let entry = load(store, client_id).await?;
        self.entries
            .insert(client_id.to_owned(), entry.clone())
            .await;
        Ok(entry)
    }

    /// Forgets everything: the next look reads the database.
    pub fn clear(&self) {
        self.entries.invalidate_all();
        self.scopes.invalidate_all();
    }

    /// Every scope that some client may have: configuration, and so fit to be recorded. If the database doesn't answer,
    /// none is known.
    pub async fn scopes(&self, store: &Store) -> Arc<BTreeSet<String>> {
        let known = self.scopes.try_get_with((), scopes_of_clients(store)).await;
        known.unwrap_or_default()
    }
}

async fn scopes_of_clients(store: &Store) -> Result<Arc<BTreeSet<String>>, StoreError> {
    let mut scopes = BTreeSet::new();
    let mut after = String::new();
    loop {
        let clients = rows::page(store, &after, PAGE).await?;
        scopes.extend(
            clients
                .iter()
                .flat_map(|client| client.scope.iter().map(str::to_owned)),
        );
        match clients.last() {
            Some(last) if scopes.len() < SCOPES => {
                last.client_id.as_str().clone_into(&mut after);
            }
            _ => return Ok(Arc::new(scopes)),
        }
    }
}

async fn load(store: &Store, client_id: &str) -> Result<Option<Arc<RegisteredClient>>, FlowError> {
    let client_id = ClientId::new(client_id);
    let Some(client) = rows::find(store, &client_id).await? else {
        return Ok(None);
    };
    if client.disabled {
        // It takes as long as one that isn't there, and has nothing to authenticate by.
        return Ok(Some(Arc::new(RegisteredClient {
            client,
            secrets: Vec::new(),
            keys: None,
        })));
    }
    let secrets = rows::secrets(store, &client_id).await?;
    let keys = client
        .jwks
        .as_ref()
        .and_then(|jwks| JwkSet::parse(jwks.to_string().as_bytes()).ok());
    Ok(Some(Arc::new(RegisteredClient {
        client,
        secrets,
        keys,
    })))
}

impl ClientCache {
    /// Notes that a secret was used, in memory; [`ClientCache::write_uses`] writes it down now and then.
    pub fn note_use(&self, secret: &ClientSecretRecord, now: i64) {
        let minute = now - now.rem_euclid(60);
        if secret.last_used_at.is_some_and(|at| at >= minute) {
            return;
        }
        if let Ok(mut uses) = self.uses.lock()
            && (uses.len() < 10_000 || uses.contains_key(&secret.secret_id))
        {
            uses.insert(secret.secret_id.clone(), minute);
        }
    }

    /// Writes down when secrets were last used.
    ///
    /// # Errors
    /// [`FlowError`]; what could not be written is tried again next time.
    pub async fn write_uses(&self, store: &Store) -> Result<(), FlowError> {
        let uses: Vec<(String, i64)> = match self.uses.lock() {
            Ok(mut uses) => uses.drain().collect(),
            Err(_) => return Ok(()),
        };
        for (secret_id, at) in uses {
            if let Err(error) = rows::note_secret_use(store, &secret_id, at).await {
                if let Ok(mut uses) = self.uses.lock() {
                    uses.entry(secret_id).or_insert(at);
                }
                return Err(error.into());
            }
        }
        Ok(())
    }
}
