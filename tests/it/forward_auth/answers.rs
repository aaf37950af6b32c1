//! The endpoint by itself: what it believes, and what it answers.

use super::stage::{Issuer, POLICY};
use axum::body::Body;
use axum::extract::Request;
use gatewright::http::forward_auth::{ClaimHeaders, ForwardAuth, ProxyKind, Settings, router};
use gatewright::http::guard::{self, GuardSettings, Guarded};
use gatewright::http::server::PeerAddr;
use gatewright_authorizer::fetch::unix_now;
use gatewright_authorizer::jose::JwkSet;
use gatewright_authorizer::{Authorizer, Policy, Verifier};
use http::{HeaderMap, StatusCode};
use std::net::SocketAddr;
use std::sync::Arc;

const PROXY: &str = "10.0.0.1";

struct Endpoint {
    issuer: Issuer,
    guarded: Guarded,
    door: ForwardAuth,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Endpoint {
    fn new(proxy: ProxyKind) -> Self {
        Self::with_policy(proxy, POLICY)
    }

    fn with_policy(proxy: ProxyKind, policy: &str) -> Self {
        let issuer = Issuer::new();
        let policy = Policy::parse(policy).unwrap();
        let keys = JwkSet::parse(issuer.jwks().to_string().as_bytes()).unwrap();
        let rules = policy.issuers()[0].token_rules();
        let settings = Settings {
            proxy,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            public_url: None,
            claims: ClaimHeaders::of(policy.passed_on()).unwrap(),
        };
        let guard = GuardSettings {
            hosts: None,
            trusted_proxies: settings.trusted_proxies.clone(),
            relayed: true,
            ..GuardSettings::new(&gatewright::config::Config::default())
        };
        let authorizer = Authorizer::new(policy, Verifier::with_fixed_keys([(rules, keys)]));
        let door = ForwardAuth::new(authorizer, settings, Arc::new(unix_now));
        Self {
            issuer,
            guarded: guard::layer(guard, router(door.clone())),
            door,
        }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.issuer.token("orders:read"))
    }

    async fn ask(
        &self,
        peer: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", "authorizer");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 40_000);
        let request = request.extension(PeerAddr(peer));
        let response = self
            .guarded
            .clone()
            .answer(request.body(Body::empty()).unwrap())
            .await;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// The status for a question of the proxy with a good token.
    async fn status(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
        let bearer = self.bearer();
        let headers = [&[("authorization", bearer.as_str())], headers].concat();
        self.ask(PROXY, method, target, &headers)
            .await
            .status
            .as_u16()
    }
}

#[tokio::test]
async fn each_kind_of_proxy_is_believed_what_it_sets_and_nothing_else() {
    let ways = [
        (ProxyKind::Nginx, "x-original-method", "x-original-uri"),
        (
            ProxyKind::Forwarded,
            "x-forwarded-method",
            "x-forwarded-uri",
        ),
    ];
    for (at, (kind, method, uri)) in ways.into_iter().enumerate() {
        let endpoint = Endpoint::new(kind);
        let (_, other_method, other_uri) = ways[1 - at];
        let good = [(method, "GET"), (uri, "/orders/7?x=1")];
        assert_eq!(endpoint.status("GET", "/auth", &good).await, 200);
        let bad = [(method, "GET"), (uri, "/admin/1")];
        let other = [(other_method, "GET"), (other_uri, "/orders/7")];
        let both = [&bad[..], &other].concat();
        assert_eq!(endpoint.status("GET", "/auth", &both).await, 403);
        assert_eq!(endpoint.status("GET", "/auth/orders/7", &bad).await, 403);
        for unclear in [
            &other[..],
            &[],
            &good[..1],
            &good[1..],
            &[good[0], good[1], good[1]],
            &[good[0], good[1], bad[1]],
            &[good[0], good[0], good[1]],
            &[(method, "GET"), (uri, "")],
        ] {
            let status = endpoint.status("GET", "/auth", unclear).await;
            assert_eq!(status, 503, "{unclear:?}");
        }
    }
    let endpoint = Endpoint::new(ProxyKind::Envoy);
    let others = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders/7"),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/orders/7"),
    ];
    assert_eq!(endpoint.status("GET", "/auth/orders/7?x", &[]).await, 200);
    for (method, target) in [
        ("GET", "/auth/admin/1"),
        ("DELETE", "/auth/orders/7"),
        ("GET", "/auth"),
        ("GET", "/auth/"),
        ("GET", "/auth//orders/7"),
        ("GET", "/auth/../orders/7"),
        ("GET", "/auth/auth/orders/7"),
    ] {
        let status = endpoint.status(method, target, &others).await;
        assert_eq!(status, 403, "{method} {target}");
    }
}

#[tokio::test]
async fn only_the_endpoint_is_one() {
    let endpoint = Endpoint::new(ProxyKind::Nginx);
    let good = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders/7"),
    ];
    for target in ["/", "/authx", "/Auth", "/orders/7", "//auth", "/health"] {
        assert_eq!(endpoint.status("GET", target, &good).await, 404, "{target}");
    }
    assert_eq!(endpoint.status("POST", "/health/ready", &good).await, 405);
}

#[tokio::test]
async fn paths_and_methods_that_are_no_text_are_refused() {
    let endpoint = Endpoint::new(ProxyKind::Nginx);
    let bearer = endpoint.bearer();
    for (method, uri) in [
        (&b"GET"[..], &b"/orders/\xff"[..]),
        (b"G\xc3\x8bT", b"/orders/7"),
    ] {
        let request = Request::builder()
            .uri("/auth")
            .header("host", "authorizer")
            .header("authorization", &bearer)
            .header("x-original-method", method)
            .header("x-original-uri", uri)
            .extension(PeerAddr(SocketAddr::new(PROXY.parse().unwrap(), 1)));
        let request = request.body(Body::empty()).unwrap();
        let response = endpoint.guarded.clone().answer(request).await;
        assert_eq!(response.status(), 403);
    }
}

#[tokio::test]
async fn a_stranger_is_refused_whatever_it_sends() {
    let endpoint = Endpoint::new(ProxyKind::Nginx);
    let bearer = endpoint.bearer();
    let headers = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders/7"),
        ("authorization", &bearer),
        ("x-forwarded-for", PROXY),
    ];
    let answer = endpoint.ask("203.0.113.1", "GET", "/auth", &headers).await;
    assert_eq!(answer.status, 403);
    assert!(
        !answer.headers.contains_key("x-auth-subject")
            && !answer.headers.contains_key("x-auth-reason")
    );
    let answer = endpoint
        .ask("::ffff:10.0.0.1", "GET", "/auth", &headers)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn the_callers_address_is_what_the_trusted_proxy_says() {
    let endpoint = Endpoint::new(ProxyKind::Nginx);
    let inside = [("x-original-method", "GET"), ("x-original-uri", "/inside")];
    for (forwarded, status) in [
        (&["203.0.113.9"][..], 200),
        (&["203.0.113.9, 10.0.0.2"], 200),
        (&["203.0.113.9, 198.51.100.1"], 403),
        (&["203.0.113.9", "198.51.100.1"], 403),
        (&["203.0.113.9, nonsense"], 403),
        (&["10.0.0.2"], 403),
        (&[], 403),
    ] {
        let mut headers = inside.to_vec();
        headers.extend(forwarded.iter().map(|value| ("x-forwarded-for", *value)));
        assert_eq!(
            endpoint.status("GET", "/auth", &headers).await,
            status,
            "{forwarded:?}"
        );
    }
}

#[tokio::test]
async fn answers_are_not_kept_and_say_who_and_why() {
    let endpoint = Endpoint::new(ProxyKind::Nginx);
    let token = endpoint.issuer.token_with(
        "orders:read",
        serde_json::json!({"tenant": ["a\r\nX-Auth-Subject: root", 7], "sub": "\u{e9}ve 100%"}),
    );
    let bearer = format!("Bearer {token}");
    let mut headers = vec![
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders/7"),
        ("authorization", bearer.as_str()),
    ];
    let answer = endpoint.ask(PROXY, "GET", "/auth", &headers).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-auth-subject", "%C3%A9ve%20100%25"),
        ("x-auth-scope", "orders:read"),
        (
            "x-auth-claim-tenant",
            "[\"a\\r\\nX-Auth-Subject:%20root\",7]",
        ),
    ] {
        assert_eq!(
            answer.headers.get_all(name).iter().collect::<Vec<_>>(),
            [value],
            "{name}"
        );
    }
    headers[1].1 = "/admin/1";
    let answer = endpoint.ask(PROXY, "GET", "/auth", &headers).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.headers["x-auth-reason"], "insufficient_scope");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(
        answer.headers["www-authenticate"]
            .to_str()
            .unwrap()
            .contains("scope=\"admin\"")
    );
    assert!(!answer.headers.contains_key("x-auth-subject"));
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (&body["reason"], &body["missing"]),
        (&"insufficient_scope".into(), &"admin".into())
    );
}

#[tokio::test]
async fn a_public_route_is_answered_with_empty_headers_of_identity() {
    let endpoint = Endpoint::new(ProxyKind::Nginx);
    let question = |method, uri| [("x-original-method", method), ("x-original-uri", uri)];
    let bearer = endpoint.bearer();
    for token in [None, Some("Bearer x.y.z"), Some(&*bearer)] {
        let mut headers = question("GET", "/open/1").to_vec();
        headers.extend(token.map(|token| ("authorization", token)));
        let answer = endpoint.ask(PROXY, "GET", "/auth", &headers).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.headers["x-auth-rule"], "open");
        for name in ["subject", "client-id", "issuer", "scope", "claim-tenant"] {
            assert_eq!(answer.headers[format!("x-auth-{name}")], "", "{name}");
        }
    }
    for (method, uri) in [("POST", "/open/1"), ("GET", "/open"), ("GET", "/orders/7")] {
        let answer = endpoint
            .ask(PROXY, "GET", "/auth", &question(method, uri))
            .await;
        assert_eq!(answer.status, 401, "{method} {uri}");
    }
}

#[tokio::test]
async fn a_base_path_of_the_policy_file_may_stand_in_front() {
    let endpoint = Endpoint::with_policy(
        ProxyKind::Nginx,
        &format!("[api]\nbase_paths = [\"/v1\"]\n{POLICY}"),
    );
    for (uri, status) in [
        ("/v1/orders/7", 200),
        ("/orders/7", 200),
        ("/v1/v1/orders/7", 403),
        ("/v1", 403),
        ("/v12/orders/7", 403),
        ("/v2/orders/7", 403),
        ("/v1/../orders/7", 403),
        ("/v1//orders/7", 403),
        ("/v1/admin/1", 403),
    ] {
        let question = [("x-original-method", "GET"), ("x-original-uri", uri)];
        assert_eq!(
            endpoint.status("GET", "/auth", &question).await,
            status,
            "{uri}"
        );
    }
}

#[tokio::test]
async fn a_claim_that_does_not_fit_into_a_header_denies_the_call_where_that_is_wanted() {
    let good = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders/7"),
    ];
    for (on_overflow, status) in [("drop", 200), ("error", 403)] {
        let context = format!("claims = [\"tenant\"]\non_overflow = \"{on_overflow}\"");
        let policy = POLICY.replace("claims = [\"tenant\"]", &context);
        let endpoint = Endpoint::with_policy(ProxyKind::Nginx, &policy);
        let long = serde_json::json!({"tenant": "é".repeat(200)});
        let token = endpoint.issuer.token_with("orders:read", long);
        let bearer = format!("Bearer {token}");
        let headers = [&good[..], &[("authorization", bearer.as_str())]].concat();
        let answer = endpoint.ask(PROXY, "GET", "/auth", &headers).await;
        assert_eq!(answer.status.as_u16(), status);
        if status == 403 {
            assert_eq!(answer.headers["x-auth-reason"], "context_overflow");
        } else {
            assert_eq!(answer.headers["x-auth-claim-tenant"], "");
        }
        assert_eq!(endpoint.status("GET", "/auth", &good).await, 200);
    }
}

#[tokio::test]
async fn from_the_signal_on_it_is_not_ready_and_still_answers() {
    let endpoint = Endpoint::new(ProxyKind::Nginx);
    let good = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders/7"),
    ];
    let ready = || endpoint.ask("203.0.113.1", "GET", "/health/ready", &[]);
    assert_eq!(ready().await.status, 200);
    endpoint.door.leave();
    assert_eq!(ready().await.status, 503);
    let live = endpoint
        .ask("203.0.113.1", "GET", "/health/live", &[])
        .await;
    assert_eq!(live.status, 200);
    assert_eq!(endpoint.status("GET", "/auth", &good).await, 200);
}
