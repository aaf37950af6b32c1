//! A node's part in raising alerts and in delivering the messages about them, beside answering.

#![expect(clippy::disallowed_methods, reason = "the clock enters here")]

use super::error::CliError;
use super::notifiers::settings;
use crate::config::Config;
use crate::flows::alerts::{Alerts, Surroundings};
use crate::flows::{FlowError, Issuer, SharedIssuer};
use crate::notify::Notifiers;
use gatewright_authorizer::fetch::unix_now;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often a node looks for messages to deliver.
const DELIVER_EVERY: Duration = Duration::from_secs(5);

/// What a node raises alerts with.
pub struct Alerting {
    /// The rules; their open alerts are told by [`Alerts::open_by_rule`].
    pub alerts: Arc<Alerts>,
    notifiers: Arc<Notifiers>,
}

impl Alerting {
    /// As configured.
    ///
    /// # Errors
    /// [`CliError::Failed`] if the system gives no random bytes.
    pub fn new(config: &Config, notifiers: Notifiers, issuer: &Issuer) -> Result<Self, CliError> {
        let settings = settings(&config.alerts, &notifiers);
        let alerts = Alerts::new(settings, &issuer.entropy)
            .map_err(|error| CliError::failed(error.to_string()))?;
        Ok(Self {
            alerts: Arc::new(alerts),
            notifiers: Arc::new(notifiers),
        })
    }

    /// Lets another node go on at once.
    pub async fn leave(&self, issuer: &Issuer) {
        if let Err(error) = self.alerts.leave(&issuer.store).await {
            tracing::debug!(%error, "another node looks for alerts when the lease has ended");
        }
    }
}

/// The tasks: one evaluates, one delivers, so that a slow receiver holds up no evaluation.
pub fn background(alerting: &Alerting, issuer: &SharedIssuer) -> Vec<JoinHandle<()>> {
    let every_s = u64::try_from(alerting.alerts.settings().every_s).unwrap_or(0);
    if every_s == 0 {
        return Vec::new();
    }
    let (alerts, evaluating) = (Arc::clone(&alerting.alerts), Arc::clone(issuer));
    let mut tasks = vec![tokio::spawn(async move {
        let mut interval = every(Duration::from_secs(every_s));
        let mut trouble = Trouble::default();
        loop {
            interval.tick().await;
            let outcome = evaluate(&alerts, &evaluating).await;
            trouble.tell("alerts can't be looked for", outcome);
        }
    })];
    if !alerting.notifiers.names().is_empty() {
        let (notifiers, delivering) = (Arc::clone(&alerting.notifiers), Arc::clone(issuer));
        tasks.push(tokio::spawn(async move {
            let mut interval = every(DELIVER_EVERY);
            let mut trouble = Trouble::default();
            loop {
                interval.tick().await;
                let outcome = deliver(&notifiers, &delivering).await;
                trouble.tell("messages about alerts can't be delivered", outcome);
            }
        }));
    }
    tasks
}

async fn evaluate(alerts: &Alerts, issuer: &Issuer) -> Result<(), FlowError> {
    let around = Surroundings::read(&issuer.store, unix_now()).await?;
    alerts.tick(issuer, around).await.map(drop)
}

async fn deliver(notifiers: &Notifiers, issuer: &Issuer) -> Result<(), FlowError> {
    let now = issuer.store.clock().await?;
    Box::pin(notifiers.deliver(issuer, now)).await?;
    Ok(())
}

fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Tells of a failure once, not every few seconds.
#[derive(Default)]
struct Trouble(bool);

impl Trouble {
    fn tell(&mut self, what: &str, outcome: Result<(), impl Display>) {
        match outcome {
            Ok(()) => self.0 = false,
            Err(_) if self.0 => {}
            Err(error) => {
                self.0 = true;
                tracing::error!(%error, "{what}");
            }
        }
    }
}
