//! security.md 82: the path that's judged is the one that the gateway routes, or the call is denied. Each character may be
//! spelled by its escape; what could be two paths is refused.

use serde_json::Value;

use crate::support::signer::shared;
use crate::support::{
    NOW, authorizer, block_on, claims, events, policy, policy_of, token_having, token_with,
};
use gatewright_authorizer::policy::{Request, Rights};
use gatewright_authorizer::{Reason, iam};

const DISGUISES: [&str; 18] = [
    "//admin",
    "/admin//",
    "/%2561dmin",
    "/a%2Fdmin",
    "/x/..;/admin",
    "/./admin",
    "/x/../admin",
    "/%2e%2e/admin",
    "/%2E%2E/admin",
    "/admin;v=1",
    "/admin%00",
    "/admin%5c",
    "/admin%5C",
    "/admin/%2e",
    "/x%2f..%2fadmin",
    "/admin%3Bv",
    "/admin%c0%af",
    "/admin\\",
];

#[test]
fn disguised_paths_are_refused_for_everyone() {
    let token = token_with("admin orders:read orders:write reports:read");
    for path in DISGUISES {
        let decision = policy().judge(&token, &Request::new("GET", path));
        assert!(
            !decision.is_allow() && decision.reason.unwrap().as_str() == "path_refused",
            "{path}"
        );
    }
}

#[test]
fn another_case_or_a_trailing_slash_is_another_path() {
    let token = token_with("admin");
    for path in ["/Admin", "/ADMIN", "/admin/", "/admin/x", "/admi"] {
        assert_eq!(
            policy()
                .judge(&token, &Request::new("GET", path))
                .reason
                .unwrap()
                .as_str(),
            "no_rule",
            "{path}"
        );
    }
    assert!(
        policy()
            .judge(&token, &Request::new("GET", "/admin"))
            .is_allow()
    );
}

#[test]
fn methods_are_exact_and_unknown_ones_are_denied() {
    let token = token_with("admin reports:read");
    for method in [
        "get", "Get", "TRACE", "CONNECT", "PROPFIND", "", "ANY", "*", "GET ",
    ] {
        assert!(
            !policy()
                .judge(&token, &Request::new(method, "/admin"))
                .is_allow(),
            "{method}"
        );
        assert!(
            !policy()
                .judge(&token, &Request::new(method, "/reports/x"))
                .is_allow(),
            "{method}"
        );
    }
}

#[test]
fn no_disguise_passes_through_any_kind_of_call() {
    let all = format!(
        "Bearer {}",
        shared().sign(&claims("admin orders:read reports:read"))
    );
    let authorizer = authorizer(policy(), &[shared()]);
    for path in DISGUISES.into_iter().chain([
        "/Admin",
        "/admin/",
        "/%41dmin",
        "/admin%2e",
        "/reports/secret/x",
        "/reports/s%65cret/x",
        "/orders/?",
        "/é",
    ]) {
        for event in events::all(&all, "GET", path) {
            let body: Value = block_on(authorizer.answer(&event, NOW)).unwrap();
            let outcome =
                iam::evaluate(&body["policyDocument"], &events::resource(&event)).unwrap();
            assert!(!outcome.is_allow(), "{path} in {event}");
        }
    }
}

/// Spellings of the segment of `/orders/{id}`, which HTTP APIs tell decoded.
const SPELLINGS: [(&str, &str); 12] = [
    ("ada%40example.com", "ada@example.com"),
    ("a%3Ab", "a:b"),
    ("a%3Db", "a=b"),
    ("%5B1%5D", "[1]"),
    ("%7E", "~"),
    ("%7B%3C%5E", "{<^"),
    ("Chester%20Mall", "Chester Mall"),
    ("caf%C3%A9", "café"),
    ("%61", "a"),
    ("a%2Ab", "a*b"),
    ("%22", "\""),
    ("a%2Eb", "a.b"),
];

/// What the gateway makes of the answer to an event.
fn is_allowed(event: &Value, bearer_for: &str) -> bool {
    let authorizer = authorizer(policy_of(bearer_for), &[shared()]);
    let body = block_on(authorizer.answer(event, NOW)).unwrap();
    iam::evaluate(&body["policyDocument"], &events::resource(event))
        .unwrap()
        .is_allow()
}

fn bearer() -> String {
    format!("Bearer {}", shared().sign(&claims("orders:read")))
}

#[test]
fn every_kind_of_call_takes_a_path_in_either_spelling() {
    let rule = "[[rule]]\nid = \"one\"\nmethods = [\"GET\"]\npath = \"/orders/{id}\"\n";
    for (escaped, plain) in SPELLINGS {
        for spelling in [escaped, plain] {
            for event in events::all(&bearer(), "GET", &format!("/orders/{spelling}")) {
                assert!(is_allowed(&event, rule), "{event}");
            }
        }
        // The ARN of an HTTP API may have another spelling than its path.
        let mut event = events::http_v2(&bearer(), "GET", &format!("/orders/{plain}"));
        let arn = events::BASE.replace("/prod", "/$default");
        event["routeArn"] = format!("{arn}/GET/orders/{escaped}").into();
        assert!(is_allowed(&event, rule), "{event}");
    }
}

#[test]
fn a_condition_sees_a_parameter_decoded_once() {
    let policy = policy_of(
        "[[rule]]\nid = \"own\"\nmethods = [\"GET\"]\npath = \"/people/{sub}\"\nwhen = 'claims.sub == request.path.sub'\n",
    );
    let token = token_having(&serde_json::json!({"sub": "ada@example.com/é b"}));
    let judged = |token, path: &str| policy.judge(token, &Request::new("GET", path)).is_allow();
    assert!(!judged(&token, "/people/ada%40example.com%2F%C3%A9%20b"));
    let token = token_having(&serde_json::json!({"sub": "é@b c"}));
    for path in [
        "/people/é@b c",
        "/people/%C3%A9%40b%20c",
        "/people/%c3%a9@b%20c",
    ] {
        assert!(judged(&token, path), "{path}");
    }
    assert!(!judged(&token, "/people/%25C3%25A9@b c"));
}

#[test]
fn an_escape_that_may_be_meant_as_it_stands_must_be_allowed_in_both_readings() {
    let policy = policy_of(
        "[[rule]]\nid = \"people\"\nmethods = [\"GET\"]\npath = \"/people/{sub}\"\n\
         [[rule]]\nid = \"own\"\nmethods = [\"PUT\"]\npath = \"/people/{sub}\"\nwhen = 'claims.sub == request.path.sub'\n\
         [[rule]]\nid = \"me\"\nmethods = [\"GET\"]\npath = \"/people/me\"\nscopes = [\"orders:read\"]\n",
    );
    let token = token_having(&serde_json::json!({"sub": "a@b"}));
    let judged = |method, path, decoded| {
        let request = Request {
            decoded,
            ..Request::new(method, path)
        };
        let decision = policy.judge(&token, &request);
        (decision.rule, decision.reason.map(Reason::as_str))
    };
    let by = |rule: &str| (Some(rule.to_owned()), None);
    let refused = (None, Some("path_refused"));
    assert_eq!(judged("GET", "/people/a%40b", true), by("people"));
    assert_eq!(judged("PUT", "/people/a@b", true), by("own"));
    assert_eq!(judged("PUT", "/people/a%40b", false), by("own"));
    assert_eq!(judged("PUT", "/people/a%40b", true), refused);
    assert_eq!(judged("GET", "/people/m%65", false), by("me"));
    assert_eq!(judged("GET", "/people/m%65", true), refused);
}

/// IAM compares texts: what is denied under one spelling must not be allowed under another.
#[test]
fn no_spelling_gets_around_what_a_cached_document_denies() {
    let policy = policy_of(
        "[[rule]]\nid = \"people\"\nmethods = [\"GET\"]\npath = \"/people/{id}\"\n\
         [[rule]]\nid = \"me\"\nmethods = [\"GET\"]\npath = \"/people/me\"\nscopes = [\"admin\"]\n\
         [[rule]]\nid = \"no\"\nmethods = [\"GET\"]\npath = \"/people/a@z~\"\neffect = \"deny\"\n",
    );
    let rights: Rights = policy.rights(&token_with(""), events::BASE, None, 8000);
    let permits = |path: &str| rights.permits(&format!("{}/GET{path}", events::BASE));
    for path in [
        "/people/me",
        "/people/m%65",
        "/people/%6de",
        "/people/%6De",
        "/people/%6D%65",
        "/people/a@z~",
        "/people/a%40z~",
        "/people/%61@%7a%7E",
        "/people/a@%7A~",
        "/people/a@z%7e",
    ] {
        assert!(!permits(path), "{path}");
    }
    for path in [
        "/people/1",
        "/people/x%20y",
        "/people/%5B1%5D",
        "/people/%C3%A9",
    ] {
        assert!(permits(path), "{path}");
    }
    // Where nothing more specific is denied, every spelling is as good.
    let one = policy_of("[[rule]]\nid = \"p\"\nmethods = [\"GET\"]\npath = \"/people/{id}\"\n");
    let rights = one.rights(&token_with(""), events::BASE, None, 8000);
    assert!(rights.permits(&format!("{}/GET/people/a%40%6De", events::BASE)));
}

/// What only this call earns would be a resource of its own, and IAM has no escape for its wildcards.
#[test]
fn a_call_that_is_answered_by_itself_is_refused_when_its_path_holds_a_wildcard() {
    let rule = "[[rule]]\nid = \"one\"\nmethods = [\"GET\"]\npath = \"/orders/{id}\"\nwhen = 'request.stage != \"x\"'\n";
    let authorizer = authorizer(policy_of(rule), &[shared()]);
    let answered = |path| {
        let body = block_on(authorizer.answer(&events::rest_request(&bearer(), "GET", path), NOW));
        body.unwrap()
    };
    assert_eq!(answered("/orders/*")["context"]["reason"], "path_refused");
    assert!(!answered("/orders/*").to_string().contains("GET/orders/*"));
    assert_eq!(answered("/orders/%2A")["context"].get("reason"), None);
}

#[test]
fn wildcards_of_the_request_never_reach_a_resource() {
    let all = format!(
        "Bearer {}",
        shared().sign(&claims("admin orders:read reports:read"))
    );
    let authorizer = authorizer(policy(), &[shared()]);
    let allowed = |method: &str, path: &str, kind: usize| -> Vec<Value> {
        let body =
            block_on(authorizer.answer(&events::all(&all, method, path)[kind], NOW)).unwrap();
        let statements = body["policyDocument"]["Statement"].as_array().unwrap();
        let allows = statements
            .iter()
            .filter(|statement| statement["Effect"] == "Allow");
        allows
            .flat_map(|statement| statement["Resource"].as_array().unwrap().clone())
            .collect()
    };
    for kind in 0..4 {
        let clean = allowed("GET", "/me", kind);
        for (method, path) in [
            ("GET", "/orders/*"),
            ("GET", "/orders/a*"),
            ("GET", "/*"),
            ("GET", "/orders/?"),
            ("DELETE", "/*"),
            ("GET", "/reports/*/x"),
            ("GET", "/a?b"),
        ] {
            let found = allowed(method, path, kind);
            assert!(
                found.is_empty() || found == clean,
                "{method} {path}: {found:?}"
            );
        }
    }
}
