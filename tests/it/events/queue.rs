//! Events never slow or fail a request, and what is lost is told.

use crate::metrics::{scraped, value};
use crate::support::app::Options;
use crate::support::fixtures::{authorize_url, machine_client};
use crate::support::{Browser, TestApp, on_both_databases};
use gatewright::flows::events::{AddressPrivacy, EventSettings};
use gatewright::store::events::counts::{self, Counted};
use gatewright::store::events::{EventRow, verify};
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

    async fn what_strangers_cause_is_a_number_beyond_its_share(app: TestApp) {
        let garbage = [("authorization", "Bearer garbage")];
        for _ in 0..60 {
            assert_eq!(app.get_with("/admin/api/events", &garbage).await.status, 401);
        }
        let rows = app.recorded("access_refused").await;
        assert_eq!(rows.len(), 30 + 1, "a share, and one number");
        assert_eq!(rows.iter().map(EventRow::amount).sum::<i64>(), 60);
        let number = rows.iter().find(|row| row.amount() > 1).unwrap();
        assert_eq!(number.fields()["count"], 30);
        assert_eq!(number.address.as_deref(), Some("203.0.113.7"));
        assert_eq!((number.writer.as_deref(), number.request_id.as_deref()), (Some("test/refusals"), None));
        // Counted by label and in the metric, each.
        let counted = Counted { kind: "access_refused", since: 0, until: i64::MAX, limit: 1000 };
        let counts = counts::over_time(&app.issuer.store, counted, i64::MAX).await.unwrap();
        assert_eq!(counts.iter().map(|stretch| stretch.count).sum::<i64>(), 60);
        let metrics = scraped(app.issuer.store.metrics());
        assert_eq!(value(&metrics, "gatewright_events_total{kind=\"access_refused\"}"), 60.0);

        // Another network has its own share, and so has the next minute.
        app.seen_from("198.51.100.1").get_with("/admin/api/events", &garbage).await;
        assert_eq!(app.events("access_refused").await, 32);
        app.advance(60);
        app.get_with("/admin/api/events", &garbage).await;
        assert_eq!(app.events("access_refused").await, 33);
        let report = verify::verify(&app.issuer.store, &app.issuer.master.events, &[]).await.unwrap();
        assert_eq!(report.faults, []);
    }

    async fn a_flood_of_every_refusal_leaves_few_rows(app: TestApp) {
        app.with_ada_and_web().await;
        let from: Vec<TestApp> = (0..22).map(|n| app.seen_from(&format!("198.51.{n}.1"))).collect();
        for _ in 0..30 {
            for app in &from {
                app.post("/token", &[("client_id", "nobody")]).await;
                app.get("/authorize?client_id=nobody").await;
                app.get_with("/userinfo", &[("authorization", "Bearer garbage")]).await;
            }
        }
        app.write_events().await;
        let refusals = "SELECT COUNT(*), CAST(SUM(COALESCE(amount, 1)) AS BIGINT) FROM event WHERE writer = 'test/refusals'";
        let (rows, counted): (i64, i64) = app.issuer.store.fetch_one(refusals, vec![]).await.unwrap();
        let metrics = scraped(app.issuer.store.metrics());
        let kinds = ["authorization_refused", "client_authentication_failed", "access_refused", "token_refused", "request_refused"];
        let happened: f64 = kinds.iter().map(|kind| value(&metrics, &format!("gatewright_events_total{{kind=\"{kind}\"}}"))).sum();
        assert!(happened >= 3.0 * 22.0 * 30.0, "{happened}");
        assert_eq!(f64::from(i32::try_from(counted).unwrap()), happened, "each counts");
        assert!(rows <= 3 * (20 * 30 + 22), "{rows} rows");
    }

    async fn no_flood_pushes_out_what_matters(app: TestApp) {
        app.with_ada_and_web().await;
        // Nothing is sampled here, so that the flood fills its place.
        let settings = EventSettings { queue: 40, refusals_per_minute: 10_000, ..EventSettings::default() };
        let app = with(&app, settings).await;
        let flood = || async {
            for _ in 0..60 {
                app.post("/token", &[("client_id", "nobody")]).await;
            }
        };
        flood().await;
        for _ in 0..6 {
            app.tokens("web", "openid").await;
        }
        for _ in 0..30 {
            Browser::new(&app).log_in(&authorize_url("web", "openid", &[]), "ada", "wrong").await;
        }
        flood().await;
        assert_eq!(app.events("login_failed").await, 30);
        assert_eq!(app.events("token_issued").await, 6);
        assert_eq!(app.events("login_succeeded").await, 6);
        assert_eq!(app.events("client_authentication_failed").await, 40);
        assert_eq!(app.recorded("events_lost").await[0].fields()["count"], 80);
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
