//! Alerts as administrators see them.

use super::{Admin, AdminError};
use crate::domain::event::Happening;
use crate::store::alerts::{self, AlertRow};

/// Characters of a name that may stand in the record.
const ACTOR_MAX: usize = 100;

/// Alerts that are not over, or the latest whatever became of them; latest first.
///
/// # Errors
/// [`AdminError`]
pub async fn list(admin: Admin<'_>, all: bool, limit: i64) -> Result<Vec<AlertRow>, AdminError> {
    Ok(if all {
        alerts::latest(admin.store, limit).await?
    } else {
        alerts::unresolved(admin.store).await?
    })
}

/// Somebody has taken notice: recorded with the name of who did.
///
/// # Errors
/// [`AdminError::Unknown`] for an id that no alert has, [`AdminError::Conflict`] for one that was acknowledged or is
/// over.
pub async fn acknowledge(
    admin: Admin<'_>,
    alert_id: &str,
    now: i64,
) -> Result<AlertRow, AdminError> {
    if admin.actor.is_empty() || admin.actor.chars().count() > ACTOR_MAX {
        return Err(AdminError::Refused(vec![format!(
            "give a name of 1 to {ACTOR_MAX} characters for who takes notice"
        )]));
    }
    let known = alerts::by_id(admin.store, alert_id).await?.ok_or_else(|| {
        AdminError::Unknown(format!(
            "there is no alert {alert_id:?}: see 'gatewright alerts list --all'"
        ))
    })?;
    let mut tx = admin.store.begin().await?;
    if !alerts::acknowledge(&mut tx, alert_id, admin.actor, now).await? {
        let why = match (&known.acknowledged_by, known.resolved_at) {
            (_, Some(_)) => "is over".to_owned(),
            (Some(actor), _) => format!("was acknowledged by {actor}"),
            (None, None) => "has just been acknowledged, or is over".to_owned(),
        };
        return Err(AdminError::Conflict(format!(
            "alert {alert_id} {why}: nothing is left to acknowledge"
        )));
    }
    let acknowledged = Happening::AlertAcknowledged {
        alert_id: known.alert_id.clone(),
        rule: known.rule.clone(),
        actor: admin.actor.to_owned(),
    };
    admin.events.record(&mut tx, acknowledged, now)?;
    tx.commit().await?;
    Ok(AlertRow {
        acknowledged_at: Some(now),
        acknowledged_by: Some(admin.actor.to_owned()),
        ..known
    })
}
