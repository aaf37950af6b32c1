//! Trace ids: read from either header, written as both, and handed on to the API behind.

use gatewright_authorizer::policy::{HttpV2Answer, Policy};
use gatewright_authorizer::trace::{SpanId, TraceId, TraceParent};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::signer::shared;
use crate::support::{NOW, POLICY, authorizer, block_on, claims, events, policy};

const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const X_RAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
const X_RAY_ID: &str = "5759e988bd862e3fe1be46a994272793";

fn w3c(value: &str) -> Option<(String, Option<String>, Option<bool>)> {
    TraceParent::from_w3c(value).map(told)
}

fn x_ray(value: &str) -> Option<(String, Option<String>, Option<bool>)> {
    TraceParent::from_x_ray(value).map(told)
}

fn told(parent: TraceParent) -> (String, Option<String>, Option<bool>) {
    let span = parent.span_id.map(|span| span.to_string());
    (parent.trace_id.to_string(), span, parent.sampled)
}

#[test]
fn a_traceparent_is_read_as_w3c_says() {
    let id = "4bf92f3577b34da6a3ce929d0e0e4736".to_owned();
    let span = Some("00f067aa0ba902b7".to_owned());
    for (value, sampled) in [
        (W3C.to_owned(), true),
        (W3C.replace("-01", "-00"), false),
        (W3C.replace("-01", "-03"), true),
        (W3C.replace("-01", "-fe"), false),
        (format!(" {W3C}\t"), true),
        // Versions to come may add members.
        (W3C.replace("00-4", "01-4"), true),
        (
            W3C.replace("00-4", "cc-4") + "-what-the-future-will-be-like",
            true,
        ),
    ] {
        let expected = Some((id.clone(), span.clone(), Some(sampled)));
        assert_eq!(w3c(&value), expected, "{value}");
    }
    for value in [
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        &W3C.replace("00-4", "ff-4"),
        &W3C.replace("4bf9", "4BF9"),
        &W3C.replace("4bf9", "4bg9"),
        &W3C.replace("4bf9", "4bf"),
        &W3C.replace("-01", "-1"),
        &W3C.replace("-01", "-01-"),
        &W3C.replace("-01", "-01-extra"),
        &W3C.replace("-01", "-+1"),
        &W3C.replace('-', "_"),
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        &format!(
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-{}",
            "x".repeat(600)
        ),
        &format!("{W3C},{W3C}"),
    ] {
        assert_eq!(w3c(value), None, "{value}");
    }
}

#[test]
fn an_x_amzn_trace_id_is_read_tolerantly() {
    let id = X_RAY_ID.to_owned();
    let span = Some("53995c3f42cd8ad8".to_owned());
    for (value, span, sampled) in [
        (X_RAY, span.clone(), Some(true)),
        ("Root=1-5759e988-bd862e3fe1be46a994272793", None, None),
        (
            "Self=1-67891234-12456789abcdef012345678;Root=1-5759e988-bd862e3fe1be46a994272793",
            None,
            None,
        ),
        (
            " sampled = 0 ; parent=53995c3f42cd8ad8; ROOT=1-5759e988-bd862e3fe1be46a994272793;Lineage=25:a87bd80c:1;",
            span.clone(),
            Some(false),
        ),
        (
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=;Sampled=?",
            None,
            None,
        ),
        (
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=0000000000000000",
            None,
            None,
        ),
    ] {
        assert_eq!(x_ray(value), Some((id.clone(), span, sampled)), "{value}");
    }
    for value in [
        "",
        "Root=",
        "Root",
        "Parent=53995c3f42cd8ad8;Sampled=1",
        "Root=2-5759e988-bd862e3fe1be46a994272793",
        "Root=1-5759e988-bd862e3fe1be46a99427279",
        "Root=1-5759e98-8bd862e3fe1be46a994272793",
        "Root=1-5759E988-bd862e3fe1be46a994272793",
        "Root=1-00000000-000000000000000000000000",
        "Root=1-5759e988-bd862e3fe1be46a994272793-0",
        &format!(
            "Root=1-5759e988-bd862e3fe1be46a994272793;{}",
            "x".repeat(600)
        ),
    ] {
        assert_eq!(x_ray(value), None, "{value}");
    }
}

#[test]
fn a_new_id_begins_with_the_time_as_x_ray_wants_it() {
    let id = TraceId::new(0x5759_e988, [0xbd; 12]);
    assert_eq!(id.to_string(), "5759e988bdbdbdbdbdbdbdbdbdbdbdbd");
    assert_eq!(id.to_x_ray(), "1-5759e988-bdbdbdbdbdbdbdbdbdbdbdbd");
    // No clock makes an id of zeros.
    assert_ne!(TraceId::new(0, [0; 12]).bits(), 0);
    assert_ne!(SpanId::new([0; 8]).bits(), 0);
}

#[test]
fn where_both_are_sound_traceparent_counts() {
    let either = |w3c, x_ray| {
        let parent = TraceParent::from_either(w3c, x_ray)?;
        Some(parent.trace_id.to_string())
    };
    assert_eq!(
        either(Some(W3C), Some(X_RAY)).unwrap(),
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    assert_eq!(either(Some("00-nonsense"), Some(X_RAY)).unwrap(), X_RAY_ID);
    assert_eq!(either(None, Some("nonsense")), None);
}

#[cfg(feature = "fetch")]
#[test]
fn a_header_that_is_there_twice_says_nothing() {
    let of = |pairs: &[(&'static str, &str)]| {
        let mut headers = http::HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        TraceParent::from_headers(&headers).map(|parent| parent.trace_id.to_string())
    };
    assert_eq!(
        of(&[("traceparent", W3C)]).unwrap(),
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    assert_eq!(of(&[("traceparent", W3C), ("traceparent", W3C)]), None);
    let both = [
        ("traceparent", W3C),
        ("traceparent", W3C),
        ("x-amzn-trace-id", X_RAY),
    ];
    assert_eq!(of(&both).unwrap(), X_RAY_ID);
    assert_eq!(of(&[("traceparent", "\u{e9}")]), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(trace in 1u128.., span in 1u64.., sampled: bool) {
        let text = format!("00-{trace:032x}-{span:016x}-{:02x}", u8::from(sampled));
        let parent = TraceParent::from_w3c(&text).unwrap();
        prop_assert_eq!(parent.to_w3c().unwrap(), text);
        prop_assert_eq!(TraceParent::from_x_ray(&parent.to_x_ray()), Some(parent));
        prop_assert_eq!((parent.trace_id.bits(), parent.span_id.unwrap().bits()), (trace, span));
    }

    #[test]
    fn nothing_that_is_sent_breaks_the_reader(value in ".{0,80}") {
        let _ = (TraceParent::from_w3c(&value), TraceParent::from_x_ray(&value));
    }
}

/// The context of each kind of answer, allowed and denied, with and without a valid token.
fn contexts(
    policy: &Policy,
    trace: Option<TraceParent>,
    headers: &[(&str, &str)],
) -> Vec<(Value, Value)> {
    let good = shared().sign(&claims("orders:read"));
    let mut contexts = Vec::new();
    for (token, path) in [
        (good.as_str(), "/orders/1"),
        (&good, "/reports/secret/1"),
        ("bad", "/orders/1"),
    ] {
        let mut calls = events::all(&format!("Bearer {token}"), "GET", path).to_vec();
        let own = json!({"Authorization": format!("Bearer {token}")});
        calls.push(events::web_socket(&own, &json!({})));
        calls.push(events::appsync(token, "{ orders }"));
        for call in calls {
            let call = events::with_headers(call, headers);
            let authorizer = authorizer(policy.clone(), &[shared()]);
            let trace_id = trace.map(|trace| trace.trace_id);
            let Ok(answer) = block_on(authorizer.answer_traced(&call, NOW, trace_id)) else {
                // REST and WebSocket APIs make a 401 of a bad token.
                assert_eq!(token, "bad");
                continue;
            };
            let context = answer
                .get("context")
                .or_else(|| answer.get("resolverContext"));
            contexts.push((call.clone(), context.unwrap().clone()));
        }
    }
    contexts
}

fn policies() -> [Policy; 2] {
    let simple = POLICY.replacen(
        "[[rule]]",
        "[response]\nhttp_v2 = \"simple\"\n\n[[rule]]",
        1,
    );
    let simple = Policy::parse(&simple).unwrap();
    assert_eq!(simple.response().http_v2, HttpV2Answer::Simple);
    [policy(), simple]
}

#[test]
fn the_api_behind_is_told_request_and_trace_whatever_the_kind_of_call() {
    let trace = TraceParent::from_x_ray(X_RAY);
    for policy in policies() {
        let contexts = contexts(&policy, trace, &[("traceparent", W3C)]);
        assert_eq!(contexts.len(), 6 + 6 + 3);
        for (call, context) in contexts {
            // The invocation's trace goes before the caller's.
            assert_eq!(context["trace_id"], X_RAY_ID, "{call}");
            let has_id = call["type"] != "TOKEN";
            let expected = if has_id { json!("req-1") } else { Value::Null };
            assert_eq!(context["request_id"], expected, "{call}");
        }
    }
}

#[test]
fn without_a_traced_invocation_the_callers_headers_tell_the_trace() {
    for (headers, id) in [
        (
            &[("TraceParent", W3C)][..],
            json!("4bf92f3577b34da6a3ce929d0e0e4736"),
        ),
        (&[("X-Amzn-Trace-Id", X_RAY)], json!(X_RAY_ID)),
        (&[("traceparent", "nonsense")], Value::Null),
        // One header twice says nothing.
        (&[("traceparent", W3C), ("Traceparent", W3C)], Value::Null),
        (&[], Value::Null),
    ] {
        for (call, context) in contexts(&policy(), None, headers) {
            let expected = if call["type"] == "TOKEN" {
                &Value::Null
            } else {
                &id
            };
            assert_eq!(
                context.get("trace_id").unwrap_or(&Value::Null),
                expected,
                "{call}"
            );
        }
    }
}

#[test]
fn a_request_id_that_could_end_a_header_is_left_out() {
    let mut call = events::rest_request(
        &format!("Bearer {}", shared().sign(&claims("orders:read"))),
        "GET",
        "/orders/1",
    );
    for bad in [
        "a\r\nX-Admin: 1".to_owned(),
        "x".repeat(2_000),
        String::new(),
    ] {
        call["requestContext"]["requestId"] = json!(bad);
        let answer = block_on(authorizer(policy(), &[shared()]).answer(&call, NOW)).unwrap();
        assert_eq!(answer["context"].get("request_id"), None);
        assert_eq!(answer["context"]["sub"], "user-1");
    }
}

#[test]
fn an_answer_with_both_ids_stays_within_the_limit() {
    let claims: Vec<String> = (0..8).map(|n| format!("c{n}")).collect();
    let names = claims.join("\", \"");
    let policy = POLICY.replacen(
        "[[rule]]",
        &format!("[context]\nclaims = [\"{names}\"]\n\n[[rule]]"),
        1,
    );
    let policy = Policy::parse(&policy).unwrap();
    for length in [0, 300, 500, 600, 650] {
        let mut payload = crate::support::claims("orders:read reports:read");
        for name in &claims[..7] {
            payload[name.as_str()] = json!("x".repeat(length));
        }
        let mut call = events::rest_request(
            &format!("Bearer {}", shared().sign(&payload)),
            "GET",
            "/orders/1",
        );
        call["requestContext"]["requestId"] = json!("r".repeat(36));
        let call = events::with_headers(call, &[("traceparent", W3C)]);
        let answer = block_on(authorizer(policy.clone(), &[shared()]).answer(&call, NOW)).unwrap();
        let size = answer.to_string().len();
        assert!(
            size <= gatewright_authorizer::answer::MAX_ANSWER,
            "{length}: {size}"
        );
        assert_eq!(
            answer["context"]["trace_id"],
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
    }
}

#[test]
fn a_claim_can_not_pose_as_one_of_the_ids() {
    for name in ["request_id", "trace_id"] {
        let text = POLICY.replacen(
            "[[rule]]",
            &format!("[context]\nclaims = [\"{name}\"]\n\n[[rule]]"),
            1,
        );
        let error = Policy::parse(&text).unwrap_err().to_string();
        assert!(error.contains("reserved"), "{error}");
    }
}
