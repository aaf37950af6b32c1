//! A family that is refreshed without end: what it leaves behind, and what its tokens are worth. A token's own word is worth
//! nothing without the database's, nor the other way round.

use crate::support::fixtures::public_client;
use crate::support::{TestApp, on_both_databases};
use gatewright::crypto::refresh_token::RefreshToken;
use gatewright::domain::ClientId;
use gatewright::domain::refresh::Lineage;
use gatewright::metrics::Exposition;
use gatewright::store::{Param, sweep};
use serde_json::Value;

const SCOPE: &str = "openid offline_access";

fn refresh_of(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

async fn first(app: &TestApp) -> String {
    app.with_ada_and_web().await;
    refresh_of(&app.tokens("web", SCOPE).await)
}

async fn refreshed(app: &TestApp, token: &str) -> String {
    let answer = app.refresh("web", token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    refresh_of(&answer.json())
}

/// Refused, and for this cause in the record.
async fn is_refused_as(app: &TestApp, token: &str, cause: &str) {
    let answer = app.refresh("web", token).await;
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
    let refused = app.recorded("token_refused").await;
    assert_eq!(refused.last().unwrap().fields()["cause"], cause);
}

async fn number(app: &TestApp, sql: &'static str) -> i64 {
    let store = &app.issuer.store;
    store.fetch_one::<(i64,)>(sql, vec![]).await.unwrap().0
}

/// Rows that belong to families, and the bytes of what changes in them.
async fn left(app: &TestApp) -> [i64; 3] {
    let bytes = "SELECT CAST(SUM(LENGTH(grant_detail) + LENGTH(live_digest) + LENGTH(spent_digest)
                                 + LENGTH(sealed_response)) AS BIGINT)
                   FROM token_family";
    [
        number(app, "SELECT COUNT(*) FROM token_family").await,
        number(app, "SELECT COUNT(*) FROM refresh_token").await,
        number(app, bytes).await,
    ]
}

/// A token as whoever knows the master key can make it.
fn forged(app: &TestApp, like: &str, generation: i64) -> String {
    let issuer = &app.issuer;
    let client = ClientId::new("web");
    let lineage = Lineage {
        family_id: app.family_of("web", like),
        generation,
    };
    let made = RefreshToken::generate(&issuer.entropy, &issuer.master, &client, &lineage);
    made.unwrap().expose().to_owned()
}

on_both_databases! {
    async fn a_family_leaves_one_row_however_often_it_is_refreshed(app: TestApp) {
        let r0 = first(&app).await;
        let mut token = r0.clone();
        let mut early = [0; 3];
        let mut middle = r0.clone();
        for rotation in 1..=120 {
            token = refreshed(&app, &token).await;
            // With as many digits of generation in the response that is kept.
            if rotation == 12 {
                early = left(&app).await;
            }
            if rotation == 60 {
                middle.clone_from(&token);
            }
            if rotation == 98 {
                assert_eq!(left(&app).await, early);
            }
        }
        assert_eq!(left(&app).await[..2], [1, 0]);
        // Each of all of them is still known.
        is_refused_as(&app, &middle, "refresh_replayed").await;
        is_refused_as(&app, &token, "refresh_revoked").await;
        is_refused_as(&app, &r0, "refresh_revoked").await;
        assert_eq!(app.events("refresh_replayed").await, 1);
    }

    async fn a_family_that_refreshes_all_the_time_is_counted_and_not_recorded_each_time(app: TestApp) {
        let mut token = first(&app).await;
        for _ in 0..100 {
            token = refreshed(&app, &token).await;
        }
        let counted = async || -> u64 {
            let rows = app.recorded("tokens_issued").await;
            rows.iter().map(|row| row.fields()["count"].as_u64().unwrap()).sum()
        };
        let (one_by_one, as_number) = (app.events("token_refreshed").await, counted().await);
        assert!((20..=40).contains(&one_by_one), "{one_by_one}");
        let issued = app.recorded("token_issued").await;
        let refreshed_alone = issued.iter().filter(|row| row.fields()["grant"] == "refresh_token").count();
        assert_eq!(refreshed_alone as u64 + as_number, 100, "every one is counted");
        // A client that refreshes when its token ends is recorded each time.
        app.advance(86_400);
        for _ in 0..5 {
            app.advance(10);
            token = refreshed(&app, &token).await;
        }
        assert_eq!(app.events("token_refreshed").await, one_by_one + 5);
    }

    async fn a_refresh_that_is_retried_all_the_time_is_counted_and_recorded_once(app: TestApp) {
        let r0 = first(&app).await;
        let answer = app.refresh("web", &r0).await;
        for _ in 0..20 {
            assert_eq!(app.refresh("web", &r0).await.body, answer.body);
        }
        assert_eq!(app.events("refresh_retried").await, 1);
        let scrape = app.issuer.store.metrics().scrape(Exposition::Prometheus);
        assert!(scrape.contains("gatewright_refresh_retries_total 20"), "{scrape}");
    }

    async fn a_token_of_a_family_that_is_gone_is_unknown(app: TestApp) {
        let r0 = first(&app).await;
        let r1 = refreshed(&app, &r0).await;
        app.advance(app.issuer.settings.refresh_absolute_s);
        while sweep::batch(&app.issuer.store, app.now()).await.unwrap() > 0 {}
        for token in [&r0, &r1] {
            is_refused_as(&app, token, "refresh_unknown").await;
        }
        assert_eq!(app.events("refresh_replayed").await, 0);
    }

    async fn the_key_alone_refreshes_nothing(app: TestApp) {
        let r0 = first(&app).await;
        let r1 = refreshed(&app, &r0).await;
        // In the live token's place, ahead of it, far ahead: the database never heard of them, and the family goes on.
        for generation in [2, 3, 1000, i64::MAX] {
            is_refused_as(&app, &forged(&app, &r0, generation), "refresh_unknown").await;
        }
        let r2 = refreshed(&app, &r1).await;
        assert_eq!(app.events("refresh_replayed").await, 0);
        // In the predecessor's place there was another.
        is_refused_as(&app, &forged(&app, &r0, 2), "refresh_replayed").await;
        is_refused_as(&app, &r2, "refresh_revoked").await;
    }

    async fn the_database_alone_refreshes_nothing(app: TestApp) {
        let r0 = first(&app).await;
        let store = &app.issuer.store;
        let family = app.family_of("web", &r0);
        let (text, mac) = r0.rsplit_once('.').unwrap();
        let made_up = [
            format!("gwr_{family}.1.{}.{}", "r".repeat(43), "m".repeat(43)),
            format!("{text}.{}", mac.chars().rev().collect::<String>()),
            format!("{text}."),
            text.to_owned(),
            "gwr_made-up".to_owned(),
        ];
        for token in made_up {
            let digest = gatewright::crypto::token::sha256(&token);
            let sql = "UPDATE token_family SET live_digest = $1";
            store.execute(sql, vec![Param::from(digest)]).await.unwrap();
            is_refused_as(&app, &token, "refresh_unknown").await;
        }
    }

    async fn another_clients_token_is_unknown_and_burns_nothing(app: TestApp) {
        let r0 = first(&app).await;
        app.register(&public_client("other")).await;
        let r1 = refreshed(&app, &r0).await;
        let r2 = refreshed(&app, &r1).await;
        for token in [&r0, &r1, &r2] {
            assert_eq!(app.refresh("other", token).await.error(), (400, "invalid_grant".to_owned()));
            let fields = [("client_id", "other"), ("token", token.as_str())];
            assert_eq!(app.post("/revoke", &fields).await.status, 200);
        }
        assert_eq!(app.events("refresh_replayed").await + app.events("token_revoked").await, 0);
        refreshed(&app, &r2).await;
    }

    async fn a_spent_token_revokes_its_family_at_the_revocation_endpoint_too(app: TestApp) {
        let r0 = first(&app).await;
        let r1 = refreshed(&app, &r0).await;
        let r2 = refreshed(&app, &r1).await;
        let fields = [("client_id", "web"), ("token", r0.as_str())];
        assert_eq!(app.post("/revoke", &fields).await.status, 200);
        is_refused_as(&app, &r2, "refresh_revoked").await;
        assert_eq!(app.events("token_revoked").await, 1);
        assert_eq!(app.post("/revoke", &fields).await.status, 200);
        assert_eq!(app.events("token_revoked").await, 1);
    }
}
