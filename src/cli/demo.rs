//! `gatewright demo`: everything at once, for the newcomer.

use super::args::ConfigArgs;
use super::error::CliError;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Port on the loopback address
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Where the demo keeps its database
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Runs the demo until it is told to stop.
///
/// # Errors
/// [`CliError`]
pub fn run(_args: &DemoArgs, _config: &ConfigArgs) -> Result<ExitCode, CliError> {
    Err(CliError::failed("demo is not built yet"))
}
