//! CORS: security case 115.

use crate::support::app::Options;
use crate::support::fixtures::{authorize_url, machine_client};
use crate::support::{Answer, TestApp};
use axum::body::Body;
use http::Method;

const REGISTERED: &str = "https://spa.example.com";

async fn app() -> TestApp {
    let app = TestApp::sqlite_with(Options {
        cors_origins: vec![REGISTERED.to_owned()],
        ..Options::default()
    })
    .await;
    app.register(&machine_client("worker")).await;
    app
}

async fn preflight(app: &TestApp, path: &str, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
    ];
    app.send(
        app.request(Method::OPTIONS, path, &headers)
            .body(Body::empty())
            .unwrap(),
    )
    .await
}

fn allowed(answer: &Answer) -> Option<&str> {
    assert!(
        answer.header("access-control-allow-credentials").is_none(),
        "never with credentials"
    );
    answer.header("access-control-allow-origin")
}

#[tokio::test]
async fn documents_are_everybodys_without_credentials() {
    let app = app().await;
    for path in [
        "/jwks.json",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        for origin in [REGISTERED, "https://evil.example.com", "null"] {
            let answer = app.get_with(path, &[("origin", origin)]).await;
            assert_eq!(
                (answer.status.as_u16(), allowed(&answer)),
                (200, Some("*")),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn token_userinfo_and_revocation_are_for_registered_origins() {
    let app = app().await;
    for path in ["/token", "/userinfo", "/revoke"] {
        let answer = app.post_with(path, &[], &[("origin", REGISTERED)]).await;
        assert_eq!(allowed(&answer), Some(REGISTERED), "{path}");
        assert_eq!(answer.header("vary"), Some("Origin"));
        let answer = preflight(&app, path, REGISTERED).await;
        assert_eq!(
            (answer.status.as_u16(), allowed(&answer)),
            (204, Some(REGISTERED))
        );
        assert!(
            answer
                .header("access-control-allow-methods")
                .unwrap()
                .contains("POST")
        );
        assert!(
            answer
                .header("access-control-allow-headers")
                .unwrap()
                .contains("authorization")
        );
        for origin in [
            "null",
            "https://evil.example.com",
            "http://spa.example.com",
            "https://spa.example.com:8443",
            "https://spa.example.com.evil.example",
            "https://SPA.example.com",
            "https://spa.example.com/",
            "",
        ] {
            let answer = app.post_with(path, &[], &[("origin", origin)]).await;
            assert_eq!(allowed(&answer), None, "{path} {origin}");
            assert_eq!(answer.header("vary"), Some("Origin"));
            let answer = preflight(&app, path, origin).await;
            assert_eq!(
                (answer.status.as_u16(), allowed(&answer)),
                (405, None),
                "{path} {origin}"
            );
        }
    }
}

#[tokio::test]
async fn documents_answer_preflights_of_any_origin_and_header() {
    let below = TestApp::sqlite_with(Options {
        issuer: "https://id.example.com/below".to_owned(),
        ..Options::default()
    })
    .await;
    for (app, paths) in [
        (
            app().await,
            vec![
                "/jwks.json",
                "/.well-known/openid-configuration",
                "/.well-known/oauth-authorization-server",
            ],
        ),
        (
            below,
            vec![
                "/below/jwks.json",
                "/below/.well-known/openid-configuration",
                "/.well-known/oauth-authorization-server/below",
            ],
        ),
    ] {
        for path in paths {
            for origin in [REGISTERED, "https://anybody.example.com", "null"] {
                let headers = [
                    ("origin", origin),
                    ("access-control-request-method", "GET"),
                    ("access-control-request-headers", "x-trace,authorization"),
                ];
                let request = app.request(Method::OPTIONS, path, &headers);
                let answer = app.send(request.body(Body::empty()).unwrap()).await;
                assert_eq!(
                    (answer.status.as_u16(), allowed(&answer)),
                    (204, Some("*")),
                    "{path}"
                );
                let header = |name| answer.header(name).unwrap();
                assert_eq!(header("access-control-allow-methods"), "GET, HEAD");
                assert_eq!(header("access-control-allow-headers"), "*, Authorization");
                assert!(answer.body.is_empty());
            }
        }
    }
}

#[tokio::test]
async fn pages_and_introspection_are_nobodys() {
    let app = app().await;
    let authorize = authorize_url("web", "openid", &[]);
    for path in [
        authorize.as_str(),
        "/login",
        "/consent",
        "/logout",
        "/continue",
        "/",
        "/nothing",
    ] {
        for origin in [REGISTERED, "null"] {
            let answer = app.get_with(path, &[("origin", origin)]).await;
            assert_eq!(allowed(&answer), None, "{path}");
        }
    }
    for path in ["/introspect", "/login", "/consent", "/logout", "/authorize"] {
        let answer = app.post_with(path, &[], &[("origin", REGISTERED)]).await;
        assert_eq!(allowed(&answer), None, "{path}");
        let answer = preflight(&app, path, REGISTERED).await;
        assert_eq!(
            (answer.status.as_u16(), allowed(&answer)),
            (405, None),
            "{path}"
        );
    }
}

#[tokio::test]
async fn null_is_no_origin_even_if_somebody_registers_it() {
    let app = TestApp::sqlite_with(Options {
        cors_origins: vec!["null".to_owned()],
        ..Options::default()
    })
    .await;
    let answer = app.post_with("/token", &[], &[("origin", "null")]).await;
    assert_eq!(allowed(&answer), None);
}
