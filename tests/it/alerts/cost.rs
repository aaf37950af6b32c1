//! Looking for alerts costs what happened lately, not what ever happened.

use super::support::{Watcher, decided};
use crate::support::database::plan;
use crate::support::on_both_databases;
use gatewright::domain::event::Decision;
use gatewright::store::Param;
use gatewright::store::alerts::{self, observed};

const ROWS: i64 = 30_000;
/// Rows of the table, most of them old, of two kinds.
const FILL: &str = "
    INSERT INTO event (event_id, kind, at, detail, severity, writer, seq, address, subject)
    WITH RECURSIVE numbers (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < $1)
    SELECT 'e' || CAST(n AS TEXT), CASE WHEN n % 3 = 0 THEN 'login_failed' ELSE 'token_issued' END, n,
           '{\"reason\":\"wrong_password\"}', 'notice', 'filler', n, '198.51.100.9', 'person'
      FROM numbers";

on_both_databases! {
    async fn what_is_allowed_pushes_no_denial_out_of_sight(app: TestApp) {
        let denials = observed::Which {
            kind: "access_decided",
            like: "%",
            unlike: "%\"decision\":\"allow\"%",
            labelled: true,
        };
        let watcher = Watcher::on(&app);
        for (decision, reason, count) in [(Decision::Deny, Some("no_rule"), 5), (Decision::Allow, None, 40)] {
            app.advance(1);
            for _ in 0..count {
                watcher.note(decided(decision, reason));
            }
        }
        app.write_events().await;
        let store = &app.issuer.store;
        let since = app.now() - 60;
        assert_eq!(observed::recent(store, denials, since, 10).await.unwrap().len(), 5);
        assert_eq!(observed::reach(store, denials, since, 10).await.unwrap(), None);
        assert_eq!(observed::reach(store, denials, since, 5).await.unwrap(), Some(app.now() - 1));
    }

    async fn every_count_goes_by_an_index(app: TestApp) {
        let store = &app.issuer.store;
        store.execute(FILL, vec![ROWS.into()]).await.unwrap();
        store.execute("ANALYZE event", vec![]).await.unwrap();
        let text = |text: &str| Param::from(text);
        let since = ROWS - 300;
        for (sql, params) in alerts::observed::STATEMENTS.iter().zip([
            vec![text("login_failed"), since.into(), 20_000.into(), text("%"), text(""), true.into()],
            vec![text("login_failed"), since.into(), 19_999.into(), false.into()],
            vec![text("login_failed"), since.into(), ROWS.into(), text("%"), text("")],
            vec![],
        ]) {
            let plan = plan(store, sql, params).await;
            assert!(plan.contains("event_count") || plan.contains("event_time"), "{sql}\n{plan}");
            assert!(!plan.contains("Seq Scan on event") && !plan.contains("SCAN event\n"), "{sql}\n{plan}");
        }
    }
}
