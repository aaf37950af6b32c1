//! Whatever event comes, without a valid token nothing is allowed.
#![no_main]

use gatewright_authorizer::{Authorizer, Verifier};
use gatewright_authorizer_fuzz::{NOW, keys, policy, rules};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;

static AUTHORIZER: LazyLock<Authorizer> = LazyLock::new(|| {
    let rules_of_the_file = "[[rule]]\nid = \"all\"\nmethods = [\"ANY\"]\npath = \"/**\"\n[[rule]]\nid = \"root\"\nmethods = [\"ANY\"]\npath = \"/\"\n";
    let policy = policy(rules_of_the_file).expect("the policy is sound");
    Authorizer::new(policy, Verifier::with_fixed_keys([(rules(), keys())]))
});

fuzz_target!(|data: &[u8]| {
    let Ok(event) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let Ok(answer) = runtime.block_on(AUTHORIZER.answer(&event, NOW)) else {
        return;
    };
    assert_ne!(answer["isAuthorized"], true);
    for statement in answer["policyDocument"]["Statement"]
        .as_array()
        .into_iter()
        .flatten()
    {
        assert_eq!(statement["Effect"], "Deny");
    }
});
