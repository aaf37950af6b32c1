//! Whoever has the database alone can't alter, remove, insert or cut off an event unseen.

use crate::support::{TestApp, on_both_databases};
use gatewright::crypto::MasterKeys;
use gatewright::store::Param;
use gatewright::store::events::verify::{self, Fault, KeptHead, Report};
use gatewright::store::events::{retention, search};

const DAY: i64 = 86_400;

/// Two nodes that recorded this and that.
async fn two_nodes(app: &TestApp) -> TestApp {
    app.with_ada_and_web().await;
    let mut options = app.options.clone();
    options.node = "other".to_owned();
    let other = app.reopened(options).await;
    for node in [app, &other] {
        for _ in 0..4 {
            node.tokens("web", "openid offline_access").await;
        }
        node.write_events().await;
    }
    for node in [app, &other] {
        let recorder = node.issuer.events.recorder();
        let signed = verify::sign_heads(&node.issuer.store, recorder, node.now()).await;
        assert_eq!(signed.unwrap().len(), 2);
    }
    other
}

async fn verified(app: &TestApp) -> Report {
    verified_with(app, &[]).await
}

async fn verified_with(app: &TestApp, kept: &[KeptHead]) -> Report {
    let key = &app.issuer.master.events;
    verify::verify(&app.issuer.store, key, kept).await.unwrap()
}

async fn run(app: &TestApp, sql: &'static str) {
    assert!(
        app.issuer.store.execute(sql, vec![]).await.unwrap() > 0,
        "{sql}"
    );
}

async fn event_at(app: &TestApp, seq: i64) -> String {
    let sql = "SELECT event_id FROM event WHERE writer = 'test' AND seq = $1";
    let row: (String,) = app
        .issuer
        .store
        .fetch_one(sql, vec![Param::from(seq)])
        .await
        .unwrap();
    row.0
}

on_both_databases! {
    async fn what_the_nodes_wrote_is_as_they_wrote_it(app: TestApp) {
        two_nodes(&app).await;
        let report = verified(&app).await;
        assert_eq!(report.faults, []);
        assert_eq!((report.writers, report.heads), (4, 4), "what matters, and the traffic");
        assert!(report.events > 10);
        let again = verify::sign_heads(&app.issuer.store, app.issuer.events.recorder(), app.now()).await;
        assert_eq!(again.unwrap(), [], "an end is signed once");
    }

    async fn every_column_of_an_event_is_chained(app: TestApp) {
        two_nodes(&app).await;
        let altered = Fault::Altered {
            writer: "test".to_owned(),
            seq: 5,
            event_id: event_at(&app, 5).await,
        };
        for (change, back) in [
            ("UPDATE event SET at = at + 1 WHERE writer = 'test' AND seq = 5", "UPDATE event SET at = at - 1 WHERE writer = 'test' AND seq = 5"),
            ("UPDATE event SET kind = kind || 'x' WHERE writer = 'test' AND seq = 5", "UPDATE event SET kind = substr(kind, 1, length(kind) - 1) WHERE writer = 'test' AND seq = 5"),
            ("UPDATE event SET severity = severity || 'x' WHERE writer = 'test' AND seq = 5", "UPDATE event SET severity = substr(severity, 1, length(severity) - 1) WHERE writer = 'test' AND seq = 5"),
            ("UPDATE event SET detail = detail || ' ' WHERE writer = 'test' AND seq = 5", "UPDATE event SET detail = substr(detail, 1, length(detail) - 1) WHERE writer = 'test' AND seq = 5"),
            ("UPDATE event SET request_id = request_id || 'x' WHERE writer = 'test' AND seq = 5", "UPDATE event SET request_id = substr(request_id, 1, length(request_id) - 1) WHERE writer = 'test' AND seq = 5"),
            ("UPDATE event SET address = address || '1' WHERE writer = 'test' AND seq = 5", "UPDATE event SET address = substr(address, 1, length(address) - 1) WHERE writer = 'test' AND seq = 5"),
            ("UPDATE event SET device = device || 'x' WHERE writer = 'test' AND seq = 5", "UPDATE event SET device = substr(device, 1, length(device) - 1) WHERE writer = 'test' AND seq = 5"),
            ("UPDATE event SET subject = subject || 'x' WHERE writer = 'test' AND seq = 5", "UPDATE event SET subject = substr(subject, 1, length(subject) - 1) WHERE writer = 'test' AND seq = 5"),
            ("UPDATE event SET trace_id = '' WHERE writer = 'test' AND seq = 5", "UPDATE event SET trace_id = NULL WHERE writer = 'test' AND seq = 5"),
            ("UPDATE event SET client_id = 'web2' WHERE writer = 'test' AND seq = 5", "UPDATE event SET client_id = NULL WHERE writer = 'test' AND seq = 5"),
        ] {
            run(&app, change).await;
            assert_eq!(verified(&app).await.faults, std::slice::from_ref(&altered), "{change}");
            run(&app, back).await;
            assert_eq!(verified(&app).await.faults, [], "{back}");
        }
    }

    async fn a_removed_event_is_missed(app: TestApp) {
        two_nodes(&app).await;
        run(&app, "DELETE FROM event WHERE writer = 'test' AND seq IN (4, 5)").await;
        let missing = Fault::Removed { writer: "test".to_owned(), from: 4, to: 5 };
        assert_eq!(verified(&app).await.faults, [missing]);
    }

    async fn an_inserted_event_belongs_to_no_node(app: TestApp) {
        two_nodes(&app).await;
        run(&app, "INSERT INTO event (event_id, kind, at, detail) VALUES ('planted', 'login_succeeded', 1, '{}')").await;
        let planted = Fault::Inserted { event_id: "planted".to_owned() };
        assert_eq!(verified(&app).await.faults, std::slice::from_ref(&planted), "though it claims to be old");
        run(&app, "UPDATE event SET writer = 'nobody', seq = 1 WHERE event_id = 'planted'").await;
        assert_eq!(verified(&app).await.faults, [planted]);
        run(&app, "UPDATE event SET writer = 'test', seq = 1000 WHERE event_id = 'planted'").await;
        assert!(!verified(&app).await.faults.is_empty());
    }

    async fn a_chain_that_is_cut_short_doesnt_fit_its_signed_end(app: TestApp) {
        two_nodes(&app).await;
        let head: (i64, String) = app
            .issuer
            .store
            .fetch_one("SELECT seq, hash FROM event_writer WHERE writer = 'test'", vec![])
            .await
            .unwrap();
        run(&app, "DELETE FROM event WHERE writer = 'test' AND seq >= 7").await;
        let cut = Fault::Removed { writer: "test".to_owned(), from: 7, to: head.0 };
        assert!(verified(&app).await.faults.contains(&cut));
        // Whoever cuts can move the end as well, which the signed one tells.
        run(&app, "UPDATE event_writer SET seq = 6, hash = (SELECT hash FROM event WHERE writer = 'test' AND seq = 6) WHERE writer = 'test'").await;
        let end = Fault::Head { writer: "test".to_owned(), seq: head.0 };
        assert_eq!(verified(&app).await.faults, std::slice::from_ref(&end));
        // And remove the signed ones: then a copy of it that was kept elsewhere tells.
        run(&app, "DELETE FROM event_head WHERE writer = 'test'").await;
        assert_eq!(verified(&app).await.faults, []);
        let kept = KeptHead { writer: "test".to_owned(), seq: head.0, hash: head.1 };
        assert_eq!(verified_with(&app, &[kept]).await.faults, [end]);
    }

    async fn no_chain_is_made_without_the_master_key(app: TestApp) {
        two_nodes(&app).await;
        let other = MasterKeys::derive(&[7; 32]).unwrap();
        let report = verify::verify(&app.issuer.store, &other.events, &[]).await.unwrap();
        assert!(report.faults.contains(&Fault::Beginning));
        let altered = report.faults.iter().filter(|fault| matches!(fault, Fault::Altered { .. }));
        assert!(altered.count() > 5);
        run(&app, "UPDATE event_head SET signature = 'x' WHERE writer = 'test'").await;
        assert!(matches!(verified(&app).await.faults.as_slice(), [Fault::Head { .. }]));
    }

    async fn old_events_go_and_the_rest_can_still_be_verified(app: TestApp) {
        two_nodes(&app).await;
        let (before, store, key) = (verified(&app).await, &app.issuer.store, &app.issuer.master.events);
        let began = app.now();
        app.advance(10 * DAY);
        for _ in 0..2 {
            app.tokens("web", "openid offline_access").await;
        }
        app.write_events().await;
        assert_eq!(retention::batch(store, key, began - DAY).await.unwrap(), 0, "nothing is that old");
        let mut removed = 0;
        loop {
            match retention::batch(store, key, app.now() - DAY).await.unwrap() {
                0 => break,
                some => removed += some,
            }
        }
        assert_eq!(removed, before.events);
        let after = verified(&app).await;
        assert_eq!(after.faults, []);
        assert!(after.events > 5);
        let oldest = search::after(store, 0, 1).await.unwrap().remove(0);
        assert_eq!(oldest.at, app.now());

        // Nobody hides a removal as one for age.
        run(&app, "DELETE FROM event WHERE writer = 'test' AND seq <= (SELECT removed_seq + 2 FROM event_writer WHERE writer = 'test')").await;
        run(&app, "UPDATE event_writer SET removed_hash = (SELECT 'x'), removed_seq = removed_seq + 2 WHERE writer = 'test'").await;
        let faults = verified(&app).await.faults;
        assert!(matches!(faults.first(), Some(Fault::Removed { from: 1, .. })), "{faults:?}");
    }

    async fn nobody_has_us_remove_a_row_by_making_it_look_old(app: TestApp) {
        two_nodes(&app).await;
        run(&app, "UPDATE event SET at = 1 WHERE writer = 'test' AND seq <= 3").await;
        let (store, key) = (&app.issuer.store, &app.issuer.master.events);
        assert_eq!(retention::batch(store, key, app.now() - DAY).await.unwrap(), 0);
        let faults = verified(&app).await.faults;
        assert!(matches!(faults.as_slice(), [Fault::Altered { seq: 1, .. }, ..]), "{faults:?}");
    }

    async fn a_row_outside_of_the_chains_is_found_though_their_beginning_was_forgotten(app: TestApp) {
        two_nodes(&app).await;
        let plant = "INSERT INTO event (event_id, kind, severity, at, detail) VALUES ('planted', 'login_succeeded', 'info', 2000000000, '{}')";
        let planted = Fault::Inserted { event_id: "planted".to_owned() };
        run(&app, plant).await;
        assert_eq!(verified(&app).await.faults, std::slice::from_ref(&planted), "newer than the chains");
        run(&app, "UPDATE event SET at = 1 WHERE event_id = 'planted'").await;
        assert_eq!(verified(&app).await.faults, std::slice::from_ref(&planted), "no first version wrote a severity");

        run(&app, "DELETE FROM setting WHERE name = 'events_chained_since'").await;
        let recorder = app.issuer.events.recorder();
        verify::begin(&app.issuer.store, recorder, app.now()).await.unwrap();
        assert_eq!(verify::begun(&app.issuer.store).await.unwrap(), None, "it's not made again");
        assert_eq!(verified(&app).await.faults, [Fault::Beginning, planted.clone()]);
        // Nor when only the rows are left.
        run(&app, "DELETE FROM event_head").await;
        run(&app, "DELETE FROM event_writer").await;
        verify::begin(&app.issuer.store, recorder, app.now()).await.unwrap();
        let faults = verified(&app).await.faults;
        assert!(faults.contains(&Fault::Beginning) && faults.contains(&planted), "{faults:?}");
    }

    async fn a_beginning_that_somebody_else_signed_is_none(app: TestApp) {
        two_nodes(&app).await;
        run(&app, "INSERT INTO event (event_id, kind, at, detail) VALUES ('planted', 'login_succeeded', 1, '{}')").await;
        run(&app, "UPDATE setting SET value = '2000000000 1 x' WHERE name = 'events_chained_since'").await;
        let planted = Fault::Inserted { event_id: "planted".to_owned() };
        assert_eq!(verified(&app).await.faults, [Fault::Beginning, planted]);
    }

    async fn a_row_before_the_beginning_of_a_chain_is_found(app: TestApp) {
        two_nodes(&app).await;
        run(&app, "INSERT INTO event (event_id, kind, at, detail, writer, seq, hash) VALUES ('planted', 'login_succeeded', 2000000000, '{}', 'test', -1, 'x')").await;
        let planted = Fault::Inserted { event_id: "planted".to_owned() };
        assert_eq!(verified(&app).await.faults, [planted]);
    }

    async fn a_chain_that_is_taken_away_whole_is_missed(app: TestApp) {
        two_nodes(&app).await;
        let store = &app.issuer.store;
        for _ in 0..2 {
            app.issuer.events.note_ends(store, app.now()).await.unwrap();
        }
        assert_eq!(app.events("chain_ends").await, 1, "once in an hour");
        assert_eq!(verified(&app).await.faults, []);
        for sql in [
            "DELETE FROM event WHERE writer = 'other'",
            "DELETE FROM event_writer WHERE writer = 'other'",
            "DELETE FROM event_head WHERE writer = 'other'",
        ] {
            run(&app, sql).await;
        }
        let faults = verified(&app).await.faults;
        assert!(matches!(faults.as_slice(), [Fault::Missing { writer, .. }] if writer == "other"), "{faults:?}");
        // Nor is one cut short, with its end moved and its signed ends removed.
        for sql in [
            "DELETE FROM event WHERE writer = 'test/traffic' AND seq > 3",
            "UPDATE event_writer SET seq = 3, hash = (SELECT hash FROM event WHERE writer = 'test/traffic' AND seq = 3) WHERE writer = 'test/traffic'",
            "DELETE FROM event_head WHERE writer = 'test/traffic'",
        ] {
            run(&app, sql).await;
        }
        let faults = verified(&app).await.faults;
        assert!(faults.iter().any(|fault| matches!(fault, Fault::Head { writer, .. } if writer == "test/traffic")), "{faults:?}");
    }

    async fn what_an_event_is_counted_by_is_held_against_its_detail(app: TestApp) {
        app.post("/token", &[("client_id", "nobody")]).await;
        app.write_events().await;
        for change in [
            "UPDATE event SET label = 'expired' WHERE kind = 'client_authentication_failed'",
            "UPDATE event SET amount = 1000 WHERE kind = 'client_authentication_failed'",
            "UPDATE event SET route = '/x' WHERE kind = 'client_authentication_failed'",
        ] {
            run(&app, change).await;
            let faults = verified(&app).await.faults;
            assert!(matches!(faults.as_slice(), [Fault::Altered { .. }]), "{change}: {faults:?}");
        }
    }

    async fn a_gap_is_not_removed_as_if_it_were_old(app: TestApp) {
        two_nodes(&app).await;
        run(&app, "UPDATE event SET hash = NULL WHERE writer = 'test'").await;
        app.advance(10 * DAY);
        let key = &app.issuer.master.events;
        retention::batch(&app.issuer.store, key, app.now() - DAY).await.unwrap();
        let kept = "SELECT COUNT(*) FROM event WHERE writer = 'test'";
        assert!(app.issuer.store.fetch_one::<(i64,)>(kept, vec![]).await.unwrap().0 > 5);
    }
}
