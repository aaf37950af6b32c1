//! The messages that are to be delivered: kept in the database until they are, by whichever node gets to it.

use super::AlertSettings;
use crate::domain::event::Happening;
use crate::flows::{FlowError, Issuer};
use crate::store::alerts::outbox as messages;
use crate::store::{StoreError, Tx};
use serde_json::Value;

pub use crate::store::alerts::outbox::MessageRow as Message;

/// How long a node has for one message until another may send it: more than any notifier takes. Seconds.
const CLAIM_S: i64 = 60;
/// The pause after the first failure; each is twice the one before. Seconds.
const FIRST_PAUSE_S: i64 = 10;
/// The longest pause, seconds.
const LONGEST_PAUSE_S: i64 = 3600;

/// Adds a message for each notifier, in the transaction of what it tells.
pub(super) async fn add(
    tx: &mut Tx,
    issuer: &Issuer,
    settings: &AlertSettings,
    alert_id: &str,
    body: &Value,
    now: i64,
) -> Result<(), FlowError> {
    for notifier in &settings.notifiers {
        let message = Message {
            message_id: issuer.entropy.id()?,
            alert_id: alert_id.to_owned(),
            notifier: notifier.clone(),
            body: body.to_string(),
            created_at: now,
            attempts: 0,
        };
        messages::add(tx, &message).await?;
    }
    Ok(())
}

/// A message that is due for a notifier: nobody else sends it for a minute.
///
/// # Errors
/// [`StoreError`]
pub async fn claim(
    issuer: &Issuer,
    notifier: &str,
    now: i64,
) -> Result<Option<Message>, StoreError> {
    messages::claim(&issuer.store, notifier, (now, now + CLAIM_S)).await
}

/// What came of sending it: it's forgotten, or tried again later.
///
/// # Errors
/// [`StoreError`]: then it's sent again when the claim has ended.
pub async fn settle(
    issuer: &Issuer,
    message: &Message,
    outcome: Result<(), String>,
    now: i64,
) -> Result<(), StoreError> {
    match outcome {
        Ok(()) => messages::delivered(&issuer.store, &message.message_id).await,
        Err(cause) => {
            let next_at = now + pause(message.attempts);
            messages::failed(&issuer.store, &message.message_id, next_at).await?;
            let failed = Happening::NotifierFailed {
                notifier: message.notifier.clone(),
                alert_id: message.alert_id.clone(),
                cause,
            };
            issuer.note(failed, now);
            Ok(())
        }
    }
}

fn pause(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(0, 20)).unwrap_or(0);
    FIRST_PAUSE_S
        .saturating_mul(1 << doublings)
        .min(LONGEST_PAUSE_S)
}

#[cfg(test)]
mod tests {
    use super::pause;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let pauses: Vec<i64> = (0..11).map(pause).collect();
        assert_eq!(
            pauses,
            [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
        );
        assert_eq!(pause(i64::MAX), 3600);
    }
}
