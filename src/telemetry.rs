//! The log: one event, one line, on standard error, human or JSON.
//!
//! Owns the subscriber, the line formats and the thread that writes. A line never breaks, whatever a value holds,
//! and whoever logs never waits for the reader of the log. Headers, queries and bodies are not for logging: nothing
//! here prints them, and dependencies (which would, at `debug`) are held at `warn`.

mod line;
mod panics;
mod writer;

use std::{fmt, io};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::config::{LogConfig, LogFormat};

pub use writer::Flush;

/// Logging could not be started.
#[derive(Debug)]
pub enum TelemetryError {
    /// `log.level` is no level.
    Level(String),
    /// The writing thread could not be started.
    Thread(io::Error),
    /// A subscriber is installed already.
    Installed,
}

impl fmt::Display for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(level) => write!(
                f,
                "log.level {level:?} is none of off, error, warn, info, debug, trace"
            ),
            Self::Thread(error) => write!(f, "the log thread does not start: {error}"),
            Self::Installed => f.write_str("logging is set up already"),
        }
    }
}

impl std::error::Error for TelemetryError {}

/// Logs to standard error from here on, panics included. Hold the result to the end of `main`: dropping it writes
/// what is waiting (for a second at most, should nobody read).
///
/// # Errors
/// If the level is not valid or logging is set up already.
pub fn init(config: &LogConfig) -> Result<Flush, TelemetryError> {
    init_without(config, &[])
}

/// The same, with these targets held at `warn`: for a command whose own lines tell all that theirs would.
///
/// # Errors
/// As [`init`].
pub fn init_without(config: &LogConfig, quiet: &[&'static str]) -> Result<Flush, TelemetryError> {
    let (lines, flush) = writer::start(io::stderr(), line::Format::from(config.format))
        .map_err(TelemetryError::Thread)?;
    subscriber(config, lines, quiet)?
        .try_init()
        .map_err(|_| TelemetryError::Installed)?;
    panics::log_panics();
    Ok(flush)
}

impl From<LogFormat> for line::Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Human => Self::Human,
            LogFormat::Json => Self::Json,
        }
    }
}

fn subscriber(
    config: &LogConfig,
    lines: writer::Lines,
    quiet: &[&'static str],
) -> Result<impl tracing::Subscriber + Send + Sync + use<>, TelemetryError> {
    let level: LevelFilter = config
        .level
        .parse()
        .map_err(|_| TelemetryError::Level(config.level.clone()))?;
    // The prefix stands for the authorizer too.
    let ours = Targets::new()
        .with_target("gatewright", level)
        .with_targets(
            quiet
                .iter()
                .map(|target| (*target, level.min(LevelFilter::WARN))),
        )
        .with_default(level.min(LevelFilter::WARN));
    let format = line::Format::from(config.format);
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .fmt_fields(format)
        .event_format(format)
        .with_writer(lines)
        .with_filter(ours);
    Ok(tracing_subscriber::registry().with(layer))
}

#[cfg(test)]
mod tests;
