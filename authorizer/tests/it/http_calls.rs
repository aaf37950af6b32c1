//! Calls that are judged as they come over HTTP: what passes, and how the rest is answered.

use gatewright_authorizer::{Admission, Authorizer, HttpCall, Reason, Refusal};
use serde_json::json;

use crate::support::client::{Client, URL};
use crate::support::signer::shared;
use crate::support::{NOW, block_on, claims, policy, policy_of, verifier};

fn judged(call: &HttpCall<'_>) -> Result<Admission, Refusal> {
    let authorizer = Authorizer::new(policy(), verifier(&[shared()]));
    let admitted = block_on(authorizer.admit(call, NOW))?;
    Ok(admitted.caller().expect("no rule here is public").clone())
}

fn call<'r>(authorization: &'r str, method: &'r str, path: &'r str) -> HttpCall<'r> {
    HttpCall {
        kind: "test",
        method,
        path,
        authorization: vec![authorization.as_bytes()],
        ..HttpCall::default()
    }
}

fn refused(call: &HttpCall<'_>) -> (u16, &'static str, Vec<String>) {
    let refusal = judged(call).unwrap_err();
    (
        refusal.status(),
        refusal.reason().as_str(),
        refusal.challenges(),
    )
}

fn token() -> String {
    format!("Bearer {}", shared().sign(&claims("orders:read")))
}

#[test]
fn a_call_that_the_policy_allows_is_admitted_with_its_token_and_rule() {
    let admission = judged(&call(&token(), "GET", "/orders/1")).unwrap();
    assert_eq!(admission.token.subject, "user-1");
    assert_eq!(admission.rule.as_deref(), Some("orders-read"));
}

#[test]
fn refusals_have_the_status_and_the_challenge_of_their_kind() {
    let token = token();
    let none = HttpCall {
        authorization: Vec::new(),
        ..call("", "GET", "/orders/1")
    };
    assert_eq!(
        refused(&none),
        (401, "token_missing", vec!["Bearer".to_owned()])
    );
    let (status, reason, challenges) = refused(&call("Bearer x.y.z", "GET", "/orders/1"));
    assert_eq!((status, reason), (401, "token_malformed"));
    assert!(challenges[0].starts_with("Bearer error=\"invalid_token\""));
    let (status, reason, challenges) = refused(&call(&token, "DELETE", "/orders/1"));
    assert_eq!((status, reason), (403, "insufficient_scope"));
    assert!(challenges[0].starts_with("Bearer error=\"insufficient_scope\""));
    assert!(challenges[0].ends_with("scope=\"orders:write\""));
    for (method, path, reason) in [
        ("GET", "/nowhere", "no_rule"),
        ("get", "/orders/1", "no_rule"),
        ("GET", "/orders%2f1", "path_refused"),
        ("GET", "//orders/1", "path_refused"),
        ("GET", "/orders/1?x", "path_refused"),
        ("GET", "", "path_refused"),
    ] {
        let answer = refused(&call(&token, method, path));
        assert_eq!(answer, (403, reason, Vec::new()), "{method} {path}");
    }
}

#[test]
fn several_or_unreadable_credentials_are_refused() {
    let token = token();
    let good = token.as_bytes();
    let both = format!("{token},{token}");
    let ambiguous: [&[&[u8]]; 4] = [
        &[good, good],
        &[good, b""],
        &[b"Bearer \xff"],
        &[both.as_bytes()],
    ];
    for values in ambiguous {
        let several = HttpCall {
            authorization: values.to_vec(),
            ..call("", "GET", "/orders/1")
        };
        let (status, reason, _) = refused(&several);
        assert_eq!((status, reason), (401, "credentials_ambiguous"));
    }
    for proofs in [&[&b"a"[..], b"a"][..], &[b"a,a"], &[b"\xff"]] {
        let proofs = HttpCall {
            proofs: proofs.to_vec(),
            ..call(&token, "GET", "/orders/1")
        };
        assert_eq!(refused(&proofs).1, "credentials_ambiguous");
    }
}

#[test]
fn a_bound_token_passes_with_its_proof_and_only_where_the_url_is_known() {
    let client = Client::new();
    let token = client.token();
    let authorization = format!("DPoP {token}");
    let proof = client.proof(&token, "1");
    let with_proof = HttpCall {
        proofs: vec![proof.as_bytes()],
        url: Some(URL.to_owned()),
        ..call(&authorization, "GET", "/orders/1")
    };
    assert!(judged(&with_proof).is_ok());
    let nowhere = HttpCall {
        url: None,
        ..with_proof.clone()
    };
    assert_eq!(refused(&nowhere).1, "proof_mismatch");
    let without = HttpCall {
        proofs: Vec::new(),
        ..with_proof.clone()
    };
    let (status, reason, challenges) = refused(&without);
    assert_eq!((status, reason), (401, "proof_missing"));
    assert!(challenges[0].starts_with("DPoP error=\"invalid_dpop_proof\", algs=\"ES256"));
    let bearer = format!("Bearer {token}");
    let plain = HttpCall {
        authorization: vec![bearer.as_bytes()],
        ..with_proof.clone()
    };
    let (status, reason, challenges) = refused(&plain);
    assert_eq!((status, reason), (401, "sender_constrained"));
    assert!(challenges[0].starts_with("DPoP "));
    let nothing = HttpCall {
        authorization: Vec::new(),
        ..with_proof
    };
    let challenges = refused(&nothing).2;
    assert_eq!(
        challenges.len(),
        2,
        "either scheme would do: {challenges:?}"
    );
}

#[test]
fn a_condition_that_asks_for_an_unknown_address_never_allows() {
    let policy = policy_of(
        "[[rule]]\nid = \"inside\"\nmethods = [\"GET\"]\npath = \"/in\"\nwhen = 'request.source_ip == \"10.0.0.1\"'\n",
    );
    let authorizer = Authorizer::new(policy, verifier(&[shared()]));
    let token = token();
    let from = |address: Option<&str>| {
        let call = HttpCall {
            source_ip: address.map(|address| address.parse().unwrap()),
            ..call(&token, "GET", "/in")
        };
        block_on(authorizer.admit(&call, NOW)).is_ok()
    };
    assert!(from(Some("10.0.0.1")));
    assert!(!from(Some("10.0.0.2")) && !from(None));
}

#[test]
fn what_is_no_call_is_a_fault_that_says_so() {
    let authorizer = Authorizer::new(policy(), verifier(&[shared()]));
    let refusal = authorizer.refuse(&call("", "", ""), Reason::EventUnrecognised);
    assert_eq!((refusal.status(), refusal.challenges()), (503, Vec::new()));
    assert_eq!(refusal.body()["reason"], json!("event_unrecognised"));
    assert_eq!(refusal.body()["error"], json!("temporarily_unavailable"));
}
