//! security.md 83, 84: a cached answer is right on every route.

use gatewright_authorizer::Scopes;
use gatewright_authorizer::iam::{self, Outcome};
use gatewright_authorizer::policy::{Coverage, Request, Rights};
use serde_json::Value;

mod properties;

use crate::support::events::BASE;
use crate::support::signer::shared;
use crate::support::{
    NOW, authorizer, block_on, claims, events, policy, policy_of, token_of, token_with,
};

const BUDGET: usize = 8000;

fn outcome(rights: &Rights, method: &str, path: &str) -> Outcome {
    let outcome = iam::evaluate(&rights.document(), &format!("{BASE}/{method}{path}")).unwrap();
    assert_eq!(
        outcome.is_allow(),
        rights.permits(&format!("{BASE}/{method}{path}"))
    );
    outcome
}

fn rule(id: &str, path: &str, scope: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\nmethods = [\"GET\"]\npath = \"{path}\"\nscopes = [\"{scope}\"]\n"
    )
}

#[test]
fn the_document_covers_the_tokens_whole_rights_and_nothing_else() {
    let token = token_with("orders:read reports:read");
    let rights = policy().rights(&token, BASE, Some(("GET", "/me")), BUDGET);
    assert_eq!(rights.coverage(), &Coverage::Whole);
    for (method, path, allowed) in [
        ("GET", "/orders/1", true),
        ("HEAD", "/orders/1", true),
        ("POST", "/orders/1", false),
        ("DELETE", "/orders/1", false),
        ("GET", "/orders/1/items", false),
        ("GET", "/orders/", false),
        ("GET", "/orders", false),
        ("GET", "/orders//", false),
        ("GET", "/reports/a", true),
        ("OPTIONS", "/reports/a/b/c", true),
        ("GET", "/reports", false),
        ("GET", "/reports/", false),
        ("GET", "/reports/a/", false),
        ("GET", "/reports/secret", true),
        ("GET", "/reports/secret/x", false),
        ("GET", "/reports/secret/x/y", false),
        ("GET", "/admin", false),
        ("GET", "/me", true),
        ("POST", "/me", false),
        ("GET", "/", false),
        ("TRACE", "/reports/a", false),
        ("GET", "/reports/%2e%2e/admin", false),
        ("GET", "/orders/%2F", false),
        ("GET", "/orders/;x", false),
        ("GET", "/reports//a", false),
        ("GET", "/reports/./a", false),
        ("GET", "/reports/..", false),
        ("GET", "/orders/a%20b", true),
        ("GET", "/orders/a%40b", true),
        ("GET", "/reports/s%65cret/x", false),
        ("GET", "/orders/%3B", false),
        ("GET", "/orders/.%2e", false),
    ] {
        assert_eq!(
            outcome(&rights, method, path).is_allow(),
            allowed,
            "{method} {path}"
        );
        assert_eq!(
            policy()
                .judge(&token, &Request::new(method, path))
                .is_allow(),
            allowed,
            "{method} {path}"
        );
    }
}

#[test]
fn the_document_does_not_depend_on_the_request() {
    let bearer = format!(
        "Bearer {}",
        shared().sign(&claims("orders:read reports:read"))
    );
    let authorizer = authorizer(policy(), &[shared()]);
    let document = |method: &str, path: &str| {
        let event = events::rest_request(&bearer, method, path);
        block_on(authorizer.answer(&event, NOW)).unwrap()["policyDocument"].clone()
    };
    let first = document("GET", "/orders/1");
    for (method, path) in [
        ("HEAD", "/orders/2"),
        ("GET", "/me"),
        ("DELETE", "/orders/1"),
        ("GET", "/admin"),
        ("PUT", "/reports/x"),
        ("GET", "/nowhere"),
    ] {
        assert_eq!(document(method, path), first, "{method} {path}");
    }
}

#[test]
fn methods_are_spelled_out() {
    let rights = policy().rights(&token_with("admin"), BASE, None, BUDGET);
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert!(
            rights
                .allow()
                .contains(&format!("{BASE}/{method}/reports/?*")),
            "{method}"
        );
    }
    assert!(
        rights
            .allow()
            .iter()
            .all(|resource| !resource.contains("/*/") && !resource.ends_with("/*"))
    );
}

#[test]
fn a_route_that_hides_below_a_wildcard_is_denied() {
    let policy = policy_of(
        &(rule("one", "/orders/{id}", "a")
            + &rule("new", "/orders/new", "b")
            + &rule("items", "/orders/{id}/items", "c")),
    );
    let rights = policy.rights(&token_with("a"), BASE, None, BUDGET);
    assert_eq!(rights.coverage(), &Coverage::Whole);
    assert_eq!(outcome(&rights, "GET", "/orders/1"), Outcome::Allow);
    assert_eq!(
        outcome(&rights, "GET", "/orders/new"),
        Outcome::ExplicitDeny
    );
    assert_eq!(
        outcome(&rights, "GET", "/orders/1/items"),
        Outcome::ExplicitDeny
    );
    assert_eq!(outcome(&rights, "GET", "/orders/"), Outcome::ExplicitDeny);
    assert_eq!(outcome(&rights, "GET", "/orders"), Outcome::ImplicitDeny);
}

#[test]
fn what_iam_can_not_say_is_answered_for_the_present_path_only() {
    let policy = policy_of(
        &(rule("one", "/orders/{id}", "a")
            + &rule("items", "/orders/{id}/items", "c")
            + &rule("users", "/users/{id}", "a")),
    );
    let token = token_with("a c");
    let rights = policy.rights(&token, BASE, Some(("GET", "/orders/7")), BUDGET);
    assert_eq!(
        rights.coverage(),
        &Coverage::Exact {
            rules: vec!["one".to_owned()]
        }
    );
    for (path, allowed) in [
        ("/orders/7", true),
        ("/orders/8", false),
        ("/orders/7/items", true),
        ("/users/1", true),
        ("/orders/7/items/x", false),
        ("/orders/a/b/items", false),
    ] {
        assert_eq!(outcome(&rights, "GET", path).is_allow(), allowed, "{path}");
    }
    let notes = policy.coverage();
    assert_eq!(notes.len(), 1);
    assert_eq!(
        (
            notes[0].rule.as_str(),
            notes[0].with.as_str(),
            &notes[0].because_of
        ),
        ("one", "items", &None)
    );
    assert!(
        policy_of(&rule("one", "/orders/{id}", "a"))
            .coverage()
            .is_empty()
    );
}

#[test]
fn a_denied_route_that_yields_to_an_allowed_one_is_not_denied_by_wildcard() {
    let policy = policy_of(
        &(rule("all", "/{x}/{y}", "a")
            + &rule("shadow", "/{x}/b", "b")
            + &rule("above", "/a/{y}", "a")),
    );
    let token = token_with("a");
    assert!(
        policy
            .judge(&token, &Request::new("GET", "/a/b"))
            .is_allow()
    );
    assert!(
        !policy
            .judge(&token, &Request::new("GET", "/c/b"))
            .is_allow()
    );
    let rights = policy.rights(&token, BASE, Some(("GET", "/c/d")), BUDGET);
    for (path, allowed) in [
        ("/a/b", true),
        ("/a/c", true),
        ("/c/d", true),
        ("/c/b", false),
        ("/c/e", false),
    ] {
        assert_eq!(outcome(&rights, "GET", path).is_allow(), allowed, "{path}");
    }
    assert_eq!(
        rights.coverage(),
        &Coverage::Exact {
            rules: vec!["all".to_owned()]
        }
    );
    let notes = policy.coverage();
    assert!(notes.iter().any(|note| note.rule == "all"
        && note.with == "above"
        && note.because_of.as_deref() == Some("shadow")));
}

#[test]
fn a_document_that_would_not_fit_is_exact() {
    use std::fmt::Write as _;
    let mut many = String::new();
    for at in 0..60 {
        write!(
            many,
            "[[rule]]\nid = \"r{at}\"\nmethods = [\"ANY\"]\npath = \"/area-{at}/{{id}}\"\n"
        )
        .unwrap();
    }
    let policy = policy_of(&many);
    let token = token_with("");
    let rights = policy.rights(&token, BASE, Some(("GET", "/area-3/x")), BUDGET);
    assert_eq!(rights.allow(), [format!("{BASE}/GET/area-3/x")]);
    assert!(matches!(rights.coverage(), Coverage::Exact { rules } if rules.len() == 60));

    let bearer = format!("Bearer {}", shared().sign(&claims("")));
    let authorizer = authorizer(policy, &[shared()]);
    for (path, allowed) in [("/area-3/x", true), ("/elsewhere", false)] {
        for event in events::all(&bearer, "GET", path) {
            let body = block_on(authorizer.answer(&event, NOW)).unwrap();
            assert!(body.to_string().len() <= 8192);
            assert_eq!(
                iam::evaluate(&body["policyDocument"], &events::resource(&event))
                    .unwrap()
                    .is_allow(),
                allowed
            );
        }
    }
}

#[test]
fn a_resource_that_would_be_too_long_is_denied() {
    let bearer = format!("Bearer {}", shared().sign(&claims("a c")));
    let policy =
        policy_of(&(rule("one", "/orders/{id}", "a") + &rule("items", "/orders/{id}/items", "c")));
    let path = format!("/orders/{}", "x".repeat(500));
    let event = events::http_v2(&bearer, "GET", &path);
    let body = block_on(authorizer(policy, &[shared()]).answer(&event, NOW)).unwrap();
    assert_eq!(body["context"]["reason"], "path_refused");
    assert!(
        !iam::evaluate(&body["policyDocument"], &events::resource(&event))
            .unwrap()
            .is_allow()
    );
}

#[test]
fn another_stage_or_api_gains_nothing() {
    let rights = policy().rights(&token_with("admin"), BASE, None, BUDGET);
    for other in [
        BASE.replace("/prod", "/dev"),
        BASE.replace("abcdef123", "other"),
        BASE.replace("123456789012", "210987654321"),
    ] {
        assert!(!rights.permits(&format!("{other}/GET/admin")));
    }
}

/// Found by the property above: the deny that `/{a}` needs for deeper paths covers what the condition allows.
#[test]
fn what_only_this_call_earns_is_allowed_behind_a_wildcard_that_denies_deeper_paths() {
    let policy = policy_of(
        "[[rule]]\nid = \"one\"\nmethods = [\"ANY\"]\npath = \"/{a}\"\n\
         [[rule]]\nid = \"two\"\nmethods = [\"ANY\"]\npath = \"/{a}/b\"\nwhen = 'request.stage == \"prod\"'\n",
    );
    let token = token_of(&Scopes::default());
    let rights = policy.rights(&token, BASE, Some(("GET", "/a/b")), 1_000_000);
    assert!(rights.permits(&format!("{BASE}/GET/a/b")));
    assert!(!rights.permits(&format!("{BASE}/GET/x/b")));
    // The document is for this call alone, so neither rule is given as a whole.
    let rules = vec!["one".to_owned(), "two".to_owned()];
    assert_eq!(*rights.coverage(), Coverage::Exact { rules });
}

#[test]
fn answers_of_a_refused_token_deny_everything() {
    let event = events::http_v2("Bearer x.y.z", "GET", "/me");
    let body: Value = block_on(authorizer(policy(), &[shared()]).answer(&event, NOW)).unwrap();
    for path in ["/me", "/", "/orders/1"] {
        let resource = format!("{}/GET{path}", BASE.replace("/prod", "/$default"));
        assert_eq!(
            iam::evaluate(&body["policyDocument"], &resource).unwrap(),
            Outcome::ExplicitDeny
        );
    }
}
