//! `gatewright serve`: the issuer.

use super::args::ConfigArgs;
use super::error::CliError;
use std::process::ExitCode;

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Apply pending migrations on PostgreSQL, too; on SQLite that happens by itself
    #[arg(long)]
    pub migrate: bool,
}

/// Serves until it is told to stop.
///
/// # Errors
/// [`CliError`]
pub fn run(_args: &ServeArgs, _config: &ConfigArgs) -> Result<ExitCode, CliError> {
    Err(CliError::failed("serve is not built yet"))
}
