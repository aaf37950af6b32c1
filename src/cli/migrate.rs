//! `gatewright migrate`: the schema.

use super::args::{ConfigArgs, OutputArgs};
use super::error::CliError;
use super::{open, out};
use crate::store::Store;
use serde_json::json;
use std::process::ExitCode;

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "SQLite is migrated by every command that opens it. On PostgreSQL run this before the new version\n\
    serves; the version before it works on, so nodes can be replaced one by one."
)]
pub struct MigrateArgs {
    /// List what would be applied, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Applies what is missing, or lists it.
pub async fn run(args: &MigrateArgs, config: &ConfigArgs) -> Result<ExitCode, CliError> {
    let config = config.load()?.config;
    let absent = config
        .database
        .sqlite_file()
        .is_some_and(|file| !file.exists());
    let names = if args.dry_run && absent {
        Store::known_migrations()
    } else {
        let store = open::open_store(&config).await?;
        let names = if args.dry_run {
            store.pending_migrations().await?
        } else {
            store.migrate().await?
        };
        store.close().await;
        names
    };
    if args.output.json {
        let member = if args.dry_run { "pending" } else { "applied" };
        out::json(&json!({ member: names }))?;
    } else if names.is_empty() {
        out::print("the database is up to date\n")?;
    } else {
        let what = if args.dry_run {
            "would apply"
        } else {
            "applied"
        };
        let lines: Vec<String> = names
            .iter()
            .map(|name| format!("{what} {name}\n"))
            .collect();
        out::print(&lines.concat())?;
    }
    Ok(ExitCode::SUCCESS)
}
