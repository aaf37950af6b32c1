//! `AppSync`: what a document begins with decides, and an answer is kept only where it's right for every document.

use gatewright_authorizer::{AuthorizerError, Policy, Reason};
use serde_json::{Value, json};

use crate::support::signer::shared;
use crate::support::{NOW, POLICY, authorizer, block_on, claims, events};

const RULES: &str = r#"
[[rule]]
id = "orders"
field = "Query.orders"
scopes = ["orders:read"]

[[rule]]
id = "add"
field = "Mutation.addOrder"
scopes = ["orders:write"]

[[rule]]
id = "queries"
field = "Query.*"
scopes = ["admin"]

[[rule]]
id = "mutations"
field = "Mutation.*"
scopes = ["admin"]

[[rule]]
id = "subscriptions"
field = "Subscription.*"
scopes = ["admin"]

[[rule]]
id = "card"
field = "Customer.card"
scopes = ["cards"]

[[rule]]
id = "notes"
field = "Customer.notes"
effect = "deny"
clients = ["robot"]
"#;

fn policy_with(more: &str) -> Policy {
    let head = POLICY.split("[[rule]]").next().unwrap();
    Policy::parse(&format!("{head}\n{RULES}\n{more}")).unwrap()
}

fn ask(policy: Policy, event: &Value) -> Result<Value, AuthorizerError> {
    block_on(authorizer(policy, &[shared()]).answer(event, NOW))
}

fn answer(scope: &str, document: &str) -> Value {
    let token = shared().sign(&claims(scope));
    ask(policy_with(""), &events::appsync(&token, document)).unwrap()
}

#[test]
fn every_field_that_a_document_begins_with_has_to_be_allowed() {
    for (scope, document, allowed) in [
        ("orders:read", "{ orders { id customer { name } } }", true),
        ("orders:read", "{ secrets: orders { id } }", true),
        ("orders:read", "{ orders: secrets { id } }", false),
        ("orders:read", "{ orders secrets }", false),
        ("orders:read", "{ __schema { types { name } } }", false),
        ("orders:read", "mutation { orders }", false),
        ("orders:read", "subscription { orders }", false),
        (
            "orders:read",
            "query A { orders } mutation B { addOrder }",
            false,
        ),
        (
            "orders:read orders:write",
            "query A { orders } mutation B { addOrder }",
            true,
        ),
        (
            "orders:read",
            "{ ...F } fragment F on Query { secrets }",
            false,
        ),
        (
            "orders:read",
            "{ orders secrets @include(if: false) }",
            false,
        ),
        ("orders:read", "{ Orders }", false),
        ("", "{ orders }", false),
        ("admin", "{ secrets }", true),
    ] {
        let body = answer(scope, document);
        assert_eq!(body["isAuthorized"], allowed, "{scope}: {document}");
        assert_eq!(body["resolverContext"].get("reason").is_none(), allowed);
    }
    assert_eq!(
        answer("", "{ orders }")["resolverContext"]["reason"],
        "insufficient_scope"
    );
    assert_eq!(
        answer("cards", "{ secrets }")["resolverContext"]["missing"],
        "admin"
    );
    for document in ["", "{", "{ orders } }", "query { ...F }"] {
        let body = answer("admin", document);
        assert_eq!(
            (&body["isAuthorized"], &body["resolverContext"]["reason"]),
            (&json!(false), &json!("document_refused"))
        );
    }
}

#[test]
fn fields_of_other_types_are_denied_to_whoever_has_not_earned_them() {
    assert_eq!(
        answer("orders:read", "{ orders }")["deniedFields"],
        json!(["Customer.card"])
    );
    assert_eq!(
        answer("orders:read cards", "{ orders }")["deniedFields"],
        json!([])
    );
    let mut robot = claims("orders:read cards");
    robot["client_id"] = json!("robot");
    let body = ask(
        policy_with(""),
        &events::appsync(&shared().sign(&robot), "{ orders }"),
    )
    .unwrap();
    assert_eq!(body["deniedFields"], json!(["Customer.notes"]));
}

#[test]
fn an_answer_is_kept_only_where_it_is_right_for_every_document() {
    assert_eq!(answer("orders:read", "{ orders }")["ttlOverride"], 0);
    assert_eq!(answer("orders:read", "{ secrets }")["ttlOverride"], 0);
    // `Query.orders` is more specific, and not satisfied.
    assert_eq!(answer("admin", "{ secrets }")["ttlOverride"], 0);
    let all = "admin orders:read orders:write";
    assert_eq!(answer(all, "{ secrets }")["ttlOverride"], 300);
    let ttl = |rule: &str, exp: i64| {
        let mut claims = claims(all);
        claims["exp"] = json!(exp);
        let event = events::appsync(&shared().sign(&claims), "{ secrets }");
        ask(policy_with(rule), &event).unwrap()["ttlOverride"].clone()
    };
    assert_eq!(ttl("", NOW + 7), 7, "not beyond the token's end");
    assert_eq!(ttl("", NOW + 9_999), 300);
    assert_eq!(ttl("", NOW - 2), 0, "within the leeway");
    let deny = "[[rule]]\nid = \"no\"\nfield = \"Mutation.drop\"\neffect = \"deny\"";
    assert_eq!(ttl(deny, NOW + 300), 0, "one field is denied");
    let by_time = "[[rule]]\nid = \"no\"\nfield = \"A.b\"\nwhen = 'now < timestamp(\"2100-01-01T00:00:00Z\")'";
    assert_eq!(ttl(by_time, NOW + 300), 0, "a condition asks for the time");
}

#[test]
fn tokens_come_with_and_without_their_scheme_and_once() {
    let token = shared().sign(&claims("orders:read"));
    let event = |authorization: &str| events::appsync(authorization, "{ orders }");
    for authorization in [
        token.clone(),
        format!("Bearer {token}"),
        format!("bearer {token}"),
    ] {
        assert_eq!(
            ask(policy_with(""), &event(&authorization)).unwrap()["isAuthorized"],
            true
        );
    }
    let mut two = event(&token);
    two["requestHeaders"]["authorization"] = json!("another");
    let mut twice = event(&token);
    twice["requestHeaders"]["Authorization"] = json!(token);
    let mut none = event("");
    none["authorizationToken"] = Value::Null;
    for (event, reason) in [
        (event(""), "token_missing"),
        (none, "token_missing"),
        (two, "credentials_ambiguous"),
        (twice, "credentials_ambiguous"),
        (event(&format!("{token},{token}")), "credentials_ambiguous"),
        (
            event(&format!("Bearer {token} {token}")),
            "credentials_ambiguous",
        ),
        (event(&format!("Basic {token}")), "scheme_refused"),
        (event("x"), "token_malformed"),
    ] {
        let body = ask(policy_with(""), &event).unwrap();
        let context = json!({"reason": reason, "request_id": "req-1"});
        let refused = json!({"isAuthorized": false, "resolverContext": context, "deniedFields": [], "ttlOverride": 0});
        assert_eq!(body, refused, "{event}");
    }
}

#[test]
fn what_is_not_quite_an_appsync_event_is_unrecognised() {
    let good = events::appsync(&shared().sign(&claims("admin")), "{ orders }");
    let change = |pointer: &str, value: Value| {
        let mut event = good.clone();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let with = |name: &str, value: &str| {
        let mut event = good.clone();
        event[name] = json!(value);
        event
    };
    for event in [
        change("/requestContext/queryString", json!(null)),
        change("/requestContext/queryString", json!(["{ orders }"])),
        change("/requestContext/accountId", json!("default")),
        change("/requestContext/accountId", json!("12345678901")),
        change("/requestContext/accountId", json!(null)),
        change("/requestContext/apiId", json!("")),
        change("/requestContext/apiId", json!("*")),
        change("/authorizationToken", json!({"a": 1})),
        with("type", "TOKEN"),
        with("type", "APPSYNC"),
        with("version", "2.0"),
        with("methodArn", events::BASE),
    ] {
        assert_eq!(
            ask(policy_with(""), &event),
            Err(AuthorizerError::Fault(Reason::EventUnrecognised)),
            "{event}"
        );
    }
}

#[test]
fn whoever_has_no_valid_token_learns_nothing_of_the_document() {
    let mut expired = claims("admin");
    expired["exp"] = json!(NOW - 1000);
    let expired = shared().sign(&expired);
    let long = "{ orders } ".repeat(10_000);
    for document in ["", "{", "{ orders } }", "{ orders }", &long] {
        for (token, reason) in [
            ("", "token_missing"),
            ("x", "token_malformed"),
            (&expired, "expired"),
        ] {
            let body = ask(policy_with(""), &events::appsync(token, document)).unwrap();
            assert_eq!(
                (&body["isAuthorized"], &body["resolverContext"]["reason"]),
                (&json!(false), &json!(reason)),
                "{document:.20}"
            );
        }
    }
}
