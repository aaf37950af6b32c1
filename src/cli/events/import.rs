//! `gatewright events import`

use crate::cli::args::{OutputArgs, now};
use crate::cli::error::CliError;
use crate::cli::open::Opened;
use crate::cli::out;
use crate::flows::admin::decisions::{self, Imported};
use serde_json::json;
use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Decisions written at once.
const BATCH: usize = 200;
/// How long a line waits for others when they come slowly.
const LINGER: Duration = Duration::from_millis(500);

/// Arguments of `events import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// The log; - for standard input, to its end
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(opened: &Opened, args: &ImportArgs) -> Result<ExitCode, CliError> {
    let reader: Box<dyn BufRead + Send> = if args.file == Path::new("-") {
        Box::new(BufReader::new(stdin()))
    } else {
        let file = File::open(&args.file).map_err(|error| {
            CliError::usage(format!(
                "{} can't be read ({error}): check the path and its permissions",
                args.file.display()
            ))
        })?;
        Box::new(BufReader::new(file))
    };
    let (sender, lines) = sync_channel(BATCH);
    let reading = std::thread::spawn(move || -> std::io::Result<()> {
        for line in reader.split(b'\n') {
            if sender.send(line?).is_err() {
                break;
            }
        }
        Ok(())
    });
    let mut total = Imported::default();
    let mut waiting: Vec<String> = Vec::new();
    loop {
        let next = lines.recv_timeout(LINGER);
        let ended = match next {
            Ok(line) => {
                waiting.push(String::from_utf8_lossy(&line).into_owned());
                if waiting.len() < BATCH {
                    continue;
                }
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        total += decisions::import(opened.admin(), &waiting, now()).await?;
        waiting.clear();
        if ended {
            break;
        }
    }
    if let Ok(Err(error)) = reading.join() {
        return Err(CliError::Failed(format!(
            "{} can't be read to its end ({error}); what came before is here, so the command may be run again",
            args.file.display()
        )));
    }
    if args.output.json {
        out::json(
            &json!({"added": total.added, "known": total.known, "passed_over": total.passed_over}),
        )?;
    } else {
        out::print(&format!(
            "{} decisions added, {} were here already, {} other lines passed over.\n",
            total.added, total.known, total.passed_over
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
