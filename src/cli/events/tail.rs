//! `gatewright events tail`

use super::line;
use crate::cli::args::{OutputArgs, now};
use crate::cli::error::CliError;
use crate::cli::open::Opened;
use crate::cli::out;
use crate::store::events::search;
use std::collections::HashSet;
use std::process::ExitCode;
use std::time::Duration;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(500);
/// How late an event of another node may come, seconds: its clock may be behind, and batches take a moment.
const LATE_S: i64 = 10;
/// Events read at once.
const PAGE: i64 = 5000;

/// Arguments of `events tail`.
#[derive(Debug, clap::Args)]
pub struct TailArgs {
    /// Begin with those of the last so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(i64).range(0..=86_400))]
    last: i64,
    /// Only this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Print those that there are, and stop
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(opened: &Opened, args: &TailArgs) -> Result<ExitCode, CliError> {
    let mut since = now() - args.last;
    let mut seen: HashSet<String> = HashSet::new();
    let mut look = tokio::time::interval(EVERY);
    loop {
        look.tick().await;
        let rows = search::after(&opened.store, since, PAGE).await?;
        for row in &rows {
            let wanted = args.kind.as_ref().is_none_or(|kind| *kind == row.kind);
            if !seen.insert(row.event_id.clone()) || !wanted {
                continue;
            }
            if args.output.json {
                out::json(&row.json())?;
            } else {
                out::print(&format!("{}\n", line(row)))?;
            }
        }
        let Some(last) = rows.last() else {
            if args.once {
                return Ok(ExitCode::SUCCESS);
            }
            continue;
        };
        let full = i64::try_from(rows.len()).is_ok_and(|read| read == PAGE);
        if args.once && !full {
            return Ok(ExitCode::SUCCESS);
        }
        // After a full page the rest of its last second would be missed; one second with more than a page is cut.
        let next = if full { last.at } else { last.at - LATE_S };
        if next > since {
            since = next;
            let kept: HashSet<&str> = rows
                .iter()
                .filter(|row| row.at >= since)
                .map(|row| row.event_id.as_str())
                .collect();
            seen.retain(|id| kept.contains(id.as_str()));
        }
    }
}
