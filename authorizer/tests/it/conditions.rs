//! Rules of one's own: who may call, and conditions in CEL.

use gatewright_authorizer::policy::{Coverage, Request};
use gatewright_authorizer::{AccessToken, Policy, Reason};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{NOW, claims, policy_of, rules, token_with};

const BASE: &str = "arn:aws:execute-api:eu-west-1:123456789012:api1/prod";

/// A policy with one rule on `/people/{tenant}/{rest+}` that has this condition, and some data.
fn when(condition: &str) -> Policy {
    policy_of(&rule_with(condition, "allow"))
}

fn rule_with(condition: &str, effect: &str) -> String {
    format!(
        "[data]\nlevels = [\"gold\", \"silver\"]\nlimit = 3\n[data.owners]\nacme = \"ada\"\n\
         [[rule]]\nid = \"own\"\nmethods = [\"ANY\"]\npath = \"/people/{{tenant}}/{{rest+}}\"\neffect = \"{effect}\"\nwhen = '''{condition}'''\n"
    )
}

fn token(extra: &Value) -> AccessToken {
    let Value::Object(mut payload) = claims("orders:read") else {
        unreachable!()
    };
    payload.extend(extra.as_object().unwrap().clone());
    gatewright_authorizer::token::claims_of(payload, &rules(), NOW).unwrap()
}

fn ada() -> AccessToken {
    token(&json!({
        "tenant": "acme", "level": "gold", "amr": ["pwd", "mfa"], "auth_time": NOW - 600, "age": 41,
        "address": {"country": "AT"}, "email_verified": true, "ratio": 0.5, "nothing": null,
    }))
}

fn request() -> Request<'static> {
    Request::new("GET", "/people/acme/x%20y/z")
        .at(NOW)
        .from("10.1.2.3".parse().unwrap())
        .on("prod")
}

fn reason_of(condition: &str) -> Option<Reason> {
    when(condition).judge(&ada(), &request()).reason
}

#[test]
fn conditions_see_the_claims_the_call_and_the_data() {
    for holds in [
        "claims.tenant == request.path.tenant",
        "claims['tenant'] == request.path['tenant']",
        "'mfa' in claims.amr",
        "claims.amr.exists(m, m == 'mfa') && !claims.amr.all(m, m == 'mfa')",
        "now - claims.auth_time < duration('15m')",
        "request.time == now && claims.exp > now",
        "in_network(request.source_ip, '10.0.0.0/8')",
        "!in_network(request.source_ip, 'fd00::/8')",
        "request.stage == 'prod' && request.method == 'GET'",
        "request.path.rest == 'x y/z'",
        "claims.level in policy.levels",
        "policy.owners[claims.tenant] == 'ada'",
        "size(claims.amr) < policy.limit",
        "claims.address.country == 'AT'",
        "has(claims.email_verified) && claims.email_verified",
        "!has(claims.phone)",
        "claims.ratio < 1.0 && claims.age >= 18",
        "claims.nothing == null",
        "claims.tenant.startsWith('ac') && claims.tenant.endsWith('me') && claims.tenant.contains('cm')",
        "claims.scope == 'orders:read'",
        "has(claims.phone) ? claims.phone == '1' : true",
        "claims.iat < timestamp('2100-01-01T00:00:00Z')",
        "true",
    ] {
        assert_eq!(reason_of(holds), None, "{holds}");
    }
    for not in [
        "claims.tenant != request.path.tenant",
        "now - claims.auth_time < duration('5m')",
        "in_network(request.source_ip, '192.168.0.0/16')",
        "has(claims.phone) && claims.phone == '1'",
        "request.stage == 'dev'",
        "false",
    ] {
        assert_eq!(reason_of(not), Some(Reason::ConditionNotMet), "{not}");
    }
}

#[test]
fn what_can_not_be_evaluated_never_allows() {
    for fails in [
        "claims.phone == '1'",
        "claims.tenant > 3",
        "claims.amr == 'mfa' || claims.missing",
        "claims.age / 0 == 1",
        "in_network(claims.tenant, '10.0.0.0/8')",
        "claims.amr[7] == 'x'",
        "duration(claims.tenant) < duration('1m')",
        "claims.tenant",
        "int(claims.tenant) == 1",
        "claims.age + 9223372036854775807 > 0",
    ] {
        let allowing = when(fails).judge(&ada(), &request());
        assert_eq!(
            allowing.reason,
            Some(Reason::ConditionFailed),
            "{fails}: {}",
            allowing.words
        );
        assert_eq!(allowing.rule.as_deref(), Some("own"));
        let denying = policy_of(&format!(
            "{}[[rule]]\nid = \"all\"\nmethods = [\"ANY\"]\npath = \"/**\"\n",
            rule_with(fails, "deny")
        ));
        let denied = denying.judge(&ada(), &request());
        assert_eq!(denied.reason, Some(Reason::RuleDenied), "{fails}");
    }
    // What the gateway doesn't say is not made up.
    let unknown = Request::new("GET", "/people/acme/x");
    for asks in [
        "in_network(request.source_ip, '0.0.0.0/0')",
        "request.stage == 'prod'",
        "now > claims.iat",
    ] {
        assert_eq!(
            when(asks).judge(&ada(), &unknown).reason,
            Some(Reason::ConditionFailed),
            "{asks}"
        );
        assert_eq!(
            when(&format!("!({asks})")).judge(&ada(), &unknown).reason,
            Some(Reason::ConditionFailed),
            "{asks}"
        );
    }
}

#[test]
fn no_word_of_a_denial_holds_a_claim() {
    let secret =
        token(&json!({"tenant": "canary-tenant", "n": 4_815_162_342_i64, "list": ["canary-item"]}));
    for condition in [
        "claims.tenant > 3",
        "claims.tenant == 'x'",
        "claims.n == 'x'",
        "int(claims.tenant) == 1",
        "timestamp(claims.tenant) < now",
        "duration(claims.tenant) < duration('1s')",
        "claims.list.all(x, x > 3)",
        "in_network(claims.tenant, '10.0.0.0/8')",
        "in_network(request.source_ip, claims.tenant)",
        "policy.owners[claims.tenant] == 'x'",
        "claims.tenant + 1 == 2",
        "claims.n + 9223372036854775807 > 0",
    ] {
        let decision = when(condition).judge(&secret, &request());
        assert!(!decision.is_allow(), "{condition}");
        let told = serde_json::to_string(&decision).unwrap();
        for canary in ["canary", "4815162342"] {
            assert!(!told.contains(canary), "{condition}: {told}");
        }
    }
}

/// The error of a condition that stands in line 6 of the rule's file, and its column within the condition.
fn fault_of(condition: &str) -> (usize, String) {
    let head = "[[issuer]]\nurl = \"https://i.example\"\naudiences = [\"x\"]\nalgorithms = [\"ES256\"]\n[data]\nlevel = 1\n[[rule]]\nid = \"a\"\nmethods = [\"GET\"]\npath = \"/x/{id}\"\n";
    let error = Policy::parse(&format!("{head}when = '{condition}'\n")).expect_err(condition);
    assert_eq!(error.line(), 11, "{condition}: {error}");
    (error.column() - "when = '".len(), error.to_string())
}

#[test]
fn a_wrong_condition_refuses_to_load_and_points_at_the_place() {
    for (condition, column, words) in [
        ("claims.x == ", 13, "not CEL"),
        ("claims.x = 1", 10, "not CEL"),
        ("clams.x == 1", 1, "did you mean `claims`?"),
        (
            "claims.x == 1 && requst.method == \"GET\"",
            18,
            "did you mean `request`?",
        ),
        ("request.methd == \"GET\"", 1, "did you mean `method`?"),
        (
            "claims.a == request.path.ident",
            13,
            "has no parameter `ident`",
        ),
        (
            "claims.a == request.path[\"ident\"]",
            13,
            "has no parameter `ident`",
        ),
        ("policy.lvel == 1", 1, "did you mean `level`?"),
        ("claims.a.matches(\"x\")", 1, "no function `matches`"),
        (
            "in_netwrk(request.source_ip, \"10.0.0.0/8\")",
            1,
            "did you mean `in_network`?",
        ),
        (
            "in_network(request.source_ip, \"10.0.0.0/64\")",
            1,
            "is not a network",
        ),
        ("claims.a + 1", 1, "true or false"),
        ("\"yes\"", 1, "true or false"),
        ("size(claims.a)", 1, "true or false"),
        ("claims.a.map(x, x) == []", 1, "map() and filter()"),
        (
            "claims.a.exists(x, claims.b.exists(y, x == y))",
            1,
            "loop inside a loop",
        ),
    ] {
        let (at, told) = fault_of(condition);
        assert!(told.contains(words), "{condition}: {told}");
        assert!(at >= column, "{condition}: column {at}: {told}");
        assert!(
            at <= condition.chars().count() + 1,
            "{condition}: column {at}: {told}"
        );
    }
    assert!(
        fault_of(&format!("claims.a == {}", "1".repeat(1100)))
            .1
            .contains("1024 bytes")
    );
    let costly = format!("claims.a.exists(x, {})", vec!["x == 1"; 30].join(" || "));
    assert!(fault_of(&costly).1.contains("cost too much"));
}

#[test]
fn the_place_is_right_in_every_kind_of_string() {
    let head = "[[issuer]]\nurl = \"https://i.example\"\naudiences = [\"x\"]\nalgorithms = [\"ES256\"]\n[[rule]]\nid = \"a\"\nmethods = [\"GET\"]\npath = \"/x\"\n";
    for (written, place) in [
        ("when = 'true && clams.x'\n", (9, 17)),
        ("when = \"true && clams.x\"\n", (9, 17)),
        ("when = '''true && clams.x'''\n", (9, 19)),
        ("when = '''\ntrue &&\n  clams.x'''\n", (11, 3)),
        ("when = \"\"\"\ntrue &&\n  clams.x\"\"\"\n", (11, 3)),
        ("when = \"\\u0074rue && clams.x\"\n", (9, 8)),
    ] {
        let error = Policy::parse(&format!("{head}{written}")).unwrap_err();
        assert_eq!((error.line(), error.column()), place, "{written}: {error}");
    }
}

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
            .judge(&token(&extra), &Request::new("GET", path))
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

/// Conditions over claims that may be anything.
fn a_condition() -> impl Strategy<Value = String> {
    let operand = prop_oneof![
        Just("claims.a".to_owned()),
        Just("claims.b".to_owned()),
        Just("claims.c.d".to_owned()),
        Just("request.path.tenant".to_owned()),
        Just("now".to_owned()),
        Just("policy.limit".to_owned()),
        Just("size(claims.a)".to_owned()),
        Just("'x'".to_owned()),
        Just("3".to_owned()),
        Just("null".to_owned()),
        Just("[1, 'x']".to_owned()),
    ];
    let operator = prop::sample::select(vec!["==", "!=", "<", ">=", "in"]);
    let comparison =
        (operand.clone(), operator, operand).prop_map(|(a, op, b)| format!("{a} {op} {b}"));
    let leaf = prop_oneof![
        4 => comparison,
        1 => Just("has(claims.a)".to_owned()),
        1 => Just("claims.a".to_owned()),
        1 => Just("claims.b.exists(x, x == claims.a)".to_owned()),
        1 => Just("in_network(claims.a, '10.0.0.0/8')".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) ? ({b}) : ({a})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

fn a_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9./:]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_condition_that_allows_also_denies_and_one_that_fails_denies(condition in a_condition(), a in a_value(), b in a_value(), c in a_value()) {
        let token = token(&json!({"a": a, "b": b, "c": c}));
        // Several loops may cost too much; then the file is refused.
        prop_assume!(condition.matches("exists").count() <= 2);
        let allowing = when(&condition).judge(&token, &request());
        let all = "[[rule]]\nid = \"all\"\nmethods = [\"ANY\"]\npath = \"/**\"\n";
        let denying = policy_of(&format!("{}{all}", rule_with(&condition, "deny"))).judge(&token, &request());
        match allowing.reason {
            None | Some(Reason::ConditionFailed) => prop_assert_eq!(denying.reason, Some(Reason::RuleDenied)),
            Some(Reason::ConditionNotMet) => prop_assert!(denying.is_allow()),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn whatever_stands_in_a_condition_is_read_or_refused(text in "\\PC{0,64}") {
        let _ = Policy::parse(&format!(
            "[[issuer]]\nurl = \"https://i.example\"\naudiences = [\"x\"]\nalgorithms = [\"ES256\"]\n\
             [[rule]]\nid = \"a\"\nmethods = [\"GET\"]\npath = \"/x\"\nwhen = {}\n",
            Value::from(text)
        ));
    }
}
