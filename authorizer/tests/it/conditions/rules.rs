//! Rules that ask for more than scopes: who is told what, and what is compiled.

use gatewright_authorizer::policy::{Coverage, Request};
use gatewright_authorizer::{Policy, Reason};
use serde_json::{Value, json};

use super::ada;
use crate::support::events::BASE;
use crate::support::{policy_of, token_having, token_with};

#[test]
fn rules_name_groups_clients_and_subjects() {
    let policy = policy_of(
        "[[rule]]\nid = \"g\"\nmethods = [\"GET\"]\npath = \"/g\"\ngroups = [\"staff\", \"ops\"]\n\
         [[rule]]\nid = \"c\"\nmethods = [\"GET\"]\npath = \"/c\"\nclients = [\"app\"]\nscopes = [\"orders:read\"]\n\
         [[rule]]\nid = \"s\"\nmethods = [\"GET\"]\npath = \"/s\"\nsubjects = [\"user-1\"]\n\
         [[rule]]\nid = \"s-not\"\nmethods = [\"GET\"]\npath = \"/s\"\neffect = \"deny\"\ngroups = [\"banned\"]\n",
    );
    let judge = |extra: Value, path: &str| {
        policy
            .judge(&token_having(&extra), &Request::new("GET", path))
            .reason
    };
    assert_eq!(judge(json!({"groups": ["ops"]}), "/g"), None);
    assert_eq!(
        judge(
            json!({"groups": [{"value": "ops", "display": "Ops"}]}),
            "/g"
        ),
        None
    );
    for other in [
        json!({}),
        json!({"groups": ["Ops"]}),
        json!({"groups": "operations"}),
        json!({"groups": {"ops": true}}),
    ] {
        assert_eq!(judge(other, "/g"), Some(Reason::NotPermitted));
    }
    assert_eq!(judge(json!({}), "/c"), None);
    assert_eq!(
        judge(json!({"client_id": "App"}), "/c"),
        Some(Reason::NotPermitted)
    );
    assert_eq!(
        judge(json!({"scope": ""}), "/c"),
        Some(Reason::InsufficientScope)
    );
    assert_eq!(judge(json!({}), "/s"), None);
    assert_eq!(
        judge(json!({"sub": "user-2"}), "/s"),
        Some(Reason::NotPermitted)
    );
    assert_eq!(
        judge(json!({"groups": ["banned"]}), "/s"),
        Some(Reason::RuleDenied)
    );
    for empty in ["groups = []", "clients = [\"\"]", "subjects = []"] {
        let rule = format!("[[rule]]\nid = \"a\"\nmethods = [\"GET\"]\npath = \"/\"\n{empty}\n");
        let head = "[[issuer]]\nurl = \"https://i.example\"\naudiences = [\"x\"]\nalgorithms = [\"ES256\"]\n";
        let error = Policy::parse(&format!("{head}{rule}"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("name at least one"), "{error}");
    }
}

#[test]
fn the_nearest_rule_is_told_first() {
    let policy = policy_of(
        "[[rule]]\nid = \"staff\"\nmethods = [\"GET\"]\npath = \"/x\"\ngroups = [\"staff\"]\n\
         [[rule]]\nid = \"scoped\"\nmethods = [\"GET\"]\npath = \"/x\"\nscopes = [\"x:read\"]\n\
         [[rule]]\nid = \"own\"\nmethods = [\"GET\"]\npath = \"/x\"\nwhen = 'claims.client_id == \"other\"'\n",
    );
    let denied = policy.judge(&token_with(""), &Request::new("GET", "/x"));
    assert_eq!(denied.reason, Some(Reason::ConditionNotMet));
    let order: Vec<&str> = denied
        .missing
        .iter()
        .map(|missing| missing.rule.as_str())
        .collect();
    assert_eq!(order, ["own", "scoped", "staff"]);
    for words in [
        "claims.client_id == \"other\"",
        "the scope x:read",
        "one of the groups staff",
    ] {
        assert!(denied.words.contains(words), "{}", denied.words);
    }
}

#[test]
fn a_condition_on_the_token_alone_is_compiled_and_one_on_the_call_is_exact() {
    let rules = |condition: &str| {
        policy_of(&format!(
            "[[rule]]\nid = \"list\"\nmethods = [\"GET\"]\npath = \"/orders\"\n\
             [[rule]]\nid = \"own\"\nmethods = [\"GET\"]\npath = \"/orders/{{id}}\"\nwhen = '{condition}'\n"
        ))
    };
    let resource = |path: &str| format!("{BASE}/GET{path}");
    for (condition, allowed) in [
        ("\"mfa\" in claims.amr", true),
        ("claims.age < 18", false),
        ("claims.phone == \"1\"", false),
    ] {
        let rights = rules(condition).rights(&ada(), BASE, None, 8000);
        assert_eq!(rights.coverage(), &Coverage::Whole, "{condition}");
        assert_eq!(
            rights.permits(&resource("/orders/7")),
            allowed,
            "{condition}"
        );
        assert!(rights.permits(&resource("/orders")));
    }
    for condition in [
        "request.path.id == \"7\"",
        "request.stage == \"prod\"",
        "claims.exp > now",
        "in_network(request.source_ip, \"10.0.0.0/8\")",
    ] {
        let policy = rules(condition);
        let exact = Coverage::Exact {
            rules: vec!["own".to_owned()],
        };
        let rights = policy.rights(&ada(), BASE, Some(("GET", "/orders/7")), 8000);
        assert_eq!(rights.coverage(), &exact, "{condition}");
        assert!(rights.permits(&resource("/orders/7")) && rights.permits(&resource("/orders")));
        assert!(!rights.permits(&resource("/orders/8")));
        assert!(
            !policy
                .rights(&ada(), BASE, None, 8000)
                .permits(&resource("/orders/7"))
        );
    }
    // A denial that may come about counts as one everywhere but on the present path.
    let deny = policy_of(
        "[[rule]]\nid = \"all\"\nmethods = [\"GET\"]\npath = \"/**\"\n\
         [[rule]]\nid = \"office\"\nmethods = [\"ANY\"]\npath = \"/admin/**\"\neffect = \"deny\"\nwhen = '!in_network(request.source_ip, \"10.0.0.0/8\")'\n",
    );
    let rights = deny.rights(&ada(), BASE, Some(("GET", "/x")), 8000);
    assert!(rights.permits(&resource("/x")) && !rights.permits(&resource("/admin/x")));
    assert_eq!(
        rights.coverage(),
        &Coverage::Exact {
            rules: vec!["office".to_owned()]
        }
    );
}
