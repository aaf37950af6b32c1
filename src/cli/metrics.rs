//! Metrics of a running program: what is looked at, where they are read, and the lines of EMF.

#![expect(clippy::disallowed_methods, reason = "the clock enters here")]

use super::error::CliError;
use crate::config::{HttpConfig, Loaded, MetricsFormat};
use crate::crypto::password::{PasswordHasher, Turn};
use crate::flows::{SharedIssuer, key_times};
use crate::http::guard::{self, GuardSettings, OwnHosts};
use crate::http::scrape;
use crate::http::server::{self, ServerSettings};
use crate::metrics::Metrics;
use crate::metrics::emf::IssuerLines;
use crate::telemetry::Telemetry;
use arc_swap::ArcSwap;
use gatewright_authorizer::fetch::{SystemClock, unix_now};
use std::future::pending;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How often the keys are read for their ages, and the database for its clock.
const READ_EVERY: Duration = Duration::from_secs(15);
/// How often a line of EMF is written.
const LINE_EVERY: Duration = Duration::from_mins(1);
/// Connections of the listener: a few collectors, and somebody who looks.
const CONNECTIONS: usize = 32;

/// Work that ends with its value.
pub struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The queue before argon2, watched.
pub fn watched(passwords: PasswordHasher, metrics: &Metrics) -> PasswordHasher {
    let counted = metrics.passwords.clone();
    let passwords =
        passwords.watched_by(
            Arc::new(SystemClock::start()),
            move |turn: Turn| match turn {
                Turn::Came(micros) => counted.waited(Duration::from_micros(micros)),
                Turn::Refused => counted.refused(),
            },
        );
    let seen = passwords.clone();
    metrics.before_scrape(move |metrics| metrics.passwords.depth(seen.waiting()));
    passwords
}

/// Has the spans of traces counted, if there are any.
pub(super) fn watch_spans(telemetry: &Telemetry, metrics: &Metrics) {
    if let Some(counts) = telemetry.spans() {
        let counts = Arc::clone(counts);
        metrics.before_scrape(move |metrics| {
            let (exported, failed) = (counts.exported(), counts.failed());
            metrics.spans.total(exported, failed, counts.dropped());
        });
    }
}

/// Reads the keys and the database's clock now and then, and shows the keys' ages at every scrape: also when the
/// database is down.
pub(super) fn watch_keys_and_clock(issuer: &SharedIssuer) -> JoinHandle<()> {
    let known = Arc::new(ArcSwap::from_pointee(Vec::new()));
    let shown = Arc::clone(&known);
    issuer.store.metrics().before_scrape(move |metrics| {
        let (ages, overdue) = key_times::at(&shown.load(), unix_now());
        metrics.keys.keys(&ages, overdue);
    });
    let issuer = Arc::clone(issuer);
    let mut interval = tokio::time::interval(READ_EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::spawn(async move {
        loop {
            interval.tick().await;
            let asked_at = unix_now();
            if let Ok(there) = issuer.store.clock().await {
                let ahead = ahead_of(there, asked_at, unix_now());
                issuer.store.metrics().upkeep.clock_skew(ahead);
            }
            // Who looks after the keys logs what is wrong.
            if let Ok(keys) = key_times::read(&issuer.store, &issuer.settings).await {
                known.store(Arc::new(keys));
            }
        }
    })
}

/// How far this clock is ahead of one that said `there` between two of this one's moments. Unix seconds.
fn ahead_of(there: i64, asked_at: i64, answered_at: i64) -> f64 {
    let nearest = there.clamp(asked_at, answered_at.max(asked_at));
    // Clocks are not 2^53 seconds apart.
    #[allow(clippy::cast_precision_loss)]
    let ahead = (nearest - there) as f64;
    ahead
}

/// Has the issuer's metrics read as configured.
///
/// # Errors
/// [`CliError::Usage`] if the address that somebody set is not to be had.
pub(super) async fn expose(
    loaded: &Loaded,
    metrics: &Arc<Metrics>,
) -> Result<Vec<Running>, CliError> {
    let config = &loaded.config.metrics;
    let is_set = loaded.is_set("metrics.listen");
    let mut running = Vec::new();
    if config.format == MetricsFormat::Emf {
        running.push(write_lines(Arc::clone(metrics)));
    }
    let wanted = is_set || config.format == MetricsFormat::Prometheus;
    let Some(address) = config.listen.filter(|_| wanted) else {
        return Ok(running);
    };
    match listen(address, metrics).await {
        Ok((_, listener)) => running.push(listener),
        Err(error) if is_set => {
            return Err(CliError::usage(format!(
                "metrics.listen {address}: {error}; choose another address or port (GATEWRIGHT_METRICS_LISTEN), or off"
            )));
        }
        Err(error) => tracing::warn!(
            "no metrics: {address}: {error}; give metrics.listen another address or port \
             (GATEWRIGHT_METRICS_LISTEN), or off"
        ),
    }
    Ok(running)
}

/// The same for a program that listens only where an option says.
///
/// # Errors
/// [`CliError::Usage`] that says what else to listen on.
pub(super) async fn expose_at(
    address: Option<SocketAddr>,
    metrics: &Arc<Metrics>,
) -> Result<Option<Running>, CliError> {
    let Some(address) = address else {
        return Ok(None);
    };
    match listen(address, metrics).await {
        Ok((_, listener)) => Ok(Some(listener)),
        Err(error) => Err(CliError::usage(format!(
            "--metrics {address}: {error}; choose another address or port, or leave it out"
        ))),
    }
}

/// Answers scrapes at an address, until the value is dropped. Port 0 lets the system choose.
///
/// # Errors
/// If the address is not to be had.
pub async fn listen(
    address: SocketAddr,
    metrics: &Arc<Metrics>,
) -> std::io::Result<(SocketAddr, Running)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        tracing::warn!(
            "metrics are on {address}, which other machines reach without a password: keep it to networks of your own"
        );
    }
    tracing::info!("metrics are at http://{address}{}", scrape::PATH);
    let guard = GuardSettings {
        hsts: false,
        trusted_proxies: Vec::new(),
        hosts: OwnHosts::of(address, []),
        ..GuardSettings::new(&crate::config::Config::default())
    };
    let guarded = guard::layer(guard, scrape::router(Arc::clone(metrics))).without_access_log();
    let limits = HttpConfig {
        max_connections: CONNECTIONS,
        ..crate::config::Config::default().http
    };
    let settings = ServerSettings::new(&limits);
    let task = tokio::spawn(async move {
        if let Err(error) = server::serve(listener, guarded, settings, pending()).await {
            tracing::error!(%error, "metrics can no longer be read");
        }
    });
    Ok((address, Running(task)))
}

/// Writes a line to standard output at once, and then one a minute.
fn write_lines(metrics: Arc<Metrics>) -> Running {
    let mut lines = IssuerLines::default();
    let mut interval = tokio::time::interval(LINE_EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    Running(tokio::spawn(async move {
        loop {
            interval.tick().await;
            let line = lines.next(&metrics, unix_now().saturating_mul(1000)) + "\n";
            // Whoever reads may be slow, and nobody else has to wait for that.
            let written = tokio::task::spawn_blocking(move || {
                std::io::stdout().lock().write_all(line.as_bytes())
            });
            if !matches!(written.await, Ok(Ok(()))) {
                tracing::warn!("standard output is closed: no more metrics");
                return;
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::ahead_of;

    #[test]
    fn an_answer_that_took_long_is_no_skew() {
        for (there, asked_at, answered_at, ahead) in [
            (100, 100, 100, 0.0),
            (103, 100, 105, 0.0),
            (90, 100, 105, 10.0),
            (125, 100, 105, -20.0),
            // The clock was set back meanwhile.
            (100, 100, 40, 0.0),
        ] {
            let found = ahead_of(there, asked_at, answered_at);
            assert!((found - ahead).abs() < f64::EPSILON, "{there}: {found}");
        }
    }
}
