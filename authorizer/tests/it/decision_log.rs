//! The decision log: one line for each call, and nothing secret in it.

use std::cell::RefCell;
use std::sync::{Arc, Once};

use gatewright_authorizer::Authorizer;
use gatewright_authorizer::jwks::Clock;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::signer::shared;
use crate::support::{NOW, block_on, claims, events, policy, verifier};

struct Still;

impl Clock for Still {
    fn now_us(&self) -> u64 {
        0
    }
}

thread_local! {
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Collects what its own thread logs, where that has been asked for.
struct Log;

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| {
            if let Some(log) = log {
                log.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One subscriber for the process: tracing asks the thread that comes first whether anyone wants to hear of an event,
/// so one for this thread alone could be left out.
pub fn logged(act: impl FnOnce()) -> String {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(|| Log)
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
    LOG.set(Some(Vec::new()));
    act();
    String::from_utf8(LOG.take().unwrap()).unwrap()
}

#[test]
fn every_call_is_one_log_line_that_holds_no_token_and_no_subject() {
    let mut named = claims("orders:read");
    named["sub"] = json!("canary-subject");
    named["client_id"] = json!("app\u{1b}[31m");
    let bad = format!("Bearer {}", shared().sign(&named));
    named["client_id"] = json!("canary-client");
    let other = format!("Bearer {}", shared().sign(&claims("orders:read")));
    let good = format!("Bearer {}", shared().sign(&named));
    let authorizer = Authorizer::new(policy(), verifier(&[shared()])).timed_by(Arc::new(Still));
    let client = Client::new();
    let bound = client.token();
    let proof = client.proof(&bound, "canary-jti");
    let mut proven = events::rest_request(&format!("DPoP {bound}"), "GET", "/orders/1");
    proven["requestContext"]["domainName"] = json!("api.example.com");
    proven["headers"]["DPoP"] = json!(proof);
    proven["multiValueHeaders"]["DPoP"] = json!([proof]);
    let mut calls = 5;
    let text = logged(|| {
        let mut integration = events::http_v2(&good, "GET", "/orders/1");
        integration.as_object_mut().unwrap().remove("type");
        let _ = block_on(authorizer.answer(&integration, NOW));
        let handshake = json!({"Authorization": other});
        let _ = block_on(authorizer.answer(&events::web_socket(&handshake, &json!({})), NOW));
        for _ in 0..2 {
            let _ = block_on(authorizer.answer(&proven, NOW));
        }
        let lacking = events::rest_request(&other, "DELETE", "/orders/1");
        let _ = block_on(authorizer.answer(&lacking, NOW));
        for authorization in [good.as_str(), bad.as_str(), "Bearer canary-token"] {
            for event in events::all(authorization, "GET", "/orders/1") {
                let _ = block_on(authorizer.answer(&event, NOW));
                calls += 1;
            }
        }
    });
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), calls);
    let [integration, handshake, proven, replayed, _, miss, hit, ..] = lines.as_slice() else {
        unreachable!()
    };
    let unrecognised = &integration["fields"];
    assert_eq!(unrecognised["reason"], "event_unrecognised");
    assert_eq!(unrecognised["request_id"], "req-1");
    assert!(unrecognised.get("kind").is_none());
    assert_eq!(handshake["fields"]["connection"], "L0SM9cOFvHcCIhw=");
    assert!(hit["fields"].get("connection").is_none());
    let malformed = lines
        .iter()
        .find(|line| line["fields"]["reason"] == "claim_malformed");
    assert_eq!(
        malformed.unwrap()["fields"]["cause"],
        "The claim client_id of the token has the wrong type or an impossible value."
    );
    for line in &lines {
        let fields = &line["fields"];
        let is_answer = fields["kind"] == "http_2.0" && fields["decision"] != "fault";
        let form = is_answer.then_some("iam");
        assert_eq!(fields.get("answer").and_then(Value::as_str), form, "{line}");
    }
    assert_eq!(proven["fields"]["binding"], "dpop");
    assert_eq!(replayed["fields"]["reason"], "proof_replayed");
    assert_eq!(replayed["fields"]["token_cache"], "hit");
    assert_eq!(integration["fields"]["cold"], true);
    let digest = policy().digest().to_owned();
    assert_eq!(digest.len(), 16);
    let fields = &hit["fields"];
    assert_eq!(fields["cold"], false);
    assert_eq!(fields["config"], digest.as_str());
    assert!(fields["policy_bytes"].as_u64().unwrap() > 300, "{fields}");
    assert_eq!(hit["target"], "gatewright::decision");
    for (name, value) in [
        ("decision", json!("allow")),
        ("rule", json!("orders-read")),
        ("request_id", json!("req-1")),
        ("api", json!("abcdef123")),
        ("stage", json!("prod")),
        ("kind", json!("rest_request")),
        ("method", json!("GET")),
        ("client", json!("canary-client")),
        ("kid", json!("key-1")),
        ("alg", json!("ES256")),
        ("cache", json!("whole")),
        ("jwks", json!("pinned")),
        ("token_cache", json!("hit")),
        ("us", json!(0)),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    // Of a route that takes everything the rule's path is told.
    let routed = lines
        .iter()
        .find(|line| line["fields"]["kind"] == "http_2.0" && line["fields"]["decision"] == "allow");
    assert_eq!(routed.unwrap()["fields"]["route"], "/orders/{id}");
    assert_eq!(miss["fields"]["token_cache"], "miss");
    assert!(fields.get("binding").is_none());
    assert!(lines.last().unwrap()["fields"].get("jwks").is_none());
    assert_eq!(fields["subject"].as_str().unwrap().len(), 16);
    assert_eq!(fields["jti"].as_str().unwrap().len(), 43);
    assert!(fields.get("missing").is_none());
    let denied = lines
        .iter()
        .find(|line| line["fields"]["reason"] == "insufficient_scope")
        .unwrap();
    assert_eq!(denied["fields"]["missing"], "orders:write");
    assert_eq!(lines.last().unwrap()["fields"]["reason"], "token_malformed");
    for secret in [
        "canary-token",
        "canary-subject",
        "canary-jti",
        &good[7..60],
        &bound[..60],
        &proof[..60],
        "\u{1b}",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}
