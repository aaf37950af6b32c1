//! The policy file: what's read, what's refused and with which words, and how rules decide.

use gatewright_authorizer::policy::{
    HttpV2Answer, Method, Request, RestFailure, Target, Verdict, explain,
};
use gatewright_authorizer::{Policy, Reason};

use crate::support::{POLICY, policy, policy_of, token_with};

const ISSUER: &str =
    "[[issuer]]\nurl = \"https://i.example\"\naudiences = [\"x\"]\nalgorithms = [\"ES256\"]\n";

fn error(text: &str) -> String {
    Policy::parse(text).expect_err(text).to_string()
}

fn rule_error(rule: &str) -> String {
    error(&format!("{ISSUER}[[rule]]\n{rule}"))
}

#[test]
fn the_file_is_read_whole() {
    let policy = Policy::parse(&POLICY.replacen(
        "[[rule]]",
        "[response]\nhttp_v2 = \"simple\"\nrest_failure = \"deny\"\n[[rule]]",
        1,
    ))
    .unwrap();
    assert_eq!(policy.response().http_v2, HttpV2Answer::Simple);
    assert_eq!(policy.response().rest_failure, RestFailure::Deny);
    assert_eq!(policy.issuers()[0].url, "https://issuer.example");
    assert_eq!(policy.rules().len(), 6);
    assert_eq!(
        policy.scopes().into_iter().collect::<Vec<_>>(),
        ["admin", "orders:read", "orders:write", "reports:read"]
    );
    assert_eq!(
        policy.audiences().into_iter().collect::<Vec<_>>(),
        ["https://api.example.com"]
    );
    let reports = &policy.rules()[2];
    assert_eq!(
        (reports.id(), reports.path().as_str()),
        ("reports", "/reports/**")
    );
    assert_eq!(reports.methods().iter().count(), 7);
    assert!(policy.rules()[0].methods().contains(Method::Head));
}

#[test]
fn unknown_keys_name_the_nearest_one_and_their_place() {
    let message = rule_error("id = \"a\"\nmethods = [\"GET\"]\npath = \"/\"\nscope = [\"x\"]\n");
    assert!(
        message.starts_with(
            "line 9, column 1: unknown key `scope` in [[rule]]; the nearest key is `scopes`"
        ),
        "{message}"
    );
    assert!(error(&format!("{ISSUER}\n[respons]\n")).contains("nearest key is `response`"));
    assert!(error("[[issuer]]\naudience = []").contains("nearest key is `audiences`"));
    assert!(error(&format!("{ISSUER}[response]\nhttp = \"iam\"\n")).contains("`http_v2`"));
}

#[test]
fn mistakes_are_refused_with_what_to_do() {
    for (rule, words) in [
        ("methods = [\"GET\"]\npath = \"/\"", "[[rule]] has no `id`"),
        ("id = \"a\"\npath = \"/\"", "names no methods"),
        ("id = \"a\"\nmethods = []\npath = \"/\"", "names no methods"),
        ("id = \"a\"\nmethods = [\"GET\"]", "has no `path`"),
        (
            "id = \"a\"\nmethods = [\"get\"]\npath = \"/\"",
            "unknown method \"get\"",
        ),
        (
            "id = \"a\"\nmethods = [\"TRACE\"]\npath = \"/\"",
            "unknown method",
        ),
        (
            "id = \"a\"\nmethods = \"GET\"\npath = \"/\"",
            "not a list of strings",
        ),
        (
            "id = \"a\"\nmethods = [1]\npath = \"/\"",
            "not a list of strings",
        ),
        ("id = 7\nmethods = [\"GET\"]\npath = \"/\"", "not a string"),
        (
            "id = \"\"\nmethods = [\"GET\"]\npath = \"/\"",
            "not a rule id",
        ),
        (
            "id = \"a b\"\nmethods = [\"GET\"]\npath = \"/\"",
            "not a rule id",
        ),
        (
            "id = \"a\"\nmethods = [\"GET\"]\npath = \"x\"",
            "a path starts with `/`",
        ),
        (
            "id = \"a\"\nmethods = [\"GET\"]\npath = \"/x/*\"",
            "not a path template",
        ),
        (
            "id = \"a\"\nmethods = [\"GET\"]\npath = \"/x/{p+}/y\"",
            "stand at the end",
        ),
        (
            "id = \"a\"\nmethods = [\"GET\"]\npath = \"/x/\"",
            "no `/` at its end",
        ),
        (
            "id = \"a\"\nmethods = [\"GET\"]\npath = \"/\"\nscopes = [\"a b\"]",
            "is not a scope",
        ),
        (
            "id = \"a\"\nmethods = [\"GET\"]\npath = \"/\"\nscopes = [\"\"]",
            "is not a scope",
        ),
        (
            "id = \"a\"\nmethods = [\"GET\"]\npath = \"/\"\nany_scope = []",
            "the list is empty",
        ),
        (
            "id = \"a\"\nmethods = [\"GET\"]\npath = \"/\"\neffect = \"block\"",
            "unknown effect",
        ),
        (
            "id = \"a\"\nmethods = [\"GET\"]\npath = \"/\"\n[[rule]]\nid = \"a\"\nmethods = [\"GET\"]\npath = \"/\"",
            "used twice",
        ),
        ("id = \"a\"\nid = \"b\"", "duplicate"),
        ("id = ", "line 6"),
    ] {
        let message = rule_error(rule);
        assert!(
            message.contains(words) && message.contains("line ") && message.contains("; "),
            "{rule}\n{message}"
        );
    }
}

#[test]
fn issuers_are_https_unless_they_are_this_machine() {
    let with = |url: &str| Policy::parse(&ISSUER.replace("https://i.example", url));
    for url in [
        "https://i.example",
        "https://i.example/tenant",
        "http://127.0.0.1:8080",
        "http://localhost:1",
        "http://[::1]:8080",
    ] {
        assert!(with(url).is_ok(), "{url}");
    }
    for url in [
        "http://i.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil",
        "ftp://i.example",
        "i.example",
        "https://",
        "",
        "https://u@i.example",
        "https://i.example?x",
        "https://i.example#x",
        "https://i .example",
        "http://[::2]",
        "https://i.example\\\\x",
    ] {
        assert!(with(url).is_err(), "{url}");
    }
    assert!(error("").contains("no issuer is named"));
    assert!(error("issuer = 7").contains("not a list of tables"));
    assert!(error(&ISSUER.replace("[\"x\"]", "[]")).contains("no audiences"));
    assert!(error(&ISSUER.replace("ES256", "HS256")).contains("unknown algorithm \"HS256\""));
    assert!(error(&ISSUER.replace("ES256", "none")).contains("unknown algorithm"));
    assert!(error(&ISSUER.replace("[\"ES256\"]", "[]")).contains("no algorithms"));
    assert!(error(&format!("{ISSUER}{ISSUER}")).contains("named twice"));
}

fn rule(id: &str, path: &str, more: &str) -> String {
    format!("[[rule]]\nid = \"{id}\"\nmethods = [\"GET\"]\npath = \"{path}\"\n{more}\n")
}

#[test]
fn the_most_specific_template_decides_in_any_order() {
    let rules = [
        rule("any", "/**", ""),
        rule("one", "/orders/{id}", "scopes = [\"a\"]"),
        rule("new", "/orders/new", "scopes = [\"b\"]"),
        rule("rest", "/orders/{id+}", ""),
    ];
    let reversed: String = rules.iter().rev().map(String::as_str).collect();
    for policy in [policy_of(&rules.concat()), policy_of(&reversed)] {
        let decide =
            |scope: &str, path: &str| policy.judge(&token_with(scope), &Request::new("GET", path));
        assert_eq!(decide("a", "/orders/1").rule.as_deref(), Some("one"));
        assert_eq!(
            decide("a", "/orders/new").reason,
            Some(Reason::InsufficientScope),
            "a wider rule doesn't help"
        );
        assert_eq!(decide("b", "/orders/new").rule.as_deref(), Some("new"));
        assert_eq!(decide("", "/orders/1/items").rule.as_deref(), Some("rest"));
        assert_eq!(decide("", "/users").rule.as_deref(), Some("any"));
        assert_eq!(decide("", "/").reason, Some(Reason::NoRule));
    }
}

#[test]
fn deny_beats_allow_when_it_is_satisfied() {
    let policy = policy_of(
        &(rule("all", "/**", "")
            + &rule("stop", "/x/**", "effect = \"deny\"\nscopes = [\"guest\"]")),
    );
    let denied = policy.judge(&token_with("guest"), &Request::new("GET", "/x/1"));
    assert_eq!(
        (denied.verdict, denied.rule.as_deref(), denied.reason),
        (Verdict::Deny, Some("stop"), Some(Reason::RuleDenied))
    );
    assert!(
        policy
            .judge(&token_with(""), &Request::new("GET", "/x/1"))
            .is_allow()
    );
}

#[test]
fn denials_name_what_was_missing() {
    let decision = policy().judge(
        &token_with("orders:read"),
        &Request::new("DELETE", "/orders/1"),
    );
    assert_eq!(decision.reason, Some(Reason::InsufficientScope));
    assert_eq!(decision.missing[0].all_of, ["orders:write"]);
    assert_eq!(
        decision.words,
        "The token is valid, but DELETE on this path needs the scope orders:write (rule \"orders-delete\")."
    );
    let decision = policy().judge(&token_with(""), &Request::new("GET", "/reports/x"));
    assert_eq!(decision.missing[0].one_of, ["reports:read", "admin"]);
}

#[test]
fn explain_is_the_same_decision_in_words_and_json() {
    let policy = policy();
    let denied = explain(
        &policy,
        &Ok(token_with("")),
        Target::Route,
        &Request::new("GET", "/orders/1"),
    );
    assert_eq!(
        denied.to_string(),
        "GET /orders/1 is denied. The token is valid, but GET on this path needs the scope orders:read (rule \"orders-read\").\n\
         reason: insufficient_scope\nwhat to do: Ask for a token with the missing scope, if the client may have it."
    );
    let json = serde_json::to_value(&denied).unwrap();
    assert_eq!(
        (
            &json["verdict"],
            &json["reason"],
            &json["missing"][0]["all_of"][0]
        ),
        (
            &"deny".into(),
            &"insufficient_scope".into(),
            &"orders:read".into()
        )
    );
    let allowed = explain(
        &policy,
        &Ok(token_with("orders:read")),
        Target::Route,
        &Request::new("GET", "/orders/1"),
    );
    assert_eq!(
        allowed.to_string(),
        "GET /orders/1 is allowed. The rule \"orders-read\" allows GET /orders/{id}."
    );
    for reason in Reason::ALL {
        let told = explain(
            &policy,
            &Err((*reason).into()),
            Target::Route,
            &Request::new("GET", "/orders/1"),
        )
        .to_string();
        assert!(
            told.contains("is denied")
                && told.contains(reason.explain())
                && told.contains(reason.remedy())
        );
    }
}
