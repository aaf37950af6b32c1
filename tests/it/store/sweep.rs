//! What has expired goes, in small batches; what shows a replay stays.

use crate::support::{TestApp, on_both_databases};
use gatewright::domain::ClientId;
use gatewright::store::{Param, clients, revocations, sweep, throttle};

async fn count(app: &TestApp, sql: &'static str) -> i64 {
    app.issuer
        .store
        .fetch_one::<(i64,)>(sql, vec![])
        .await
        .unwrap()
        .0
}

async fn sweep_all(app: &TestApp) -> Vec<u64> {
    let mut removed = Vec::new();
    loop {
        match sweep::batch(&app.issuer.store, app.now()).await.unwrap() {
            0 => return removed,
            rows => removed.push(rows),
        }
    }
}

on_both_databases! {
    async fn it_takes_a_batch_of_each_kind_at_a_time(app: TestApp) {
        let store = &app.issuer.store;
        let expired = app.now();
        let batch = usize::try_from(sweep::BATCH).unwrap();
        let mut tx = store.begin().await.unwrap();
        for row in 0..2 * batch + 1 {
            revocations::insert(&mut tx, &format!("jti {row}"), expired).await.unwrap();
        }
        revocations::insert(&mut tx, "live", expired + 1).await.unwrap();
        tx.commit().await.unwrap();
        // One bucket with many members, and one client with many assertions: a batch is a batch.
        let mut tx = store.begin().await.unwrap();
        for row in 0..batch + 7 {
            let sql = "INSERT INTO throttle_member (bucket, member, expires_at) VALUES ('b', $1, $2)";
            tx.execute(sql, vec![Param::from(row.to_string()), Param::from(expired)]).await.unwrap();
        }
        tx.commit().await.unwrap();
        let sizes = sweep_all(&app).await;
        assert_eq!(sizes, [2 * batch as u64, batch as u64 + 7, 1]);
        assert_eq!(count(&app, "SELECT COUNT(*) FROM revoked_access_token").await, 1);
    }

    async fn it_takes_nothing_that_only_shares_a_key_with_what_expired(app: TestApp) {
        let store = &app.issuer.store;
        let now = app.now();
        // The members of one address expire one by one: the youngest keep counting.
        for member in 0..20 {
            throttle::add_member(store, "address", &member.to_string(), now + member).await.unwrap();
        }
        for (client, jti, end) in [("a", "j1", now), ("b", "j1", now + 60), ("a", "j2", now + 60)] {
            assert!(clients::use_assertion(store, &ClientId::new(client), jti, end).await.unwrap());
        }
        app.advance(5);
        sweep_all(&app).await;
        assert_eq!(throttle::other_members(store, "address", "none", app.now()).await.unwrap(), 14);
        assert_eq!(count(&app, "SELECT COUNT(*) FROM client_assertion").await, 2);
    }

    async fn two_nodes_sweep_at_once(app: TestApp) {
        let store = &app.issuer.store;
        let mut tx = store.begin().await.unwrap();
        for row in 0..1200 {
            revocations::insert(&mut tx, &format!("jti {row}"), app.now()).await.unwrap();
        }
        tx.commit().await.unwrap();
        let other = app.another_node().await;
        let (here, there) = tokio::join!(sweep_all(&app), sweep_all(&other));
        assert_eq!(here.iter().chain(&there).sum::<u64>(), 1200);
    }

    async fn every_kind_that_expires_goes(app: TestApp) {
        app.with_ada_and_web().await;
        let tokens = app.tokens("web", "openid offline_access").await;
        app.code("web", "openid").await;
        app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        throttle::count(&app.issuer.store, "bucket", app.now(), 900).await.unwrap();
        throttle::add_member(&app.issuer.store, "bucket", "member", app.now() + 900).await.unwrap();
        assert!(sweep_all(&app).await.is_empty(), "something went before its time");
        app.advance(200 * 86_400);
        sweep_all(&app).await;
        for sql in [
            "SELECT COUNT(*) FROM authorization_code",
            "SELECT COUNT(*) FROM token_family",
            "SELECT COUNT(*) FROM refresh_token",
            "SELECT COUNT(*) FROM browser_session",
            "SELECT COUNT(*) FROM throttle",
            "SELECT COUNT(*) FROM throttle_member",
        ] {
            assert_eq!(count(&app, sql).await, 0, "{sql}");
        }
        assert_eq!(count(&app, "SELECT COUNT(*) FROM account").await, 1);
    }

    async fn a_redeemed_code_is_kept_as_long_as_its_family(app: TestApp) {
        app.with_ada_and_web().await;
        let code = app.code("web", "openid offline_access").await;
        let unused = app.code("web", "openid offline_access").await;
        let tokens = app.redeem("web", &code).await.json();
        app.advance(13 * 86_400);
        sweep_all(&app).await;
        assert_eq!(count(&app, "SELECT COUNT(*) FROM authorization_code").await, 1);
        assert_eq!(app.redeem("web", &unused).await.error().1, "invalid_grant");
        assert_eq!(app.another_node().await.redeem("web", &code).await.error().1, "invalid_grant");
        let refresh = tokens["refresh_token"].as_str().unwrap();
        assert_eq!(app.refresh("web", refresh).await.error().1, "invalid_grant");
        assert_eq!(app.events("code_replayed").await, 1);
        // However often it comes: one event.
        app.redeem("web", &code).await;
        assert_eq!(app.events("code_replayed").await, 1);
    }
}
