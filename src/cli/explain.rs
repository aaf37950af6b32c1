//! `gatewright explain`: the story behind an id.

use super::args::{ConfigArgs, OutputArgs, now, read_file};
use super::error::CliError;
use super::{open, out};
use crate::flows::admin::decisions;
use crate::flows::explain::{self, Known, Place, Story, Told};
use crate::store::events::EventRow;
use gatewright_authorizer::Policy;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gatewright explain 3q2-7wAAQx6c0m1sV4rTgA\n  \
    aws logs tail /aws/lambda/orders-authorizer --since 1h | gatewright explain REQUEST-ID --decisions -\n\n\
    docs/troubleshooting.md has the commonest failures by what a developer sees."
)]
pub struct ExplainArgs {
    /// The x-request-id of an answer, the id on an error page, a trace id, an event's id, or an API's request id
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    id: String,
    /// Look into this log of an authorizer, too; - for standard input
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    /// The API's policy file [default: policy.file of the configuration]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Tells the story.
///
/// # Errors
/// [`CliError::Failed`] if no event has the id.
pub async fn run(args: &ExplainArgs, config: &ConfigArgs) -> Result<ExitCode, CliError> {
    let config = config.load()?.config;
    let policy = match args.policy.as_ref().or(config.policy.file.as_ref()) {
        None => None,
        Some(path) => Some(
            Policy::parse(&read_file(path)?)
                .map_err(|error| CliError::usage(format!("{}: {error}", path.display())))?,
        ),
    };
    let log = match &args.decisions {
        None => Vec::new(),
        Some(path) => read_log(path)?,
    };
    let opened = open::for_command(&config, false).await?;
    let known = Known {
        log: &log,
        policy: policy.as_ref(),
        issuer: &config.issuer,
        retention_days: config.events.retention_days,
    };
    let story = explain::explain(opened.admin(), &args.id, known, now()).await?;
    if args.output.json {
        out::json(&as_json(&story))?;
    } else {
        out::print(&in_words(&story))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read_log(path: &Path) -> Result<Vec<EventRow>, CliError> {
    let unreadable = |error: std::io::Error| {
        CliError::usage(format!(
            "{} can't be read ({error}): check the path and its permissions",
            path.display()
        ))
    };
    let reader: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).map_err(unreadable)?))
    };
    let mut rows = Vec::new();
    for line in reader.split(b'\n') {
        let line = line.map_err(unreadable)?;
        let decision = decisions::decision(&String::from_utf8_lossy(&line), None, now());
        rows.extend(decision.as_ref().map(EventRow::unchained));
    }
    Ok(rows)
}

/// The story for people.
pub fn in_words(story: &Story) -> String {
    let mut text = String::new();
    let mut put = |title: &str, lines: &[String]| {
        if !lines.is_empty() {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{title}");
            for line in lines {
                let _ = writeln!(text, "  {}", plain(line));
            }
            text.push('\n');
        }
    };
    let lines = |place: Place| -> Vec<String> {
        let of_place = story.told.iter().filter(|told| told.place == place);
        of_place.map(line).collect()
    };
    put("What led there", &lines(Place::Before));
    put("What happened", &lines(Place::Asked));
    if story.why.is_empty() {
        put("Nothing was refused.", &[String::new()]);
    }
    put("Why", &story.why);
    put("What to do", &story.remedies);
    put("What isn't known", &story.unknown);
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn line(told: &Told) -> String {
    format!("{}  {}", out::rfc3339(told.row.at), told.words.what)
}

/// What others wrote moves no terminal's cursor.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// The story for programs.
pub fn as_json(story: &Story) -> Value {
    let told: Vec<Value> = story
        .told
        .iter()
        .map(|told| {
            json!({
                "place": match told.place {
                    Place::Asked => "asked",
                    Place::Before => "before",
                },
                "what": told.words.what,
                "why": told.words.why,
                "remedy": told.words.remedy,
                "event": told.row.json(),
            })
        })
        .collect();
    json!({
        "id": story.id,
        "story": told,
        "why": story.why,
        "remedies": story.remedies,
        "unknown": story.unknown,
    })
}
