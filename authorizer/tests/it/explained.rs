//! An event that is explained is decided as one that is answered.

use gatewright_authorizer::Reason;
use gatewright_authorizer::policy::Asked;
use serde_json::{Value, json};

use crate::support::client::bound;
use crate::support::signer::shared;
use crate::support::{NOW, Signer, authorizer, block_on, claims, events, policy_of};

const RULES: &str = r#"
[[rule]]
id = "orders-read"
methods = ["GET"]
path = "/orders/{id}"
scopes = ["orders:read"]

[[rule]]
id = "live"
route = "$connect"
scopes = ["live"]

[[rule]]
id = "orders"
field = "Query.orders"
scopes = ["orders:read"]

[[rule]]
id = "cards"
field = "Customer.card"
scopes = ["cards"]
"#;

fn web_socket(authorization: &str) -> Value {
    events::web_socket(&json!({"Authorization": authorization}), &json!({}))
}

fn every_event(authorization: &str) -> Vec<Value> {
    let mut all = vec![
        web_socket(authorization),
        events::appsync(authorization, "{ orders { id } }"),
        events::appsync(authorization, "{ orders secrets }"),
        events::appsync(authorization, "{ orders"),
        json!({}),
        json!({"type": "REQUEST", "version": "3.0"}),
    ];
    for (method, path) in [
        ("GET", "/orders/1"),
        ("PUT", "/orders/1"),
        ("GET", "/orders/..%2f1"),
    ] {
        all.extend([
            events::rest_token(authorization, method, path),
            events::rest_request(authorization, method, path),
            events::http_v1(authorization, method, path),
            events::http_v2(authorization, method, path),
        ]);
    }
    all
}

#[test]
fn every_event_is_explained_with_the_answer_that_it_gets() {
    let stranger = Signer::es256("key-1");
    let tokens = [
        shared().sign(&claims("orders:read")),
        shared().sign(&claims("live")),
        stranger.sign(&claims("orders:read")),
        bound(&json!({"x5t#S256": "A".repeat(43)})),
        "nonsense".to_owned(),
        String::new(),
    ];
    let authorizer = authorizer(policy_of(RULES), &[shared()]);
    let (mut allowed, mut reasons) = (0, Vec::new());
    for token in tokens {
        for event in every_event(&format!("Bearer {token}")) {
            let explained = block_on(authorizer.explain(&event, NOW));
            assert_eq!(
                explained.answer,
                block_on(authorizer.answer(&event, NOW)),
                "{event}"
            );
            let reason = explained.explanation.reason;
            match &explained.answer {
                Err(error) => assert_eq!(reason, Some(error.reason()), "{event}"),
                Ok(answer) => assert_eq!(is_allow(answer), reason.is_none(), "{event} {answer}"),
            }
            allowed += usize::from(reason.is_none());
            reasons.extend(reason);
        }
    }
    assert_eq!(allowed, 6, "four routes, a document and a connection");
    for reason in [
        Reason::InsufficientScope,
        Reason::NoRule,
        Reason::PathRefused,
        Reason::DocumentRefused,
        Reason::SignatureInvalid,
        Reason::CertificateMissing,
        Reason::TokenMalformed,
        Reason::TokenMissing,
        Reason::EventUnrecognised,
    ] {
        assert!(reasons.contains(&reason), "{reason}");
    }
}

/// Whether an answer lets the present call pass.
fn is_allow(answer: &Value) -> bool {
    if let Some(verdict) = answer["isAuthorized"].as_bool() {
        return verdict;
    }
    answer["context"].get("reason").is_none()
}

#[test]
fn what_was_asked_about_is_told_as_its_kind_has_it() {
    let authorizer = authorizer(policy_of(RULES), &[shared()]);
    let bearer = format!("Bearer {}", shared().sign(&claims("orders:read")));
    let told = |event: &Value| block_on(authorizer.explain(event, NOW)).explanation;

    let connect = told(&web_socket(&bearer));
    assert_eq!(
        connect.to_string().lines().next().unwrap(),
        "$connect is denied. The token is valid, but $connect needs the scope live (rule \"live\")."
    );
    let document = told(&events::appsync(&bearer, "{ orders secrets }"));
    assert_eq!(
        document.to_string().lines().next().unwrap(),
        "Query.orders Query.secrets is denied. No rule covers Query.secrets; what no rule covers is denied."
    );
    let allowed = told(&events::appsync(&bearer, "{ orders }"));
    assert_eq!(
        allowed.to_string(),
        "Query.orders is allowed. The rule \"orders\" allows Query.orders."
    );
    let unreadable = told(&events::appsync(&bearer, "{ orders"));
    assert!(
        unreadable
            .to_string()
            .starts_with("The document is denied.")
    );
    assert_eq!(told(&json!({})).asked, Asked::Unknown {});
    let route = told(&events::http_v2(&bearer, "GET", "/orders/1"));
    let json = serde_json::to_value(&route).unwrap();
    assert_eq!(
        (&json["method"], &json["path"]),
        (&json!("GET"), &json!("/orders/1"))
    );
}
