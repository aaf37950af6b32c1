//! `gatewright events import`

use crate::cli::args::{OutputArgs, now};
use crate::cli::error::CliError;
use crate::cli::open::Opened;
use crate::cli::out;
use crate::cli::shipping::{self, BATCH_BYTES, BATCH_LINES};
use crate::config::{Ratio, Share};
use crate::domain::event::{Decision, Event, Happening};
use crate::flows::admin::decisions::{self, Batch, Imported};
use crate::notify::decisions::Shipper;
use serde_json::json;
use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How long a line waits for others when they come slowly.
const LINGER: Duration = Duration::from_millis(500);

/// Arguments of `events import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// The log; - for standard input, to its end
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Send it to this issuer's admin API instead of writing to the database
    #[arg(long, value_name = "URL", requires_all = ["client", "secret_file"])]
    to: Option<String>,
    /// The issuer's client to send it as; it needs the scope gatewright:decisions and the issuer as its audience
    #[arg(long, value_name = "ID", requires = "to")]
    client: Option<String>,
    /// The file with its secret
    #[arg(long, value_name = "FILE", requires = "to")]
    secret_file: Option<PathBuf>,
    /// Of allowed calls, the share that is brought in, 0 to 1; what was not allowed is brought in whole
    #[arg(long, value_name = "SHARE", value_parser = shipping::share, default_value = "1")]
    allowed: Ratio,
    #[command(flatten)]
    output: OutputArgs,
}

impl ImportArgs {
    /// The issuer that it goes to, if it isn't the database at hand.
    pub(super) fn shipper(&self) -> Result<Option<Shipper>, CliError> {
        match (&self.to, &self.client, &self.secret_file) {
            (Some(to), Some(client), Some(file)) => shipping::shipper(to, client, file).map(Some),
            _ => Ok(None),
        }
    }
}

/// Where it goes.
pub(super) enum Destination<'a> {
    Database(&'a Opened),
    Issuer(Shipper),
}

impl Destination<'_> {
    async fn take(&mut self, lines: &[String]) -> Result<Imported, CliError> {
        if lines.is_empty() {
            return Ok(Imported::default());
        }
        match self {
            Self::Database(opened) => {
                let batch = Batch {
                    lines,
                    sender: None,
                };
                Ok(decisions::import(opened.admin(), batch, now()).await?)
            }
            Self::Issuer(shipper) => {
                let taken = shipping::send_patiently(shipper, lines).await?;
                Ok(Imported {
                    added: taken.added,
                    known: taken.known,
                    passed_over: taken.passed_over,
                })
            }
        }
    }
}

/// A log that is being read: what is no decision goes nowhere, for it may be anything.
struct Log {
    allowed: Share,
    waiting: Vec<String>,
    /// Lines since the last were taken.
    read: usize,
    passed_over: u64,
    left_out: u64,
}

impl Log {
    fn new(allowed: Ratio) -> Self {
        Self {
            allowed: Share::new(allowed),
            waiting: Vec::new(),
            read: 0,
            passed_over: 0,
            left_out: 0,
        }
    }

    /// The line, if it's a decision to keep.
    fn sift(&mut self, line: &str, now: i64) -> Option<String> {
        self.read += 1;
        let Some(event) = decisions::decision(line, None, now) else {
            self.passed_over += u64::from(!line.trim().is_empty());
            return None;
        };
        if is_allowed(&event) && !self.allowed.picks() {
            self.left_out += 1;
            return None;
        }
        Some(line.to_owned())
    }

    /// Whether what waits should go before a line of so many bytes comes to it.
    fn is_full(&self, next_bytes: usize) -> bool {
        let bytes: usize = self.waiting.iter().map(|line| line.len() + 1).sum();
        self.read >= BATCH_LINES || bytes + next_bytes > BATCH_BYTES
    }

    fn take(&mut self) -> Vec<String> {
        self.read = 0;
        std::mem::take(&mut self.waiting)
    }
}

fn is_allowed(event: &Event) -> bool {
    let Happening::AccessDecided { decision, .. } = &event.happening else {
        return false;
    };
    *decision == Decision::Allow
}

pub(super) async fn run(
    mut destination: Destination<'_>,
    args: &ImportArgs,
) -> Result<ExitCode, CliError> {
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
    let (sender, lines) = sync_channel(BATCH_LINES);
    let reading = std::thread::spawn(move || -> std::io::Result<()> {
        for line in reader.split(b'\n') {
            if sender.send(line?).is_err() {
                break;
            }
        }
        Ok(())
    });
    let mut log = Log::new(args.allowed);
    let mut total = Imported::default();
    loop {
        let next = lines.recv_timeout(LINGER);
        let decided = match &next {
            Ok(line) => log.sift(&String::from_utf8_lossy(line), now()),
            Err(_) => None,
        };
        let bytes = decided.as_ref().map_or(0, String::len);
        if next.is_err() || log.is_full(bytes) {
            total += destination.take(&log.take()).await?;
        }
        log.waiting.extend(decided);
        if next == Err(RecvTimeoutError::Disconnected) {
            break;
        }
    }
    total.passed_over += log.passed_over;
    if let Ok(Err(error)) = reading.join() {
        return Err(CliError::Failed(format!(
            "{} can't be read to its end ({error}); what came before is here, so the command may be run again",
            args.file.display()
        )));
    }
    if args.output.json {
        out::json(&json!({
            "added": total.added,
            "known": total.known,
            "left_out": log.left_out,
            "passed_over": total.passed_over,
        }))?;
    } else {
        let left_out = match log.left_out {
            0 => String::new(),
            left_out => format!(" {left_out} allowed calls left out,"),
        };
        out::print(&format!(
            "{} decisions added, {} were here already,{left_out} {} other lines passed over.\n",
            total.added, total.known, total.passed_over
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
