//! Refresh families that version 0.1 began: they go on beside its nodes, and then go over to one row.

use crate::support::fixtures::{claims_of, public_client};
use crate::support::{Answer, TestApp, on_both_databases};
use gatewright::crypto::refresh_token::RefreshToken;
use gatewright::crypto::token::sha256;
use gatewright::domain::resource::Audience;
use gatewright::domain::{Client, FamilyId};
use gatewright::store::refresh_tokens::{self, rows};
use gatewright::store::{Param, sweep};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::Barrier;

/// What a node of version 0.1 runs, word for word, but for its sealed response.
mod version_0_1 {
    pub const INSERT_FAMILY: &str = "
        INSERT INTO token_family (family_id, client_id, subject, grant_detail, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    pub const INSERT_TOKEN: &str = "
        INSERT INTO refresh_token (token_digest, family_id, created_at, expires_at)
        VALUES ($1, $2, $3, $4)";
    pub const FIND: &str = "
        SELECT f.grant_detail, f.expires_at, f.revoked_at, t.expires_at, t.used_at, t.sealed_response,
               t.successor_digest
          FROM refresh_token t
          JOIN token_family f ON f.family_id = t.family_id
         WHERE t.token_digest = $1
           AND f.client_id = $2";
    pub const ROTATE: &str = "
        UPDATE refresh_token
           SET used_at = $3,
               successor_digest = $4,
               sealed_response = $5
         WHERE token_digest = $1
           AND used_at IS NULL
           AND expires_at > $3
           AND family_id IN (SELECT family_id
                               FROM token_family
                              WHERE client_id = $2
                                AND revoked_at IS NULL
                                AND expires_at > $3)
        RETURNING family_id";
}

type Found = (
    String,
    i64,
    Option<i64>,
    i64,
    Option<i64>,
    Option<String>,
    Option<String>,
);

fn refresh_of(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

fn nameless(app: &TestApp) -> String {
    let made = RefreshToken::generate_nameless(&app.issuer.entropy);
    made.unwrap().expose().to_owned()
}

/// A family of Ada's as version 0.1 leaves it, and its token.
async fn begun(app: &TestApp) -> (FamilyId, String) {
    app.with_ada_and_web().await;
    let first = refresh_of(&app.tokens("web", "openid offline_access orders:read").await);
    let family = app.family_of("web", &first);
    let store = &app.issuer.store;
    let of = || vec![Param::from(family.as_str())];
    let sql = "SELECT client_id, subject, grant_detail, created_at, expires_at FROM token_family WHERE family_id = $1";
    let (client, subject, detail, created_at, expires_at): (String, String, String, i64, i64) =
        store.fetch_one(sql, of()).await.unwrap();
    let mut detail: Value = serde_json::from_str(&detail).unwrap();
    detail.as_object_mut().unwrap().remove("audiences").unwrap();
    let sql = "DELETE FROM token_family WHERE family_id = $1";
    store.execute(sql, of()).await.unwrap();
    let row = vec![
        Param::from(family.as_str()),
        Param::from(client),
        Param::from(subject),
        Param::from(detail.to_string()),
        Param::from(created_at),
        Param::from(expires_at),
    ];
    store
        .execute(version_0_1::INSERT_FAMILY, row)
        .await
        .unwrap();
    let token = nameless(app);
    let row = vec![
        Param::from(sha256(&token)),
        Param::from(family.as_str()),
        Param::from(created_at),
        Param::from(expires_at),
    ];
    store.execute(version_0_1::INSERT_TOKEN, row).await.unwrap();
    (family, token)
}

/// A node of version 0.1 rotates; the successor.
async fn rotated_by_former_node(app: &TestApp, token: &str) -> Option<String> {
    let successor = nameless(app);
    let mut tx = app.issuer.store.begin().await.unwrap();
    let spend = vec![
        Param::from(sha256(token)),
        Param::from("web"),
        Param::from(app.now()),
        Param::from(sha256(&successor)),
        Param::from("sealed"),
    ];
    let (family,): (String,) = tx
        .fetch_optional(version_0_1::ROTATE, spend)
        .await
        .unwrap()?;
    let row = vec![
        Param::from(sha256(&successor)),
        Param::from(family),
        Param::from(app.now()),
        Param::from(app.now() + 86_400),
    ];
    tx.execute(version_0_1::INSERT_TOKEN, row).await.unwrap();
    tx.commit().await.unwrap();
    Some(successor)
}

async fn refreshed(app: &TestApp, token: &str) -> String {
    let answer = app.refresh("web", token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    refresh_of(&answer.json())
}

async fn is_refused(app: &TestApp, token: &str) {
    let answer = app.refresh("web", token).await;
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
}

async fn rows_left(app: &TestApp) -> i64 {
    let sql = "SELECT COUNT(*) FROM refresh_token";
    let store = &app.issuer.store;
    store.fetch_one::<(i64,)>(sql, vec![]).await.unwrap().0
}

fn names_its_family(token: &str) -> bool {
    token.contains('.')
}

/// Refreshes until the family is about to go over.
async fn until_the_last_row(app: &TestApp, mut token: String) -> String {
    for _ in 0..rows::ROTATIONS {
        token = refreshed(app, &token).await;
        assert!(!names_its_family(&token));
    }
    token
}

on_both_databases! {
    async fn nodes_of_both_versions_rotate_one_family_in_turns(app: TestApp) {
        let (family, mut token) = begun(&app).await;
        for _ in 0..5 {
            token = rotated_by_former_node(&app, &token).await.expect("a former node knows the token");
            token = refreshed(&app, &token).await;
        }
        assert_eq!(refresh_tokens::live_leaves(&app.issuer.store, &family).await.unwrap(), 1);
        // A former node knows nothing of a token of a new family, and does nothing to it.
        let fresh = refresh_of(&app.tokens("web", "openid offline_access").await);
        let params = vec![Param::from(sha256(&fresh)), Param::from("web")];
        let found: Option<Found> = app.issuer.store.fetch_optional(version_0_1::FIND, params).await.unwrap();
        assert_eq!(found, None);
        assert_eq!(rotated_by_former_node(&app, &fresh).await, None);
        refreshed(&app, &fresh).await;
    }

    async fn a_family_goes_over_to_one_row_and_grows_no_more(app: TestApp) {
        let (family, first) = begun(&app).await;
        let mut token = until_the_last_row(&app, first.clone()).await;
        let at_most = rows_left(&app).await;
        assert_eq!(at_most, rows::ROTATIONS + 1);
        for _ in 0..50 {
            token = refreshed(&app, &token).await;
            assert!(names_its_family(&token));
        }
        assert_eq!(rows_left(&app).await, at_most);
        assert_eq!(app.family_of("web", &token), family);
        assert_eq!(refresh_tokens::live_leaves(&app.issuer.store, &family).await.unwrap(), 1);
        // What was spent in a row is still known.
        is_refused(&app, &first).await;
        is_refused(&app, &token).await;
        assert_eq!(app.events("refresh_replayed").await, 1);
        // And goes with its family.
        app.advance(200 * 86_400);
        while sweep::batch(&app.issuer.store, app.now()).await.unwrap() > 0 {}
        assert_eq!(rows_left(&app).await, 0);
    }

    async fn retries_and_replays_are_told_apart_in_either_form(app: TestApp) {
        let (_, first) = begun(&app).await;
        let answer = app.refresh("web", &first).await;
        assert_eq!(app.refresh("web", &first).await.body, answer.body);
        let last_row = until_the_last_row(&app, first).await;
        let over = app.refresh("web", &last_row).await;
        assert_eq!(app.refresh("web", &last_row).await.body, over.body, "a retry of the going over");
        app.advance(app.issuer.settings.refresh_grace_s);
        is_refused(&app, &last_row).await;
        is_refused(&app, &refresh_of(&over.json())).await;
        assert_eq!(app.events("refresh_replayed").await, 1);
    }

    async fn the_successors_use_ends_the_grace_of_the_last_row_too(app: TestApp) {
        let (_, first) = begun(&app).await;
        let last_row = until_the_last_row(&app, first).await;
        let over = refreshed(&app, &last_row).await;
        let next = refreshed(&app, &over).await;
        is_refused(&app, &last_row).await;
        is_refused(&app, &next).await;
        assert_eq!(app.events("refresh_replayed").await, 1);
    }

    async fn fifty_at_once_go_over_once(app: TestApp) {
        let (family, first) = begun(&app).await;
        let last_row = until_the_last_row(&app, first).await;
        let nodes = [app.clone(), app.another_node().await];
        let barrier = Arc::new(Barrier::new(50));
        let racers: Vec<_> = (0..50)
            .map(|racer| {
                let (node, token, barrier) = (nodes[racer % 2].clone(), last_row.clone(), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    node.refresh("web", &token).await
                })
            })
            .collect();
        let mut bodies = Vec::new();
        for racer in racers {
            let answer = racer.await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.body);
            bodies.push(answer.body);
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "two answers to one token");
        assert_eq!(refresh_tokens::live_leaves(&app.issuer.store, &family).await.unwrap(), 1);
        assert_eq!(app.events("refresh_replayed").await, 0);
    }

    /// A first-party client's: nobody was asked, and nobody kept what it had.
    async fn a_grant_keeps_the_apis_of_its_first_refresh_here(app: TestApp) {
        let (_, first) = begun(&app).await;
        let more = ["https://api.example.com", "https://later.example.com"];
        let wider = Client {
            audiences: more.map(|uri| Audience::parse(uri).unwrap()).to_vec(),
            ..public_client("web")
        };
        let answer = app.refresh("web", &first).await;
        let audience = |answer: &Answer| claims_of(answer.json()["access_token"].as_str().unwrap())["aud"].clone();
        let before = audience(&answer);
        app.rewrite(&wider).await;
        let mut token = refresh_of(&answer.json());
        for _ in 0..rows::ROTATIONS + 3 {
            let answer = app.refresh("web", &token).await;
            assert_eq!(audience(&answer), before);
            token = refresh_of(&answer.json());
        }
        assert!(names_its_family(&token));
    }

    async fn another_clients_token_in_a_row_is_unknown_and_burns_nothing(app: TestApp) {
        let (family, first) = begun(&app).await;
        app.register(&public_client("other")).await;
        let second = refreshed(&app, &first).await;
        for token in [&first, &second] {
            assert_eq!(app.refresh("other", token).await.error(), (400, "invalid_grant".to_owned()));
            let fields = [("client_id", "other"), ("token", token.as_str())];
            assert_eq!(app.post("/revoke", &fields).await.status, 200);
        }
        assert!(refresh_tokens::family_is_live(&app.issuer.store, family.as_str()).await.unwrap());
        let fields = [("client_id", "web"), ("token", first.as_str())];
        assert_eq!(app.post("/revoke", &fields).await.status, 200);
        assert!(!refresh_tokens::family_is_live(&app.issuer.store, family.as_str()).await.unwrap());
    }
}
