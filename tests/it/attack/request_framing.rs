//! Requests as the guard lets them in, and whom it says they are from: security cases 110, 111 and 113.
//! What goes over a socket is tested there.

use crate::support::app::{ISSUER, Options};
use crate::support::fixtures::{SECRET, authorize_url, machine_client};
use crate::support::{Answer, Browser, TestApp};
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::Method;

async fn raw(app: &TestApp, uri: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn one_host_said_once_or_twice_the_same() {
    let app = TestApp::sqlite().await;
    let refused = [
        ("/jwks.json", &[][..]),
        (
            "/jwks.json",
            &[("host", "id.example.com"), ("host", "id.example.com")],
        ),
        (
            "/jwks.json",
            &[("host", "id.example.com"), ("host", "evil.example.com")],
        ),
        ("/jwks.json", &[("host", "")]),
        ("/jwks.json", &[("host", "a b")]),
        ("/jwks.json", &[("host", "user@id.example.com")]),
        (
            "https://evil.example.com/jwks.json",
            &[("host", "id.example.com")],
        ),
        ("https://evil.example.com/jwks.json", &[]),
        (
            "https://user@id.example.com/jwks.json",
            &[("host", "id.example.com")],
        ),
    ];
    for (uri, headers) in refused {
        let answer = raw(&app, uri, headers).await;
        assert_eq!(
            answer.error(),
            (400, "invalid_request".to_owned()),
            "{uri} {headers:?}"
        );
        assert_eq!(answer.header("connection"), Some("close"));
    }
    let absolute = raw(
        &app,
        "https://id.example.com/jwks.json",
        &[("host", "ID.example.com")],
    )
    .await;
    assert_eq!(absolute.status, 200);
}

#[tokio::test]
async fn nothing_that_a_client_says_moves_the_issuer() {
    let app = TestApp::sqlite().await;
    let expected = app.get("/.well-known/openid-configuration").await.body;
    for headers in [
        [("host", "evil.example.com"), ("x-other", "x")],
        [
            ("host", "id.example.com"),
            ("x-forwarded-host", "evil.example.com"),
        ],
        [
            ("host", "id.example.com"),
            ("forwarded", "host=evil.example.com;proto=http"),
        ],
        [("host", "id.example.com"), ("x-forwarded-proto", "http")],
        [("host", "id.example.com"), ("x-original-url", "/logout")],
        [("host", "id.example.com"), ("x-rewrite-url", "/logout")],
        [("host", "id.example.com"), ("x-forwarded-prefix", "/evil")],
    ] {
        let answer = raw(&app, "/.well-known/openid-configuration", &headers).await;
        assert_eq!(answer.body, expected, "{headers:?}");
        let discovery: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(discovery["issuer"], ISSUER);
    }
}

#[tokio::test]
async fn two_lengths_are_none() {
    let app = TestApp::sqlite().await;
    let headers = [("content-length", "3"), ("transfer-encoding", "chunked")];
    let request = app
        .request(Method::POST, "/token", &headers)
        .body(Body::from("a=b"))
        .unwrap();
    let answer = app.send(request).await;
    assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
    assert_eq!(answer.header("connection"), Some("close"));
    for length in ["x", "-1", "1, 2", ""] {
        let request = app
            .request(Method::POST, "/token", &[("content-length", length)])
            .body(Body::from("a=b"))
            .unwrap();
        assert_eq!(app.send(request).await.error().0, 400, "{length:?}");
    }
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn a_body_is_bounded_before_it_is_read() {
    let app = TestApp::sqlite().await;
    app.register(&machine_client("worker")).await;
    let sound = format!("grant_type=client_credentials&client_id=worker&client_secret={SECRET}&x=");
    let full = format!("{sound}{}", "x".repeat(65_536 - sound.len()));
    assert_eq!(app.post_raw("/token", &full, &[]).await.status, 200);
    assert_eq!(
        app.post_raw("/token", &format!("{full}x"), &[])
            .await
            .status,
        413
    );

    // Announced: not a byte of the body is asked for.
    struct Untouchable;
    impl hyper::body::Body for Untouchable {
        type Data = Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            panic!("the body was read")
        }
    }
    for (headers, status) in [
        ([("content-length", "65537"), FORM], 413),
        (
            [("content-length", "99999999999999999999999999"), FORM],
            400,
        ),
        ([("content-encoding", "gzip"), FORM], 415),
        ([("content-encoding", "identity, gzip"), FORM], 415),
        ([("content-encoding", "br"), FORM], 415),
    ] {
        let request = app
            .request(Method::POST, "/token", &headers)
            .body(Body::new(Untouchable))
            .unwrap();
        let answer = app.send(request).await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

#[tokio::test]
async fn a_request_has_100_parameters_at_most() {
    let app = TestApp::sqlite().await;
    app.register(&machine_client("worker")).await;
    let with = |count: usize| {
        let mut body =
            format!("grant_type=client_credentials&client_id=worker&client_secret={SECRET}");
        (3..count).for_each(|at| body.push_str(&format!("&x{at}=1")));
        body
    };
    assert_eq!(app.post_raw("/token", &with(100), &[]).await.status, 200);
    assert_eq!(
        app.post_raw("/token", &with(101), &[]).await.error(),
        (400, "invalid_request".to_owned())
    );
    let query = (0..101)
        .map(|at| format!("x{at}=1"))
        .collect::<Vec<_>>()
        .join("&");
    app.get(&format!("/authorize?{query}")).await.is_page();
}

/// How many wrong logins a network gets, each with another `X-Forwarded-For`.
async fn wrong_logins(app: &TestApp, forwarded: impl Fn(usize) -> String) -> usize {
    for attempt in 0..20 {
        let browser = Browser::new(app);
        let page = browser.get(&authorize_url("web", "openid", &[])).await;
        let form = crate::support::browser::form_of(&page, "login-form");
        let name = format!("nobody{attempt}");
        let mut fields: Vec<(&str, &str)> = form
            .hidden
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        fields.extend([("login", name.as_str()), ("password", "wrong password")]);
        let list = forwarded(attempt);
        let headers = [
            ("origin", ISSUER),
            ("sec-fetch-site", "same-origin"),
            ("x-forwarded-for", list.as_str()),
        ];
        if browser
            .post_once(&form.action, &fields, &headers)
            .await
            .status
            == 429
        {
            return attempt;
        }
    }
    20
}

#[tokio::test]
async fn a_forwarded_address_is_believed_from_trusted_proxies_only() {
    let app = TestApp::sqlite().await;
    app.with_ada_and_web().await;
    // The peer is nobody's proxy: what it says of itself is nothing.
    assert_eq!(
        wrong_logins(&app, |at| format!("198.51.100.{at}")).await,
        15
    );

    let options = Options {
        trusted_proxies: vec!["203.0.113.0/24".to_owned()],
        ..Options::default()
    };
    let behind = TestApp::sqlite_with(options).await;
    behind.with_ada_and_web().await;
    // Behind a proxy the rightmost hop that is none counts, whatever is invented left of it.
    assert_eq!(
        wrong_logins(&behind, |at| format!(
            "10.0.0.{at}, 198.51.100.7, 203.0.113.9"
        ))
        .await,
        15
    );
    assert_eq!(
        wrong_logins(&behind, |at| format!("198.51.100.7, 192.0.2.{at}")).await,
        20
    );
}
