//! WebSocket APIs: `$connect` and nothing else, and the token in one place and nowhere else.

use gatewright_authorizer::{AuthorizerError, Policy, Reason, iam};
use serde_json::{Value, json};

use crate::support::signer::shared;
use crate::support::{NOW, POLICY, authorizer, block_on, claims, events};

const RULES: &str = r#"
[[rule]]
id = "live"
route = "$connect"
scopes = ["live"]

[[rule]]
id = "everything"
methods = ["ANY"]
path = "/**"
scopes = ["http"]
"#;

fn policy(place: &str) -> Policy {
    let head = POLICY.split("[[rule]]").next().unwrap();
    Policy::parse(&format!(
        "{head}\n[websocket]\ntoken = \"{place}\"\n{RULES}"
    ))
    .unwrap()
}

fn answer(place: &str, event: &Value) -> Result<Value, AuthorizerError> {
    block_on(authorizer(policy(place), &[shared()]).answer(event, NOW))
}

fn token(scope: &str) -> String {
    shared().sign(&claims(scope))
}

/// An event with the token in one place.
fn in_place(place: &str, token: &str) -> Value {
    match place {
        "header" => events::web_socket(
            &json!({"Authorization": format!("Bearer {token}")}),
            &json!({}),
        ),
        "subprotocol" => events::web_socket(
            &json!({"sec-websocket-protocol": format!("chat, bearer, {token}")}),
            &json!({}),
        ),
        _ => events::web_socket(&json!({}), &json!({"access_token": token})),
    }
}

const PLACES: [&str; 3] = ["header", "query:access_token", "subprotocol"];

fn allows(body: &Value) -> bool {
    iam::evaluate(
        &body["policyDocument"],
        &format!("{}/$connect", events::BASE),
    )
    .unwrap()
    .is_allow()
}

#[test]
fn a_token_in_the_named_place_connects_and_the_answer_names_this_route_alone() {
    for place in PLACES {
        let body = answer(place, &in_place(place, &token("live"))).unwrap();
        assert!(allows(&body), "{place}");
        assert_eq!(
            body["policyDocument"]["Statement"][0]["Resource"],
            json!([format!("{}/$connect", events::BASE)])
        );
        assert_eq!(body["context"]["sub"], "user-1");
        assert!(
            body["context"]
                .as_object()
                .unwrap()
                .values()
                .all(Value::is_string)
        );
    }
}

#[test]
fn rules_for_http_say_nothing_of_a_connection_and_the_reverse() {
    for place in PLACES {
        let body = answer(place, &in_place(place, &token("http"))).unwrap();
        assert!(!allows(&body), "{place}");
        assert_eq!(body["context"]["reason"], "insufficient_scope");
    }
    for path in ["/$connect", "/orders"] {
        for event in events::all(&format!("Bearer {}", token("live")), "GET", path) {
            let body = answer("header", &event).unwrap();
            let outcome =
                iam::evaluate(&body["policyDocument"], &events::resource(&event)).unwrap();
            assert!(!outcome.is_allow(), "{event}");
            assert!(!body["policyDocument"].to_string().contains("prod/$connect"));
        }
    }
    for method in ["$connect", "WebSocket", "GraphQL"] {
        let event = events::http_v2(
            &format!("Bearer {}", token("live http")),
            method,
            "/$connect",
        );
        let body = answer("header", &event).unwrap();
        let outcome = iam::evaluate(&body["policyDocument"], &events::resource(&event)).unwrap();
        assert!(!outcome.is_allow(), "{method}");
    }
}

#[test]
fn any_method_and_every_path_are_no_connection_and_no_field() {
    let head = POLICY.split("[[rule]]").next().unwrap();
    let all = "[[rule]]\nid = \"all\"\nmethods = [\"ANY\"]\npath = \"/**\"\n";
    let policy = Policy::parse(&format!("{head}\n{all}")).unwrap();
    let authorizer = authorizer(policy, &[shared()]);
    let body = block_on(authorizer.answer(&in_place("header", &token("")), NOW)).unwrap();
    assert_eq!(body["context"]["reason"], "no_rule");
    let event = events::appsync(&token(""), "{ orders }");
    let body = block_on(authorizer.answer(&event, NOW)).unwrap();
    assert_eq!(body["resolverContext"]["reason"], "no_rule");
}

#[test]
fn a_token_in_any_other_place_is_not_looked_at() {
    for place in PLACES {
        for other in PLACES.iter().filter(|other| **other != place) {
            let error = answer(place, &in_place(other, &token("live"))).unwrap_err();
            assert_eq!(
                error,
                AuthorizerError::Unauthorized(Reason::TokenMissing),
                "{place} {other}"
            );
        }
    }
}

#[test]
fn two_tokens_are_ambiguous_wherever_they_are() {
    let good = token("live");
    let bearer = format!("Bearer {good}");
    let (protocol, query) = (format!("bearer, {good}"), json!({"access_token": good}));
    let events = [
        events::web_socket(&json!({"Authorization": bearer}), &query),
        events::web_socket(
            &json!({"Authorization": bearer, "Sec-WebSocket-Protocol": protocol}),
            &json!({}),
        ),
        events::web_socket(&json!({"Sec-WebSocket-Protocol": protocol}), &query),
        events::web_socket(
            &json!({"Authorization": bearer, "authorization": bearer}),
            &json!({}),
        ),
        events::web_socket(
            &json!({"Sec-WebSocket-Protocol": format!("bearer, {good}, bearer, {good}")}),
            &json!({}),
        ),
        events::web_socket(
            &json!({"Sec-WebSocket-Protocol": format!("bearer, {good}, chat")}),
            &json!({}),
        ),
        events::web_socket(
            &json!({}),
            &json!({"access_token": good, "Access_Token": good}),
        ),
    ];
    let mut disagreeing = in_place("query:access_token", &good);
    disagreeing["multiValueQueryStringParameters"] = json!({"access_token": [good, good]});
    for event in events.iter().chain([&disagreeing]) {
        for place in PLACES {
            let error = answer(place, event).unwrap_err();
            assert_eq!(
                error,
                AuthorizerError::Unauthorized(Reason::CredentialsAmbiguous),
                "{place} {event}"
            );
        }
    }
}

#[test]
fn a_missing_or_odd_token_is_unauthorized() {
    for (place, event, reason) in [
        (
            "header",
            events::web_socket(&json!({}), &json!({})),
            Reason::TokenMissing,
        ),
        (
            "query:access_token",
            in_place("query:access_token", ""),
            Reason::TokenMissing,
        ),
        (
            "query:access_token",
            in_place("query:access_token", "Bearer x"),
            Reason::CredentialsAmbiguous,
        ),
        (
            "query:access_token",
            in_place("query:access_token", "a,b"),
            Reason::CredentialsAmbiguous,
        ),
        (
            "subprotocol",
            events::web_socket(&json!({"Sec-WebSocket-Protocol": "bearer"}), &json!({})),
            Reason::TokenMissing,
        ),
        (
            "subprotocol",
            events::web_socket(&json!({"Sec-WebSocket-Protocol": "x.y.z"}), &json!({})),
            Reason::TokenMissing,
        ),
        (
            "subprotocol",
            in_place("subprotocol", "a.b"),
            Reason::TokenMalformed,
        ),
    ] {
        assert_eq!(
            answer(place, &event),
            Err(AuthorizerError::Unauthorized(reason)),
            "{event}"
        );
    }
    for name in [
        "headers",
        "multiValueHeaders",
        "queryStringParameters",
        "multiValueQueryStringParameters",
    ] {
        let mut event = in_place("header", &token("live"));
        event[name] = Value::Null;
        assert!(
            allows(&answer("header", &event).unwrap()),
            "{name} may be null"
        );
    }
}

#[test]
fn every_other_route_and_half_an_event_is_unrecognised() {
    let good = in_place("header", &token("live"));
    let change = |pointer: &str, value: Value| {
        let mut event = good.clone();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let arn = |rest: &str| json!(format!("{}/{rest}", events::BASE));
    let mut with_method = good.clone();
    with_method["httpMethod"] = json!("GET");
    for event in [
        change("/requestContext/routeKey", json!("$default")),
        change("/requestContext/routeKey", json!("sendMessage")),
        change("/requestContext/routeKey", json!(null)),
        change("/requestContext/eventType", json!("MESSAGE")),
        change("/requestContext/eventType", json!("DISCONNECT")),
        change("/requestContext/eventType", json!(null)),
        change("/requestContext/connectionId", json!(null)),
        change("/methodArn", arn("$default")),
        change("/methodArn", arn("$connect/x")),
        change("/methodArn", arn("GET/$connect")),
        change("/methodArn", arn("*")),
        change("/methodArn", json!(null)),
        change("/type", json!("CONNECT")),
        with_method,
    ] {
        assert_eq!(
            answer("header", &event),
            Err(AuthorizerError::Fault(Reason::EventUnrecognised)),
            "{event}"
        );
    }
}

#[test]
fn the_policy_file_is_strict_about_routes_and_places() {
    let head = POLICY.split("[[rule]]").next().unwrap();
    for (text, words) in [
        ("[websocket]\ntoken = \"cookie\"", "not a place for a token"),
        ("[websocket]\ntoken = \"query:\"", "not a place for a token"),
        ("[websocket]\nplace = \"header\"", "unknown key `place`"),
        (
            "[[rule]]\nid = \"x\"\nroute = \"$default\"",
            "not a route that is authorized",
        ),
        (
            "[[rule]]\nid = \"x\"\nroute = \"$connect\"\nmethods = [\"GET\"]",
            "has no `methods`",
        ),
        (
            "[[rule]]\nid = \"x\"\nroute = \"$connect\"\nfield = \"Query.a\"",
            "has no `field`",
        ),
        (
            "[[rule]]\nid = \"x\"\nfield = \"Query.a\"\npath = \"/a\"",
            "has no `path`",
        ),
        (
            "[[rule]]\nid = \"x\"\nfield = \"Query\"",
            "not a GraphQL field",
        ),
        ("[[rule]]\nid = \"x\"\nfield = \"Order.*\"", "may have `*`"),
        (
            "[[rule]]\nid = \"x\"\nfield = \"Query.a.b\"",
            "not a GraphQL field",
        ),
    ] {
        let error = Policy::parse(&format!("{head}\n{text}"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}
