//! security.md 80, 86: one credential, from one place.

use gatewright_authorizer::{AuthorizerError, Reason};
use serde_json::{Value, json};

use crate::support::signer::shared;
use crate::support::{NOW, authorizer, block_on, claims, events, policy};

fn answer(event: &Value) -> Result<Value, AuthorizerError> {
    block_on(authorizer(policy(), &[shared()]).answer(event, NOW))
}

fn reason_of(event: &Value) -> String {
    match answer(event) {
        Err(error) => error.reason().as_str().to_owned(),
        Ok(body) => body["context"]["reason"]
            .as_str()
            .unwrap_or("allowed")
            .to_owned(),
    }
}

fn token() -> String {
    shared().sign(&claims("orders:read"))
}

#[test]
fn the_scheme_may_be_in_any_case() {
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        for event in events::all(&format!("{scheme} {}", token()), "GET", "/orders/1") {
            assert_eq!(reason_of(&event), "allowed", "{scheme}");
        }
    }
}

#[test]
fn ambiguous_and_foreign_credentials_are_refused_on_every_kind() {
    let good = token();
    for (authorization, reason) in [
        (
            format!("Bearer {good},Bearer {good}"),
            Reason::CredentialsAmbiguous,
        ),
        (
            format!("Bearer {good}, Bearer {good}"),
            Reason::CredentialsAmbiguous,
        ),
        (format!("Bearer\t{good}"), Reason::CredentialsAmbiguous),
        (format!("Bearer {good}\t"), Reason::CredentialsAmbiguous),
        (format!("Bearer  {good}"), Reason::CredentialsAmbiguous),
        (format!("Bearer {good} "), Reason::CredentialsAmbiguous),
        (
            format!("Bearer {good}\r\nX: y"),
            Reason::CredentialsAmbiguous,
        ),
        (format!("Basic {good}"), Reason::SchemeRefused),
        (format!("DPoP {good}"), Reason::TokenNotBound),
        (good.clone(), Reason::SchemeRefused),
        ("Bearer".to_owned(), Reason::TokenMissing),
        ("Bearer ".to_owned(), Reason::TokenMissing),
        (String::new(), Reason::TokenMissing),
        ("Bearer ☃".to_owned(), Reason::TokenMalformed),
        ("☃☃☃☃☃☃☃".to_owned(), Reason::SchemeRefused),
    ] {
        for event in events::all(&authorization, "GET", "/orders/1") {
            assert_eq!(
                reason_of(&event),
                reason.as_str(),
                "{authorization:?} in {event}"
            );
        }
    }
}

#[test]
fn two_headers_and_disagreeing_maps_are_refused() {
    let good = format!("Bearer {}", token());
    let mut two = events::rest_request(&good, "GET", "/orders/1");
    two["multiValueHeaders"]["Authorization"] = json!([good, good]);
    let mut cased = events::rest_request(&good, "GET", "/orders/1");
    cased["headers"]["authorization"] = json!("Bearer x");
    let mut other = events::rest_request(&good, "GET", "/orders/1");
    other["multiValueHeaders"]["Authorization"] = json!(["Bearer x"]);
    let mut gone = events::rest_request(&good, "GET", "/orders/1");
    gone["multiValueHeaders"] = json!({"Accept": ["*/*"]});
    for event in [two, cased, other, gone] {
        assert_eq!(reason_of(&event), "credentials_ambiguous", "{event}");
    }
}

#[test]
fn null_maps_are_no_credentials_and_no_panic() {
    for event in events::all(&format!("Bearer {}", token()), "GET", "/orders/1")
        .iter()
        .skip(1)
    {
        let mut event = event.clone();
        event["headers"] = Value::Null;
        event["multiValueHeaders"] = Value::Null;
        assert_eq!(reason_of(&event), "token_missing");
        event["headers"] = json!([]);
        assert_eq!(reason_of(&event), "token_missing");
    }
    let mut event = events::rest_token("x", "GET", "/orders/1");
    event.as_object_mut().unwrap().remove("authorizationToken");
    assert_eq!(reason_of(&event), "token_missing");
}

#[test]
fn headers_that_claim_another_route_or_user_change_nothing() {
    let good = format!("Bearer {}", token());
    let spoofs = [
        "X-Forwarded-Uri",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X_Forwarded_User",
        "X-HTTP-Method-Override",
        "X-Forwarded-Method",
    ];
    for event in [
        events::rest_request(&good, "GET", "/admin"),
        events::http_v1(&good, "GET", "/admin"),
        events::http_v2(&good, "GET", "/admin"),
    ] {
        let plain = answer(&event);
        let mut spoofed = event.clone();
        for name in spoofs {
            spoofed["headers"][name] = json!("/orders/1");
            if let Some(multi) = spoofed["multiValueHeaders"].as_object_mut() {
                multi.insert(name.to_owned(), json!(["/orders/1"]));
            }
        }
        assert_eq!(answer(&spoofed), plain);
        assert_eq!(reason_of(&spoofed), "insufficient_scope");
    }
}
