//! An answer that a gateway keeps says when its token ends, where the policy file wants that.

use gatewright_authorizer::gateway::{FrontDoor, FrontDoorKind, Incoming, Passage};
use gatewright_authorizer::{Policy, iam};
use serde_json::{Value, json};

use crate::support::signer::shared;
use crate::support::{NOW, POLICY, authorizer, block_on, claims, events};

/// The token of [`claims`] ends then, and clocks may disagree by 5 seconds.
const END: i64 = NOW + 300 + 5;

fn policy(expiry: &str) -> Policy {
    Policy::parse(&format!("[response]\nexpiry = \"{expiry}\"\n{POLICY}")).unwrap()
}

fn bearer() -> String {
    format!("Bearer {}", shared().sign(&claims("orders:read")))
}

fn document(policy: Policy, event: &Value) -> Value {
    let body = block_on(authorizer(policy, &[shared()]).answer(event, NOW)).unwrap();
    assert!(body.to_string().len() <= 8192);
    body["policyDocument"].clone()
}

#[test]
fn what_is_allowed_is_allowed_until_the_token_ends() {
    for event in events::all(&bearer(), "GET", "/orders/1") {
        let document = document(policy("condition"), &event);
        assert_eq!(
            document["Statement"][0]["Condition"],
            json!({"DateLessThan": {"aws:CurrentTime": "2027-01-15T08:05:05Z"}})
        );
        let resource = events::resource(&event);
        let outcome = |now| iam::evaluate_at(&document, &resource, now).unwrap();
        assert!(outcome(NOW).is_allow() && outcome(END - 1).is_allow());
        assert_eq!(outcome(END), iam::Outcome::ImplicitDeny);
        let denied = document["Statement"].as_array().unwrap();
        let denied = denied.iter().find(|one| one["Effect"] == "Deny").unwrap();
        assert_eq!(denied.get("Condition"), None, "a denial has no end");
    }
}

#[test]
fn unless_it_is_wanted_no_document_has_a_condition() {
    for event in events::all(&bearer(), "GET", "/orders/1") {
        let document = document(policy("untold"), &event);
        assert!(!document.to_string().contains("Condition"));
        assert_eq!(
            document,
            self::document(Policy::parse(POLICY).unwrap(), &event)
        );
    }
}

fn door(policy: Policy, kind: FrontDoorKind) -> FrontDoor {
    FrontDoor::new(authorizer(policy, &[shared()]), kind, "local", "dev", 3600)
}

fn passes(door: &FrontDoor, bearer: &str, path: &str, now: i64) -> bool {
    let headers = [("Authorization".to_owned(), bearer.to_owned())];
    let incoming = Incoming {
        method: "GET",
        path,
        query: "",
        headers: &headers,
        source_ip: "127.0.0.1",
        request_id: None,
        trace: None,
    };
    matches!(
        block_on(door.admit(&incoming, now)),
        Passage::Forward { .. }
    )
}

#[test]
fn a_kept_answer_ends_with_its_token() {
    for kind in [
        FrontDoorKind::HttpV1,
        FrontDoorKind::HttpV2Iam,
        FrontDoorKind::RestToken,
        FrontDoorKind::RestRequest,
    ] {
        let door = door(policy("condition"), kind);
        // The same token each time: the gateway keeps answers by it.
        let bearer = bearer();
        assert!(passes(&door, &bearer, "/orders/1", NOW));
        assert!(passes(&door, &bearer, "/orders/2", END - 1));
        assert!(!passes(&door, &bearer, "/orders/1", END));
        let untold = self::door(policy("untold"), kind);
        assert!(passes(&untold, &bearer, "/orders/1", NOW));
        assert!(
            passes(&untold, &bearer, "/orders/1", END),
            "which is why there is the setting"
        );
    }
}

#[test]
fn other_conditions_are_not_understood() {
    let of = |condition: Value| json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}]});
    let before = of(iam::before(NOW).unwrap());
    assert!(iam::evaluate_at(&before, "x", NOW - 1).unwrap().is_allow());
    assert!(iam::evaluate(&before, "x").is_err(), "there is no time");
    for condition in [
        json!({}),
        json!({"DateLessThan": {}}),
        json!({"DateLessThan": {"aws:CurrentTime": "soon"}}),
        json!({"DateLessThan": {"aws:CurrentTime": "2027-01-15T08:05:05Z", "aws:EpochTime": "1"}}),
        json!({"DateGreaterThan": {"aws:CurrentTime": "2027-01-15T08:05:05Z"}}),
        json!({"DateLessThan": {"aws:CurrentTime": "2027-01-15T08:05:05Z"}, "Bool": {}}),
    ] {
        assert!(
            iam::evaluate_at(&of(condition.clone()), "x", NOW).is_err(),
            "{condition}"
        );
    }
}

#[test]
fn an_unknown_way_to_tell_the_end_does_not_load() {
    let error = Policy::parse(&format!("[response]\nexpiry = \"soon\"\n{POLICY}")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("write \"untold\" or \"condition\""),
        "{error}"
    );
}
