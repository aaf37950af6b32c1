//! Userinfo: security cases 59 and 60.

use crate::support::app::ISSUER;
use crate::support::fixtures::{API, PASSWORD, authorize_url, machine_client, public_client};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use gatewright::domain::resource::Audience;
use gatewright::domain::{Account, Client, ClientId, Scope};
use gatewright::store::accounts;

async fn userinfo(app: &TestApp, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    app.get_with("/userinfo", &[("authorization", &bearer)])
        .await
}

async fn access(app: &TestApp, scope: &str) -> String {
    app.tokens("web", scope).await["access_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[track_caller]
fn is_t401(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert!(
        answer
            .header("www-authenticate")
            .unwrap()
            .starts_with("Bearer error=\"invalid_token\"")
    );
    assert_eq!(answer.error().1, "invalid_token");
}

#[track_caller]
fn is_bad_request(answer: &Answer) {
    assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
}

on_both_databases! {
    /// A type describes content; a POST without any may have whatever type its library adds.
    async fn the_type_of_an_empty_body_says_nothing(app: TestApp) {
        app.with_ada_and_web().await;
        let token = access(&app, "openid").await;
        let bearer = format!("Bearer {token}");
        let post = async |content_type: &str, body: &str| {
            let headers = [("authorization", &*bearer), ("content-type", content_type)];
            let request = app.request(http::Method::POST, "/userinfo", &headers);
            app.send(request.body(axum::body::Body::from(body.to_owned())).unwrap()).await
        };
        for content_type in ["application/json", "text/plain;charset=UTF-8", "multipart/form-data; boundary=x", ""] {
            assert_eq!(post(content_type, "").await.status, 200, "{content_type}");
            is_bad_request(&post(content_type, "x=y").await);
        }
        assert_eq!(post("application/x-www-form-urlencoded; charset=utf-8", "x=y").await.status, 200);
        // What is missing is named, and not the type.
        let request = app.request(http::Method::POST, "/token", &[("content-type", "application/json")]);
        let answer = app.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.error(), (401, "invalid_client".to_owned()));
        assert!(!answer.body.contains("x-www-form-urlencoded"), "{}", answer.body);
    }

    async fn the_token_comes_in_one_place(app: TestApp) {
        app.with_ada_and_web().await;
        let token = access(&app, "openid").await;
        let bearer = format!("Bearer {token}");
        for answer in [
            app.get("/userinfo").await,
            app.post("/userinfo", &[]).await,
            app.get_with("/userinfo", &[("authorization", "Basic d2ViOng=")]).await,
        ] {
            assert_eq!(answer.status, 401);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert!(!answer.body.contains("error"));
        }
        is_bad_request(&app.get(&format!("/userinfo?access_token={token}")).await);
        is_bad_request(&app.get_with(&format!("/userinfo?access_token={token}"), &[("authorization", &bearer)]).await);
        is_bad_request(&app.post_with("/userinfo", &[("access_token", &token)], &[("authorization", &bearer)]).await);
        for malformed in ["Bearer ", "Bearer  x", "Bearer a,Bearer b", "Bearer a b", "Bearer a\tb"] {
            let answer = app.get_with("/userinfo", &[("authorization", malformed)]).await;
            assert!(matches!(answer.status.as_u16(), 400 | 401), "{malformed:?}");
        }
        let twice = app.get_with("/userinfo", &[("authorization", &bearer), ("authorization", &bearer)]).await;
        is_bad_request(&twice);
        assert_eq!(app.post("/userinfo", &[("access_token", &token)]).await.status, 200);
        let lower = format!("bearer {token}");
        assert_eq!(app.get_with("/userinfo", &[("authorization", &lower)]).await.status, 200);
    }

    async fn a_token_without_openid_is_not_enough(app: TestApp) {
        app.with_ada_and_web().await;
        let token = access(&app, "profile orders:read").await;
        let answer = userinfo(&app, &token).await;
        assert_eq!(answer.error(), (403, "insufficient_scope".to_owned()));
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("error=\"insufficient_scope\"") && challenge.contains("scope=\"openid\""));
    }

    async fn a_machines_token_names_nobody(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let for_issuer = vec![Audience::parse(ISSUER).unwrap()];
        let everything = Scope::parse("openid profile orders:read").unwrap();
        // Not even where the client bears a person's name.
        for id in ["worker", ada.subject.as_str()] {
            let client = Client {
                client_id: ClientId::new(id),
                audiences: for_issuer.clone(),
                scope: everything.clone(),
                ..machine_client(id)
            };
            app.register(&client).await;
            let answer = app.machine_token(id, &[]).await;
            is_t401(&userinfo(&app, answer.json()["access_token"].as_str().unwrap()).await);
        }
    }

    async fn a_token_for_another_audience_is_not_ours(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let url = authorize_url("web", "openid orders:read", &[("resource", API)]);
        let code = browser.log_in(&url, "ada", PASSWORD).await.parameter("code").unwrap();
        let tokens = app.redeem("web", &code).await.json();
        is_t401(&userinfo(&app, tokens["access_token"].as_str().unwrap()).await);
    }

    async fn a_dead_token_is_refused(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let token = access(&app, "openid").await;
        for broken in ["garbage", "a.b.c", &token[..token.len() - 2], &format!("{token}.x"), &"x".repeat(9000)] {
            is_t401(&userinfo(&app, broken).await);
        }
        app.advance(300);
        is_t401(&userinfo(&app, &token).await);
        let token = access(&app, "openid").await;
        assert_eq!(userinfo(&app, &token).await.status, 200);
        app.rewrite(&Client { disabled: true, ..public_client("web") }).await;
        is_t401(&userinfo(&app, &token).await);
        app.rewrite(&public_client("web")).await;

        let mut tx = app.issuer.store.begin().await.unwrap();
        accounts::update(&mut tx, &Account { disabled: true, ..ada.clone() }, ada.updated_at).await.unwrap();
        tx.commit().await.unwrap();
        is_t401(&userinfo(&app, &token).await);
        let mut tx = app.issuer.store.begin().await.unwrap();
        accounts::update(&mut tx, &ada, ada.updated_at).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(userinfo(&app, &token).await.status, 200);
        let mut tx = app.issuer.store.begin().await.unwrap();
        accounts::delete(&mut tx, &ada.subject).await.unwrap();
        tx.commit().await.unwrap();
        is_t401(&userinfo(&app, &token).await);
    }
}
