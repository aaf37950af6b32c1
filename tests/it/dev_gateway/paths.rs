//! What reaches the upstream is what the policy allowed, in every spelling; public routes and ended tokens.

use super::support::{KINDS, Options, TestGateway, got, values};
use crate::forward_auth::spellings::{DOUBTFUL, PASSING, is_covered};
use crate::forward_auth::stage::{Issuer, POLICY};
use gatewright_authorizer::fetch::unix_now;
use gatewright_authorizer::gateway::FrontDoorKind;
use gatewright_authorizer::jose::JwkSet;
use gatewright_authorizer::{Authorizer, Policy, Verifier};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An API whose authorizer is ours.
async fn guarded(kind: FrontDoorKind, policy: &str, ttl_s: i64) -> (TestGateway, Issuer) {
    let issuer = Issuer::new();
    let response = if kind == FrontDoorKind::HttpV2Simple {
        "http_v2 = \"simple\""
    } else {
        "expiry = \"condition\""
    };
    let policy = Policy::parse(&format!("[response]\n{response}\n{policy}")).unwrap();
    let keys = JwkSet::parse(issuer.jwks().to_string().as_bytes()).unwrap();
    let rules = policy.issuers()[0].token_rules();
    let verifier = Verifier::with_fixed_keys([(rules, keys)]);
    let authorizer = Arc::new(Authorizer::new(policy.clone(), verifier));
    let options = Options {
        ttl_s,
        open_by: Some(policy),
        ..Options::default()
    };
    let gateway = TestGateway::start(kind, authorizer, options).await;
    gateway.now.store(unix_now(), Ordering::SeqCst);
    (gateway, issuer)
}

#[tokio::test]
async fn each_spelling_that_is_allowed_arrives_as_what_was_allowed() {
    for kind in KINDS {
        for ttl_s in [0, 300] {
            let (gateway, issuer) = guarded(kind, POLICY, ttl_s).await;
            let bearer = format!("Authorization: Bearer {}\r\n", issuer.token("orders:read"));
            for segment in PASSING {
                let path = format!("/orders/{segment}");
                let got = got(&gateway.get(&path, &bearer).await);
                is_covered(&path, got["target"].as_str().unwrap(), "orders-read");
            }
            // IAM can't say which escapes are two hex digits, so a kept policy doesn't refuse others.
            let known = |path: &&str| ttl_s == 0 || *path != "/orders/%zz";
            for path in DOUBTFUL.into_iter().filter(known) {
                let answer = gateway.get(path, &bearer).await;
                if answer.status == 200 {
                    is_covered(
                        path,
                        got(&answer)["target"].as_str().unwrap(),
                        "orders-read",
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_public_route_asks_nobody_and_tells_of_nobody() {
    for kind in KINDS {
        let (gateway, issuer) = guarded(kind, POLICY, 0).await;
        let good = format!("Authorization: Bearer {}\r\n", issuer.token("orders:read"));
        for headers in ["", "Authorization: Bearer x.y.z\r\n", &good] {
            let spoofed = format!("{headers}X-Authorizer-Sub: root\r\n");
            let got = got(&gateway.get("/open/1", &spoofed).await);
            assert!(values(&got, "x-authorizer-sub").is_empty(), "{got}");
        }
        let refused = gateway.call("POST", "/open/1", "", "").await;
        assert_eq!(refused.status, 401);
        assert_eq!(gateway.get("/open/1/2", "").await.status, 401);
        assert_eq!(gateway.get("/orders/7", "").await.status, 401);
    }
}

#[tokio::test]
async fn a_kept_answer_ends_with_its_token_where_the_policy_file_says_so() {
    for kind in KINDS {
        let (gateway, issuer) = guarded(kind, POLICY, 3600).await;
        let bearer = format!("Authorization: Bearer {}\r\n", issuer.token("orders:read"));
        assert_eq!(gateway.get("/orders/7", &bearer).await.status, 200);
        gateway.now.fetch_add(500, Ordering::SeqCst);
        assert_eq!(gateway.get("/orders/8", &bearer).await.status, 200);
        gateway.now.fetch_add(110, Ordering::SeqCst);
        let status = gateway.get("/orders/8", &bearer).await.status;
        assert!(matches!(status, 401 | 403), "{kind:?}: {status}");
    }
}
