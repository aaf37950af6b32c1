//! Random conditions over random claims.

use gatewright_authorizer::{Policy, Reason};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{request, rule_with, when};
use crate::support::{policy_of, token_having};

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
        let token = token_having(&json!({"a": a, "b": b, "c": c}));
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
