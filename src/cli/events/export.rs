//! `gatewright events export`

use super::moment;
use crate::cli::args::now;
use crate::cli::error::CliError;
use crate::cli::open::Opened;
use crate::cli::out;
use crate::store::events::search::{self, Position};
use std::process::ExitCode;

const PAGE: i64 = 1000;

/// Arguments of `events export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// From this time on: 2026-11-26T10:00:00Z, or how long ago, such as 7d [default: all]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// Before this time [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<i64>,
}

pub(super) async fn run(opened: &Opened, args: &ExportArgs) -> Result<ExitCode, CliError> {
    let range = (
        args.since.unwrap_or(i64::MIN),
        args.until.unwrap_or_else(|| now() + 1),
    );
    let mut place: Option<Position> = None;
    loop {
        let rows = search::in_order(&opened.store, range, place.as_ref(), PAGE).await?;
        for row in &rows {
            out::json(&row.json())?;
        }
        match rows.last() {
            Some(last) if i64::try_from(rows.len()).is_ok_and(|read| read == PAGE) => {
                place = Some(Position {
                    at: last.at,
                    event_id: last.event_id.clone(),
                });
            }
            _ => return Ok(ExitCode::SUCCESS),
        }
    }
}
