//! What is counted of decisions and fetches, and the lines that `CloudWatch` makes metrics of.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatewright_authorizer::jwks::{
    BoxFuture, CacheSettings, Clock, FetchError, FetchKeys, Fetched,
};
use gatewright_authorizer::{Authorizer, Decided, HttpCall, Observer, Reason, Verifier, emf};
use serde_json::{Map, Value, json};

use crate::support::emf_rules::{dimensions, read};
use crate::support::signer::shared;
use crate::support::{NOW, POLICY, block_on, claims, events, policy, verifier};

const KINDS: [&str; 4] = ["AuthnFailed", "AuthzDenied", "Allowed", "Faults"];

#[derive(Default)]
struct Seen {
    decided: Mutex<Vec<Decided>>,
    fetched: Mutex<Vec<bool>>,
}

impl Observer for Seen {
    fn decided(&self, decided: &Decided) {
        self.decided.lock().unwrap().push(*decided);
    }
    fn fetched_keys(&self, succeeded: bool) {
        self.fetched.lock().unwrap().push(succeeded);
    }
}

struct Still;

impl Clock for Still {
    fn now_us(&self) -> u64 {
        0
    }
}

fn line(decision: &'static str, reason: Option<Reason>, cold: bool) -> Map<String, Value> {
    line_of(None, decision, reason, cold)
}

fn line_of(
    function: Option<&str>,
    decision: &'static str,
    reason: Option<Reason>,
    cold: bool,
) -> Map<String, Value> {
    let decided = Decided {
        left_out: 0,
        decision,
        reason,
        took_us: Some(1500),
        cold,
    };
    let source = emf::Source {
        service: "authorizer",
        function,
    };
    read(&emf::of_decision(source, &decided, NOW * 1000))
}

#[test]
fn whatever_is_decided_is_one_line_by_the_specification() {
    let root = line("allow", None, true);
    assert_eq!(root["Allowed"], 1);
    assert_eq!(root["ColdStart"], 1);
    assert_eq!(root["Latency"], 1.5);
    assert_eq!(root["service"], "authorizer");
    for kind in ["AuthnFailed", "AuthzDenied", "Faults"] {
        assert_eq!(root[kind], 0, "what didn't happen is 0");
        assert_eq!(dimensions(&root, kind), [["service"]]);
    }
    assert!(!root.contains_key("reason"));

    for decision in ["deny", "unauthorized", "fault"] {
        for reason in Reason::ALL {
            let root = line(decision, Some(*reason), false);
            let of = |wanted: i64| {
                let kinds = KINDS.into_iter();
                kinds
                    .filter(|kind| root[*kind] == wanted)
                    .collect::<Vec<_>>()
            };
            assert_eq!((of(1).len(), of(0).len()), (1, 3), "{decision} {reason}");
            assert_ne!(of(1), ["Allowed"]);
            assert_eq!(root["reason"], reason.as_str());
            let sets = dimensions(&root, of(1)[0]);
            assert_eq!(sets, [vec!["service"], vec!["service", "reason"]]);
            for other in of(0).into_iter().chain(["Latency", "ColdStart"]) {
                assert_eq!(dimensions(&root, other), [["service"]]);
            }
        }
    }
}

#[test]
fn what_the_api_is_not_told_is_counted_when_it_happens() {
    let decided = |left_out| Decided {
        left_out,
        decision: "allow",
        reason: None,
        took_us: None,
        cold: false,
    };
    let source = emf::Source {
        service: "authorizer",
        function: None,
    };
    let root = |left_out| read(&emf::of_decision(source, &decided(left_out), NOW * 1000));
    assert_eq!(
        root(2)["ContextLeftOut"],
        1,
        "calls are counted, not claims"
    );
    assert!(!root(0).contains_key("ContextLeftOut"));
}

#[test]
fn of_several_functions_in_an_account_each_is_seen_by_itself_and_all_together() {
    let root = line_of(Some("orders-authorizer"), "allow", None, false);
    assert_eq!(root["function"], "orders-authorizer");
    let both = [vec!["service"], vec!["service", "function"]];
    assert_eq!(dimensions(&root, "Allowed"), both);
    let expired = Some(Reason::Expired);
    let root = line_of(Some("orders-authorizer"), "deny", expired, false);
    assert_eq!(dimensions(&root, "Latency"), both);
    let sets = [
        vec!["service"],
        vec!["service", "function"],
        vec!["service", "reason"],
        vec!["service", "function", "reason"],
    ];
    assert_eq!(dimensions(&root, "AuthnFailed"), sets);
}

#[test]
fn a_refused_token_is_a_failed_authentication_whatever_the_api_is_told() {
    for (decision, reason, kind) in [
        ("unauthorized", Reason::Expired, "AuthnFailed"),
        ("deny", Reason::Expired, "AuthnFailed"),
        ("deny", Reason::InsufficientScope, "AuthzDenied"),
        ("fault", Reason::KeysUnavailable, "Faults"),
    ] {
        assert_eq!(
            line(decision, Some(reason), false)[kind],
            1,
            "{decision} {reason}"
        );
    }
}

#[test]
fn an_observer_is_told_of_every_decision_once() {
    let seen = Arc::new(Seen::default());
    let authorizer = Authorizer::new(policy(), verifier(&[shared()]))
        .timed_by(Arc::new(Still))
        .observed_by(seen.clone());
    let mut named = claims("orders:read");
    named["sub"] = json!("canary-subject");
    let token = format!("Bearer {}", shared().sign(&named));
    let calls = [
        events::rest_token(&token, "GET", "/orders/1"),
        events::rest_token("Bearer x", "GET", "/orders/1"),
        events::http_v2(&token, "GET", "/admin"),
        json!({"unknown": 1}),
    ];
    for call in &calls {
        let _ = block_on(authorizer.answer(call, NOW));
    }
    let call = HttpCall {
        kind: "test",
        method: "DELETE",
        path: "/orders/1",
        authorization: vec![token.as_bytes()],
        ..HttpCall::default()
    };
    assert!(block_on(authorizer.admit(&call, NOW)).is_err());
    authorizer.refuse(&call, Reason::EventUnrecognised);

    let seen = seen.decided.lock().unwrap();
    let told: Vec<_> = seen
        .iter()
        .map(|decided| (decided.decision, decided.reason))
        .collect();
    assert_eq!(
        told,
        [
            ("allow", None),
            ("unauthorized", Some(Reason::TokenMalformed)),
            ("deny", Some(Reason::InsufficientScope)),
            ("fault", Some(Reason::EventUnrecognised)),
            ("deny", Some(Reason::InsufficientScope)),
            ("fault", Some(Reason::EventUnrecognised)),
        ]
    );
    assert!(seen[0].cold && seen[1..].iter().all(|decided| !decided.cold));
    assert!(seen[..5].iter().all(|decided| decided.took_us == Some(0)));
    assert!(!format!("{seen:?}").contains("canary"));
}

/// Gives keys once, and then nothing that can be read.
struct Once(Mutex<Option<Fetched>>);

impl FetchKeys for Once {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(async {
            Ok(self.0.lock().unwrap().take().unwrap_or(Fetched {
                body: b"<html>".to_vec(),
                max_age_s: None,
            }))
        })
    }
}

#[test]
fn fetches_are_counted_and_a_document_that_cannot_be_read_is_none() {
    let seen = Arc::new(Seen::default());
    let clock: Arc<dyn Clock> = Arc::new(Ticking::default());
    let keys = Fetched {
        body: json!({"keys": [shared().jwk()]}).to_string().into_bytes(),
        max_age_s: None,
    };
    let keys = Mutex::new(Some(keys));
    let policy = gatewright_authorizer::Policy::parse(POLICY).unwrap();
    let fetch: Arc<dyn FetchKeys> = Arc::new(Once(keys));
    let verifier = Verifier::new(
        policy.issuers(),
        std::path::Path::new(""),
        |_| Arc::clone(&fetch),
        &clock,
    )
    .unwrap();
    let authorizer = Authorizer::new(policy, verifier).observed_by(seen.clone());
    let token = format!("Bearer {}", shared().sign(&claims("orders:read")));
    let unknown = crate::support::Signer::es256("another");
    let other = format!("Bearer {}", unknown.sign(&claims("orders:read")));
    block_on(async {
        for token in [&token, &token, &other] {
            let _ = authorizer
                .answer(&events::rest_token(token, "GET", "/orders/1"), NOW)
                .await;
        }
    });
    assert_eq!(*seen.fetched.lock().unwrap(), [true, false]);
}

/// A clock on which a cool-down is over with every look.
#[derive(Default)]
struct Ticking(std::sync::atomic::AtomicU64);

impl Clock for Ticking {
    fn now_us(&self) -> u64 {
        let tick = CacheSettings::default().unknown_kid_cooldown + Duration::from_secs(1);
        let tick = u64::try_from(tick.as_micros()).unwrap();
        self.0.fetch_add(tick, std::sync::atomic::Ordering::Relaxed)
    }
}
