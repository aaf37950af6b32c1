//! From what was found to alerts: opened once, seen again, resolved after a quiet period. Each change commits with its
//! event and the messages about it.

use super::message::{self, Change};
use super::past::Past;
use super::{AlertSettings, outbox};
use crate::domain::alert::{Finding, Rule};
use crate::domain::event::Happening;
use crate::flows::{FlowError, Issuer};
use crate::store::alerts::{self, AlertRow};
use std::str::FromStr as _;

pub(super) async fn apply(
    issuer: &Issuer,
    settings: &AlertSettings,
    past: &Past,
    findings: &[Finding],
    now: i64,
) -> Result<(), FlowError> {
    let quiet_s = settings.quiet_s;
    for finding in findings {
        if let Some(known) = past.unresolved_of(finding.rule, &finding.target) {
            seen_again(issuer, known, finding).await?;
            continue;
        }
        let ended_at = past.ended_at(finding.rule, &finding.target);
        if ended_at.is_none_or(|ended| ended + quiet_s <= now) {
            open(issuer, settings, finding, now).await?;
        }
    }
    for known in past.unresolved() {
        let goes_on = findings.iter().find(|finding| {
            finding.rule.as_str() == known.rule && finding.target.stored() == known.target
        });
        let seen_at = goes_on.map_or(known.seen_at, |finding| finding.seen_at.max(known.seen_at));
        if seen_at + quiet_s <= now {
            resolve(issuer, settings, known, now).await?;
        }
    }
    Ok(())
}

async fn open(
    issuer: &Issuer,
    settings: &AlertSettings,
    finding: &Finding,
    now: i64,
) -> Result<(), FlowError> {
    let alert = AlertRow {
        alert_id: issuer.entropy.id()?,
        rule: finding.rule.as_str().to_owned(),
        target: finding.target.stored(),
        summary: finding.summary.clone(),
        since: finding.since,
        seen_at: finding.seen_at,
        observed: finding.observed,
        normal: finding.normal,
        alert_limit: finding.limit,
        top: serde_json::to_string(&finding.top)?,
        opened_at: now,
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
    };
    let mut tx = issuer.store.begin().await?;
    if !alerts::open(&mut tx, &alert).await? {
        return Ok(());
    }
    let opened = Happening::AlertOpened {
        alert_id: alert.alert_id.clone(),
        rule: alert.rule.clone(),
        summary: alert.summary.clone(),
    };
    issuer.record(&mut tx, opened, now)?;
    let body = message::of_alert(Change::Opened, &issuer.url, settings, &alert);
    outbox::add(&mut tx, issuer, settings, &alert.alert_id, &body, now).await?;
    tx.commit().await?;
    let runbook = settings.runbook(&alert.rule);
    tracing::warn!(
        target: "gatewright::alert",
        alert_id = alert.alert_id, rule = alert.rule, summary = alert.summary, top = alert.top, runbook,
        "alert opened"
    );
    Ok(())
}

async fn seen_again(issuer: &Issuer, known: &AlertRow, finding: &Finding) -> Result<(), FlowError> {
    let grows = finding.observed > known.observed;
    if finding.seen_at <= known.seen_at && !grows {
        return Ok(());
    }
    let mut alert = AlertRow {
        seen_at: finding.seen_at.max(known.seen_at),
        ..known.clone()
    };
    // The worst of it stays to be read.
    if grows {
        alert.observed = finding.observed;
        alert.summary.clone_from(&finding.summary);
        alert.top = serde_json::to_string(&finding.top)?;
    }
    alerts::seen(&issuer.store, &alert).await?;
    Ok(())
}

async fn resolve(
    issuer: &Issuer,
    settings: &AlertSettings,
    known: &AlertRow,
    now: i64,
) -> Result<(), FlowError> {
    let mut tx = issuer.store.begin().await?;
    if !alerts::resolve(&mut tx, &known.alert_id, known.seen_at, now).await? {
        return Ok(());
    }
    let resolved = Happening::AlertResolved {
        alert_id: known.alert_id.clone(),
        rule: known.rule.clone(),
    };
    issuer.record(&mut tx, resolved, now)?;
    let alert = AlertRow {
        resolved_at: Some(now),
        ..known.clone()
    };
    let body = message::of_alert(Change::Resolved, &issuer.url, settings, &alert);
    outbox::add(&mut tx, issuer, settings, &alert.alert_id, &body, now).await?;
    tx.commit().await?;
    tracing::info!(
        target: "gatewright::alert",
        alert_id = alert.alert_id, rule = alert.rule, summary = alert.summary,
        "alert resolved"
    );
    Ok(())
}

/// The severity of a stored rule; of a later version's, the highest.
pub(super) fn severity(rule: &str) -> &'static str {
    Rule::from_str(rule).map_or("critical", |rule| rule.severity().as_str())
}
