//! `gatewright serve`: the issuer.

use super::runtime::{self, RunError};
use crate::config::Config;
use crate::crypto::MasterKeys;
use crate::http::{App, router};
use crate::store::Store;

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Bring the schema of a PostgreSQL database up to date first (SQLite always is)
    #[arg(long)]
    pub migrate: bool,
}

/// Serves until a signal. The database is open and its schema current.
///
/// # Errors
/// [`RunError`]
pub async fn run(config: &Config, store: Store, master: MasterKeys) -> Result<(), RunError> {
    let issuer = runtime::issuer(config, store, master).await?;
    let app = App::new(issuer, runtime::system_clock(), config.cors.origins.clone());
    let listener = runtime::bind(config).await?;
    tracing::info!(listen = %config.listen, issuer = %config.issuer, "ready");
    runtime::run(config, app.clone(), router(app), listener).await
}
