//! A policy file is read or refused; what is read allows in IAM no more than it says.
#![no_main]

use gatewright_authorizer::policy::Request;
use gatewright_authorizer_fuzz::{BASE, NOW, policy, token};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const PATHS: [&str; 8] = [
    "/", "/a", "/a/b", "/a/b/c", "/b", "/b/a", "/a/a/a/a", "/c/x",
];

fuzz_target!(|text: &str| {
    let _ = gatewright_authorizer::Policy::parse(text);
    let Some(policy) = policy(text) else {
        return;
    };
    let Some(token) = token(json!({"groups": ["g"], "tenant": "a"})) else {
        return;
    };
    let _ = policy.lint();
    let rights = policy.rights(&token, BASE, None, 7000);
    for path in PATHS {
        for method in ["GET", "POST"] {
            let request = Request::new(method, path).at(NOW).on("prod");
            let judged = policy.judge(&token, &request).is_allow();
            let permitted = rights.permits(&format!("{BASE}/{method}{path}"));
            assert!(
                judged || !permitted,
                "{method} {path} is allowed by the document alone"
            );
        }
    }
});
