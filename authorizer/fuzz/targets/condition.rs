//! A condition is read or refused; one that can't be evaluated never allows, and always denies.
#![no_main]

use gatewright_authorizer::Reason;
use gatewright_authorizer::policy::Request;
use gatewright_authorizer_fuzz::{NOW, policy, token};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|condition: &str| {
    let quoted = Value::from(condition).to_string();
    let rule = |effect: &str| {
        format!(
            "[data]\nlimit = 3\n[[rule]]\nid = \"own\"\nmethods = [\"GET\"]\npath = \"/x/{{id}}\"\neffect = \"{effect}\"\nwhen = {quoted}\n"
        )
    };
    let all = "[[rule]]\nid = \"all\"\nmethods = [\"ANY\"]\npath = \"/**\"\n";
    let (Some(allowing), Some(denying)) = (policy(&rule("allow")), policy(&(rule("deny") + all)))
    else {
        return;
    };
    let Some(token) = token(json!({"a": [1, "x", null], "b": {"c": 1.5}, "n": -1})) else {
        return;
    };
    let request = Request::new("GET", "/x/7").at(NOW).on("prod");
    let (allowed, denied) = (
        allowing.judge(&token, &request),
        denying.judge(&token, &request),
    );
    match allowed.reason {
        None | Some(Reason::ConditionFailed) => assert_eq!(denied.reason, Some(Reason::RuleDenied)),
        Some(_) => assert!(denied.is_allow()),
    }
});
