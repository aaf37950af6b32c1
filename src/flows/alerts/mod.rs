//! Alerts: rules over the stream of events and the state of the server, evaluated by one node for all.
//!
//! Every node calls [`Alerts::tick`]; the one that has the lease evaluates. What is found opens an alert, in one
//! transaction with its event and with a message for each notifier; what isn't seen any more resolves. The database's
//! clock counts, so that a node whose own is wrong neither hides nor invents anything.

mod baseline;
mod events;
mod lifecycle;
pub mod message;
pub mod outbox;
mod past;
mod states;
mod tally;

use super::{FlowError, Issuer};
use crate::crypto::Entropy;
use crate::crypto::entropy::NoEntropy;
use crate::domain::alert::{Finding, Rule};
use crate::domain::event::Happening;
use crate::store::alerts::outbox as messages;
use crate::store::{DiskSpace, Store, StoreError, alerts, lease};
use baseline::Baselines;
use past::Past;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The lease's name.
const LEASE: &str = "alerts";
/// Rounds after which a node that doesn't come back has lost its lease.
const LEASE_ROUNDS: i64 = 3;
/// A difference of clocks that is worth a note, seconds.
const SKEW_NOTED_S: i64 = 5;
/// How often a node notes its difference, seconds.
const SKEW_EVERY_S: i64 = 60;
/// How often what is old is removed, seconds.
const CLEAN_EVERY_S: i64 = 3600;
/// How long an alert is kept that has ended, seconds.
const RESOLVED_KEPT_S: i64 = 90 * 86_400;
/// How long a message is tried, seconds.
pub const MESSAGE_KEPT_S: i64 = 7 * 86_400;

/// How alerts are raised.
#[derive(Clone, Debug)]
pub struct AlertSettings {
    /// Seconds between two evaluations.
    pub every_s: i64,
    /// Seconds without a sign after which an alert resolves, and in which it isn't opened anew.
    pub quiet_s: i64,
    /// How many times what is normal at this hour is unusual.
    pub unusual_times: i64,
    /// What each rule takes; 0 turns it off, and the default stands for those that aren't named.
    pub limits: BTreeMap<Rule, i64>,
    /// Who is told, beside the log.
    pub notifiers: Vec<String>,
    /// Where the runbooks are.
    pub runbooks: String,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            every_s: 10,
            quiet_s: 900,
            unusual_times: 3,
            limits: BTreeMap::new(),
            notifiers: Vec::new(),
            runbooks: concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/runbooks").to_owned(),
        }
    }
}

impl AlertSettings {
    /// What a rule takes; `None` if it's off.
    pub fn limit(&self, rule: Rule) -> Option<i64> {
        let limit = self.limits.get(&rule).copied();
        Some(limit.unwrap_or(rule.default_limit())).filter(|limit| *limit > 0)
    }

    /// What to do about it.
    pub fn runbook(&self, rule: &str) -> String {
        format!("{}/{rule}.md", self.runbooks.trim_end_matches('/'))
    }
}

/// What a node sees beside the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Its own clock, Unix seconds.
    pub node_clock: i64,
    /// The database's, Unix seconds.
    pub database_clock: i64,
    /// The disk of an SQLite database.
    pub disk: Option<DiskSpace>,
}

impl Surroundings {
    /// As they are, by the node's clock `now`.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn read(store: &Store, now: i64) -> Result<Self, StoreError> {
        Ok(Self {
            node_clock: now,
            database_clock: store.clock().await?,
            disk: store.disk_space(),
        })
    }
}

/// A node's part in raising alerts.
pub struct Alerts {
    settings: AlertSettings,
    /// Tells this process from every other, also from one that ran under its name before.
    holder: String,
    memory: Mutex<Memory>,
    baselines: Baselines,
}

#[derive(Default)]
struct Memory {
    skew_noted_at: Option<i64>,
    cleaned_at: Option<i64>,
    open: BTreeMap<Rule, i64>,
}

impl Alerts {
    /// A node's part.
    ///
    /// # Errors
    /// [`NoEntropy`]
    pub fn new(settings: AlertSettings, entropy: &Entropy) -> Result<Self, NoEntropy> {
        Ok(Self {
            settings,
            holder: entropy.id()?,
            memory: Mutex::default(),
            baselines: Baselines::default(),
        })
    }

    /// How alerts are raised.
    pub fn settings(&self) -> &AlertSettings {
        &self.settings
    }

    /// How many alerts are open or acknowledged, by rule, as of the last tick; every rule is in it.
    pub fn open_by_rule(&self) -> BTreeMap<Rule, i64> {
        let open = self.memory(|memory| memory.open.clone());
        let all = Rule::ALL.iter().copied();
        all.map(|rule| (rule, open.get(&rule).copied().unwrap_or(0)))
            .collect()
    }

    /// What every node does every few seconds. True if this one evaluated.
    ///
    /// # Errors
    /// [`FlowError`]: then nothing, or a part of it, is done, and the next tick does the rest.
    pub async fn tick(&self, issuer: &Issuer, around: Surroundings) -> Result<bool, FlowError> {
        self.note_skew(issuer, around);
        let now = around.database_clock;
        let until = now + LEASE_ROUNDS * self.settings.every_s.max(1);
        let evaluates = lease::take(&issuer.store, LEASE, &self.holder, (now, until)).await?;
        if evaluates {
            let quiet_s = self.settings.quiet_s;
            let past = Past::load(&issuer.store, now - past::REMEMBERED_S - quiet_s).await?;
            let findings = self.findings(issuer, &past, around).await?;
            lifecycle::apply(issuer, &self.settings, &past, &findings, now).await?;
            self.clean(&issuer.store, now).await?;
        }
        let open = alerts::count_unresolved(&issuer.store).await?;
        let open = open
            .into_iter()
            .filter_map(|(rule, count)| Some((rule.parse().ok()?, count)));
        self.memory(|memory| memory.open = open.collect());
        Ok(evaluates)
    }

    /// Lets another node go on at once.
    ///
    /// # Errors
    /// [`StoreError`]: then another goes on when the lease has ended.
    pub async fn leave(&self, store: &Store) -> Result<(), StoreError> {
        lease::release(store, LEASE, &self.holder).await
    }

    async fn findings(
        &self,
        issuer: &Issuer,
        past: &Past,
        around: Surroundings,
    ) -> Result<Vec<Finding>, FlowError> {
        let now = around.database_clock;
        let mut findings = states::keys(issuer, &self.settings, now).await?;
        findings.extend(states::disk(&self.settings, around));
        findings.extend(states::notifiers(issuer, &self.settings, now).await?);
        let watch = events::Watch {
            store: &issuer.store,
            settings: &self.settings,
            past,
            baselines: &self.baselines,
            now,
        };
        findings.extend(watch.findings().await?);
        Ok(findings)
    }

    /// Notes that this node's clock is wrong. By the database's, lest the note lie outside of what is looked at.
    fn note_skew(&self, issuer: &Issuer, around: Surroundings) {
        let seconds = around.node_clock - around.database_clock;
        let now = around.database_clock;
        let is_due = self.memory(|memory| {
            let last = memory.skew_noted_at;
            let is_due = seconds.abs() > SKEW_NOTED_S
                && last.is_none_or(|last| now - last >= SKEW_EVERY_S || now < last);
            if is_due {
                memory.skew_noted_at = Some(now);
            }
            is_due
        });
        if is_due {
            issuer.note(Happening::ClockSkew { seconds }, now);
        }
    }

    async fn clean(&self, store: &Store, now: i64) -> Result<(), StoreError> {
        let is_due = self.memory(|memory| {
            let is_due = memory
                .cleaned_at
                .is_none_or(|last| now - last >= CLEAN_EVERY_S);
            if is_due {
                memory.cleaned_at = Some(now);
            }
            is_due
        });
        if is_due {
            alerts::forget(store, now - RESOLVED_KEPT_S).await?;
            let given_up = messages::give_up(store, now - MESSAGE_KEPT_S).await?;
            if given_up > 0 {
                tracing::error!(
                    messages = given_up,
                    "messages about alerts could not be delivered for a week and are given up: see 'gatewright alerts list'"
                );
            }
        }
        Ok(())
    }

    fn memory<T>(&self, with: impl FnOnce(&mut Memory) -> T) -> T {
        // A panic elsewhere is no reason to stop watching.
        with(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
