//! Events never slow or fail a request, and what is lost is told.

use crate::support::app::Options;
use crate::support::fixtures::machine_client;
use crate::support::{TestApp, on_both_databases};
use gatewright::flows::events::{AddressPrivacy, EventSettings};
use gatewright::store::events::verify;
use serde_json::Value;

async fn with(app: &TestApp, events: EventSettings) -> TestApp {
    app.reopened(Options {
        events,
        ..app.options.clone()
    })
    .await
}

on_both_databases! {
    async fn tokens_beyond_the_rate_are_a_number(app: TestApp) {
        let app = with(&app, EventSettings { tokens_per_s: 3, ..EventSettings::default() }).await;
        app.register(&machine_client("worker")).await;
        for _ in 0..10 {
            assert_eq!(app.machine_token("worker", &[]).await.status, 200);
        }
        assert_eq!(app.events("token_issued").await, 3);
        let numbers = app.recorded("tokens_issued").await;
        assert_eq!(numbers.len(), 1);
        let detail = numbers[0].fields();
        assert_eq!((&detail["count"], &detail["client_id"]), (&Value::from(7), &Value::from("worker")));
        app.advance(1);
        app.machine_token("worker", &[]).await;
        assert_eq!(app.events("token_issued").await, 4, "each second anew");
        assert_eq!(app.events("client_authenticated").await, 1, "once a minute");
    }

    async fn tokens_of_nobody_crowd_nothing_out(app: TestApp) {
        let garbage = [("authorization", "Bearer garbage")];
        for _ in 0..60 {
            assert_eq!(app.get_with("/admin/api/events", &garbage).await.status, 401);
        }
        assert_eq!(app.events("access_refused").await, 50);
        app.advance(1);
        app.get_with("/admin/api/events", &garbage).await;
        assert_eq!(app.events("access_refused").await, 51, "each second anew");
    }

    async fn what_doesnt_fit_is_counted_and_told(app: TestApp) {
        let app = with(&app, EventSettings { queue: 5, ..EventSettings::default() }).await;
        for _ in 0..20 {
            assert_eq!(app.post("/token", &[("client_id", "nobody")]).await.status, 401);
        }
        assert_eq!(app.issuer.events.waiting(), 5);
        let lost = app.recorded("events_lost").await;
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].fields()["count"], 15);
        assert_eq!(app.events("client_authentication_failed").await, 5);
    }

    async fn what_cant_be_written_waits_and_requests_go_on(app: TestApp) {
        app.register(&machine_client("worker")).await;
        app.machine_token("worker", &[]).await;
        let store = &app.issuer.store;
        store.execute("ALTER TABLE event RENAME TO hidden", vec![]).await.unwrap();
        for _ in 0..3 {
            assert!(app.issuer.events.write(store, app.now()).await.is_err());
            assert_eq!(app.machine_token("worker", &[]).await.status, 200);
        }
        store.execute("ALTER TABLE hidden RENAME TO event", vec![]).await.unwrap();
        assert_eq!(app.events("token_issued").await, 4, "each once");
        let report = verify::verify(store, &app.issuer.master.events, &[]).await.unwrap();
        assert_eq!(report.faults, []);
    }

    async fn an_address_is_kept_as_far_as_the_setting_lets(app: TestApp) {
        for (addresses, expected) in [
            (AddressPrivacy::Full, Some("203.0.113.7")),
            (AddressPrivacy::Truncated, Some("203.0.113.0/24")),
            (AddressPrivacy::None, None),
        ] {
            let app = with(&app, EventSettings { addresses, ..EventSettings::default() }).await;
            app.post("/token", &[("client_id", "nobody")]).await;
            let failed = app.recorded("client_authentication_failed").await.pop().unwrap();
            assert_eq!(failed.address.as_deref(), expected, "{addresses:?}");
            app.advance(1);
        }
    }
}
