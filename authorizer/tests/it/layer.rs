//! The layer around an axum service: the example, as it stands.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use gatewright_authorizer::extract::Claims;
use gatewright_authorizer::jose::Algorithm;
use gatewright_authorizer::jwks::{Clock, FetchError, FetchKeys, Fetched};
use gatewright_authorizer::layer::Authorized;
use gatewright_authorizer::policy::IssuerRules;
use gatewright_authorizer::{Authorizer, AuthorizerLayer, Verifier};
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tower::ServiceExt as _;

use crate::support::client::Client;
use crate::support::signer::shared;
use crate::support::{AUDIENCE, ISSUER, NOW, authorizer, claims, policy, policy_of};

#[allow(dead_code)]
#[path = "../../examples/axum.rs"]
mod example;

fn layer() -> AuthorizerLayer {
    AuthorizerLayer::new(authorizer(policy(), &[shared()])).with_clock(|| NOW)
}

fn bearer(claims: &Value) -> String {
    format!("Bearer {}", shared().sign(claims))
}

async fn call(
    service: Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Value) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = service
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    (parts.status, parts.headers, body)
}

#[tokio::test]
async fn handlers_get_the_caller_of_calls_that_the_policy_allows() {
    let mut claims = claims("orders:read");
    claims["tenant"] = json!("acme");
    let token = bearer(&claims);
    let headers = [("authorization", token.as_str())];
    let (status, _, body) = call(example::service(layer()), "GET", "/orders/7?x=1", &headers).await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({"order": "7", "for": "user-1", "tenant": "acme"})
    );
    let (_, _, body) = call(example::service(layer()), "GET", "/me", &headers).await;
    assert_eq!(
        body,
        json!({"client": "app", "scopes": ["orders:read"], "rule": "me"})
    );
}

#[tokio::test]
async fn everything_else_is_refused_before_a_handler_runs() {
    let read = bearer(&claims("orders:read"));
    let other = bearer(&claims("other"));
    let reached = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&reached);
    let service = Router::new()
        .fallback(move || async move { counter.fetch_add(1, Ordering::SeqCst).to_string() })
        .layer(layer());
    for (method, path, authorization, status, reason) in [
        ("GET", "/orders/7", None, 401, "token_missing"),
        ("GET", "/orders/7", Some("Bearer x"), 401, "token_malformed"),
        ("GET", "/orders/7", Some(&other), 403, "insufficient_scope"),
        ("POST", "/orders/7", Some(&read), 403, "no_rule"),
        ("GET", "/nowhere", Some(&read), 403, "no_rule"),
        ("GET", "//orders/7", Some(&read), 403, "path_refused"),
        ("GET", "/orders%2f7", Some(&read), 403, "path_refused"),
        ("GET", "/x/../orders/7", Some(&read), 403, "path_refused"),
    ] {
        let headers: Vec<_> = authorization
            .iter()
            .map(|value| ("authorization", *value))
            .collect();
        let (answered, headers, body) = call(service.clone(), method, path, &headers).await;
        assert_eq!(answered, status, "{method} {path}");
        assert_eq!(body["reason"], reason, "{method} {path}");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(
            headers.contains_key("www-authenticate"),
            status == 401 || reason == "insufficient_scope"
        );
    }
    let twice = [("authorization", read.as_str()); 2];
    let (status, _, _) = call(service.clone(), "GET", "/orders/7", &twice).await;
    assert_eq!(status, 401);
    assert_eq!(reached.load(Ordering::SeqCst), 0);
    let once = &twice[..1];
    let (status, _, _) = call(service, "GET", "/orders/7", once).await;
    assert_eq!((status.as_u16(), reached.load(Ordering::SeqCst)), (200, 1));
}

#[tokio::test]
async fn no_header_makes_a_caller() {
    let token = bearer(&claims("orders:read"));
    let spoofed = [
        ("authorization", token.as_str()),
        ("x-auth-subject", "root"),
        ("x-original-uri", "/orders/7"),
        ("x-forwarded-uri", "/orders/7"),
        ("x-http-method-override", "GET"),
        ("x-forwarded-for", "10.0.0.1"),
    ];
    let (_, _, body) = call(example::service(layer()), "GET", "/orders/7", &spoofed).await;
    assert_eq!(body["for"], "user-1");
    let (status, _, _) = call(example::service(layer()), "GET", "/admin", &spoofed).await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn without_the_layer_there_is_no_caller() {
    let bare = Router::new()
        .route("/a", get(|_: Authorized| async { "reached" }))
        .route("/c", get(|_: Claims<Value>| async { "reached" }));
    for path in ["/a", "/c"] {
        let (status, _, body) = call(bare.clone(), "GET", path, &[]).await;
        assert_eq!(status, 503);
        assert_eq!(body["reason"], "internal_error");
    }
}

#[tokio::test]
async fn a_token_without_a_claim_that_the_handler_needs_is_refused() {
    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    struct Tenant {
        tenant: String,
    }
    let service = Router::new()
        .route("/me", get(|_: Claims<Tenant>| async { "reached" }))
        .layer(layer());
    let mut claims = claims("");
    for tenant in [json!(null), json!(7)] {
        claims["tenant"] = tenant;
        let token = bearer(&claims);
        let headers = [("authorization", token.as_str())];
        let (status, _, body) = call(service.clone(), "GET", "/me", &headers).await;
        assert_eq!(
            (status.as_u16(), &body["reason"]),
            (401, &json!("claim_malformed"))
        );
    }
}

#[tokio::test]
async fn a_bound_token_passes_where_the_public_url_is_known() {
    let client = Client::new();
    let token = client.token();
    let authorization = format!("DPoP {token}");
    let mut proof = Client::claims(&token, "1");
    proof["htu"] = json!("https://api.example.com/orders/1");
    let proof = client.0.sign_with(&client.header(), &proof);
    let headers = [
        ("authorization", authorization.as_str()),
        ("dpop", &proof),
        ("host", "api.example.com"),
    ];
    let (status, _, _) = call(example::service(layer()), "GET", "/orders/1", &headers).await;
    assert_eq!(status, 401);
    let known = layer().with_public_url("https://api.example.com");
    let (status, _, body) = call(example::service(known), "GET", "/orders/1", &headers).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn the_callers_address_is_what_the_service_says() {
    let rule = "[[rule]]\nid = \"in\"\nmethods = [\"GET\"]\npath = \"/me\"\nwhen = 'request.source_ip == \"10.0.0.1\"'\n";
    let layer = AuthorizerLayer::new(authorizer(policy_of(rule), &[shared()])).with_clock(|| NOW);
    let token = bearer(&claims(""));
    let headers = [
        ("authorization", token.as_str()),
        ("x-forwarded-for", "10.0.0.1"),
    ];
    let from = |last: u8| {
        let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
        example::service(layer.clone().with_source_ip(move |_| Some(address)))
    };
    assert_eq!(call(from(1), "GET", "/me", &headers).await.0, 200);
    assert_eq!(call(from(2), "GET", "/me", &headers).await.0, 403);
    let unknown = example::service(layer);
    assert_eq!(call(unknown, "GET", "/me", &headers).await.0, 403);
}

/// An issuer that is down.
struct Down;

impl FetchKeys for Down {
    fn fetch(&self) -> gatewright_authorizer::jwks::BoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(async { Err(FetchError("down".to_owned())) })
    }
}

#[tokio::test]
async fn a_fault_is_a_503_and_never_lets_a_call_pass() {
    let issuers = [IssuerRules::new(
        ISSUER,
        vec![AUDIENCE.to_owned()],
        Algorithm::ALL.to_vec(),
    )];
    let clock: Arc<dyn Clock> = Arc::new(gatewright_authorizer::fetch::SystemClock::start());
    let down = |_: &IssuerRules| -> Arc<dyn FetchKeys> { Arc::new(Down) };
    let verifier = Verifier::new(&issuers, Path::new(""), down, &clock).unwrap();
    let layer = AuthorizerLayer::new(Authorizer::new(policy(), verifier)).with_clock(|| NOW);
    let token = bearer(&claims("orders:read"));
    let headers = [("authorization", token.as_str())];
    let (status, headers, body) = call(example::service(layer), "GET", "/orders/7", &headers).await;
    assert_eq!(
        (status.as_u16(), &body["reason"]),
        (503, &json!("keys_unavailable"))
    );
    assert_eq!(headers["retry-after"], "1");
}

fn open_layer() -> AuthorizerLayer {
    let rules = "[[rule]]\nid = \"open\"\nmethods = [\"GET\"]\npath = \"/open/{what}\"\neffect = \"public\"\n\
                 [[rule]]\nid = \"me\"\nmethods = [\"GET\"]\npath = \"/me\"\n";
    AuthorizerLayer::new(authorizer(policy_of(rules), &[shared()])).with_clock(|| NOW)
}

#[tokio::test]
async fn a_public_route_reaches_its_handler_as_nobodys_call() {
    let whose = |caller: Option<Authorized>| async move {
        axum::Json(json!(
            caller.map(|Authorized(admission)| admission.token.subject.clone())
        ))
    };
    let strict = |Authorized(_): Authorized| async { "somebody" };
    let service = || {
        Router::new()
            .route("/open/whose", get(whose))
            .route("/open/strict", get(strict))
            .route("/me", get(whose))
            .layer(open_layer())
            // Somebody whom an outer layer let in is nobody here.
            .layer(layer_that_says_root())
    };
    let good = bearer(&claims("orders:read"));
    for token in ["Bearer x.y.z", &good] {
        let headers = [("authorization", token)];
        let (status, _, body) = call(service(), "GET", "/open/whose", &headers).await;
        assert_eq!((status.as_u16(), body), (200, Value::Null));
    }
    let (status, _, body) = call(service(), "GET", "/open/strict", &[]).await;
    assert_eq!(
        (status.as_u16(), &body["reason"]),
        (401, &json!("token_missing"))
    );
    assert_eq!(call(service(), "GET", "/me", &[]).await.0, 401);
    assert_eq!(call(service(), "POST", "/open/whose", &[]).await.0, 401);
    let (status, _, body) = call(service(), "GET", "/me", &[("authorization", &good)]).await;
    assert_eq!((status.as_u16(), body), (200, json!("user-1")));
}

/// An extension as a layer further out would leave it.
fn layer_that_says_root() -> axum::Extension<Authorized> {
    let claims = claims("admin");
    let policy = policy();
    let token = gatewright_authorizer::token::claims_of(
        claims.as_object().unwrap().clone(),
        &policy.issuers()[0].token_rules(),
        NOW,
    );
    axum::Extension(Authorized(gatewright_authorizer::Admission {
        token: Arc::new(token.unwrap()),
        rule: None,
    }))
}

#[tokio::test]
async fn headers_that_could_tell_the_service_another_call_are_taken_off() {
    let told = |headers: HeaderMap| async move {
        let names: Vec<String> = headers.keys().map(ToString::to_string).collect();
        axum::Json(json!(names))
    };
    let service = Router::new().route("/me", get(told)).layer(open_layer());
    let bearer = bearer(&claims("orders:read"));
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-http-method-override", "DELETE"),
        ("x_http_method_override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("x-forwarded-uri", "/admin"),
        ("x-forwarded-for", "203.0.113.9"),
    ];
    let (status, _, names) = call(service, "GET", "/me", &headers).await;
    assert_eq!(status, 200);
    assert_eq!(names, json!(["authorization", "x-forwarded-for"]));
}
