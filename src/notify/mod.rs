//! What goes out by itself: messages about alerts, by webhook and by email, and an authorizer's decisions.
//!
//! `flows` decides which messages are sent and keeps them until they are delivered; this layer knows how. Imports `flows` and what is
//! left of it.

pub mod address;
pub mod decisions;
pub mod email;
pub mod webhook;

use crate::flows::Issuer;
use crate::flows::alerts::outbox;
use crate::store::StoreError;
use email::Email;
use serde_json::Value;
use webhook::Webhook;

/// Messages of one notifier that are sent in one round: at the slowest they are done before their claims end.
const ROUND: usize = 5;
const WEBHOOK: &str = "webhook";
const EMAIL: &str = "email";

/// The notifiers that are configured.
#[derive(Default)]
pub struct Notifiers {
    /// To a URL.
    pub webhook: Option<Webhook>,
    /// By SMTP.
    pub email: Option<Email>,
}

impl Notifiers {
    /// Their names, as in messages and events.
    pub fn names(&self) -> Vec<String> {
        let webhook = self.webhook.iter().map(|_| WEBHOOK);
        let email = self.email.iter().map(|_| EMAIL);
        webhook.chain(email).map(str::to_owned).collect()
    }

    /// Sends one message, once.
    ///
    /// # Errors
    /// Why it didn't arrive, in words that hold no secret.
    pub async fn send(
        &self,
        notifier: &str,
        message_id: &str,
        body: &str,
        now: i64,
    ) -> Result<(), String> {
        match (notifier, &self.webhook, &self.email) {
            (WEBHOOK, Some(webhook), _) => webhook.send(message_id, body, now).await,
            (EMAIL, _, Some(email)) => {
                let body: Value = serde_json::from_str(body)
                    .map_err(|error| format!("the message can't be read ({error})"))?;
                email.send(message_id, &body, now).await
            }
            _ => Err("it is not configured any more".to_owned()),
        }
    }

    /// Sends what is due, and keeps what doesn't arrive for later. Returns how many messages arrived.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn deliver(&self, issuer: &Issuer, now: i64) -> Result<usize, StoreError> {
        // Each by itself: one that hangs doesn't hold up the other.
        let (webhook, email) = tokio::join!(
            self.deliver_by(issuer, WEBHOOK, self.webhook.is_some(), now),
            self.deliver_by(issuer, EMAIL, self.email.is_some(), now),
        );
        Ok(webhook? + email?)
    }

    async fn deliver_by(
        &self,
        issuer: &Issuer,
        notifier: &str,
        is_configured: bool,
        now: i64,
    ) -> Result<usize, StoreError> {
        let mut arrived = 0;
        if !is_configured {
            return Ok(arrived);
        }
        for _ in 0..ROUND {
            let Some(message) = outbox::claim(issuer, notifier, now).await? else {
                break;
            };
            let outcome = self
                .send(notifier, &message.message_id, &message.body, now)
                .await;
            let failed = outcome.is_err();
            outbox::settle(issuer, &message, outcome, now).await?;
            if failed {
                break;
            }
            arrived += 1;
        }
        Ok(arrived)
    }
}
