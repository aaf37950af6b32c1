//! Open, acknowledged, resolved; raised once, and again only for something new.

use super::support::{Watcher, failed_login, refresh_replayed};
use crate::support::{TestApp, on_both_databases};
use gatewright::flows::admin::{Admin, AdminError, alerts as admin};
use gatewright::flows::alerts::AlertSettings;
use gatewright::store::alerts;

fn as_admin<'a>(app: &'a TestApp, actor: &'a str) -> Admin<'a> {
    Admin {
        store: &app.issuer.store,
        master: &app.issuer.master,
        entropy: &app.issuer.entropy,
        passwords: &app.issuer.passwords,
        events: &app.issuer.events,
        actor,
    }
}

on_both_databases! {
    async fn an_alert_is_raised_once_and_resolves_after_the_quiet_period(app: TestApp) {
        let watcher = Watcher::on(&app);
        watcher.note(refresh_replayed("web"));
        for _ in 0..3 {
            watcher.tick().await;
            app.advance(10);
        }
        assert_eq!(app.recorded("alert_opened").await.len(), 1);
        app.advance(869);
        watcher.tick().await;
        assert_eq!(watcher.open().await.len(), 1, "899 seconds after the last sign");
        app.advance(1);
        watcher.tick().await;
        assert_eq!(watcher.raised().await, []);
        let resolved = app.recorded("alert_resolved").await;
        assert_eq!(resolved.len(), 1);
        assert_eq!(resolved[0].fields()["rule"], "refresh_replay");
        // The replay is still within the rule's hour: it isn't counted twice.
        for _ in 0..4 {
            app.advance(600);
            watcher.tick().await;
        }
        assert_eq!(app.recorded("alert_opened").await.len(), 1);
    }

    async fn what_happens_in_the_quiet_period_after_an_alert_is_told_when_it_is_over(app: TestApp) {
        let watcher = Watcher::on(&app);
        watcher.note(refresh_replayed("web"));
        watcher.tick().await;
        app.advance(900);
        watcher.tick().await;
        assert_eq!(watcher.raised().await, []);
        app.advance(10);
        watcher.note(refresh_replayed("web"));
        watcher.tick().await;
        assert_eq!(watcher.raised().await, [], "quiet");
        app.advance(890);
        watcher.tick().await;
        assert_eq!(watcher.open().await.len(), 1, "and not forgotten");
        assert_eq!(watcher.open().await[0].observed, 1, "the first replay is not counted again");
    }

    async fn an_alert_that_goes_on_keeps_its_id_and_grows(app: TestApp) {
        let watcher = Watcher::on(&app);
        let began = app.now();
        for _ in 0..10 {
            watcher.note(failed_login(Some("ada")));
        }
        watcher.tick().await;
        let first = watcher.open().await.remove(0);
        app.advance(300);
        for _ in 0..10 {
            watcher.note(failed_login(Some("ada")));
        }
        watcher.tick().await;
        let open = watcher.open().await;
        assert_eq!((open.len(), &open[0].alert_id), (1, &first.alert_id));
        assert_eq!((open[0].observed, open[0].since, open[0].seen_at), (20, began, began + 300));
        app.advance(800);
        watcher.tick().await;
        assert_eq!(watcher.open().await.len(), 1, "800 seconds after the last sign");
        assert_eq!(watcher.open().await[0].observed, 20, "the worst of it stays");
    }

    async fn an_acknowledged_alert_stays_until_it_is_over_and_names_who(app: TestApp) {
        let watcher = Watcher::on(&app);
        watcher.note(refresh_replayed("web"));
        watcher.tick().await;
        let id = watcher.open().await[0].alert_id.clone();
        let alert = admin::acknowledge(as_admin(&app, "grace"), &id, app.now()).await.unwrap();
        assert_eq!(alert.acknowledged_by.as_deref(), Some("grace"));
        let events = app.recorded("alert_acknowledged").await;
        assert_eq!((events.len(), &events[0].fields()["actor"]), (1, &"grace".into()));
        let again = admin::acknowledge(as_admin(&app, "alan"), &id, app.now()).await;
        assert!(matches!(again, Err(AdminError::Conflict(words)) if words.contains("acknowledged by grace")));
        let unknown = admin::acknowledge(as_admin(&app, "alan"), "nothing", app.now()).await;
        assert!(matches!(unknown, Err(AdminError::Unknown(_))));
        watcher.tick().await;
        assert_eq!(app.recorded("alert_opened").await.len(), 1, "no second one beside it");
        app.advance(900);
        watcher.tick().await;
        assert_eq!(watcher.raised().await, []);
        let over = alerts::by_id(&app.issuer.store, &id).await.unwrap().unwrap();
        assert_eq!((over.acknowledged_by.as_deref(), over.resolved_at), (Some("grace"), Some(app.now())));
    }

    async fn a_rule_that_is_turned_off_leaves_no_alert_behind(app: TestApp) {
        let watcher = Watcher::on(&app);
        watcher.note(refresh_replayed("web"));
        watcher.tick().await;
        let limits = [(gatewright::domain::alert::Rule::RefreshReplay, 0)].into();
        let other = Watcher::with(&app, AlertSettings { limits, ..AlertSettings::default() });
        app.advance(900);
        assert!(other.tick().await);
        assert_eq!(other.raised().await, []);
    }
}
