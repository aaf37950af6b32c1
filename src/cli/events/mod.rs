//! `gatewright events`: what happened, searched, followed, verified, taken out and brought in.

mod export;
mod import;
mod search;
mod tail;
mod verify;

use super::args::{ConfigArgs, now};
use super::error::CliError;
use super::{open, out};
use crate::flows::admin::events;
use crate::store::events::EventRow;
use import::Destination;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::process::ExitCode;

/// Commands on events.
#[derive(Debug, clap::Subcommand)]
pub enum EventsCommand {
    /// Find events, newest first
    #[command(
        after_help = "Examples:\n  gatewright events search --user ada --since 1h\n  \
        gatewright events search --kind login_failed --address 203.0.113.7 --json\n\n\
        docs/events.md has every kind and its fields."
    )]
    Search(Box<search::SearchArgs>),
    /// Follow events as they are written, until interrupted
    Tail(tail::TailArgs),
    /// Find events that were altered, removed or inserted
    #[command(
        after_help = "Each node chains its events under a key that is derived from the master key, and signs the end of\n\
        its chain every minute; the log has each signed end. Exit code 1 if anything isn't as it was written.\n\n\
        Whoever has database and master key can forge a chain. Keep the log's lines of the target\n\
        gatewright::event_head elsewhere, and give them here: a chain that was cut short or forged doesn't fit them."
    )]
    Verify(verify::VerifyArgs),
    /// Write events as JSON lines, oldest first
    Export(export::ExportArgs),
    /// Bring in an authorizer's decision log, so that searches, alerts and explanations know of it
    #[command(
        after_help = "Lines that are no decisions are passed over; a decision that is here already is not added again.\n\n\
        Examples:\n  gatewright events import decisions.log\n  \
        aws logs tail /aws/lambda/orders-authorizer --follow | gatewright events import -\n\n\
        From a machine without the database, through the issuer's admin API (docs/admin-api.md):\n  \
        gatewright events import decisions.log --to https://id.example.com --client gate --secret-file secret"
    )]
    Import(import::ImportArgs),
}

/// Runs a command on events.
pub async fn run(command: EventsCommand, config: &ConfigArgs) -> Result<ExitCode, CliError> {
    if let EventsCommand::Import(args) = &command
        && let Some(shipper) = args.shipper()?
    {
        config.refuse_for("events import --to")?;
        return import::run(Destination::Issuer(shipper), args).await;
    }
    let config = config.load()?.config;
    let opened = open::for_command(&config, false).await?;
    match command {
        EventsCommand::Search(args) => search::run(&opened, *args).await,
        EventsCommand::Tail(args) => tail::run(&opened, &args).await,
        EventsCommand::Verify(args) => verify::run(&opened, &args).await,
        EventsCommand::Export(args) => export::run(&opened, &args).await,
        EventsCommand::Import(args) => import::run(Destination::Database(&opened), &args).await,
    }
}

/// A moment, held against the clock of this machine.
fn moment(text: &str) -> Result<i64, String> {
    events::moment(text, now())
}

/// One event as a line to read.
fn line(row: &EventRow) -> String {
    let mut text = format!(
        "{} {:8} {}",
        out::rfc3339(row.at),
        row.severity().as_str(),
        row.kind
    );
    let mut put = |name: &str, value: &str| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, " {name}={}", shown(value));
    };
    for (name, value) in row.fields() {
        put(&name, &plain(&value));
    }
    for (name, value) in [
        ("address", &row.address),
        ("device", &row.device),
        ("request_id", &row.request_id),
        ("trace_id", &row.trace_id),
        ("writer", &row.writer),
    ] {
        if let Some(value) = value {
            put(name, value);
        }
    }
    text
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Quoted where it could be taken for something else; without what would move a terminal's cursor.
fn shown(value: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\');
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("{value:?}")
    }
}

/// An object of one member.
fn object(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_others_wrote_moves_no_cursor() {
        assert_eq!(shown("plain"), "plain");
        assert_eq!(shown("two words"), "\"two words\"");
        assert_eq!(shown("\u{1b}[2J"), "\"\\u{1b}[2J\"");
        assert_eq!(shown(""), "\"\"");
    }
}
