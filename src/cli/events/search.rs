//! `gatewright events search`

use super::{line, moment, object};
use crate::cli::args::OutputArgs;
use crate::cli::error::CliError;
use crate::cli::open::Opened;
use crate::cli::out;
use crate::flows::admin::events::{self, PAGE_MAX, Query};
use crate::store::events::EventRow;
use crate::store::events::search::Filter;
use serde_json::Value;
use std::process::ExitCode;

/// Arguments of `events search`.
#[derive(Debug, clap::Args)]
pub struct SearchArgs {
    /// About this person: user name, address or sub
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// About this client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// From this address, as events.addresses lets it be kept
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Of this kind: a name of docs/events.md
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// With this reason, grant or error, whichever the kind has; * for any
    #[arg(long, value_name = "WORD")]
    label: Option<String>,
    /// On this route of an API
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    /// In this request: the x-request-id of an answer, or the id on an error page
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    request_id: Option<String>,
    /// In this trace, 32 hex digits
    #[arg(long, value_name = "ID")]
    trace_id: Option<String>,
    /// From this time on: 2026-11-26T10:00:00Z, or how long ago, such as 15m
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<i64>,
    /// Events, at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=PAGE_MAX))]
    limit: i64,
    /// Go on where the page before ended: its 'next'
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    cursor: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(opened: &Opened, args: SearchArgs) -> Result<ExitCode, CliError> {
    let query = Query {
        filter: Filter {
            subject: None,
            client_id: args.client,
            address: args.address,
            kind: args.kind,
            label: args.label,
            route: args.route,
            request_id: args.request_id,
            trace_id: args.trace_id,
            since: args.since,
            until: args.until,
        },
        user: args.user,
        cursor: args.cursor,
        limit: args.limit,
    };
    let page = events::find(opened.admin(), &query).await?;
    if args.output.json {
        let rows: Vec<Value> = page.events.iter().map(EventRow::json).collect();
        let mut answer = object("events", Value::Array(rows));
        if let (Some(next), Value::Object(members)) = (page.next, &mut answer) {
            members.insert("next".to_owned(), Value::from(next));
        }
        out::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    if page.events.is_empty() {
        out::print("No event fits.\n")?;
    }
    for row in &page.events {
        out::print(&format!("{}\n", line(row)))?;
    }
    if let Some(next) = page.next {
        out::note(format_args!("there may be more: add --cursor {next}"));
    }
    Ok(ExitCode::SUCCESS)
}
