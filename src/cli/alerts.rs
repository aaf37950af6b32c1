//! `gatewright alerts`: what is wrong, who has taken notice, and whether messages arrive.

use super::args::{ConfigArgs, OutputArgs, now};
use super::error::CliError;
use super::open::{self, Opened};
use super::{notifiers, out};
use crate::config::{Config, ConfigError, Loaded, Problem};
use crate::flows::admin::{Admin, alerts};
use crate::flows::alerts::{AlertSettings, message};
use crate::notify::Notifiers;
use crate::store::alerts::AlertRow;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Alerts that are listed, at most.
const LISTED: i64 = 10_000;

/// Commands on alerts.
#[derive(Debug, clap::Subcommand)]
pub enum AlertsCommand {
    /// List alerts that are not over, latest first
    #[command(after_help = "docs/alerts.md has every rule with its default, and how to change it.")]
    List(ListArgs),
    /// Take notice of an alert
    Ack(AckArgs),
    /// Send a test message by every notifier, and say what became of it
    Test(TestArgs),
}

/// Arguments of `alerts list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Also those that are over
    #[arg(long)]
    all: bool,
    /// With --all: alerts, at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=LISTED))]
    limit: i64,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `alerts ack`.
#[derive(Debug, clap::Args)]
pub struct AckArgs {
    /// The alert's id, as in 'alerts list'
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    alert_id: String,
    /// Who takes notice, for the record
    #[arg(long, value_name = "NAME", default_value = "cli")]
    by: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Arguments of `alerts test`.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs a command on alerts.
pub async fn run(command: AlertsCommand, config: &ConfigArgs) -> Result<ExitCode, CliError> {
    let loaded = config.load()?;
    if let AlertsCommand::Test(args) = command {
        return test(&loaded, args.output).await;
    }
    let opened = open::for_command(&loaded.config, false).await?;
    let settings = notifiers::settings(&loaded.config.alerts, &Notifiers::default());
    match command {
        AlertsCommand::List(args) => list(&opened, &settings, &args).await?,
        AlertsCommand::Ack(args) => acknowledge(&opened, &settings, &args).await?,
        AlertsCommand::Test(_) => {}
    }
    opened.store.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn list(opened: &Opened, settings: &AlertSettings, args: &ListArgs) -> Result<(), CliError> {
    let found = alerts::list(opened.admin(), args.all, args.limit).await?;
    let nothing = "No alert is open.";
    let mut listing = out::Listing::begin(args.output.json, "alerts", nothing)?;
    for alert in &found {
        listing.entry(
            &message::shown(settings, alert),
            &[
                ("ALERT", 22, alert.alert_id.clone()),
                ("STATUS", 12, message::status(alert).to_owned()),
                ("RULE", 22, alert.rule.clone()),
                ("SINCE", 20, out::rfc3339(alert.since)),
                ("LAST SEEN", 20, out::rfc3339(alert.seen_at)),
                ("WHAT", 0, printable(&alert.summary)),
            ],
        )?;
    }
    listing.end()
}

async fn acknowledge(
    opened: &Opened,
    settings: &AlertSettings,
    args: &AckArgs,
) -> Result<(), CliError> {
    let admin = Admin {
        actor: &args.by,
        ..opened.admin()
    };
    let alert: AlertRow = alerts::acknowledge(admin, &args.alert_id, now()).await?;
    if args.output.json {
        return out::json(&message::shown(settings, &alert));
    }
    out::print(&format!(
        "alert {} ({}) is acknowledged by {}\n",
        alert.alert_id,
        alert.rule,
        printable(&args.by)
    ))
}

async fn test(loaded: &Loaded, output: OutputArgs) -> Result<ExitCode, CliError> {
    let config: &Config = &loaded.config;
    let notifiers = notifiers::load(config).map_err(|faults| ConfigError {
        problems: faults
            .into_iter()
            .map(|(setting, what)| loaded.problem(setting, what))
            .collect::<Vec<Problem>>(),
    })?;
    let names = notifiers.names();
    if names.is_empty() {
        return Err(CliError::usage(
            "no notifier is configured, alerts go to the log alone: set alerts.webhook_url or alerts.email_server; \
             see docs/alerts.md",
        ));
    }
    let body = message::test(&config.issuer, now()).to_string();
    let mut outcomes = Vec::new();
    for name in names {
        let outcome = notifiers.send(&name, "test", &body, now()).await;
        outcomes.push((name, outcome));
    }
    let failed = outcomes.iter().any(|(_, outcome)| outcome.is_err());
    if output.json {
        let notifiers: Vec<Value> = outcomes
            .iter()
            .map(|(name, outcome)| {
                json!({"notifier": name, "delivered": outcome.is_ok(), "error": outcome.as_ref().err()})
            })
            .collect();
        out::json(&json!({ "notifiers": notifiers }))?;
    } else {
        for (name, outcome) in &outcomes {
            let words = match outcome {
                Ok(()) => "delivered".to_owned(),
                Err(error) => format!("NOT delivered: {}", printable(error)),
            };
            out::print(&format!("{name}: {words}\n"))?;
        }
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Without what would move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
