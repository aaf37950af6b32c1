//! A policy file that can't be used stops `serve` before anything is made. If the installation is there already, that is
//! recorded, for whoever looks at the events and not at this node's output.
//!
//! The start fails all the same, with the same words: here nothing is made, nothing is waited for, nothing is told.

#![expect(clippy::disallowed_methods, reason = "the clock enters here")]

use super::error::CliError;
use super::open;
use crate::config::{Config, host_name, master_key};
use crate::crypto::Entropy;
use crate::flows::policy_refusal::{self, PolicyRefusal};
use crate::store::{Store, StoreOptions};
use gatewright_authorizer::fetch::unix_now;
use std::fmt::Display;
use std::time::Duration;
use tokio::time::timeout;

/// How long a database that doesn't answer may hold up the error: longer than the store waits for it.
const PATIENCE: Duration = Duration::from_secs(6);

/// Records that the policy file can't be used, where there is an installation that it can be recorded in.
pub(super) fn record(config: &Config, cause: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else { return };
    // The error that is printed next is what counts: this one is nobody's.
    let _ = runtime.block_on(async { timeout(PATIENCE, Box::pin(attempt(config, cause))).await });
    // Nor is a thread waited for that waits for a lock.
    runtime.shutdown_background();
}

async fn attempt(config: &Config, cause: &str) -> Result<bool, CliError> {
    let (Some(file), Some((key, _))) = (&config.policy.file, master_key::existing(config)?) else {
        return Ok(false);
    };
    let options = StoreOptions {
        url: config.database.url.clone(),
        max_connections: 1,
        durable: true,
    };
    let Some(store) = Store::open_existing(&options).await.map_err(failed)? else {
        return Ok(false);
    };
    let (master, entropy) = (open::derive(&key)?, Entropy::system());
    let events = open::event_stream(config, &store, &master, &entropy);
    let refusal = PolicyRefusal {
        file: &file.display().to_string(),
        cause,
        node: &config.node.clone().unwrap_or_else(host_name),
    };
    let recorded = policy_refusal::record(&store, &master, &events, refusal, unix_now()).await;
    store.close().await;
    recorded.map_err(failed)
}

fn failed(error: impl Display) -> CliError {
    CliError::failed(error.to_string())
}
