//! A mapping key of a custom domain, `/v1`, in front of the path: the route and the ARN tell where the path begins, and
//! where they don't the policy file.

use gatewright_authorizer::event::Call;
use gatewright_authorizer::{Policy, iam};
use serde_json::{Value, json};

use crate::support::signer::shared;
use crate::support::{NOW, authorizer, block_on, claims, events, policy};

fn bearer() -> String {
    format!("Bearer {}", shared().sign(&claims("orders:read")))
}

fn v2(raw: &str, route: &str, arn_path: &str) -> Value {
    let mut event = events::http_v2(&bearer(), "GET", raw);
    let arn = events::BASE.replace("/prod", "/$default");
    event["routeArn"] = json!(format!("{arn}/GET{arn_path}"));
    event["routeKey"] = json!(route);
    event["requestContext"]["routeKey"] = json!(route);
    event
}

fn v1(raw: &str, route: &str, arn_path: &str) -> Value {
    let mut event = events::http_v1(&bearer(), "GET", "/x");
    event["methodArn"] = json!(format!("{}/GET{arn_path}", events::BASE));
    event["path"] = json!(raw);
    event["requestContext"]["path"] = json!(raw);
    event["requestContext"]["routeKey"] = json!(route);
    event
}

fn allows(policy: &Policy, event: &Value) -> bool {
    let body = block_on(authorizer(policy.clone(), &[shared()]).answer(event, NOW)).unwrap();
    let outcome = iam::evaluate(&body["policyDocument"], &events::resource(event));
    outcome.unwrap().is_allow()
}

fn with_base_paths() -> Policy {
    let text = format!("[api]\nbase_paths = [\"/v1\"]\n{}", crate::support::POLICY);
    Policy::parse(&text).unwrap()
}

#[test]
fn the_route_tells_where_the_path_begins() {
    let key = "GET /orders/{id}";
    for (raw, arn) in [
        ("/v1/orders/7", "/orders/7"),
        ("/v1/orders/7", "/v1/orders/7"),
        ("/shop/v1/orders/7", "/orders/7"),
        ("/orders/7", "/orders/7"),
    ] {
        for event in [v2(raw, key, arn), v1(raw, key, arn)] {
            assert!(allows(&policy(), &event), "{event}");
        }
    }
    // A REST API tells the path with the key, and the resource and the ARN without.
    let mut rest = events::rest_request(&bearer(), "GET", "/orders/7");
    rest["path"] = json!("/v1/orders/7");
    rest["resource"] = json!("/orders/{id}");
    rest["requestContext"]["path"] = json!("/v1/orders/7");
    assert!(allows(&policy(), &rest));
    // An emulator may have it in the ARN as well.
    rest["methodArn"] = json!(format!("{}/GET/v1/orders/7", events::BASE));
    assert!(allows(&policy(), &rest));
    assert!(allows(
        &policy(),
        &events::rest_token(&bearer(), "GET", "/orders/7")
    ));
}

#[test]
fn a_route_that_says_less_than_the_path_leaves_it_to_the_arn_and_the_policy_file() {
    for key in ["$default", "ANY /{proxy+}"] {
        for event in [
            v2("/v1/orders/7", key, "/orders/7"),
            v1("/v1/orders/7", key, "/orders/7"),
        ] {
            assert!(allows(&policy(), &event), "the ARN tells: {event}");
        }
        for event in [v2("/v1/orders/7", key, "/?"), v1("/v1/orders/7", key, "/?")] {
            let path = |policy: &Policy| Call::parse_for(&event, policy).unwrap().path;
            assert_eq!(path(&policy()), "/v1/orders/7");
            assert_eq!(path(&with_base_paths()), "/orders/7");
        }
    }
}

#[test]
fn a_route_allows_nothing_that_the_path_does_not() {
    let bearer_of_all = || {
        let token = shared().sign(&claims("orders:read admin"));
        format!("Bearer {token}")
    };
    for (raw, key, arn) in [
        // The route and the path contradict each other.
        ("/v1/admin", "GET /orders/{id}", "/orders/7"),
        ("/orders/7", "GET /admin", "/?"),
        ("/orders/7", "GET /admin", "/orders/7"),
        // A rule of the path below the key is not one of the route.
        ("/orders/admin", "GET /orders/{id}/items", "/?"),
    ] {
        for mut event in [v2(raw, key, arn), v1(raw, key, arn)] {
            event["headers"] = json!({"authorization": bearer_of_all()});
            assert!(!allows(&with_base_paths(), &event), "{event}");
        }
    }
}
