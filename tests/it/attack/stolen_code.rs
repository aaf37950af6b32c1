//! Codes that were stolen, replayed, raced for, kept, or outlived by what they stand for.

use super::steps::{code_of, exchange, is_no_grant, rewrite_account, set_password, userinfo};
use crate::support::fixtures::{
    PASSWORD, REDIRECT, VERIFIER, authorize_url, claims_of, public_client,
};
use crate::support::{Browser, on_both_databases};
use gatewright::domain::redirect_uri::RedirectUri;
use gatewright::domain::{Account, Client, FamilyId};
use gatewright::store::{consents, refresh_tokens};

on_both_databases! {
    async fn a_replayed_code_revokes_the_tokens_it_issued(app: TestApp) {
        app.with_ada_and_web().await;
        for changes in [vec![], vec![("code_verifier", "")], vec![("redirect_uri", "https://evil.example/cb")]] {
            let before = app.events("code_replayed").await;
            let code = app.code("web", "openid offline_access").await;
            let tokens = app.redeem("web", &code).await.json();
            let access = tokens["access_token"].as_str().unwrap();
            let refresh = tokens["refresh_token"].as_str().unwrap();
            assert_eq!(userinfo(&app, access).await, 200);
            let rotated = app.refresh("web", refresh).await.json();
            assert_eq!(userinfo(&app, rotated["access_token"].as_str().unwrap()).await, 200);

            is_no_grant(&exchange(&app, "web", &code, &changes).await);
            for tokens in [&tokens, &rotated] {
                assert_eq!(userinfo(&app, tokens["access_token"].as_str().unwrap()).await, 401);
                is_no_grant(&app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await);
            }
            assert_eq!(app.events("code_replayed").await, before + 1);
        }
        // Also without a refresh token, and long after the code would have expired.
        let code = app.code("web", "openid").await;
        let access = app.redeem("web", &code).await.json()["access_token"].as_str().unwrap().to_owned();
        app.advance(200);
        assert_eq!(userinfo(&app, &access).await, 200);
        is_no_grant(&app.redeem("web", &code).await);
        assert_eq!(userinfo(&app, &access).await, 401);
    }

    async fn a_code_is_redeemed_once_whoever_races_for_it(app: TestApp) {
        app.with_ada_and_web().await;
        let code = app.code("web", "openid offline_access").await;
        let nodes = [app.clone(), app.another_node().await];
        let racers: Vec<_> = (0..100)
            .map(|number| {
                let (node, code) = (nodes[number % 2].clone(), code.clone());
                tokio::spawn(async move { node.redeem("web", &code).await })
            })
            .collect();
        let mut won = Vec::new();
        for racer in racers {
            let answer = racer.await.unwrap();
            if answer.status == 200 {
                won.push(answer.json());
            } else {
                is_no_grant(&answer);
            }
        }
        assert_eq!(won.len(), 1);
        let claims = claims_of(won[0]["access_token"].as_str().unwrap());
        let family = FamilyId::new(claims["grant_id"].as_str().unwrap());
        assert!(refresh_tokens::live_leaves(&app.issuer.store, &family).await.unwrap() <= 1);
        // Two held the code: what it gave is void.
        is_no_grant(&app.refresh("web", won[0]["refresh_token"].as_str().unwrap()).await);
    }

    async fn another_clients_code_is_no_code(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&public_client("evil")).await;
        let code = app.code("web", "openid offline_access").await;
        for _ in 0..2 {
            is_no_grant(&app.redeem("evil", &code).await);
        }
        let tokens = app.redeem("web", &code).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        // Even a spent one: the thief can't revoke what the owner has.
        is_no_grant(&app.redeem("evil", &code).await);
        let tokens = tokens.json();
        assert_eq!(userinfo(&app, tokens["access_token"].as_str().unwrap()).await, 200);
        assert_eq!(app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.status, 200);
        assert_eq!(app.events("code_replayed").await, 0);
    }

    async fn a_code_dies_with_its_minute_though_nobody_sweeps(app: TestApp) {
        app.with_ada_and_web().await;
        let codes = [app.code("web", "openid").await, app.code("web", "openid").await];
        app.advance(59);
        assert_eq!(app.redeem("web", &codes[0]).await.status, 200);
        app.advance(1);
        is_no_grant(&app.redeem("web", &codes[1]).await);
        app.advance(-30);
        for made_up in ["x", "gwc_", &"a".repeat(5000), "gwc_' OR ''='"] {
            is_no_grant(&app.redeem("web", made_up).await);
        }
        assert_eq!(exchange(&app, "web", "x", &[("code", "")]).await.error(), (400, "invalid_request".to_owned()));
    }

    async fn a_code_names_the_redirect_uri_it_was_sent_to(app: TestApp) {
        app.add_person("ada").await;
        let other = "https://app.example.com/other";
        let redirect_uris = [REDIRECT, other].map(|uri| RedirectUri::parse(uri).unwrap()).to_vec();
        app.register(&Client { redirect_uris, ..public_client("web") }).await;
        let code = app.code("web", "openid").await;
        let almost = format!("{REDIRECT}/");
        for uri in ["", other, &almost, "https://evil.example/cb"] {
            is_no_grant(&exchange(&app, "web", &code, &[("redirect_uri", uri)]).await);
        }
        assert_eq!(app.redeem("web", &code).await.status, 200);
        // Left out there, it may be left out here, but is still no other.
        app.register(&public_client("one")).await;
        let browser = Browser::new(&app);
        let url = authorize_url("one", "orders:read", &[("redirect_uri", "")]);
        let code = code_of(&browser.log_in(&url, "ada", PASSWORD).await);
        is_no_grant(&exchange(&app, "one", &code, &[("redirect_uri", other)]).await);
        assert_eq!(exchange(&app, "one", &code, &[("redirect_uri", "")]).await.status, 200);
    }

    async fn a_code_does_not_outlive_what_it_rests_on(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let third = Client { first_party: false, ..public_client("third") };
        app.register(&third).await;

        let code = app.code("web", "openid").await;
        rewrite_account(&app, &Account { disabled: true, ..ada.clone() }).await;
        is_no_grant(&app.redeem("web", &code).await);
        rewrite_account(&app, &ada).await;

        let code = app.code("web", "openid").await;
        set_password(&app, &ada, PASSWORD).await;
        is_no_grant(&app.redeem("web", &code).await);

        let browser = Browser::new(&app);
        let page = browser.log_in(&authorize_url("third", "openid", &[]), "ada", PASSWORD).await;
        let code = code_of(&browser.submit(&page, "consent-form", &[("decision", "allow")]).await);
        let mut tx = app.issuer.store.begin().await.unwrap();
        consents::remove(&mut tx, &ada.subject, &third.client_id).await.unwrap();
        tx.commit().await.unwrap();
        is_no_grant(&app.redeem("third", &code).await);

        let code = app.code("web", "openid").await;
        app.rewrite(&Client { disabled: true, ..public_client("web") }).await;
        let fields = [("grant_type", "authorization_code"), ("client_id", "web"), ("code", &*code)];
        let fields = [&fields[..], &[("redirect_uri", REDIRECT), ("code_verifier", VERIFIER)]].concat();
        assert_eq!(app.post("/token", &fields).await.error(), (401, "invalid_client".to_owned()));
    }
}
