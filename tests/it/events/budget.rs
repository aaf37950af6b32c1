//! The table of events has a size: what strangers cause goes first, what matters never.

use crate::support::{TestApp, on_both_databases};
use gatewright::store::events::budget::{self, Budget};
use gatewright::store::events::verify;

async fn refuse(app: &TestApp, times: usize) {
    for _ in 0..times {
        app.post("/token", &[("client_id", "nobody")]).await;
    }
}

/// Rows by chain.
async fn rows(app: &TestApp, chain: &str) -> i64 {
    let sql = "SELECT COUNT(*) FROM event WHERE writer = $1";
    let row: (i64,) = app
        .issuer
        .store
        .fetch_one(sql, vec![chain.into()])
        .await
        .unwrap();
    row.0
}

async fn keep_within(app: &TestApp, most: i64) -> Budget {
    loop {
        let key = &app.issuer.master.events;
        match budget::batch(&app.issuer.store, key, most).await.unwrap() {
            Budget::Cut(_) => {}
            done => return done,
        }
    }
}

async fn faults(app: &TestApp) -> Vec<verify::Fault> {
    let key = &app.issuer.master.events;
    verify::verify(&app.issuer.store, key, &[])
        .await
        .unwrap()
        .faults
}

on_both_databases! {
    async fn refusals_go_first_then_traffic_and_what_matters_never(app: TestApp) {
        app.with_ada_and_web().await;
        app.tokens("web", "openid").await;
        refuse(&app, 25).await;
        app.write_events().await;
        let (kept, traffic) = (rows(&app, "test").await, rows(&app, "test/traffic").await);
        assert!(kept > 0 && traffic > 0);
        assert_eq!(rows(&app, "test/refusals").await, 25);

        assert_eq!(keep_within(&app, kept + traffic + 25).await, Budget::Kept);
        assert_eq!(rows(&app, "test/refusals").await, 25);
        assert_eq!(keep_within(&app, kept + traffic + 10).await, Budget::Kept);
        assert_eq!(rows(&app, "test/refusals").await, 10);
        let oldest = "SELECT MIN(seq) FROM event WHERE writer = 'test/refusals'";
        assert_eq!(app.issuer.store.fetch_one::<(i64,)>(oldest, vec![]).await.unwrap().0, 16, "the oldest went");
        // A quarter is theirs before traffic has to go.
        assert_eq!(keep_within(&app, 8).await, Budget::Kept);
        assert_eq!((rows(&app, "test/refusals").await, rows(&app, "test/traffic").await), (2, 8 - 2 - kept));
        assert_eq!(keep_within(&app, 1).await, Budget::Exceeded(kept));
        assert_eq!(rows(&app, "test").await, kept);
        assert_eq!(faults(&app).await, [], "and what is left can be verified");
        refuse(&app, 1).await;
        app.write_events().await;
        assert_eq!(faults(&app).await, []);
    }

    async fn a_flood_takes_its_own_rows_and_no_failed_login(app: TestApp) {
        app.with_ada_and_web().await;
        for _ in 0..5 {
            let browser = crate::support::Browser::new(&app);
            let url = crate::support::fixtures::authorize_url("web", "openid", &[]);
            browser.log_in(&url, "ada", "wrong").await;
        }
        refuse(&app, 25).await;
        app.write_events().await;
        let attempts = rows(&app, "test/attempts").await;
        assert_eq!(attempts, 5);
        assert_eq!(keep_within(&app, 12).await, Budget::Kept);
        assert_eq!(rows(&app, "test/attempts").await, attempts);
    }

    async fn evidence_is_not_cut(app: TestApp) {
        refuse(&app, 5).await;
        app.write_events().await;
        let sql = "UPDATE event SET detail = '{}' WHERE writer = 'test/refusals' AND seq = 1";
        app.issuer.store.execute(sql, vec![]).await.unwrap();
        let kept = rows(&app, "test").await;
        assert_eq!(keep_within(&app, 1).await, Budget::Exceeded(5 + kept));
        assert!(matches!(faults(&app).await.as_slice(), [verify::Fault::Altered { seq: 1, .. }]));
    }
}
