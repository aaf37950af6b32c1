//! Rules over the state of the server: it holds, or it doesn't.

use super::{AlertSettings, Surroundings};
use crate::domain::alert::{Finding, Rule, Target, TopFive};
use crate::flows::{FlowError, Issuer};
use crate::store::alerts::outbox;
use crate::store::{StoreError, signing_keys};

/// A pending key whose time has come, and an active one whose rotation is due: every node looks after both each second.
pub(super) async fn keys(
    issuer: &Issuer,
    settings: &AlertSettings,
    now: i64,
) -> Result<Vec<Finding>, FlowError> {
    let Some(limit) = settings.limit(Rule::KeysOverdue) else {
        return Ok(Vec::new());
    };
    let period = issuer.settings.rotate_every_days * 86_400;
    let records = signing_keys::all(&issuer.store).await?;
    let mut findings = Vec::new();
    for key in &records {
        let (since, what) = match key.state.as_str() {
            "pending" => (key.activates_at, "should sign since then"),
            "active" if period > 0 => {
                let is_followed = records
                    .iter()
                    .any(|other| other.algorithm == key.algorithm && other.state == "pending");
                if is_followed {
                    continue;
                }
                (
                    key.activates_at + period,
                    "should have a successor since then",
                )
            }
            _ => continue,
        };
        let late = now - since;
        if late > limit {
            findings.push(Finding {
                rule: Rule::KeysOverdue,
                target: Target::Key(key.algorithm.clone()),
                since,
                seen_at: now,
                observed: late,
                limit,
                normal: None,
                summary: format!(
                    "the {} {} key {} {what}: {late} seconds late",
                    key.state, key.algorithm, key.kid
                ),
                top: TopFive::default(),
            });
        }
    }
    Ok(findings)
}

/// The disk of an SQLite database.
pub(super) fn disk(settings: &AlertSettings, around: Surroundings) -> Option<Finding> {
    let limit = settings.limit(Rule::DiskTrouble)?;
    let disk = around.disk.filter(|disk| disk.free_percent < limit)?;
    Some(Finding {
        rule: Rule::DiskTrouble,
        target: Target::All,
        since: around.database_clock,
        seen_at: around.database_clock,
        observed: disk.free_percent,
        limit,
        normal: None,
        summary: format!(
            "{} % ({} MiB) of the database's disk are free",
            disk.free_percent, disk.free_mib
        ),
        top: TopFive::default(),
    })
}

/// Messages that were tried in vain for too long.
pub(super) async fn notifiers(
    issuer: &Issuer,
    settings: &AlertSettings,
    now: i64,
) -> Result<Vec<Finding>, StoreError> {
    let Some(limit) = settings.limit(Rule::NotifierDown) else {
        return Ok(Vec::new());
    };
    let overdue = outbox::overdue(&issuer.store, now - limit).await?;
    let configured = overdue
        .into_iter()
        .filter(|overdue| settings.notifiers.contains(&overdue.notifier));
    let findings = configured.map(|overdue| Finding {
        rule: Rule::NotifierDown,
        since: overdue.since,
        seen_at: now,
        observed: now - overdue.since,
        limit,
        normal: None,
        summary: format!(
            "{} messages wait for the {} notifier, the first for {} seconds",
            overdue.waiting,
            overdue.notifier,
            now - overdue.since
        ),
        target: Target::Notifier(overdue.notifier),
        top: TopFive::default(),
    });
    Ok(findings.collect())
}
