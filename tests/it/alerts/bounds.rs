//! What an alert looks at, for how long what it leaves is kept, and how a flood is seen.

use super::support::{Watcher, failed_login, refresh_replayed};
use crate::support::administration::recorded_at;
use crate::support::{TestApp, on_both_databases};
use gatewright::flows::alerts::AlertSettings;
use gatewright::store::{Param, alerts};

const DAY_S: i64 = 86_400;

/// Failed logins, so many, one a second or more often up to a time, of this reason.
async fn many(app: &TestApp, name: &str, reason: &str, (rows, seconds, until): (i64, i64, i64)) {
    let sql = format!(
        "INSERT INTO event (event_id, kind, severity, at, detail)
         WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         SELECT '{name}' || CAST(i AS TEXT), 'login_failed', 'notice', {until} - i * {seconds} / {rows},
                '{{\"reason\":\"{reason}\"}}'
           FROM n"
    );
    let sql = Box::leak(sql.into_boxed_str());
    app.issuer.store.execute(sql, vec![]).await.unwrap();
}

async fn messages_from_before(app: &TestApp, at: i64) -> i64 {
    let sql = "SELECT COUNT(*) FROM alert_message WHERE created_at < $1";
    let (count,): (i64,) = app
        .issuer
        .store
        .fetch_one(sql, vec![Param::from(at)])
        .await
        .unwrap();
    count
}

on_both_databases! {
    async fn what_happened_before_a_rules_own_time_is_not_counted(app: TestApp) {
        let watcher = Watcher::on(&app);
        for n in 0..60 {
            watcher.note_from(&format!("198.51.100.{n}"), failed_login(Some(&format!("person-{n}")))).await;
        }
        app.write_events().await;
        // Other rules about logins look back for 15 minutes, this one for 5.
        app.advance(300);
        watcher.tick().await;
        assert_eq!(watcher.raised().await, []);
        for n in 0..49 {
            watcher.note_from(&format!("198.51.101.{n}"), failed_login(Some(&format!("other-{n}")))).await;
        }
        watcher.tick().await;
        assert_eq!(watcher.raised().await, [], "49 and not 109");
    }

    async fn a_sign_from_a_clock_that_is_ahead_keeps_no_alert_open(app: TestApp) {
        let watcher = Watcher::on(&app);
        recorded_at(&app, app.now() + 3000, refresh_replayed("web"));
        watcher.tick().await;
        assert_eq!(watcher.open().await[0].seen_at, app.now());
    }

    async fn in_a_flood_a_shorter_time_is_compared_with_what_is_normal_in_it(app: TestApp) {
        let now = app.now();
        // 600 in this hour of each of four days: 50 in five minutes are normal, 150 unusual.
        for day in 1..=4 {
            many(&app, &format!("day-{day}-"), "unknown_account", (600, 3600, now - day * DAY_S + 1800)).await;
        }
        many(&app, "first-", "unknown_account", (1, 1, now - 5 * DAY_S)).await;
        // As many as are looked at, within a minute; they hide what came before it.
        many(&app, "busy-", "busy", (19_940, 59, now)).await;
        many(&app, "flood-", "unknown_account", (60, 59, now)).await;
        let watcher = Watcher::on(&app);
        watcher.tick().await;
        let raised = watcher.open().await;
        assert_eq!(raised.len(), 1, "60 in a minute, of which 10 are normal");
        assert_eq!((raised[0].observed, raised[0].normal), (60, Some(10)));
    }

    async fn what_is_over_or_undeliverable_is_not_kept_for_ever(app: TestApp) {
        let notifiers = vec!["webhook".to_owned()];
        let watcher = Watcher::with(&app, AlertSettings { notifiers, ..AlertSettings::default() });
        watcher.note(refresh_replayed("web"));
        watcher.tick().await;
        let began = app.now();
        let id = watcher.open().await[0].alert_id.clone();
        app.advance(7 * DAY_S);
        watcher.tick().await;
        assert_eq!(messages_from_before(&app, began + 1).await, 1, "a week is not over");
        app.advance(3600);
        watcher.tick().await;
        assert_eq!(messages_from_before(&app, began + 1).await, 0, "given up");
        let kept = alerts::by_id(&app.issuer.store, &id).await.unwrap().unwrap();
        let resolved_at = kept.resolved_at.unwrap();
        app.set_clock(resolved_at + 90 * DAY_S);
        watcher.tick().await;
        assert!(alerts::by_id(&app.issuer.store, &id).await.unwrap().is_some());
        app.advance(3600);
        watcher.tick().await;
        assert_eq!(alerts::by_id(&app.issuer.store, &id).await.unwrap(), None);
    }
}
