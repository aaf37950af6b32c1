//! Metadata, keys and health: exactly what works.

use crate::support::app::{ISSUER, Options};
use crate::support::fixtures::{PASSWORD, authorize_url};
use crate::support::{Browser, TestApp, on_both_databases};
use gatewright_authorizer::jose::JwkSet;

const METADATA: [&str; 2] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
];

#[tokio::test]
async fn every_endpoint_in_the_metadata_answers() {
    let app = TestApp::sqlite().await;
    let metadata = app.get(METADATA[0]).await.json();
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(app.get(METADATA[1]).await.json(), metadata);
    let mut endpoints = 0;
    for (name, value) in metadata.as_object().unwrap() {
        if !name.ends_with("_endpoint") && name != "jwks_uri" {
            continue;
        }
        endpoints += 1;
        let path = value.as_str().unwrap().strip_prefix(ISSUER).unwrap();
        let get = app.get(path).await.status.as_u16();
        let post = app.post(path, &[]).await.status.as_u16();
        assert!(get != 404 && post != 404, "{name}");
        assert!(get < 500 && post < 500, "{name}: {get} {post}");
    }
    assert_eq!(endpoints, 7);
}

#[tokio::test]
async fn the_metadata_advertises_no_more_than_works() {
    let app = TestApp::sqlite().await;
    let metadata = app.get(METADATA[0]).await.json();
    assert_eq!(
        metadata["response_types_supported"],
        serde_json::json!(["code"])
    );
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        serde_json::json!(["S256"])
    );
    assert_eq!(
        metadata["grant_types_supported"],
        serde_json::json!(["authorization_code", "client_credentials", "refresh_token"])
    );
    for absent in [
        "registration_endpoint",
        "device_authorization_endpoint",
        "pushed_authorization_request_endpoint",
        "backchannel_logout_supported",
        "dpop_signing_alg_values_supported",
    ] {
        assert!(metadata.get(absent).is_none(), "{absent}");
    }
    assert_eq!(metadata["request_parameter_supported"], false);
    assert_eq!(metadata["request_uri_parameter_supported"], false);
}

#[tokio::test]
async fn documents_may_be_cached_and_are_not_sent_twice() {
    let app = TestApp::sqlite().await;
    for path in [METADATA[0], METADATA[1], "/jwks.json"] {
        let first = app.get(path).await;
        assert_eq!(first.status, 200);
        assert_eq!(first.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(first.header("content-type"), Some("application/json"));
        let etag = first.header("etag").unwrap().to_owned();
        for sent in [
            etag.clone(),
            format!("W/{etag}"),
            format!("\"other\", {etag}"),
            "*".to_owned(),
        ] {
            let again = app.get_with(path, &[("if-none-match", &sent)]).await;
            assert_eq!(again.status, 304, "{sent}");
            assert!(again.body.is_empty());
            assert_eq!(again.header("etag"), Some(etag.as_str()));
        }
        assert_eq!(
            app.get_with(path, &[("if-none-match", "\"other\"")])
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn the_metadata_follows_the_configuration_and_never_the_host() {
    let app = TestApp::sqlite().await;
    let request = http::Request::builder()
        .uri(METADATA[0])
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = app.send(request).await;
    assert!(!answer.body.contains("evil"), "{}", answer.body);
}

#[tokio::test]
async fn an_issuer_with_a_path_serves_below_it() {
    let issuer = "https://example.com/login/eu";
    let app = TestApp::sqlite_with(Options {
        issuer: issuer.to_owned(),
        ..Options::default()
    })
    .await;
    let metadata = app
        .get("/login/eu/.well-known/openid-configuration")
        .await
        .json();
    assert_eq!(metadata["jwks_uri"], format!("{issuer}/jwks.json"));
    assert_eq!(
        app.get("/.well-known/oauth-authorization-server/login/eu")
            .await
            .json(),
        metadata
    );
    assert_eq!(app.get("/login/eu/jwks.json").await.status, 200);
    assert_eq!(app.get("/jwks.json").await.status, 404);
}

on_both_databases! {
    async fn the_jwks_holds_a_public_key_of_each_algorithm(app: TestApp) {
        let answer = app.get("/jwks.json").await;
        let set = JwkSet::parse(answer.body.as_bytes()).unwrap();
        assert_eq!(set.iter().count(), 3);
        for key in answer.json()["keys"].as_array().unwrap() {
            assert_eq!(key["use"], "sig");
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(key.get(private).is_none(), "{private}");
            }
        }
    }

    async fn health_tells_live_from_ready(app: TestApp) {
        assert_eq!(app.get("/health/live").await.status, 200);
        assert_eq!(app.get("/health/ready").await.status, 200);
        app.state.leave();
        assert_eq!(app.get("/health/live").await.status, 200);
        assert_eq!(app.get("/health/ready").await.status, 503);
    }

    async fn without_its_database_a_node_is_live_and_not_ready(app: TestApp) {
        app.issuer.store.close().await;
        assert_eq!(app.get("/health/live").await.status, 200);
        assert_eq!(app.get("/health/ready").await.status, 503);
        assert_eq!(app.get("/jwks.json").await.status, 200);
    }
}

#[tokio::test]
async fn unknown_paths_get_a_page_and_wrong_methods_a_405() {
    let app = TestApp::sqlite().await;
    let page = app.get("/nowhere").await;
    assert_eq!(page.status, 404);
    assert!(page.body.contains("id=\"error-page\""));
    let answer = app.get("/token").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), Some("POST"));
    assert!(answer.header("x-request-id").is_some());
}

#[tokio::test]
async fn head_does_nothing_where_get_does_something() {
    let app = TestApp::sqlite().await;
    app.with_ada_and_web().await;
    let browser = Browser::new(&app);
    let url = authorize_url("web", "openid", &[]);
    browser.log_in(&url, "ada", PASSWORD).await;
    assert_eq!(browser.get(&url).await.status, 303);
    for path in [&*url, "/continue", "/login", "/consent", "/logout"] {
        let answer = browser.head(path).await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.header("allow"), Some("GET, POST"), "{path}");
        assert_eq!(answer.header("location"), None, "{path}");
    }
    for path in [METADATA[0], "/jwks.json", "/health/live"] {
        assert_eq!(browser.head(path).await.status, 200, "{path}");
    }
}
