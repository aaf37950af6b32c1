//! Revocation: security cases 48 and 49.

use crate::support::app::ISSUER;
use crate::support::fixtures::{API, SECRET, machine_client, public_client};
use crate::support::{Answer, TestApp, on_both_databases};
use gatewright::store::{refresh_tokens, sweep};
use gatewright_authorizer::Reason;
use gatewright_authorizer::jose::{Algorithm, JwkSet};
use gatewright_authorizer::token::{self, TokenRules};
use serde_json::Value;

async fn revoke(app: &TestApp, client: &str, token: &str, hint: &str) {
    let answer = app
        .post(
            "/revoke",
            &[
                ("client_id", client),
                ("token", token),
                ("token_type_hint", hint),
            ],
        )
        .await;
    is_done(&answer);
}

#[track_caller]
fn is_done(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
}

async fn is_active(app: &TestApp, token: &str) -> bool {
    let fields = [
        ("client_id", "api"),
        ("client_secret", SECRET),
        ("token", token),
    ];
    app.post("/introspect", &fields).await.json()["active"] == true
}

async fn userinfo(app: &TestApp, access: &str) -> u16 {
    let bearer = format!("Bearer {access}");
    app.get_with("/userinfo", &[("authorization", &bearer)])
        .await
        .status
        .as_u16()
}

fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap().to_owned()
}

/// Tokens of Ada for `web`, and the API that introspects them.
async fn tokens(app: &TestApp) -> (String, String) {
    app.register(&machine_client("api")).await;
    app.with_ada_and_web().await;
    let tokens = app.tokens("web", "openid offline_access orders:read").await;
    (
        text(&tokens, "access_token"),
        text(&tokens, "refresh_token"),
    )
}

on_both_databases! {
    async fn an_unknown_token_is_revoked_already(app: TestApp) {
        app.register(&public_client("web")).await;
        for token in ["garbage", "a.b.c", "gwr_unknown", "é", &"x".repeat(20_000)] {
            revoke(&app, "web", token, "refresh_token").await;
        }
        let missing = app.post("/revoke", &[("client_id", "web")]).await;
        assert_eq!(missing.error(), (400, "invalid_request".to_owned()));
        assert_eq!(app.events("token_revoked").await, 0);
    }

    async fn a_wrong_hint_changes_nothing(app: TestApp) {
        let (access, refresh) = tokens(&app).await;
        revoke(&app, "web", &access, "refresh_token").await;
        assert!(!is_active(&app, &access).await);
        assert_eq!(userinfo(&app, &access).await, 401);
        // The grant goes on.
        let next = app.refresh("web", &refresh).await.json();
        assert!(is_active(&app, &text(&next, "access_token")).await);
        revoke(&app, "web", &text(&next, "refresh_token"), "access_token").await;
        assert!(!is_active(&app, &text(&next, "access_token")).await);
        assert_eq!(app.refresh("web", &text(&next, "refresh_token")).await.error(), (400, "invalid_grant".to_owned()));
        revoke(&app, "web", &access, "no such kind").await;
        assert_eq!(app.events("token_revoked").await, 2, "an event for each, once");
    }

    async fn another_clients_token_is_untouched(app: TestApp) {
        let (access, refresh) = tokens(&app).await;
        app.register(&public_client("other")).await;
        for token in [&access, &refresh] {
            revoke(&app, "other", token, "").await;
        }
        let fields = [("client_id", "api"), ("client_secret", SECRET), ("token", refresh.as_str())];
        is_done(&app.post("/revoke", &fields).await);
        assert!(is_active(&app, &access).await);
        assert_eq!(userinfo(&app, &access).await, 200);
        assert_eq!(app.refresh("web", &refresh).await.status, 200);
        assert_eq!(app.events("token_revoked").await, 0);
    }

    async fn nobody_revokes_unauthenticated(app: TestApp) {
        let (access, refresh) = tokens(&app).await;
        for token in [&access, &refresh] {
            for fields in [
                vec![("token", token.as_str())],
                vec![("token", token), ("client_id", "nobody")],
                vec![("token", token), ("client_id", "api")],
                vec![("token", token), ("client_id", "web"), ("client_secret", "x")],
            ] {
                let answer = app.post("/revoke", &fields).await;
                assert_eq!(answer.error(), (401, "invalid_client".to_owned()), "{fields:?}");
            }
        }
        assert_eq!(app.refresh("web", &refresh).await.status, 200);
    }

    async fn a_revoked_refresh_token_takes_its_family_along(app: TestApp) {
        let (access, r0) = tokens(&app).await;
        let next = app.refresh("web", &r0).await.json();
        let (second_access, r1) = (text(&next, "access_token"), text(&next, "refresh_token"));
        // A spent one will do: it names the family.
        revoke(&app, "web", &r0, "refresh_token").await;
        for node in [&app, &app.another_node().await] {
            for token in [&r0, &r1] {
                assert_eq!(node.refresh("web", token).await.error(), (400, "invalid_grant".to_owned()));
            }
            for token in [&access, &second_access] {
                assert!(!is_active(node, token).await);
                assert_eq!(userinfo(node, token).await, 401);
            }
        }
        assert_eq!(app.events("refresh_replayed").await, 0);
    }

    /// Documented: whoever verifies offline accepts an access token until it expires, 5 minutes by default.
    async fn an_offline_verifier_accepts_a_revoked_token_until_it_expires(app: TestApp) {
        let (access, refresh) = tokens(&app).await;
        revoke(&app, "web", &refresh, "").await;
        revoke(&app, "web", &access, "").await;
        let jwks = JwkSet::parse(app.get("/jwks.json").await.body.as_bytes()).unwrap();
        let mut rules = TokenRules::new(ISSUER, vec![API.to_owned()], vec![Algorithm::Es256]);
        rules.leeway_s = 0;
        let issued_at = app.now();
        let offline = |at| token::verify(&access, &jwks, &rules, at).map(drop);
        assert_eq!(offline(issued_at), Ok(()));
        assert_eq!(offline(issued_at + 299), Ok(()));
        assert_eq!(offline(issued_at + 300), Err(Reason::Expired));
        assert!(!is_active(&app, &access).await);
    }

    async fn a_revocation_outlives_a_clean_up_and_a_clock_that_is_behind(app: TestApp) {
        app.register(&machine_client("api")).await;
        let tokens = app.machine_token("api", &[]).await.json();
        let access = text(&tokens, "access_token");
        assert!(is_active(&app, &access).await);
        let fields = [("client_id", "api"), ("client_secret", SECRET), ("token", access.as_str())];
        is_done(&app.post("/revoke", &fields).await);
        assert!(!is_active(&app, &access).await);
        for ahead in [300, 420, 3000] {
            sweep::batch(&app.issuer.store, app.now() + ahead).await.unwrap();
            assert!(!is_active(&app, &access).await, "swept by a clock {ahead} s ahead");
        }
        assert!(sweep::batch(&app.issuer.store, app.now() + 4000).await.unwrap() > 0);
    }

    /// Whichever comes first, in the end the family is dead and no leaf of it lives.
    async fn a_revocation_that_races_refreshes_wins(app: TestApp) {
        app.with_ada_and_web().await;
        let nodes = [app.clone(), app.another_node().await];
        for round in 0..12 {
            let r0 = text(&app.tokens("web", "openid offline_access").await, "refresh_token");
            let store = &app.issuer.store;
            let family = app.family_of("web", &r0);
            let racers: Vec<_> = (0..16)
                .map(|racer| {
                    let (node, token) = (nodes[racer % 2].clone(), r0.clone());
                    tokio::spawn(async move {
                        if racer == round {
                            revoke(&node, "web", &token, "").await;
                            return None;
                        }
                        Some(node.refresh("web", &token).await)
                    })
                })
                .collect();
            let mut successor = None;
            for racer in racers {
                let Some(answer) = racer.await.unwrap() else { continue };
                if answer.status == 200 {
                    successor = Some(text(&answer.json(), "refresh_token"));
                } else {
                    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
                }
            }
            assert!(!refresh_tokens::family_is_live(store, family.as_str()).await.unwrap());
            assert_eq!(refresh_tokens::live_leaves(store, &family).await.unwrap(), 0);
            for token in successor.into_iter().chain([r0]) {
                assert_eq!(app.refresh("web", &token).await.error(), (400, "invalid_grant".to_owned()));
            }
        }
    }
}
