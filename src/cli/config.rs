//! `gatewright config`: what counts, and why.

use super::args::{ConfigArgs, OutputArgs};
use super::error::CliError;
use super::{files, out};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Commands on the configuration.
#[derive(Debug, clap::Subcommand)]
pub enum ConfigCommand {
    /// Check file, environment and flags; says everything that is wrong
    Check(OutputArgs),
    /// Show every effective value and where it came from; secrets are masked
    Show(OutputArgs),
}

/// Runs a command on the configuration.
pub fn run(command: &ConfigCommand, config: &ConfigArgs) -> Result<ExitCode, CliError> {
    match command {
        ConfigCommand::Check(output) => check(*output, config)?,
        ConfigCommand::Show(output) => show(*output, config)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn check(output: OutputArgs, config: &ConfigArgs) -> Result<(), CliError> {
    let outcome = files::load(config);
    if output.json {
        let problems: Vec<Value> = match &outcome {
            Err(CliError::Config(error)) => {
                let problem = |problem: &crate::config::Problem| {
                    let source = problem.source.as_ref().map(ToString::to_string);
                    json!({"key": problem.key, "source": source, "what": problem.what})
                };
                error.problems.iter().map(problem).collect()
            }
            _ => Vec::new(),
        };
        out::json(&json!({"valid": outcome.is_ok(), "problems": problems}))?;
        return outcome.map(drop);
    }
    outcome?;
    out::print("the configuration is valid\n")
}

fn show(output: OutputArgs, config: &ConfigArgs) -> Result<(), CliError> {
    let settings = config.load()?.show();
    let width = settings
        .iter()
        .map(|setting| setting.value_masked.chars().count())
        .max()
        .unwrap_or(0);
    let mut listing = out::Listing::begin(output.json, "settings", "no settings")?;
    for setting in settings {
        let source = setting.source.to_string();
        listing.entry(
            &json!({"key": setting.key, "value": setting.value, "source": source}),
            &[
                ("KEY", 26, setting.key.to_owned()),
                ("VALUE", width.min(48), setting.value_masked.clone()),
                ("SOURCE", 0, source),
            ],
        )?;
    }
    listing.end()
}
