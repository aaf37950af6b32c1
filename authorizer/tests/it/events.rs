//! security.md 81, 85: what isn't recognised is an error, and nothing is filled in.

use gatewright_authorizer::event::{Call, Kind};
use gatewright_authorizer::{AuthorizerError, Reason, iam};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::signer::shared;
use crate::support::{NOW, authorizer, block_on, claims, events, policy};

fn bearer() -> String {
    format!("Bearer {}", shared().sign(&claims("orders:read")))
}

fn answer(event: &Value) -> Result<Value, AuthorizerError> {
    block_on(authorizer(policy(), &[shared()]).answer(event, NOW))
}

#[test]
fn every_kind_is_told_apart() {
    let kinds = [
        Kind::RestToken,
        Kind::RestRequest,
        Kind::HttpV1,
        Kind::HttpV2,
    ];
    for (event, kind) in events::all("Bearer x", "GET", "/orders/1")
        .iter()
        .zip(kinds)
    {
        let call = Call::parse(event).unwrap();
        assert_eq!(
            (call.kind, call.method, call.path.as_str()),
            (kind, "GET", "/orders/1")
        );
        assert_eq!(
            (call.arn.api.as_str(), call.arn.account.as_str()),
            ("abcdef123", "123456789012")
        );
        assert_eq!(call.credentials.unwrap().token, "x");
    }
}

#[test]
fn the_root_path_is_a_path() {
    for event in events::all("Bearer x", "GET", "/") {
        assert_eq!(Call::parse(&event).unwrap().path, "/");
    }
}

#[test]
fn other_partitions_are_kept() {
    for partition in ["aws-cn", "aws-us-gov", "aws-iso-b"] {
        for event in events::all(&bearer(), "GET", "/orders/1") {
            let text = event
                .to_string()
                .replace("arn:aws:", &format!("arn:{partition}:"));
            let answer = answer(&serde_json::from_str(&text).unwrap()).unwrap();
            let resources = answer["policyDocument"]["Statement"][0]["Resource"].to_string();
            assert!(resources.contains(&format!(
                "\"arn:{partition}:execute-api:eu-west-1:123456789012:abcdef123/"
            )));
            assert!(!resources.contains("arn:aws:"));
        }
    }
}

#[test]
fn anything_unrecognised_is_an_error() {
    let good = bearer();
    let change = |event: &Value, name: &str, value: Value| {
        let mut event = event.clone();
        event[name] = value;
        event
    };
    let [token, request, v1, v2] = events::all(&good, "GET", "/orders/1");
    let mut web_socket = request.clone();
    web_socket["requestContext"]["connectionId"] = json!("x");
    web_socket["requestContext"]["eventType"] = json!("CONNECT");
    let unrecognised = [
        json!(null),
        json!({}),
        json!([]),
        json!("x"),
        json!(7),
        json!({"authorizationToken": good, "requestContext": {"queryString": "query {}"}}),
        change(&token, "type", json!("token")),
        change(&token, "version", json!("1.0")),
        change(
            &token,
            "methodArn",
            json!("arn:aws:execute-api:eu-west-1::abcdef123/prod/GET/orders/1"),
        ),
        change(
            &token,
            "methodArn",
            json!("arn:aws:execute-api:eu-west-1:123456789012:abcdef123/prod"),
        ),
        change(
            &token,
            "methodArn",
            json!("arn:aws:execute-api:eu-west-1:123456789012:abcdef123/*/GET/orders/1"),
        ),
        change(
            &token,
            "methodArn",
            json!("arn:aws:execute-api:eu-west-1:123456789012:abcdef123/prod/GET"),
        ),
        change(&token, "methodArn", json!(null)),
        change(&token, "authorizationToken", json!({"a": 1})),
        change(&request, "methodArn", json!(7)),
        change(&request, "httpMethod", json!("DELETE")),
        change(&request, "type", json!("AUTHORIZER")),
        change(&v1, "methodArn", json!("x")),
        change(&v1, "version", json!("3.0")),
        change(&v1, "version", json!(1.0)),
        change(&v2, "routeArn", json!(null)),
        change(&v2, "requestContext", json!(null)),
        change(
            &v2,
            "requestContext",
            json!({"http": {"path": "/orders/1"}}),
        ),
        web_socket,
    ];
    for event in unrecognised {
        assert_eq!(
            answer(&event),
            Err(AuthorizerError::Fault(Reason::EventUnrecognised)),
            "{event}"
        );
    }
}

#[test]
fn missing_identity_never_becomes_a_default_account() {
    for event in events::all(&bearer(), "GET", "/orders/1") {
        for account in ["", "default", "*", "12345678901"] {
            let text = event
                .to_string()
                .replace(":123456789012:", &format!(":{account}:"));
            let answer = answer(&serde_json::from_str(&text).unwrap());
            assert_eq!(
                answer,
                Err(AuthorizerError::Fault(Reason::EventUnrecognised)),
                "{account}"
            );
        }
    }
    let mut event = events::http_v2(&bearer(), "GET", "/orders/1");
    event["requestContext"]
        .as_object_mut()
        .unwrap()
        .remove("accountId");
    assert!(answer(&event).is_ok(), "the ARN has it");
}

#[test]
fn the_stage_in_front_of_an_http_path_is_taken_off_only_when_it_is_the_stage() {
    let event = |raw: &str, arn_path: &str, route: &str| {
        let mut event = events::http_v2("Bearer x", "GET", raw);
        event["routeArn"] = json!(format!("{}/GET{arn_path}", events::BASE));
        event["routeKey"] = json!(route);
        event["requestContext"]["stage"] = json!("prod");
        event
    };
    let path = |raw: &str, arn_path: &str, route: &str| {
        Call::parse(&event(raw, arn_path, route)).unwrap().path
    };
    assert_eq!(path("/prod/orders", "/orders", "$default"), "/orders");
    assert_eq!(path("/prod", "/", "$default"), "/");
    assert_eq!(
        path("/prod/orders", "/prod/orders", "$default"),
        "/prod/orders"
    );
    assert_eq!(path("/orders", "/orders", "GET /orders"), "/orders");
    assert_eq!(
        path("/production/x", "/production/x", "$default"),
        "/production/x"
    );
    assert_eq!(
        path("/prod/orders/7", "/orders/{id}", "GET /orders/{id}"),
        "/orders/7"
    );
    assert_eq!(
        path("/prod/orders", "/elsewhere", "GET /prod/orders"),
        "/prod/orders"
    );
    assert_eq!(
        path("/prod/orders", "/elsewhere", "$default"),
        "",
        "two readings: refused"
    );
    assert_eq!(
        path("/prod/orders", "/orders", "GET /prod/orders"),
        "",
        "they contradict each other: refused"
    );
}

/// What is wrong with an event is said of the part that is wrong.
#[test]
fn an_unrecognised_event_is_told_what_about_it_is_wrong() {
    let [token, _, _, v2] = events::all(&bearer(), "GET", "/orders/1");
    let change = |event: &Value, name: &str, value: Value| {
        let mut event = event.clone();
        event[name] = value;
        event
    };
    let arn = |text: &str| change(&token, "methodArn", json!(text));
    let said = |event: &Value| {
        let authorizer = authorizer(policy(), &[shared()]);
        block_on(authorizer.explain(event, NOW)).explanation.words
    };
    for (event, part) in [
        (json!({}), "no JSON object with members"),
        (json!({"a": 1}), "no `type`"),
        (
            change(&token, "type", json!("token")),
            "\"token\", neither TOKEN nor REQUEST",
        ),
        (
            change(&v2, "version", json!("3.0")),
            "payload version is \"3.0\"",
        ),
        (change(&v2, "routeArn", json!(null)), "no `routeArn`"),
        (
            arn("arn:aws:execute-api:us-east-1:random-account-id:random-api-id/dev/GET/orders/1"),
            "the account \"random-account-id\" is not twelve digits; set one in the emulator",
        ),
        (
            arn("arn:aws:lambda:us-east-1:123456789012:x/dev/GET/"),
            "not one of execute-api",
        ),
        (
            arn("arn:aws:execute-api:*:123456789012:x/dev/GET/"),
            "the region \"*\" is none",
        ),
        (
            arn("arn:aws:execute-api:eu-west-1:123456789012:/dev/GET/"),
            "the API \"\" is none",
        ),
        (
            arn("arn:aws:execute-api:eu-west-1:123456789012:x/dev"),
            "no stage and method",
        ),
        (
            arn("arn:aws:execute-api:eu-west-1:123456789012:x/dev/GET"),
            "no method with a path",
        ),
        (arn("x"), "fewer than six parts"),
    ] {
        let words = said(&event);
        assert!(words.contains(part), "{words}");
    }
    let long = said(&change(&token, "type", json!("x".repeat(500))));
    assert!(long.len() < 200, "{long}");
}

#[test]
fn a_path_that_any_part_of_the_event_shows_to_be_unclean_is_refused() {
    let mut request = events::rest_request(&bearer(), "GET", "/orders/1");
    request["path"] = json!("/orders/x/../1");
    let mut v2 = events::http_v2(&bearer(), "GET", "/orders/1");
    v2["rawPath"] = json!("/orders/%2e%2e/orders/1");
    let mut v1 = events::http_v1(&bearer(), "GET", "/orders/1");
    v1["requestContext"]["path"] = json!("/prod//orders/1");
    for event in [request, v1, v2] {
        assert_eq!(answer(&event).unwrap()["context"]["reason"], "path_refused");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        "[ -~]{0,12}",
        Just("REQUEST".to_owned()),
        Just("TOKEN".to_owned()),
        Just("2.0".to_owned()),
        Just("1.0".to_owned()),
        Just("Bearer a.b.c".to_owned()),
        Just(format!("{}/GET/orders/1", events::BASE)),
        Just(bearer()),
        "\\PC{0,8}",
    ];
    let name = prop_oneof![
        "[a-z]{1,5}",
        Just("type".to_owned()),
        Just("version".to_owned()),
        Just("methodArn".to_owned()),
        Just("routeArn".to_owned()),
        Just("headers".to_owned()),
        Just("multiValueHeaders".to_owned()),
        Just("requestContext".to_owned()),
        Just("http".to_owned()),
        Just("authorizationToken".to_owned()),
        Just("path".to_owned()),
        Just("method".to_owned()),
        Just("Authorization".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 32, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    })
}

/// Real events with one value, at any place, replaced by anything.
fn broken_event() -> impl Strategy<Value = Value> {
    let bad = shared().sign(&claims("nothing"));
    (0..4usize, any::<prop::sample::Index>(), any_json()).prop_map(move |(kind, place, value)| {
        let mut event = events::all(&format!("Bearer {bad}"), "GET", "/orders/1")[kind].clone();
        let mut paths = Vec::new();
        collect(&event, String::new(), &mut paths);
        *event
            .pointer_mut(place.get(paths.as_slice()).as_str())
            .unwrap() = value;
        event
    })
}

fn collect(value: &Value, path: String, into: &mut Vec<String>) {
    if let Value::Object(members) = value {
        for (name, inner) in members {
            collect(
                inner,
                format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")),
                into,
            );
        }
    }
    into.push(path);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_event_panics_and_none_without_rights_is_allowed(event in prop_oneof![any_json(), broken_event()]) {
        if let Ok(body) = answer(&event) && !event.to_string().contains(&bearer()[7..60]) {
            prop_assert_eq!(body.get("isAuthorized"), None);
            let resource = event.get("routeArn").or_else(|| event.get("methodArn")).and_then(Value::as_str).unwrap_or_default();
            prop_assert!(!iam::evaluate(&body["policyDocument"], resource).unwrap().is_allow());
            prop_assert!(!body["policyDocument"].to_string().contains("/orders/"));
        }
    }
}
