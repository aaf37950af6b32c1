//! A refresh token that comes a second time: security cases 37 to 39, 41 and 45.

use crate::support::fixtures::public_client;
use crate::support::{TestApp, on_both_databases};
use gatewright::domain::FamilyId;
use gatewright::store::{Param, refresh_tokens, sweep};
use serde_json::Value;

const SCOPE: &str = "openid offline_access";

fn refresh_of(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

/// The first refresh token of Ada and its family.
async fn first(app: &TestApp) -> (String, FamilyId) {
    app.with_ada_and_web().await;
    let token = refresh_of(&app.tokens("web", SCOPE).await);
    let family = app.family_of("web", &token);
    (token, family)
}

async fn is_live(app: &TestApp, family: &FamilyId) -> bool {
    refresh_tokens::family_is_live(&app.issuer.store, family.as_str())
        .await
        .unwrap()
}

async fn refreshed(app: &TestApp, token: &str) -> String {
    let answer = app.refresh("web", token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    refresh_of(&answer.json())
}

async fn is_refused(app: &TestApp, token: &str) {
    assert_eq!(
        app.refresh("web", token).await.error(),
        (400, "invalid_grant".to_owned())
    );
}

on_both_databases! {
    async fn a_spent_token_whose_successor_was_used_ends_the_family(app: TestApp) {
        let (r0, family) = first(&app).await;
        let r1 = refreshed(&app, &r0).await;
        let r2 = refreshed(&app, &r1).await;
        is_refused(&app, &r0).await;
        assert!(!is_live(&app, &family).await);
        for token in [&r0, &r1, &r2] {
            is_refused(&app, token).await;
        }
        assert_eq!(app.events("refresh_replayed").await, 1, "one event, however often it comes");
    }

    async fn it_is_the_successors_use_that_ends_the_grace(app: TestApp) {
        let (r0, family) = first(&app).await;
        let r1 = refreshed(&app, &r0).await;
        let store = &app.issuer.store;
        let sql = "SELECT sealed_response FROM token_family";
        let (sealed,) = store.fetch_one::<(String,)>(sql, vec![]).await.unwrap();
        refreshed(&app, &r1).await;
        // Though its response were still there.
        let sql = "UPDATE token_family SET sealed_response = $1";
        store.execute(sql, vec![Param::from(sealed)]).await.unwrap();
        is_refused(&app, &r0).await;
        assert!(!is_live(&app, &family).await);
    }

    async fn a_spent_token_after_the_grace_ends_the_family(app: TestApp) {
        let (r0, family) = first(&app).await;
        let r1 = refreshed(&app, &r0).await;
        app.advance(app.issuer.settings.refresh_grace_s);
        is_refused(&app, &r0).await;
        assert!(!is_live(&app, &family).await);
        is_refused(&app, &r1).await;
        assert_eq!(app.events("refresh_replayed").await, 1);
        // What its access tokens were good for here is over too.
        let leaves = refresh_tokens::live_leaves(&app.issuer.store, &family).await.unwrap();
        assert_eq!(leaves, 0);
    }

    async fn the_event_and_the_revocation_stand_or_fall_together(app: TestApp) {
        let (r0, family) = first(&app).await;
        refreshed(&app, &r0).await;
        app.advance(60);
        let store = &app.issuer.store;
        store.execute("ALTER TABLE event RENAME TO event_away", vec![]).await.unwrap();
        assert_eq!(app.refresh("web", &r0).await.status.as_u16() / 100, 5);
        assert!(is_live(&app, &family).await, "revoked without an event");
        store.execute("ALTER TABLE event_away RENAME TO event", vec![]).await.unwrap();
        is_refused(&app, &r0).await;
        assert!(!is_live(&app, &family).await);
        assert_eq!(app.events("refresh_replayed").await, 1);
    }

    async fn a_retry_in_the_grace_gets_the_same_bytes_and_no_more_time(app: TestApp) {
        let (r0, family) = first(&app).await;
        let answer = app.refresh("web", &r0).await;
        assert_eq!(answer.status, 200);
        let other = app.another_node().await;
        for second in 1..app.issuer.settings.refresh_grace_s {
            app.advance(1);
            let node = if second % 2 == 0 { &app } else { &other };
            let again = node.refresh("web", &r0).await;
            assert_eq!((again.status.as_u16(), &again.body), (200, &answer.body), "after {second} s");
        }
        app.advance(1);
        is_refused(&app, &r0).await;
        assert!(!is_live(&app, &family).await);
    }

    async fn a_node_whose_clock_is_5_s_behind_grants_the_grace_too(app: TestApp) {
        let (r0, family) = first(&app).await;
        let answer = app.refresh("web", &r0).await;
        app.advance(-5);
        let again = app.refresh("web", &r0).await;
        assert_eq!((again.status.as_u16(), again.body), (200, answer.body));
        // A clock set back by more than the grace revives nothing.
        app.advance(-3600);
        is_refused(&app, &r0).await;
        assert!(!is_live(&app, &family).await);
    }

    async fn a_retry_is_for_the_same_client_only(app: TestApp) {
        let (r0, family) = first(&app).await;
        app.register(&public_client("other")).await;
        let r1 = refreshed(&app, &r0).await;
        for token in [&r0, &r1] {
            let answer = app.refresh("other", token).await;
            assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
        }
        assert!(is_live(&app, &family).await, "another client ended the family");
        assert_eq!(app.events("refresh_replayed").await, 0);
        // The victim notices nothing.
        assert_eq!(refreshed(&app, &r0).await, r1);
        refreshed(&app, &r1).await;
    }

    async fn fifty_at_once_on_two_nodes_leave_one_live_leaf(app: TestApp) {
        let (mut token, family) = first(&app).await;
        let nodes = [app.clone(), app.another_node().await];
        for round in 0..6 {
            let racers: Vec<_> = (0..50)
                .map(|racer| {
                    let (node, token) = (nodes[racer % 2].clone(), token.clone());
                    tokio::spawn(async move { node.refresh("web", &token).await })
                })
                .collect();
            let mut bodies = Vec::new();
            for racer in racers {
                let answer = racer.await.unwrap();
                assert_eq!(answer.status, 200, "round {round}: {}", answer.body);
                bodies.push(answer.body);
            }
            bodies.dedup();
            assert_eq!(bodies.len(), 1, "two answers to one token");
            assert_eq!(refresh_tokens::live_leaves(&app.issuer.store, &family).await.unwrap(), 1);
            token = refresh_of(&serde_json::from_str(&bodies[0]).unwrap());
        }
        assert_eq!(app.events("refresh_replayed").await, 0);
    }

    async fn fifty_replays_at_once_end_the_family_once(app: TestApp) {
        let (r0, family) = first(&app).await;
        let r1 = refreshed(&app, &r0).await;
        app.advance(60);
        let nodes = [app.clone(), app.another_node().await];
        let racers: Vec<_> = (0..50)
            .map(|racer| {
                let node = nodes[racer % 2].clone();
                // Some refresh the live leaf meanwhile.
                let token = if racer % 5 == 4 { r1.clone() } else { r0.clone() };
                tokio::spawn(async move { (racer % 5 == 4, node.refresh("web", &token).await) })
            })
            .collect();
        for racer in racers {
            let (was_live, answer) = racer.await.unwrap();
            if was_live && answer.status == 200 {
                continue;
            }
            assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
        }
        assert!(!is_live(&app, &family).await);
        assert_eq!(refresh_tokens::live_leaves(&app.issuer.store, &family).await.unwrap(), 0);
        assert_eq!(app.events("refresh_replayed").await, 1);
    }

    async fn a_replay_is_known_after_a_restart_and_a_clean_up(app: TestApp) {
        let (r0, family) = first(&app).await;
        let mut token = refreshed(&app, &r0).await;
        for _ in 0..20 {
            app.advance(4 * 86_400);
            token = refreshed(&app, &token).await;
            while sweep::batch(&app.issuer.store, app.now()).await.unwrap() > 0 {}
        }
        let restarted = app.another_node().await;
        is_refused(&restarted, &r0).await;
        assert!(!is_live(&app, &family).await);
        is_refused(&restarted, &token).await;
        assert_eq!(app.events("refresh_replayed").await, 1);
        // The evidence goes with the family.
        app.advance(app.issuer.settings.refresh_absolute_s);
        while sweep::batch(&app.issuer.store, app.now()).await.unwrap() > 0 {}
        let left = "SELECT COUNT(*) FROM token_family";
        assert_eq!(app.issuer.store.fetch_one::<(i64,)>(left, vec![]).await.unwrap().0, 0);
        is_refused(&app, &r0).await;
    }

    async fn a_stored_response_opens_with_its_own_token_only(app: TestApp) {
        use gatewright::crypto::seal::SealingKey;
        let (r0, _) = first(&app).await;
        let answer = app.refresh("web", &r0).await;
        let digest = gatewright::crypto::token::sha256(&r0);
        let sql = "SELECT sealed_response FROM token_family WHERE spent_digest = $1";
        let params = || vec![Param::from(&digest)];
        let store = &app.issuer.store;
        let (sealed,) = store.fetch_one::<(String,)>(sql, params()).await.unwrap();
        let context = format!("refresh_token.sealed_response {digest}");
        let open = |token: &str, context: &str| SealingKey::from_token(token).unwrap().open(context, &sealed);
        assert_eq!(open(&r0, &context).unwrap(), answer.body.as_bytes());
        assert!(open(&r0, "refresh_token.sealed_response other").is_err());
        // What the database holds does not open it.
        assert!(open(&digest, &context).is_err());
        assert!(open(&refresh_of(&answer.json()), &context).is_err());
        // The one after next makes it nobody's.
        let r1 = refresh_of(&answer.json());
        refreshed(&app, &r1).await;
        assert_eq!(store.fetch_optional::<(String,)>(sql, params()).await.unwrap(), None);
        let sql = "SELECT COUNT(*) FROM token_family WHERE sealed_response = $1";
        assert_eq!(store.fetch_one::<(i64,)>(sql, vec![Param::from(sealed)]).await.unwrap().0, 0);
    }
}
