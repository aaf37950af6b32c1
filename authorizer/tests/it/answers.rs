//! security.md 87, and what each kind of call expects, with the types of `aws_lambda_events` as the oracle.

use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerResponse, ApiGatewayV2CustomAuthorizerIamPolicyResponse,
    ApiGatewayV2CustomAuthorizerSimpleResponse,
};
use gatewright_authorizer::jwks::{BoxFuture, Clock, FetchError, FetchKeys, Fetched};
use gatewright_authorizer::{Authorizer, AuthorizerError, Policy, Reason, Verifier, iam};
use serde_json::{Value, json};

use crate::support::signer::shared;
use crate::support::{NOW, POLICY, authorizer, block_on, claims, events, policy};

fn with_response(response: &str) -> Policy {
    Policy::parse(&POLICY.replacen("[[rule]]", &format!("[response]\n{response}\n[[rule]]"), 1))
        .unwrap()
}

fn answer(policy: Policy, event: &Value) -> Result<Value, AuthorizerError> {
    block_on(authorizer(policy, &[shared()]).answer(event, NOW))
}

fn bearer(scope: &str) -> String {
    format!("Bearer {}", shared().sign(&claims(scope)))
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

#[test]
fn policy_answers_are_what_the_aws_types_read() {
    for (scope, path) in [
        ("orders:read", "/orders/1"),
        ("", "/orders/1"),
        ("admin", "/nowhere"),
    ] {
        for event in events::all(&bearer(scope), "GET", path) {
            let body = answer(policy(), &event).unwrap();
            assert!(!has_null(&body), "{body}");
            let typed: ApiGatewayCustomAuthorizerResponse =
                serde_json::from_value(body.clone()).unwrap();
            assert_eq!(typed.principal_id.as_deref(), Some("user-1"));
            assert_eq!(typed.policy_document.version.as_deref(), Some("2012-10-17"));
            assert!(!typed.policy_document.statement.is_empty());
            assert_eq!(typed.usage_identifier_key, None);
            let typed: ApiGatewayV2CustomAuthorizerIamPolicyResponse =
                serde_json::from_value(body.clone()).unwrap();
            assert_eq!(typed.principal_id.as_deref(), Some("user-1"));
            let allowed = iam::evaluate(&body["policyDocument"], &events::resource(&event))
                .unwrap()
                .is_allow();
            assert_eq!(allowed, scope == "orders:read");
        }
    }
}

#[test]
fn simple_answers_say_the_verdict_of_this_request() {
    for (scope, allowed) in [("orders:read", true), ("", false)] {
        let body = answer(
            with_response("http_v2 = \"simple\""),
            &events::http_v2(&bearer(scope), "GET", "/orders/1"),
        )
        .unwrap();
        assert!(!has_null(&body));
        assert_eq!(body.as_object().unwrap().len(), 2);
        let typed: ApiGatewayV2CustomAuthorizerSimpleResponse =
            serde_json::from_value(body).unwrap();
        assert_eq!(typed.is_authorized, allowed);
    }
    let refused = answer(
        with_response("http_v2 = \"simple\""),
        &events::http_v2("Bearer x", "GET", "/orders/1"),
    )
    .unwrap();
    assert_eq!(
        refused,
        json!({"isAuthorized": false, "context": {"reason": "token_malformed", "request_id": "req-1"}})
    );
    let rest = answer(
        with_response("http_v2 = \"simple\""),
        &events::http_v1(&bearer(""), "GET", "/me"),
    )
    .unwrap();
    assert!(
        rest.get("policyDocument").is_some(),
        "only payload 2.0 has simple responses"
    );
}

#[test]
fn a_bad_token_is_exactly_unauthorized_on_rest_or_a_denial_by_choice() {
    for event in [
        events::rest_token("Bearer x", "GET", "/me"),
        events::rest_request("Bearer x", "GET", "/me"),
    ] {
        let error = answer(policy(), &event).unwrap_err();
        assert_eq!(
            (error, error.to_string().as_str()),
            (
                AuthorizerError::Unauthorized(Reason::TokenMalformed),
                "Unauthorized"
            )
        );
        let body = answer(with_response("rest_failure = \"deny\""), &event).unwrap();
        assert_eq!(body["context"]["reason"], "token_malformed");
        assert!(
            !iam::evaluate(&body["policyDocument"], &events::resource(&event))
                .unwrap()
                .is_allow()
        );
    }
    for event in [
        events::http_v1("Bearer x", "GET", "/me"),
        events::http_v2("Bearer x", "GET", "/me"),
    ] {
        let body = answer(policy(), &event).unwrap();
        assert!(
            !iam::evaluate(&body["policyDocument"], &events::resource(&event))
                .unwrap()
                .is_allow()
        );
    }
}

#[test]
fn contexts_are_flat_strings_without_line_breaks_or_tokens() {
    let mut wild = claims("orders:read");
    wild["sub"] = json!("ü \"x\" <y>");
    wild["claims"] = json!({"a": 1});
    wild["scope"] = json!(format!("orders:read {}", "s".repeat(3000)));
    let token = shared().sign(&wild);
    for event in events::all(&format!("Bearer {token}"), "GET", "/orders/1") {
        let body = answer(policy(), &event).unwrap();
        let context = body["context"].as_object().unwrap();
        assert!(
            !context.contains_key("claims") && !context.contains_key("scope"),
            "too long to pass on"
        );
        for (name, value) in context {
            let value = value.as_str().unwrap();
            assert!(
                !value.is_empty() && value.len() <= 1024 && !value.contains(['\r', '\n', '\0']),
                "{name}"
            );
        }
        assert!(!body.to_string().contains(&token[token.len() - 40..]));
        assert!(body.to_string().len() <= 8192);
        assert_eq!(context["sub"], "ü \"x\" <y>");
    }
}

#[test]
fn a_denial_tells_its_reason_and_what_is_missing() {
    let body = answer(
        policy(),
        &events::rest_token(&bearer("orders:read"), "DELETE", "/orders/1"),
    )
    .unwrap();
    assert_eq!(
        (&body["context"]["reason"], &body["context"]["missing"]),
        (&json!("insufficient_scope"), &json!("orders:write"))
    );
    let body = answer(
        policy(),
        &events::rest_token(&bearer("admin"), "GET", "/reports/secret/x"),
    )
    .unwrap();
    assert_eq!(
        (&body["context"]["reason"], &body["context"]["rule"]),
        (&json!("rule_denied"), &json!("no-secrets"))
    );
    let body = answer(
        policy(),
        &events::rest_token(&bearer("admin"), "GET", "/admin"),
    )
    .unwrap();
    assert_eq!(body["context"].get("reason"), None);
}

struct Down;

impl FetchKeys for Down {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(async { Err(FetchError("down".to_owned())) })
    }
}

struct Panicking;

impl Clock for Panicking {
    fn now_us(&self) -> u64 {
        panic!("inside the decision")
    }
}

struct Still;

impl Clock for Still {
    fn now_us(&self) -> u64 {
        0
    }
}

fn with_clock(clock: impl Clock + 'static) -> Authorizer {
    let policy = policy();
    let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::new(clock);
    let verifier = Verifier::new(
        policy.issuers(),
        std::path::Path::new(""),
        |_| std::sync::Arc::new(Down),
        &clock,
    )
    .unwrap();
    Authorizer::new(policy, verifier)
}

#[test]
fn an_outage_is_a_fault_and_not_a_denial() {
    for event in events::all(&bearer("orders:read"), "GET", "/orders/1") {
        let error = block_on(with_clock(Still).answer(&event, NOW)).unwrap_err();
        assert_eq!(error, AuthorizerError::Fault(Reason::KeysUnavailable));
        assert!(error.to_string().starts_with("keys_unavailable: "));
    }
}

#[test]
fn a_panic_is_a_fault() {
    for event in events::all(&bearer("orders:read"), "GET", "/orders/1") {
        let error = block_on(with_clock(Panicking).answer(&event, NOW)).unwrap_err();
        assert_eq!(error, AuthorizerError::Fault(Reason::Internal));
    }
}
