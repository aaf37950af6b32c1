//! Any number of nodes: one evaluates, one sends, and the others go on when it dies.

use super::support::{Watcher, refresh_replayed};
use crate::support::on_both_databases;
use gatewright::domain::alert::Rule;
use gatewright::flows::alerts::{AlertSettings, outbox};
use gatewright::store::alerts::{self, AlertRow, outbox as messages};

fn told() -> AlertSettings {
    AlertSettings {
        notifiers: vec!["webhook".to_owned(), "email".to_owned()],
        ..AlertSettings::default()
    }
}

on_both_databases! {
    async fn two_nodes_raise_one_alert(app: TestApp) {
        let other = app.another_node().await;
        let (one, two) = (Watcher::with(&app, told()), Watcher::with(&other, told()));
        one.note(refresh_replayed("web"));
        app.write_events().await;
        let (first, second) = tokio::join!(one.tick(), two.tick());
        assert!(first != second, "one of them evaluated");
        assert_eq!(one.open().await.len(), 1);
        assert_eq!(app.recorded("alert_opened").await.len(), 1);
        assert!(outbox::claim(&app.issuer, "webhook", app.now()).await.unwrap().is_some());
        assert!(outbox::claim(&app.issuer, "webhook", app.now()).await.unwrap().is_none(), "one message for a notifier");
        assert!(outbox::claim(&app.issuer, "email", app.now()).await.unwrap().is_some());
    }

    async fn two_nodes_that_both_think_they_are_the_one_raise_one_alert(app: TestApp) {
        let alert = |id: &str| AlertRow {
            alert_id: id.to_owned(),
            rule: "refresh_replay".to_owned(),
            target: "client:web".to_owned(),
            summary: "x".to_owned(),
            since: 1,
            seen_at: 1,
            observed: 1,
            normal: None,
            alert_limit: 1,
            top: "{}".to_owned(),
            opened_at: 1,
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: None,
        };
        let mut opened = Vec::new();
        for id in ["one", "two"] {
            let mut tx = app.issuer.store.begin().await.unwrap();
            opened.push(alerts::open(&mut tx, &alert(id)).await.unwrap());
            tx.commit().await.unwrap();
        }
        assert_eq!(opened, [true, false]);
    }

    async fn a_node_that_dies_is_followed_by_another(app: TestApp) {
        let other = app.another_node().await;
        let (one, two) = (Watcher::on(&app), Watcher::on(&other));
        assert!(one.tick().await);
        assert!(!two.tick().await, "the other has the lease");
        app.advance(10);
        assert!(one.tick().await, "and keeps it");
        // From here on the first is dead.
        app.advance(29);
        assert!(!two.tick().await);
        two.note(refresh_replayed("web"));
        app.advance(1);
        assert!(two.tick().await, "three rounds later");
        assert_eq!(two.open().await.len(), 1);
        assert!(!one.tick().await, "it comes back, and isn't needed");
    }

    async fn a_node_that_leaves_is_followed_at_once(app: TestApp) {
        let other = app.another_node().await;
        let (one, two) = (Watcher::on(&app), Watcher::on(&other));
        assert!(one.tick().await);
        two.alerts.leave(&other.issuer.store).await.unwrap();
        assert!(!two.tick().await, "what one hasn't, one can't give back");
        one.alerts.leave(&app.issuer.store).await.unwrap();
        assert!(two.tick().await);
    }

    async fn a_message_survives_its_node_and_is_sent_by_one(app: TestApp) {
        let watcher = Watcher::with(&app, told());
        watcher.note(refresh_replayed("web"));
        watcher.tick().await;
        let lost = outbox::claim(&app.issuer, "webhook", app.now()).await.unwrap().unwrap();
        // The node dies while it sends. Others leave the message alone for a minute, then one takes it.
        let (one, two) = (app.another_node().await, app.another_node().await);
        app.advance(59);
        assert!(outbox::claim(&one.issuer, "webhook", app.now()).await.unwrap().is_none());
        app.advance(1);
        let (first, second) = tokio::join!(
            outbox::claim(&one.issuer, "webhook", app.now()),
            outbox::claim(&two.issuer, "webhook", app.now()),
        );
        let claimed: Vec<_> = [first.unwrap(), second.unwrap()].into_iter().flatten().collect();
        assert_eq!(claimed.len(), 1);
        assert_eq!((&claimed[0].message_id, &claimed[0].body), (&lost.message_id, &lost.body));
        outbox::settle(&one.issuer, &claimed[0], Ok(()), app.now()).await.unwrap();
        app.advance(3600);
        assert!(outbox::claim(&one.issuer, "webhook", app.now()).await.unwrap().is_none(), "delivered");
    }

    async fn a_notifier_that_is_down_loses_nothing_and_is_told_of(app: TestApp) {
        let watcher = Watcher::with(&app, told());
        watcher.note(refresh_replayed("web"));
        watcher.tick().await;
        let mut tried_at = Vec::new();
        for _ in 0..400 {
            while let Some(message) = outbox::claim(&app.issuer, "webhook", app.now()).await.unwrap() {
                if message.attempts == i64::try_from(tried_at.len()).unwrap() {
                    tried_at.push(app.now());
                }
                outbox::settle(&app.issuer, &message, Err("no connection".to_owned()), app.now()).await.unwrap();
            }
            app.advance(1);
        }
        let pauses: Vec<i64> = tried_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160]);
        let failures = app.recorded("notifier_failed").await;
        assert_eq!(failures.len(), tried_at.len());
        assert_eq!(failures[0].fields()["cause"], "no connection");
        watcher.tick().await;
        let raised = watcher.raised().await;
        assert!(raised.contains(&("notifier_down".to_owned(), "notifier:webhook".to_owned())), "{raised:?}");
        let waiting = messages::overdue(&app.issuer.store, app.now()).await.unwrap();
        assert_eq!(waiting.len(), 1);
        assert_eq!((waiting[0].notifier.as_str(), waiting[0].waiting), ("webhook", 1));
    }

    async fn an_alert_and_its_messages_happen_together_or_not_at_all(app: TestApp) {
        // Off, for it reads the table that is about to be missed.
        let limits = [(Rule::NotifierDown, 0)].into();
        let watcher = Watcher::with(&app, AlertSettings { limits, ..told() });
        watcher.note(refresh_replayed("web"));
        app.write_events().await;
        app.issuer.store.execute("DROP TABLE alert_message", vec![]).await.unwrap();
        assert!(watcher.alerts.tick(&app.issuer, watcher.around()).await.is_err());
        assert_eq!(watcher.open().await.len(), 0);
        assert_eq!(app.recorded("alert_opened").await.len(), 0);
    }
}
