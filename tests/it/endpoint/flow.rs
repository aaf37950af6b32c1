//! From a password to tokens, and on.

use crate::support::app::ISSUER;
use crate::support::fixtures::{
    API, PASSWORD, SECRET, authorize_url, claims_of, header_of, machine_client, public_client,
};
use crate::support::{Browser, on_both_databases};
use gatewright::domain::Client;

on_both_databases! {
    async fn a_person_logs_in_and_the_client_gets_tokens(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let tokens = app.tokens("web", "openid profile email offline_access orders:read").await;

        assert_eq!(tokens["token_type"], "Bearer");
        assert_eq!(tokens["expires_in"], 300);
        assert_eq!(tokens["scope"], "email offline_access openid orders:read profile");
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(header_of(access)["typ"], "at+jwt");
        assert_eq!(header_of(access)["alg"], "ES256");
        let claims = claims_of(access);
        assert_eq!(claims["iss"], ISSUER);
        assert_eq!(claims["sub"], ada.subject.as_str());
        assert_eq!(claims["client_id"], "web");
        assert_eq!(claims["aud"], serde_json::json!([API, ISSUER]));
        assert_eq!(claims["tenant"], "acme");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);

        let id_token = tokens["id_token"].as_str().unwrap();
        assert_eq!(header_of(id_token)["alg"], "RS256");
        let claims = claims_of(id_token);
        assert_eq!(claims["aud"], "web");
        assert_eq!(claims["nonce"], "the nonce");
        assert_eq!(claims["email"], "ada@example.com");
        assert_eq!(claims["email_verified"], true);
        assert_eq!(claims["name"], "ada the First");

        let bearer = format!("Bearer {access}");
        let userinfo = app.get_with("/userinfo", &[("authorization", &bearer)]).await;
        assert_eq!(userinfo.status, 200, "{}", userinfo.body);
        assert_eq!(userinfo.json()["sub"], ada.subject.as_str());
        assert!(userinfo.json()["updated_at"].is_i64());
    }

    async fn a_refresh_rotates_and_the_old_token_dies(app: TestApp) {
        app.with_ada_and_web().await;
        let tokens = app.tokens("web", "openid offline_access").await;
        let first = tokens["refresh_token"].as_str().unwrap();
        let answer = app.refresh("web", first).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let second = answer.json()["refresh_token"].as_str().unwrap().to_owned();
        assert_ne!(first, second);
        // OIDC Core §12.2: the nonce is the first ID token's alone.
        assert_eq!(claims_of(tokens["id_token"].as_str().unwrap())["nonce"], "the nonce");
        let renewed = claims_of(answer.json()["id_token"].as_str().unwrap());
        assert_eq!((renewed.get("nonce"), &renewed["sub"]), (None, &claims_of(tokens["id_token"].as_str().unwrap())["sub"]));
        // The same answer again within the grace.
        assert_eq!(app.refresh("web", first).await.body, answer.body);
        let third = app.refresh("web", &second).await;
        assert_eq!(third.status, 200);
        // Its successor was used: the family is over.
        assert_eq!(app.refresh("web", first).await.error(), (400, "invalid_grant".to_owned()));
        let third = third.json()["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(app.refresh("web", &third).await.error(), (400, "invalid_grant".to_owned()));
        assert_eq!(app.events("refresh_replayed").await, 1);
    }

    async fn a_machine_gets_a_token_for_its_api(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let answer = app.machine_token("worker", &[("scope", "orders:read")]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let claims = claims_of(answer.json()["access_token"].as_str().unwrap());
        assert_eq!(claims["aud"], API);
        assert_eq!(claims["sub"], "worker");
        assert_eq!(claims["scope"], "orders:read");
        assert!(answer.json().get("refresh_token").is_none());

        let introspection = app
            .post("/introspect", &[
                ("client_id", "worker"),
                ("client_secret", SECRET),
                ("token", answer.json()["access_token"].as_str().unwrap()),
            ])
            .await;
        assert_eq!(introspection.json()["active"], true, "{}", introspection.body);
    }

    async fn consent_is_asked_once_and_remembered(app: TestApp) {
        app.add_person("ada").await;
        app.register(&Client { first_party: false, ..public_client("web") }).await;
        let browser = Browser::new(&app);
        let page = browser.log_in(&authorize_url("web", "openid email", &[]), "ada", PASSWORD).await;
        assert!(page.body.contains("id=\"consent-form\""), "{}", page.body);
        let answer = browser.submit(&page, "consent-form", &[("decision", "allow")]).await;
        assert!(answer.parameter("code").is_some(), "{}", answer.location());
        let again = browser.get(&authorize_url("web", "openid email", &[])).await;
        assert!(again.parameter("code").is_some(), "{}", again.body);
        // A new scope asks again.
        let more = browser.get(&authorize_url("web", "openid email phone", &[])).await;
        assert!(more.body.contains("id=\"consent-form\""), "{}", more.body);
        let refused = browser.submit(&more, "consent-form", &[("decision", "deny")]).await;
        assert_eq!(refused.parameter("error").as_deref(), Some("access_denied"));
    }

    async fn a_person_signs_out(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let url = authorize_url("web", "openid", &[]);
        browser.log_in(&url, "ada", PASSWORD).await;
        let page = browser.get("/logout").await;
        assert!(page.body.contains("id=\"logout-form\""), "{}", page.body);
        let done = browser.submit(&page, "logout-form", &[]).await;
        assert!(done.body.contains("id=\"logged-out\""), "{}", done.body);
        let login = browser.get(&url).await;
        assert!(login.body.contains("id=\"login-form\""), "{}", login.body);
    }
}
