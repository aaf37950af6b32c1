//! `gatewright serve`: the issuer.

use super::args::ConfigArgs;
use super::error::CliError;
use super::files::{self, Files};
use super::open::{Migrate, open_migrating};
use super::{metrics, policy_refused, runtime};
use crate::config::Loaded;
use crate::http::{App, router};
use crate::telemetry::Telemetry;
use std::process::ExitCode;

/// Options of `serve`.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Run the issuer until SIGTERM or SIGINT; requests in flight are completed.\n\n\
        An SQLite database is made and migrated by itself. On PostgreSQL run 'gatewright migrate' first, or give\n\
        --migrate; of several nodes that start together one migrates and the others wait.\n\n\
        SIGHUP reads the TLS certificate and key again.",
    after_help = "Example:\n  gatewright --issuer http://127.0.0.1:8080 serve"
)]
pub struct ServeArgs {
    /// Bring the schema of a PostgreSQL database up to date first
    #[arg(long)]
    pub migrate: bool,
}

/// Serves until a signal.
///
/// # Errors
/// [`CliError`]
pub fn run(args: &ServeArgs, config: &ConfigArgs) -> Result<ExitCode, CliError> {
    let loaded = config.load()?;
    let files = files::read(&loaded).inspect_err(|refused| {
        if let Some(cause) = &refused.policy {
            policy_refused::record(&loaded.config, cause);
        }
    })?;
    let telemetry = runtime::telemetry(&loaded.config, &[], None)?;
    runtime::threads()?.block_on(serve(args, &loaded, files, &telemetry))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(
    args: &ServeArgs,
    loaded: &Loaded,
    files: Files,
    telemetry: &Telemetry,
) -> Result<(), CliError> {
    let config = &loaded.config;
    let signal = runtime::shutdown_signal()?;
    let migrate = if args.migrate {
        Migrate::Any
    } else {
        Migrate::Embedded
    };
    let opened = open_migrating(config, migrate, files.master_key).await?;
    for announcement in &opened.announcements {
        tracing::warn!("{announcement}");
    }
    if !opened.migrated.is_empty() {
        tracing::info!(applied = %opened.migrated.join(", "), "database migrated");
    }
    let issuer = Box::pin(runtime::issuer(config, opened, files.scopes)).await?;
    let app = App::new(issuer, runtime::system_clock(), config.cors.origins.clone());
    metrics::watch_spans(telemetry, app.issuer.store.metrics());
    let _exposed = metrics::expose(loaded, app.issuer.store.metrics()).await?;
    let listener = runtime::bind(config).await?;
    tracing::info!(listen = %config.listen, issuer = %config.issuer, "ready");
    runtime::run(
        config,
        files.tls,
        app.clone(),
        router(app),
        listener,
        signal,
        files.notifiers,
    )
    .await
}
