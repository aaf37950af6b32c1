//! `gatewright doctor`: what is wrong with this installation, each finding with a remedy. It changes nothing but the modes of
//! a database's files that are open to others.

mod findings;
mod inspect;
mod policy;
mod proxies;

use super::args::{ConfigArgs, OutputArgs};
use super::error::CliError;
use super::out;
use findings::{Findings, State};
use serde_json::json;
use std::process::ExitCode;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Looks at the database and its migrations, the clocks, the master key and the signing keys, the record of\n\
    events, proxies that aren't trusted, the policy file against issuer and clients, the issuer's URL as clients see it, and the modes of secret files. Exit code 0 if nothing failed (warnings don't count),\n\
    else 1."
)]
pub struct DoctorArgs {
    #[command(flatten)]
    output: OutputArgs,
}

/// Looks at everything and prints the findings.
pub async fn run(args: &DoctorArgs, config: &ConfigArgs) -> Result<ExitCode, CliError> {
    let loaded = config.load()?;
    let config = &loaded.config;
    let mut findings = Findings::default();
    // Before the database is opened, which takes away what others may do with its files.
    inspect::file_modes(&loaded, &mut findings);
    let master = inspect::master_key(config, &mut findings);
    if let Some(store) = inspect::database(config, &mut findings).await {
        inspect::clock(&store, &mut findings).await;
        if let Some(master) = &master {
            inspect::keys(config, &store, master, &mut findings).await;
        }
        policy::events(&store, &mut findings).await;
        proxies::untrusted(config, &store, &mut findings).await;
        if let Some(policy) = policy::file(config, &mut findings) {
            policy::scopes(policy, &store, &mut findings).await;
        }
        store.close().await;
    }
    inspect::issuer(config, &mut findings).await;
    let healthy = findings.worst() != State::Fail;
    if args.output.json {
        out::json(&json!({"healthy": healthy, "findings": findings.json()}))?;
    } else {
        out::print(&findings.words())?;
    }
    Ok(if healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
