//! What a node looks after each minute: rows that have expired, the record of events and its size.

#![expect(clippy::disallowed_methods, reason = "the clock enters here")]

use crate::flows::{SharedIssuer, password_costs};
use crate::store::events::budget::{self, Budget};
use crate::store::events::{retention, verify};
use crate::store::{lookalikes, sweep};
use gatewright_authorizer::fetch::unix_now;

/// Removes what has expired.
pub(super) async fn sweep_all(issuer: &SharedIssuer) {
    let upkeep = &issuer.store.metrics().upkeep;
    loop {
        match sweep::batch(&issuer.store, unix_now()).await {
            Ok(0) => return upkeep.cleaned(unix_now()),
            Ok(removed) => {
                upkeep.removed(removed);
                tracing::debug!(removed, "expired rows removed");
                tokio::task::yield_now().await;
            }
            Err(error) => {
                tracing::warn!(%error, "expired rows are removed later");
                return;
            }
        }
    }
}

/// Computes how the user names look that a version before this one wrote.
pub(super) async fn look_at_names(issuer: &SharedIssuer) {
    loop {
        match lookalikes::fill(&issuer.store).await {
            Ok(0) => return,
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => {
                tracing::debug!(%error, "user names are looked at later");
                return;
            }
        }
    }
}

/// Learns what stored password hashes cost, so that every failure costs as much.
pub(super) async fn learn_password_costs(issuer: &SharedIssuer) {
    let learnt = password_costs::learn(&issuer.store, &issuer.passwords, unix_now());
    if let Err(error) = learnt.await {
        tracing::warn!(%error, "what stored password hashes cost is read later");
    }
}

/// Removes what is older than events are kept.
pub(super) async fn remove_old_events(issuer: &SharedIssuer, retention_days: u32) {
    if retention_days == 0 {
        return;
    }
    let cutoff = unix_now() - i64::from(retention_days) * 86_400;
    let key = issuer.events.recorder().key();
    loop {
        match retention::batch(&issuer.store, key, cutoff).await {
            Ok(0) => return,
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => {
                tracing::warn!(%error, "old events are removed later");
                return;
            }
        }
    }
}

/// Removes what is beyond the table's budget, and tells once if that isn't enough. Returns whether it wasn't.
pub(super) async fn cut_events(issuer: &SharedIssuer, max_rows: i64, was_over: bool) -> bool {
    if max_rows == 0 {
        return false;
    }
    let key = issuer.events.recorder().key();
    loop {
        match budget::batch(&issuer.store, key, max_rows).await {
            Ok(Budget::Kept) => return false,
            Ok(Budget::Cut(_)) => tokio::task::yield_now().await,
            Ok(Budget::Exceeded(rows)) => {
                if !was_over {
                    tracing::error!(
                        rows,
                        max_rows,
                        "more events are kept than events.max_rows, and none of them goes before its time: raise it, or \
                         shorten events.retention_days"
                    );
                }
                return true;
            }
            Err(error) => {
                tracing::warn!(%error, "events beyond events.max_rows are removed later");
                return was_over;
            }
        }
    }
}

/// Signs the ends of this node's chains, and tells the log: a copy kept elsewhere shows if one is cut short.
pub(super) async fn sign_heads(issuer: &SharedIssuer) {
    let recorder = issuer.events.recorder();
    match verify::sign_heads(&issuer.store, recorder, unix_now()).await {
        Ok(heads) => {
            for head in heads {
                let (writer, seq, hash) = (head.writer, head.seq, head.hash);
                tracing::info!(target: "gatewright::event_head", writer, seq, hash, "signed");
            }
        }
        Err(error) => tracing::warn!(%error, "the ends of the events are signed later"),
    }
    if let Err(error) = issuer.events.note_ends(&issuer.store, unix_now()).await {
        tracing::warn!(%error, "the ends of the chains of events are told later");
    }
}
