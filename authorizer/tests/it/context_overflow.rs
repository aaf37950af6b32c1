//! What doesn't fit into the context that an API is told is named, and denies the call where the policy file wants that.

use gatewright_authorizer::answer::left_out;
use gatewright_authorizer::{Authorizer, Decided, HttpCall, Observer, Policy, iam};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

use crate::support::signer::shared;
use crate::support::{NOW, POLICY, block_on, claims, events, token_having, verifier};

fn policy(context: &str) -> Policy {
    Policy::parse(&format!("[context]\n{context}\n{POLICY}")).unwrap()
}

/// Two claims that don't fit and one that does.
fn overflowing() -> Value {
    let mut claims = claims("orders:read");
    claims["tenant"] = json!("acme");
    claims["roles"] = json!("r".repeat(1025));
    claims["note"] = json!("a\nb");
    claims
}

fn bearer(claims: &Value) -> String {
    format!("Bearer {}", shared().sign(claims))
}

#[derive(Default)]
struct Counted(Mutex<Vec<usize>>);

impl Observer for Counted {
    fn decided(&self, decided: &Decided) {
        self.0.lock().unwrap().push(decided.left_out);
    }
}

fn authorizer(policy: Policy) -> (Authorizer, Arc<Counted>) {
    let counted = Arc::new(Counted::default());
    let authorizer = Authorizer::new(policy, verifier(&[shared()]));
    (authorizer.observed_by(counted.clone()), counted)
}

const CLAIMS: &str = "claims = [\"tenant\", \"roles\", \"note\"]";

#[test]
fn what_is_left_out_is_counted_and_the_call_passes() {
    let (authorizer, counted) = authorizer(policy(CLAIMS));
    for event in events::all(&bearer(&overflowing()), "GET", "/orders/1") {
        let body = block_on(authorizer.answer(&event, NOW)).unwrap();
        let resource = events::resource(&event);
        assert!(
            iam::evaluate(&body["policyDocument"], &resource)
                .unwrap()
                .is_allow()
        );
        let context = body["context"].as_object().unwrap();
        assert_eq!(context["tenant"], "acme");
        assert!(!context.contains_key("roles") && !context.contains_key("note"));
        assert_eq!(counted.0.lock().unwrap().pop(), Some(2));
    }
    let fitting = events::http_v2(&bearer(&claims("orders:read")), "GET", "/orders/1");
    block_on(authorizer.answer(&fitting, NOW)).unwrap();
    assert_eq!(counted.0.lock().unwrap().pop(), Some(0));
}

#[test]
fn where_the_policy_file_wants_it_every_call_of_such_a_token_is_denied() {
    for context in [CLAIMS, "claims = [\"roles\"]", "claims = [\"note\"]"] {
        let (authorizer, _) = authorizer(policy(&format!("{context}\non_overflow = \"error\"")));
        for event in events::all(&bearer(&overflowing()), "GET", "/orders/1") {
            let body = block_on(authorizer.answer(&event, NOW)).unwrap();
            assert_eq!(body["context"]["reason"], "context_overflow", "{event}");
            // Kept for later calls it allows none of them.
            for path in ["/orders/1", "/orders/2", "/me"] {
                let other = events::resource(&event).replace("/orders/1", path);
                let outcome = iam::evaluate(&body["policyDocument"], &other).unwrap();
                assert!(!outcome.is_allow(), "{path}");
            }
        }
        // The route that it may not call is denied for that, and so is every other.
        let denied = events::rest_token(&bearer(&overflowing()), "GET", "/admin");
        let body = block_on(authorizer.answer(&denied, NOW)).unwrap();
        assert_eq!(body["context"]["reason"], "insufficient_scope");
        let me = format!("{}/GET/me", events::BASE);
        assert!(
            !iam::evaluate(&body["policyDocument"], &me)
                .unwrap()
                .is_allow()
        );

        let fitting = events::rest_token(&bearer(&claims("orders:read")), "GET", "/orders/1");
        let body = block_on(authorizer.answer(&fitting, NOW)).unwrap();
        assert_eq!(body["context"].get("reason"), None);
    }
}

#[test]
fn a_simple_answer_and_one_to_appsync_are_denials_too() {
    let rule = "[[rule]]\nid = \"o\"\nfield = \"Query.orders\"\n";
    let head =
        format!("[response]\nhttp_v2 = \"simple\"\n[context]\n{CLAIMS}\non_overflow = \"error\"\n");
    let policy = Policy::parse(&format!("{head}{POLICY}{rule}")).unwrap();
    let (authorizer, counted) = authorizer(policy);
    let bearer = bearer(&overflowing());
    let simple = events::http_v2(&bearer, "GET", "/orders/1");
    let appsync = events::appsync(&bearer, "{ orders }");
    for (event, context) in [(simple, "context"), (appsync, "resolverContext")] {
        let body = block_on(authorizer.answer(&event, NOW)).unwrap();
        assert_eq!(body["isAuthorized"], false);
        assert_eq!(body[context]["reason"], "context_overflow", "{body}");
        assert_eq!(counted.0.lock().unwrap().pop(), Some(2));
    }
}

#[test]
fn a_scope_or_subject_that_does_not_fit_is_named_as_well() {
    let long = "s".repeat(1025);
    let token = token_having(&json!({"scope": long, "roles": ["a", "b"]}));
    assert_eq!(
        left_out(&policy("claims = [\"roles\"]"), false, &token),
        ["scope"]
    );
    let token = token_having(&json!({"roles": [long]}));
    for nests in [true, false] {
        assert_eq!(
            left_out(&policy("claims = [\"roles\"]"), nests, &token),
            ["roles"]
        );
    }
}

#[test]
fn a_server_says_itself_what_does_not_fit() {
    let bearer = bearer(&overflowing());
    let call = HttpCall {
        kind: "test",
        method: "GET",
        path: "/orders/1",
        authorization: vec![bearer.as_bytes()],
        ..HttpCall::default()
    };
    for (on_overflow, passes) in [("drop", true), ("error", false)] {
        let text = format!("{CLAIMS}\non_overflow = \"{on_overflow}\"");
        let (authorizer, counted) = authorizer(policy(&text));
        assert!(block_on(authorizer.admit(&call, NOW)).is_ok());
        let told = authorizer.admit_telling(&call, NOW, |_| vec!["roles".to_owned()]);
        let outcome = block_on(told);
        assert_eq!(outcome.is_ok(), passes);
        assert_eq!(*counted.0.lock().unwrap(), [0, 1]);
        if let Err(refusal) = outcome {
            assert_eq!(
                (refusal.status(), refusal.reason().as_str()),
                (403, "context_overflow")
            );
        }
    }
}

#[test]
fn another_way_to_treat_it_does_not_load() {
    let text = format!("[context]\non_overflow = \"cut\"\n{POLICY}");
    let error = Policy::parse(&text).unwrap_err().to_string();
    assert!(
        error.contains("\"drop\"") && error.contains("\"error\""),
        "{error}"
    );
}
