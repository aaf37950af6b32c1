//! The log: one event, one line, on standard error, human or JSON. And traces, where a collector takes them.
//!
//! Owns the subscriber, the line formats and the thread that writes, and beside them the export of spans. A line never breaks, whatever a value holds,
//! and whoever logs never waits for the reader of the log. Headers, queries and bodies are not for logging: nothing
//! here prints them, and dependencies (which would, at `debug`) are held at `warn`.

mod decisions;
mod line;
mod panics;
mod traces;
mod writer;

use std::{fmt, io, sync::Arc, time::Duration};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, filter::Targets, layer::SubscriberExt as _, registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::config::{Config, LogConfig, LogFormat, TracesConfig};

pub use decisions::DecisionLines;
pub use traces::{SpanCounts, TracesError};
use writer::Flush;

/// Logging could not be started.
#[derive(Debug)]
pub enum TelemetryError {
    /// `log.level` is no level.
    Level(String),
    /// The writing thread could not be started.
    Thread(io::Error),
    /// A subscriber is installed already.
    Installed,
    /// Spans can't be exported.
    Traces(TracesError),
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
            Self::Traces(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TelemetryError {}

/// The log, and the traces if there are any. Hold it to the end of `main`: dropping it writes what is waiting (for a second
/// at most, should nobody read).
#[must_use = "log and traces end when this is dropped"]
pub struct Telemetry {
    // First, for it may have something to log.
    traces: Option<traces::Flush>,
    _log: Flush,
}

/// Logs to standard error from here on, panics included.
///
/// # Errors
/// If the level is not valid or logging is set up already.
pub fn init(log: &LogConfig) -> Result<Telemetry, TelemetryError> {
    let off = &Config::default().traces;
    init_traced(log, off, Duration::ZERO, &[], None)
}

/// Logs, and records traces if a collector is configured. At the end it has `patience` to take what waits. These targets
/// are held at `warn`: for a command whose own lines tell all that theirs would. An authorizer's decisions come to
/// `decisions` as well, whatever the log's level.
///
/// # Errors
/// As [`init`]; or if spans can't be exported as configured.
pub fn init_traced(
    log: &LogConfig,
    traces: &TracesConfig,
    patience: Duration,
    quiet: &[&'static str],
    decisions: Option<&DecisionLines>,
) -> Result<Telemetry, TelemetryError> {
    let (log_lines, flush) = writer::start(io::stderr(), line::Format::from(log.format))
        .map_err(TelemetryError::Thread)?;
    let targets = targets(log, quiet)?;
    let start = TelemetryError::Traces;
    let off = || {
        targets
            .clone()
            .with_target(traces::TARGET, LevelFilter::OFF)
    };
    let (installed, traces) = if let Some(decided) = decisions {
        // Each with a filter of its own: what is logged has no say in what is sent.
        let only = |target| Targets::new().with_target(target, LevelFilter::INFO);
        let (spans, flush) = traces::start(traces, patience).map_err(start)?.unzip();
        let subscriber = tracing_subscriber::registry()
            .with(log_layer(log, log_lines).with_filter(off()))
            .with(decided.clone().with_filter(only(decisions::TARGET)))
            .with(spans.map(|spans| spans.with_filter(only(traces::TARGET))));
        (subscriber.try_init(), flush)
    } else if let Some((spans, flush)) = traces::start(traces, patience).map_err(start)? {
        // One filter for both: a filter for each would be asked at every line.
        let on = targets.with_target(traces::TARGET, LevelFilter::INFO);
        let subscriber = tracing_subscriber::registry()
            .with(on)
            .with(log_layer(log, log_lines))
            .with(spans);
        (subscriber.try_init(), Some(flush))
    } else {
        let subscriber =
            tracing_subscriber::registry().with(log_layer(log, log_lines).with_filter(off()));
        (subscriber.try_init(), None)
    };
    installed.map_err(|_| TelemetryError::Installed)?;
    panics::log_panics();
    Ok(Telemetry {
        traces,
        _log: flush,
    })
}

impl Telemetry {
    /// What became of spans; `None` while there are no traces.
    pub fn spans(&self) -> Option<&Arc<SpanCounts>> {
        self.traces.as_ref().map(traces::Flush::counts)
    }
}

impl From<LogFormat> for line::Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Human => Self::Human,
            LogFormat::Json => Self::Json,
        }
    }
}

/// What is logged at which level.
fn targets(config: &LogConfig, quiet: &[&'static str]) -> Result<Targets, TelemetryError> {
    let level: LevelFilter = config
        .level
        .parse()
        .map_err(|_| TelemetryError::Level(config.level.clone()))?;
    // The prefix stands for the authorizer too.
    Ok(Targets::new()
        .with_target("gatewright", level)
        .with_targets(
            quiet
                .iter()
                .map(|target| (*target, level.min(LevelFilter::WARN))),
        )
        .with_default(level.min(LevelFilter::WARN)))
}

fn log_layer<S>(config: &LogConfig, lines: writer::Lines) -> impl Layer<S> + Send + Sync + use<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let format = line::Format::from(config.format);
    tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .fmt_fields(format)
        .event_format(format)
        .with_writer(lines)
}

#[cfg(test)]
mod tests;
