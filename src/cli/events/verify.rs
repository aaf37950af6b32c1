//! `gatewright events verify`

use crate::cli::args::{OutputArgs, read_file};
use crate::cli::error::CliError;
use crate::cli::open::Opened;
use crate::cli::out;
use crate::store::events::verify::{self, KeptHead};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `events verify`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Log lines that hold signed ends, kept apart from the database
    #[arg(long, value_name = "FILE")]
    heads: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(opened: &Opened, args: &VerifyArgs) -> Result<ExitCode, CliError> {
    let kept = match &args.heads {
        None => Vec::new(),
        Some(file) => kept_heads(&read_file(file)?),
    };
    if args.heads.is_some() && kept.is_empty() {
        return Err(CliError::usage(
            "--heads: no line holds a signed end; give lines of the target gatewright::event_head",
        ));
    }
    let report = verify::verify(&opened.store, &opened.master.events, &kept).await?;
    let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    if args.output.json {
        out::json(&json!({
            "events": report.events,
            "writers": report.writers,
            "heads": report.heads + kept.len() as u64,
            "unchained": report.unchained,
            "faults": faults,
        }))?;
    } else {
        for fault in &faults {
            out::print(&format!("{fault}\n"))?;
        }
        if report.unchained > 0 {
            out::print(&format!(
                "{} events are from a version that didn't chain them: nothing is known of those.\n",
                report.unchained
            ))?;
        }
        let verdict = if faults.is_empty() {
            "as they were written"
        } else {
            "NOT as they were written"
        };
        out::print(&format!(
            "{} events in {} chains, {} signed ends: {verdict}.\n",
            report.events,
            report.writers,
            report.heads + kept.len() as u64
        ))?;
    }
    Ok(if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The signed ends in log lines, JSON or human.
fn kept_heads(text: &str) -> Vec<KeptHead> {
    text.lines()
        .filter(|line| line.contains("gatewright::event_head"))
        .filter_map(|line| {
            let fields = match serde_json::from_str::<Value>(line) {
                Ok(Value::Object(fields)) => fields,
                _ => human_fields(line),
            };
            let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
            let seq = fields.get("seq")?;
            Some(KeptHead {
                writer: text("writer")?,
                seq: seq.as_i64().or_else(|| seq.as_str()?.parse().ok())?,
                hash: text("hash")?,
            })
        })
        .collect()
}

fn human_fields(line: &str) -> serde_json::Map<String, Value> {
    line.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::kept_heads;

    #[test]
    fn signed_ends_are_read_from_either_form_of_the_log() {
        let lines = "2026-11-26T10:00:00.000Z  INFO gatewright::event_head: signed writer=a seq=7 hash=xyz\n\
            {\"@timestamp\":\"…\",\"log.level\":\"info\",\"log.logger\":\"gatewright::event_head\",\"message\":\"signed\",\"writer\":\"b\",\"seq\":9,\"hash\":\"uvw\"}\n\
            2026-11-26T10:00:00.000Z  INFO gatewright::cli::serve: ready\n";
        let heads = kept_heads(lines);
        let seen: Vec<(&str, i64, &str)> = heads
            .iter()
            .map(|head| (head.writer.as_str(), head.seq, head.hash.as_str()))
            .collect();
        assert_eq!(seen, [("a", 7, "xyz"), ("b", 9, "uvw")]);
    }
}
