//! The local front door does what API Gateway does around the authorizer.

use std::sync::Arc;

use gatewright_authorizer::gateway::{FrontDoor, FrontDoorKind, Incoming, Passage};
use gatewright_authorizer::{Authorizer, Policy, Verifier};
use serde_json::json;

use crate::support::signer::shared;
use crate::support::{NOW, POLICY, authorizer, block_on, claims, policy, verifier};

const IAM_KINDS: [FrontDoorKind; 3] = [
    FrontDoorKind::HttpV2Iam,
    FrontDoorKind::RestToken,
    FrontDoorKind::RestRequest,
];

fn door(kind: FrontDoorKind, ttl_s: i64) -> FrontDoor {
    FrontDoor::new(
        authorizer(policy(), &[shared()]),
        kind,
        "local",
        "$default",
        ttl_s,
    )
}

fn headers(scope: &str) -> Vec<(String, String)> {
    vec![
        ("Host".to_owned(), "x".to_owned()),
        (
            "Authorization".to_owned(),
            format!("Bearer {}", shared().sign(&claims(scope))),
        ),
    ]
}

fn admit(
    door: &FrontDoor,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    now: i64,
) -> Passage {
    let incoming = Incoming {
        method,
        path,
        query: "a=1&b",
        headers,
        source_ip: "127.0.0.1",
        request_id: None,
        trace: None,
    };
    block_on(door.admit(&incoming, now))
}

fn status(passage: &Passage) -> u16 {
    match passage {
        Passage::Forward { .. } => 200,
        Passage::Refuse { status, .. } => *status,
    }
}

#[test]
fn without_the_identity_source_nobody_is_asked() {
    for kind in IAM_KINDS {
        for headers in [
            vec![],
            vec![("authorization".to_owned(), String::new())],
            vec![("X-Authorization".to_owned(), "Bearer x".to_owned())],
        ] {
            let passage = admit(&door(kind, 60), "GET", "/me", &headers, NOW);
            assert_eq!(
                passage,
                Passage::Refuse {
                    status: 401,
                    body: json!({"message": "Unauthorized"})
                }
            );
        }
    }
}

#[test]
fn good_tokens_pass_with_their_context() {
    for kind in IAM_KINDS {
        for stage in ["$default", "prod"] {
            let door = FrontDoor::new(authorizer(policy(), &[shared()]), kind, "local", stage, 60);
            let Passage::Forward { context } =
                admit(&door, "GET", "/orders/1", &headers("orders:read"), NOW)
            else {
                panic!("{kind:?} {stage}")
            };
            assert_eq!(
                (&context["sub"], &context["client_id"]),
                (&json!("user-1"), &json!("app"))
            );
        }
    }
}

#[test]
fn denials_are_403_with_the_reason_and_bad_tokens_401_on_rest() {
    for kind in IAM_KINDS {
        let passage = admit(
            &door(kind, 60),
            "DELETE",
            "/orders/1",
            &headers("orders:read"),
            NOW,
        );
        let body = json!({"message": "Forbidden", "reason": "insufficient_scope", "missing": "orders:write"});
        assert_eq!(passage, Passage::Refuse { status: 403, body });
    }
    let bad = [("Authorization".to_owned(), "Bearer x".to_owned())];
    assert_eq!(
        status(&admit(
            &door(FrontDoorKind::RestToken, 60),
            "GET",
            "/me",
            &bad,
            NOW
        )),
        401
    );
    assert_eq!(
        status(&admit(
            &door(FrontDoorKind::RestRequest, 60),
            "GET",
            "/me",
            &bad,
            NOW
        )),
        401
    );
    assert_eq!(
        status(&admit(
            &door(FrontDoorKind::HttpV2Iam, 60),
            "GET",
            "/me",
            &bad,
            NOW
        )),
        403
    );
}

#[test]
fn two_authorization_headers_never_pass() {
    let mut two = headers("orders:read");
    two.push(("authorization".to_owned(), two[1].1.clone()));
    for kind in IAM_KINDS {
        assert_ne!(
            status(&admit(&door(kind, 0), "GET", "/orders/1", &two, NOW)),
            200,
            "{kind:?}"
        );
    }
}

#[test]
fn a_cached_answer_is_right_on_every_other_route() {
    let headers = headers("orders:read reports:read");
    for kind in IAM_KINDS {
        let routes = [
            ("GET", "/orders/1", 200),
            ("DELETE", "/orders/1", 403),
            ("GET", "/admin", 403),
            ("GET", "/me", 200),
            ("PUT", "/reports/x", 200),
            ("GET", "/reports/secret/x", 403),
        ];
        for first in routes {
            let door = door(kind, 60);
            for (method, path, expected) in [first].into_iter().chain(routes) {
                assert_eq!(
                    status(&admit(&door, method, path, &headers, NOW)),
                    expected,
                    "{kind:?}: {method} {path} after {first:?}"
                );
            }
        }
    }
}

#[test]
fn answers_are_kept_for_their_time_under_their_own_token() {
    let (good, poor) = (headers("orders:read"), headers("reports:read"));
    let cached = door(FrontDoorKind::RestToken, 600);
    assert_eq!(status(&admit(&cached, "GET", "/orders/1", &good, NOW)), 200);
    assert_eq!(status(&admit(&cached, "GET", "/orders/1", &poor, NOW)), 403);
    assert_eq!(
        status(&admit(&cached, "GET", "/orders/1", &good, NOW + 599)),
        200,
        "kept beyond the token's own end"
    );
    assert_eq!(
        status(&admit(&cached, "GET", "/orders/1", &good, NOW + 600)),
        401
    );
    let fresh = door(FrontDoorKind::RestToken, 0);
    assert_eq!(status(&admit(&fresh, "GET", "/orders/1", &good, NOW)), 200);
    assert_eq!(
        status(&admit(&fresh, "GET", "/orders/1", &good, NOW + 599)),
        401
    );
}

#[test]
fn simple_answers_are_never_reused_for_another_route() {
    let policy = Policy::parse(&POLICY.replacen(
        "[[rule]]",
        "[response]\nhttp_v2 = \"simple\"\n[[rule]]",
        1,
    ))
    .unwrap();
    let door = FrontDoor::new(
        Arc::new(Authorizer::new(policy, verifier(&[shared()]))),
        FrontDoorKind::HttpV2Simple,
        "local",
        "$default",
        60,
    );
    let headers = headers("orders:read");
    assert_eq!(
        status(&admit(&door, "GET", "/orders/1", &headers, NOW)),
        200
    );
    assert_eq!(status(&admit(&door, "GET", "/admin", &headers, NOW)), 403);
}

#[test]
fn an_answer_of_the_wrong_kind_is_a_500() {
    let policy = Policy::parse(&POLICY.replacen(
        "[[rule]]",
        "[response]\nhttp_v2 = \"simple\"\n[[rule]]",
        1,
    ))
    .unwrap();
    let door = FrontDoor::new(
        Arc::new(Authorizer::new(policy, verifier(&[shared()]))),
        FrontDoorKind::HttpV2Iam,
        "local",
        "$default",
        60,
    );
    assert_eq!(
        status(&admit(
            &door,
            "GET",
            "/orders/1",
            &headers("orders:read"),
            NOW
        )),
        500
    );
}

#[test]
fn faults_are_500() {
    let nobody = Authorizer::new(policy(), Verifier::with_fixed_keys([]));
    let door = FrontDoor::new(
        Arc::new(nobody),
        FrontDoorKind::RestToken,
        "not an id",
        "prod",
        0,
    );
    assert_eq!(status(&admit(&door, "GET", "/me", &headers(""), NOW)), 500);
}
