//! Introspection: security cases 46, 47 and 50.

use crate::support::app::basic;
use crate::support::fixtures::{API, SECRET, confidential_client, machine_client, public_client};
use crate::support::{Answer, TestApp, on_both_databases};
use gatewright::domain::resource::Audience;
use gatewright::domain::{Account, Client};
use gatewright::store::accounts;

async fn introspect(app: &TestApp, caller: &str, token: &str) -> Answer {
    app.post(
        "/introspect",
        &[
            ("client_id", caller),
            ("client_secret", SECRET),
            ("token", token),
        ],
    )
    .await
}

#[track_caller]
fn is_inactive(answer: &Answer) {
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (200, r#"{"active":false}"#)
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

/// The API as a caller, the web client, and Ada.
async fn prepared(app: &TestApp) -> Account {
    app.register(&machine_client("api")).await;
    app.with_ada_and_web().await
}

on_both_databases! {
    async fn nobody_introspects_unauthenticated(app: TestApp) {
        prepared(&app).await;
        let access = app.tokens("web", "openid orders:read").await["access_token"].as_str().unwrap().to_owned();
        for token in [access.as_str(), "garbage", ""] {
            for fields in [
                vec![("token", token)],
                vec![("token", token), ("client_id", "web")],
                vec![("token", token), ("client_id", "api")],
                vec![("token", token), ("client_id", "nobody"), ("client_secret", SECRET)],
                vec![("token", token), ("client_id", "api"), ("client_secret", "wrong")],
            ] {
                let answer = app.post("/introspect", &fields).await;
                assert_eq!(answer.error(), (401, "invalid_client".to_owned()), "{fields:?}");
            }
            let header = basic("api", "wrong");
            let answer = app.post_with("/introspect", &[("token", token)], &[("authorization", &header)]).await;
            assert_eq!(answer.status, 401);
            assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "));
        }
        // A bearer token is no client authentication.
        let bearer = format!("Bearer {access}");
        let answer = app.post_with("/introspect", &[("token", &access)], &[("authorization", &bearer)]).await;
        assert_eq!(answer.status, 401);
        assert_eq!(app.get(&format!("/introspect?token={access}")).await.status, 405);
        assert_eq!(introspect(&app, "api", &access).await.json()["active"], true);
        let missing = app.post("/introspect", &[("client_id", "api"), ("client_secret", SECRET)]).await;
        assert_eq!(missing.error(), (400, "invalid_request".to_owned()));
    }

    async fn what_is_unknown_dead_or_anothers_is_inactive_and_nothing_else(app: TestApp) {
        let ada = prepared(&app).await;
        let elsewhere = vec![Audience::parse("https://other.example.com").unwrap()];
        app.register(&Client { audiences: elsewhere, ..machine_client("stranger") }).await;
        let tokens = app.tokens("web", "openid offline_access orders:read").await;
        let access = tokens["access_token"].as_str().unwrap();
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let mut tampered = access.to_owned();
        let middle = tampered.find('.').unwrap() + 10;
        tampered.replace_range(middle..=middle, if &tampered[middle..=middle] == "A" { "B" } else { "A" });
        for token in ["garbage", "a.b.c", "é", &tampered, &access[..access.len() - 1], &"x".repeat(20_000)] {
            is_inactive(&introspect(&app, "api", token).await);
        }
        // Not for this caller: another audience, another's refresh token.
        is_inactive(&introspect(&app, "stranger", access).await);
        is_inactive(&introspect(&app, "stranger", refresh).await);
        is_inactive(&introspect(&app, "api", refresh).await);
        assert_eq!(introspect(&app, "api", access).await.json()["sub"], ada.subject.as_str());

        // The person, then the client, then time.
        let set_disabled = |disabled| {
            let (app, ada) = (app.clone(), ada.clone());
            async move {
                let mut tx = app.issuer.store.begin().await.unwrap();
                accounts::update(&mut tx, &Account { disabled, ..ada.clone() }, ada.updated_at).await.unwrap();
                tx.commit().await.unwrap();
            }
        };
        set_disabled(true).await;
        is_inactive(&introspect(&app, "api", access).await);
        set_disabled(false).await;
        app.rewrite(&Client { disabled: true, ..public_client("web") }).await;
        is_inactive(&introspect(&app, "api", access).await);
        app.rewrite(&public_client("web")).await;
        app.advance(299);
        assert_eq!(introspect(&app, "api", access).await.json()["active"], true);
        app.advance(1);
        is_inactive(&introspect(&app, "api", access).await);
    }

    async fn a_node_whose_clock_is_5_s_behind_knows_a_new_token(app: TestApp) {
        prepared(&app).await;
        let tokens = app.tokens("web", "openid orders:read").await;
        let access = tokens["access_token"].as_str().unwrap();
        app.advance(-5);
        assert_eq!(introspect(&app, "api", access).await.json()["active"], true);
        let bearer = format!("Bearer {access}");
        assert_eq!(app.get_with("/userinfo", &[("authorization", &bearer)]).await.status, 200);
        app.advance(-60);
        is_inactive(&introspect(&app, "api", access).await);
    }

    async fn a_refresh_token_is_told_to_its_client_while_it_lives(app: TestApp) {
        app.add_person("ada").await;
        app.register(&confidential_client("portal")).await;
        let code = app.code("portal", "openid offline_access").await;
        let redeemed = app
            .post("/token", &[
                ("grant_type", "authorization_code"),
                ("client_id", "portal"),
                ("client_secret", SECRET),
                ("code", &code),
                ("redirect_uri", crate::support::fixtures::REDIRECT),
                ("code_verifier", crate::support::fixtures::VERIFIER),
            ])
            .await;
        let refresh = redeemed.json()["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(introspect(&app, "portal", &refresh).await.json()["active"], true);
        is_inactive(&introspect(&app, "portal", &code).await);
        let next = app
            .post("/token", &[
                ("grant_type", "refresh_token"),
                ("client_id", "portal"),
                ("client_secret", SECRET),
                ("refresh_token", &refresh),
            ])
            .await;
        is_inactive(&introspect(&app, "portal", &refresh).await);
        let next = next.json()["refresh_token"].as_str().unwrap().to_owned();
        app.advance(app.issuer.settings.refresh_idle_s);
        is_inactive(&introspect(&app, "portal", &next).await);
    }

    async fn an_id_or_refresh_token_is_no_access_token(app: TestApp) {
        let api_and_issuer = vec![Audience::parse(API).unwrap(), Audience::parse("https://id.example.com").unwrap()];
        app.register(&Client { audiences: api_and_issuer, ..machine_client("api") }).await;
        app.with_ada_and_web().await;
        // Even where the client signs both with one key.
        let one_key = gatewright_authorizer::jose::Algorithm::Es256;
        app.rewrite(&Client { id_token_alg: one_key, ..public_client("web") }).await;
        let tokens = app.tokens("web", "openid offline_access").await;
        for kind in ["id_token", "refresh_token"] {
            let token = tokens[kind].as_str().unwrap();
            is_inactive(&introspect(&app, "api", token).await);
            let bearer = format!("Bearer {token}");
            let answer = app.get_with("/userinfo", &[("authorization", &bearer)]).await;
            assert_eq!(answer.status, 401, "{kind}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer error=\"invalid_token\""));
        }
    }
}
