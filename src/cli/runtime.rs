//! A running node: from a configuration to a listener, its background work, and a clean end.

#![expect(clippy::disallowed_methods, reason = "the clock enters here")]

use super::alerting::{self, Alerting};
use super::error::CliError;
use super::open::Opened;
use super::{metrics, upkeep};
use crate::config::{Config, EventsConfig};
use crate::domain::event::Happening;
use crate::flows::clients::ClientCache;
use crate::flows::scopes::ScopeDirectory;
use crate::flows::{Issuer, Settings, SharedIssuer, keys, password_costs};
use crate::http::endpoints::Counted;
use crate::http::guard::{self, GuardSettings};
use crate::http::server::{self, ServerSettings, Tls};
use crate::http::state::Clock;
use crate::http::{App, signals};
use crate::notify::Notifiers;
use crate::telemetry::{self, DecisionLines, Telemetry};
use arc_swap::ArcSwap;
use axum::Router;
use gatewright_authorizer::fetch::unix_now;
use gatewright_authorizer::policy::Policy;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// How often a node looks for changed keys.
const KEYS_EVERY: Duration = Duration::from_secs(1);
/// How often it writes down when secrets were used.
const USES_EVERY: Duration = Duration::from_secs(10);
/// How often it writes the events that wait.
const EVENTS_EVERY: Duration = Duration::from_millis(250);
/// How often it removes what has expired.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// Threads for what blocks: making a key, asking for an address, opening a file. Each brings a stack and a heap of its
/// own, and none of them hashes.
const BLOCKING_THREADS: usize = 16;

/// The longest that the end waits for the collector.
const LAST_SPANS: Duration = Duration::from_secs(5);

fn failed(error: impl Display) -> CliError {
    CliError::failed(error.to_string())
}

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(unix_now)
}

/// The flows' settings, from the configuration.
pub fn settings(config: &Config) -> Settings {
    Settings {
        access_token_s: config.tokens.access_token_s,
        id_token_s: config.tokens.id_token_s,
        code_s: config.tokens.code_s,
        refresh_idle_s: config.tokens.refresh_idle_s,
        refresh_absolute_s: config.tokens.refresh_absolute_s,
        refresh_grace_s: config.tokens.refresh_grace_s,
        session_idle_s: config.session.idle_s,
        session_absolute_s: config.session.absolute_s,
        jwks_max_age_s: config.keys.jwks_max_age_s,
        rotate_every_days: i64::from(config.keys.rotate_every_days),
        account_failures: i64::from(config.throttle.account_failures),
        account_window_s: config.throttle.account_window_s,
        address_accounts: i64::from(config.throttle.address_accounts),
        address_window_s: config.throttle.address_window_s,
        trusted_proxies: config.trusted_proxies.clone(),
    }
}

/// Reads the policy file that tells the issuer its scopes.
///
/// # Errors
/// What is wrong with it, with line and column.
pub fn scopes(file: Option<&Path>) -> Result<ScopeDirectory, String> {
    let Some(file) = file else {
        return Ok(ScopeDirectory::default());
    };
    let text = std::fs::read_to_string(file).map_err(|error| {
        format!(
            "{} can't be read ({error}): check the path and its permissions, or remove the setting",
            file.display()
        )
    })?;
    let policy = Policy::parse(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(ScopeDirectory::from_policies(&[policy]))
}

/// Builds the identity server on an open, migrated database: makes the first keys, opens those there are.
///
/// # Errors
/// [`CliError`]; a key that can't be opened is one, and never replaced.
pub async fn issuer(
    config: &Config,
    opened: Opened,
    scopes: ScopeDirectory,
) -> Result<SharedIssuer, CliError> {
    let Opened {
        store,
        master,
        entropy,
        passwords,
        events,
        ..
    } = opened;
    let now = unix_now();
    keys::ensure_first_keys(&store, &master, &events, now)
        .await
        .map_err(failed)?;
    let keyring = keys::load(&store, &master).await.map_err(failed)?;
    let issuer = Arc::new(Issuer {
        url: config.issuer.clone(),
        settings: settings(config),
        passwords: metrics::watched(passwords, store.metrics()),
        keyring: ArcSwap::from_pointee(keyring),
        clients: ClientCache::default(),
        scopes,
        store,
        entropy,
        master,
        events,
    });
    keys::tick(&issuer, now).await.map_err(failed)?;
    password_costs::learn(&issuer.store, &issuer.passwords, now)
        .await
        .map_err(failed)?;
    Ok(issuer)
}

/// Starts log and traces; an authorizer's decisions also go to `decisions`. Hold it to the end.
///
/// # Errors
/// [`CliError::Usage`] about the settings of either.
pub fn telemetry(
    config: &Config,
    quiet: &[&'static str],
    decisions: Option<&DecisionLines>,
) -> Result<Telemetry, CliError> {
    let patience = Duration::from_secs(config.http.drain_s).min(LAST_SPANS);
    telemetry::init_traced(&config.log, &config.traces, patience, quiet, decisions)
        .map_err(|error| CliError::usage(error.to_string()))
}

/// Listens for SIGTERM and SIGINT from here on.
///
/// # Errors
/// [`CliError::Failed`]
pub fn shutdown_signal() -> Result<impl Future<Output = ()>, CliError> {
    signals::shutdown().map_err(failed)
}

/// Binds the listener.
///
/// # Errors
/// [`CliError::Usage`] that says what else to listen on.
pub async fn bind(config: &Config) -> Result<TcpListener, CliError> {
    TcpListener::bind(config.listen).await.map_err(|error| {
        CliError::usage(format!(
            "listen {}: {error}; choose another address or port, or stop what listens there",
            config.listen
        ))
    })
}

/// The runtime that a server runs on, one thread a core.
///
/// # Errors
/// [`CliError::Failed`]
pub fn threads() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(|error| {
            CliError::Failed(format!(
                "no runtime can be started ({error}): check the limits on threads and files"
            ))
        })
}

/// Serves until a signal, then turns new traffic away, lets requests in flight complete, and closes the database.
///
/// # Errors
/// [`CliError`]
pub async fn run(
    config: &Config,
    tls: Option<Arc<Tls>>,
    app: App,
    router: Router,
    listener: TcpListener,
    signal: impl Future<Output = ()>,
    notifiers: Notifiers,
) -> Result<(), CliError> {
    let mut server_settings = ServerSettings {
        trusted_proxies: config.trusted_proxies.clone(),
        ..ServerSettings::new(&config.http)
    };
    if let Some(tls) = tls {
        let reloaded = Arc::clone(&tls);
        // It logs the outcome, and keeps the old pair if the new one is refused.
        signals::on_hangup(move || drop(reloaded.reload())).map_err(failed)?;
        server_settings.tls = Some(tls);
    } else {
        signals::on_hangup(|| tracing::info!("SIGHUP: without TLS there is nothing to read again"))
            .map_err(failed)?;
    }
    let issuer = Arc::clone(&app.issuer);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let started = Happening::NodeStarted {
        version: version.clone(),
    };
    issuer.events.note(started, unix_now());
    if let Some(digest) = issuer.scopes.digest() {
        let loaded = Happening::PolicyLoaded {
            digest: digest.to_owned(),
            scopes: issuer.scopes.names().count() as u64,
        };
        issuer.events.note(loaded, unix_now());
    }
    let mut work = background(&issuer, &config.events);
    let alerting = Alerting::new(config, notifiers, &issuer)?;
    work.extend(alerting::background(&alerting, &issuer));
    let alerts = Arc::clone(&alerting.alerts);
    issuer.store.metrics().before_scrape(move |metrics| {
        for (rule, open) in alerts.open_by_rule() {
            let open = usize::try_from(open).unwrap_or(0);
            metrics.events.alerts_open(rule.as_str(), open);
        }
    });
    work.push(metrics::watch_keys_and_clock(&issuer));
    // The store holds the metrics, and they what is looked at.
    let waiting = Arc::downgrade(&issuer);
    issuer.store.metrics().before_scrape(move |metrics| {
        if let Some(issuer) = waiting.upgrade() {
            metrics.events.queue_depth(issuer.events.waiting());
        }
    });
    let counted = Counted::issuer(&issuer.store.metrics().requests, &app.base_path);
    let leaving = async move {
        signal.await;
        app.leave();
        tracing::info!("shutting down: not ready from now on, requests in flight complete");
    };
    let told = Arc::clone(&issuer);
    let on_noted = move |happening| told.events.note(happening, unix_now());
    let guarded = guard::layer(GuardSettings::new(config), router)
        .counted_by(counted)
        .telling(Arc::new(on_noted));
    let report = server::serve(listener, guarded, server_settings, leaving)
        .await
        .map_err(failed)?;
    tracing::info!(open = report.open, cut = report.cut, "drained");
    for task in work {
        task.abort();
    }
    alerting.leave(&issuer).await;
    if let Err(error) = issuer.clients.write_uses(&issuer.store).await {
        tracing::warn!(%error, "the last uses of client secrets are not written down");
    }
    issuer
        .events
        .note(Happening::NodeStopped { version }, unix_now());
    if let Err(error) = issuer.events.finish(&issuer.store, unix_now()).await {
        tracing::warn!(%error, waiting = issuer.events.waiting(), "the last events are not written");
    }
    upkeep::sign_heads(&issuer).await;
    issuer.store.close().await;
    Ok(())
}

/// What every node does beside answering.
fn background(
    issuer: &SharedIssuer,
    events_config: &EventsConfig,
) -> Vec<tokio::task::JoinHandle<()>> {
    let every = |period: Duration| {
        let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        interval
    };
    let (retention_days, max_rows) = (events_config.retention_days, events_config.max_rows);
    let (keys_issuer, uses_issuer, sweep_issuer, events_issuer) = (
        Arc::clone(issuer),
        Arc::clone(issuer),
        Arc::clone(issuer),
        Arc::clone(issuer),
    );
    let (mut keys_interval, mut uses_interval, mut sweep_interval, mut events_interval) = (
        every(KEYS_EVERY),
        every(USES_EVERY),
        every(SWEEP_EVERY),
        every(EVENTS_EVERY),
    );
    vec![
        tokio::spawn(async move {
            let mut failing = false;
            loop {
                events_interval.tick().await;
                let events = &events_issuer.events;
                let began = Instant::now();
                match events.write(&events_issuer.store, unix_now()).await {
                    Ok(written) => {
                        failing = false;
                        if written > 0 {
                            let metrics = events_issuer.store.metrics();
                            metrics.events.written(began.elapsed());
                        }
                    }
                    // Told once, not four times a second.
                    Err(_) if failing => {}
                    Err(error) => {
                        failing = true;
                        tracing::warn!(%error, waiting = events.waiting(), "events are written later");
                    }
                }
            }
        }),
        tokio::spawn(async move {
            loop {
                keys_interval.tick().await;
                if let Err(error) = keys::tick(&keys_issuer, unix_now()).await {
                    tracing::error!(%error, "the keys could not be looked after");
                }
            }
        }),
        tokio::spawn(async move {
            loop {
                uses_interval.tick().await;
                if let Err(error) = uses_issuer.clients.write_uses(&uses_issuer.store).await {
                    tracing::warn!(%error, "uses of client secrets are written later");
                }
            }
        }),
        tokio::spawn(async move {
            let mut is_over = false;
            loop {
                sweep_interval.tick().await;
                upkeep::sweep_all(&sweep_issuer).await;
                upkeep::look_at_names(&sweep_issuer).await;
                upkeep::learn_password_costs(&sweep_issuer).await;
                upkeep::remove_old_events(&sweep_issuer, retention_days).await;
                is_over = upkeep::cut_events(&sweep_issuer, max_rows, is_over).await;
                upkeep::sign_heads(&sweep_issuer).await;
            }
        }),
    ]
}
