//! What a refresh may give, and when it gives nothing any more: security cases 40, 42 and 43.

use crate::support::fixtures::{
    API, PASSWORD, REDIRECT, VERIFIER, authorize_url, claims_of, public_client,
};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use gatewright::domain::client::GrantType;
use gatewright::domain::resource::Audience;
use gatewright::domain::{Account, Client, Scope};
use gatewright::store::{accounts, consents, refresh_tokens};
use serde_json::Value;

fn refresh_of(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

async fn refresh_with(app: &TestApp, token: &str, more: &[(&str, &str)]) -> Answer {
    let mut fields = vec![
        ("grant_type", "refresh_token"),
        ("client_id", "web"),
        ("refresh_token", token),
    ];
    fields.extend_from_slice(more);
    app.post("/token", &fields).await
}

/// A third-party client whose consent Ada gave, and her first refresh token.
async fn consented(app: &TestApp) -> (Account, String) {
    let ada = app.add_person("ada").await;
    app.register(&Client {
        first_party: false,
        ..public_client("web")
    })
    .await;
    let browser = Browser::new(app);
    let url = authorize_url("web", "openid offline_access", &[]);
    let page = browser.log_in(&url, "ada", PASSWORD).await;
    let answer = browser
        .submit(&page, "consent-form", &[("decision", "allow")])
        .await;
    let tokens = app.redeem("web", &answer.parameter("code").unwrap()).await;
    (ada, refresh_of(&tokens.json()))
}

#[track_caller]
fn is_invalid_grant(answer: &Answer) {
    assert_eq!(answer.error(), (400, "invalid_grant".to_owned()));
}

on_both_databases! {
    async fn a_scope_may_narrow_and_never_widen(app: TestApp) {
        app.with_ada_and_web().await;
        let r0 = refresh_of(&app.tokens("web", "openid offline_access orders:read").await);
        for wider in ["openid offline_access orders:read orders:write", "orders:write", "orders", "read", "orders:read "] {
            let answer = refresh_with(&app, &r0, &[("scope", wider)]).await;
            assert_eq!(answer.error(), (400, "invalid_scope".to_owned()), "{wider:?}");
        }
        // Refused is not spent.
        let narrow = refresh_with(&app, &r0, &[("scope", "orders:read")]).await;
        assert_eq!(narrow.status, 200, "{}", narrow.body);
        let narrow = narrow.json();
        assert_eq!(narrow["scope"], "orders:read");
        assert_eq!(claims_of(narrow["access_token"].as_str().unwrap())["scope"], "orders:read");
        assert!(narrow.get("id_token").is_none());
        // The grant is still the whole one.
        let whole = app.refresh("web", &refresh_of(&narrow)).await.json();
        assert_eq!(whole["scope"], "offline_access openid orders:read");
    }

    async fn a_resource_is_one_of_the_grants(app: TestApp) {
        app.with_ada_and_web().await;
        let r0 = refresh_of(&app.tokens("web", "openid offline_access orders:read").await);
        let answer = refresh_with(&app, &r0, &[("resource", "https://evil.example.com")]).await;
        assert_eq!(answer.error(), (400, "invalid_target".to_owned()));
        let answer = refresh_with(&app, &r0, &[("resource", API)]).await;
        assert_eq!(claims_of(answer.json()["access_token"].as_str().unwrap())["aud"], API);
    }

    async fn refreshing_daily_ends_with_the_family(app: TestApp) {
        app.with_ada_and_web().await;
        let began = app.now();
        let cap = app.issuer.settings.refresh_absolute_s;
        let mut token = refresh_of(&app.tokens("web", "openid offline_access").await);
        while app.now() + 86_400 < began + cap {
            app.advance(86_400);
            let answer = app.refresh("web", &token).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            token = refresh_of(&answer.json());
        }
        app.set_clock(began + cap - 1);
        token = refresh_of(&app.refresh("web", &token).await.json());
        app.advance(1);
        is_invalid_grant(&app.refresh("web", &token).await);
    }

    async fn a_token_that_is_not_used_ends(app: TestApp) {
        app.with_ada_and_web().await;
        let token = refresh_of(&app.tokens("web", "openid offline_access").await);
        app.advance(app.issuer.settings.refresh_idle_s - 1);
        let token = refresh_of(&app.refresh("web", &token).await.json());
        app.advance(app.issuer.settings.refresh_idle_s);
        is_invalid_grant(&app.refresh("web", &token).await);
    }

    async fn a_scope_taken_from_the_client_ends_its_grants(app: TestApp) {
        app.with_ada_and_web().await;
        let token = refresh_of(&app.tokens("web", "openid offline_access orders:read").await);
        let less = Scope::parse("openid offline_access").unwrap();
        app.rewrite(&Client { scope: less, ..public_client("web") }).await;
        is_invalid_grant(&app.refresh("web", &token).await);
        is_invalid_grant(&refresh_with(&app, &token, &[("scope", "openid")]).await);
    }

    async fn an_api_taken_from_the_client_ends_the_grants_for_it(app: TestApp) {
        const BILLING: &str = "https://billing.example.com";
        app.add_person("ada").await;
        let both = vec![Audience::parse(API).unwrap(), Audience::parse(BILLING).unwrap()];
        app.register(&Client { audiences: both, ..public_client("web") }).await;
        let browser = Browser::new(&app);
        let url = authorize_url("web", "orders:read", &[("resource", BILLING)]);
        let code = browser.log_in(&url, "ada", PASSWORD).await.parameter("code").unwrap();
        let tokens = app.redeem("web", &code).await.json();
        assert_eq!(claims_of(tokens["access_token"].as_str().unwrap())["aud"], BILLING);
        app.rewrite(&public_client("web")).await;
        is_invalid_grant(&app.refresh("web", &refresh_of(&tokens)).await);
    }

    async fn a_consent_withdrawn_ends_its_grants_also_in_the_grace(app: TestApp) {
        let (ada, r0) = consented(&app).await;
        let r1 = refresh_of(&app.refresh("web", &r0).await.json());
        let mut tx = app.issuer.store.begin().await.unwrap();
        consents::remove(&mut tx, &ada.subject, &public_client("web").client_id).await.unwrap();
        tx.commit().await.unwrap();
        is_invalid_grant(&app.refresh("web", &r0).await);
        is_invalid_grant(&app.refresh("web", &r1).await);
    }

    async fn a_grant_revoked_by_the_person_is_over(app: TestApp) {
        let (ada, r0) = consented(&app).await;
        let mut tx = app.issuer.store.begin().await.unwrap();
        let client_id = public_client("web").client_id;
        let ended =
            refresh_tokens::revoke_subject_client(&mut tx, &ada.subject, &client_id, app.now(), "by the person");
        assert_eq!(ended.await.unwrap(), 1);
        tx.commit().await.unwrap();
        is_invalid_grant(&app.refresh("web", &r0).await);
        assert_eq!(app.events("refresh_replayed").await, 0);
    }

    async fn a_grant_type_taken_from_the_client_is_no_longer_answered(app: TestApp) {
        app.with_ada_and_web().await;
        let token = refresh_of(&app.tokens("web", "openid offline_access").await);
        app.rewrite(&Client { grants: [GrantType::AuthorizationCode].into(), ..public_client("web") }).await;
        assert_eq!(app.refresh("web", &token).await.error(), (400, "unauthorized_client".to_owned()));
        app.rewrite(&Client { disabled: true, ..public_client("web") }).await;
        assert_eq!(app.refresh("web", &token).await.error(), (401, "invalid_client".to_owned()));
    }

    async fn a_disabled_person_and_a_changed_password_end_every_grant(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let r0 = refresh_of(&app.tokens("web", "openid offline_access").await);
        let set_disabled = |disabled| {
            let (app, ada) = (app.clone(), ada.clone());
            async move {
                let mut tx = app.issuer.store.begin().await.unwrap();
                assert!(accounts::update(&mut tx, &Account { disabled, ..ada.clone() }, ada.updated_at).await.unwrap());
                tx.commit().await.unwrap();
            }
        };
        let answer = app.refresh("web", &r0).await;
        let r1 = refresh_of(&answer.json());
        set_disabled(true).await;
        is_invalid_grant(&app.refresh("web", &r1).await);
        is_invalid_grant(&app.refresh("web", &r0).await);
        // Nothing was spent or revoked by that: it is the account that counts.
        set_disabled(false).await;
        assert_eq!(app.refresh("web", &r0).await.body, answer.body);
        let r2 = refresh_of(&app.refresh("web", &r1).await.json());

        let mut tx = app.issuer.store.begin().await.unwrap();
        let hash = app.issuer.passwords.hash("another password".to_owned()).await.unwrap();
        accounts::set_password(&mut tx, &ada.subject, &hash, app.now()).await.unwrap();
        tx.commit().await.unwrap();
        is_invalid_grant(&app.refresh("web", &r2).await);
        let mut tx = app.issuer.store.begin().await.unwrap();
        accounts::delete(&mut tx, &ada.subject).await.unwrap();
        tx.commit().await.unwrap();
        is_invalid_grant(&app.refresh("web", &r2).await);
    }

    async fn a_token_of_another_kind_refreshes_nothing(app: TestApp) {
        app.with_ada_and_web().await;
        let code = app.code("web", "openid offline_access").await;
        is_invalid_grant(&app.refresh("web", &code).await);
        let fields = [("client_id", "web"), ("redirect_uri", REDIRECT), ("code_verifier", VERIFIER)];
        let tokens = app.redeem("web", &code).await.json();
        for kind in ["access_token", "id_token"] {
            is_invalid_grant(&app.refresh("web", tokens[kind].as_str().unwrap()).await);
        }
        let mut as_code = fields.to_vec();
        let refresh_token = refresh_of(&tokens);
        as_code.extend([("grant_type", "authorization_code"), ("code", &refresh_token)]);
        is_invalid_grant(&app.post("/token", &as_code).await);
        let digest = gatewright::crypto::token::sha256(&refresh_token);
        is_invalid_grant(&app.refresh("web", &digest).await);
        assert_eq!(app.refresh("web", &refresh_token).await.status, 200);
    }
}
