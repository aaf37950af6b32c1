//! `gatewright policy`: the authorizer's policy file, judged by the authorizer's own code.

mod cases;
mod check;
mod claims;
mod explain;
mod openapi;
mod presented;
mod question;

use super::args::{NoConfigArgs, read_file};
use super::error::CliError;
use gatewright_authorizer::policy::{Policy, PolicyError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `policy`.
#[derive(Debug, clap::Args)]
pub struct PolicyArgs {
    /// What to do
    #[command(subcommand)]
    pub command: PolicyCommand,
    #[command(flatten)]
    no_config: NoConfigArgs,
}

/// Commands on policy files.
#[derive(Debug, clap::Subcommand)]
pub enum PolicyCommand {
    /// Check a policy file: mistakes with line and column, then what is probably not meant
    #[command(after_help = "Examples:\n  \
        gatewright policy check --policy policy.toml --openapi openapi.yaml\n  \
        gatewright client list --json | gatewright policy check --policy policy.toml --clients -\n\n\
        Exit codes: 0 if the file can be used (1 with --strict and findings), 2 for a mistake.")]
    Check(check::CheckArgs),
    /// Say what the authorizer decides on a call, and why
    #[command(after_help = "Examples:\n  \
        gatewright policy explain --policy policy.toml --token \"$T\" --method GET --path /orders/7\n  \
        gatewright policy explain --policy policy.toml --claims '{\"scope\": \"orders:read\"}' --method GET --path /orders/7\n  \
        gatewright policy explain --policy policy.toml --token \"$T\" --proof \"$P\" --url https://api.example.com/orders/7 \\\n      \
            --method GET --path /orders/7\n  \
        gatewright policy explain --policy policy.toml --token \"$T\" --field Query.orders\n  \
        gatewright policy explain --policy policy.toml --event event.json\n  \
        gatewright policy explain --reason proof_replayed\n\n\
        Exit codes: 0 for any verdict, 1 if the issuer's keys can't be fetched, 2 for a wrong policy file.")]
    Explain(Box<explain::ExplainArgs>),
    /// Run a table of calls with the verdicts that they should have
    #[command(after_help = cases::HELP)]
    Test(cases::TestArgs),
}

/// Runs a command on policy files.
pub async fn run(command: PolicyCommand) -> Result<ExitCode, CliError> {
    match command {
        PolicyCommand::Check(args) => check::run(&args),
        PolicyCommand::Explain(args) => explain::run(&args).await,
        PolicyCommand::Test(args) => cases::run(&args),
    }
}

fn read(path: &Path) -> Result<Policy, CliError> {
    Policy::parse(&read_file(path)?).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &PolicyError) -> CliError {
    CliError::usage(format!("{}: {error}", path.display()))
}

fn unusable_time(place: &str, text: &str) -> CliError {
    CliError::usage(format!(
        "{place}: {text:?} is no time: write it like 2026-01-31T12:00:00Z"
    ))
}

/// A file beside another one.
fn beside(file: &Path, name: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}
