//! security.md 82: the path that's judged is the one that the gateway routes, or the call is denied.

use serde_json::Value;

use crate::support::signer::shared;
use crate::support::{NOW, authorizer, block_on, claims, events, policy, token_with};
use gatewright_authorizer::iam;
use gatewright_authorizer::policy::Request;

const DISGUISES: [&str; 18] = [
    "//admin",
    "/admin//",
    "/%61dmin",
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
    "/admin%2e",
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
        "/reports/secret/x",
        "/orders/*",
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
