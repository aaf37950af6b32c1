//! The real binary against a small Lambda Runtime API.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use gatewright_authorizer::iam;
use serde_json::{Value, json};

use crate::support::emf_rules::read;
use crate::support::http::{Response, serve};
use crate::support::signer::shared;
use crate::support::{POLICY, claims, events};

const BOOTSTRAP: &str = env!("CARGO_BIN_EXE_bootstrap");

fn issuer() -> String {
    serve(|origin, request| match request.path.as_str() {
        "/.well-known/openid-configuration" => Response::json(
            json!({"issuer": origin, "jwks_uri": format!("{origin}/jwks")}).to_string(),
        ),
        _ => Response::json(json!({"keys": [shared().jwk()]}).to_string()),
    })
}

/// Hands out the events one by one, then lets the function wait; gives back what the function posts.
fn runtime_api(events: Vec<Value>) -> (String, Receiver<(String, Value)>) {
    let (posted, receive) = channel();
    let (posted, events) = (
        Mutex::new(posted),
        Mutex::new(events.into_iter().enumerate()),
    );
    let origin = serve(move |_, request| {
        if request.method == "POST" {
            let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
            let _ = posted.lock().unwrap().send((request.path, body));
            return Response::json("{}");
        }
        let next = events.lock().unwrap().next();
        let Some((at, event)) = next else {
            loop {
                std::thread::park();
            }
        };
        let headers = vec![
            ("Lambda-Runtime-Aws-Request-Id", format!("request-{at}")),
            ("Lambda-Runtime-Deadline-Ms", "9999999999999".to_owned()),
            (
                "Lambda-Runtime-Trace-Id",
                "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"
                    .to_owned(),
            ),
            (
                "Lambda-Runtime-Invoked-Function-Arn",
                "arn:aws:lambda:eu-west-1:123456789012:function:authorizer".to_owned(),
            ),
        ];
        Response {
            headers,
            ..Response::json(event.to_string())
        }
    });
    (origin, receive)
}

fn command() -> Command {
    let mut command = Command::new(BOOTSTRAP);
    command
        .env_clear()
        .env("AWS_LAMBDA_FUNCTION_NAME", "authorizer")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_LOG_LEVEL", "TRACE")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A file that goes away with the test.
struct PolicyFile(std::path::PathBuf);

impl PolicyFile {
    fn write(name: &str, text: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("gatewright-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for PolicyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_bootstrap_answers_good_and_bad_tokens() {
    let origin = issuer();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let mut claims = claims("orders:read");
    claims["iss"] = json!(origin);
    claims["iat"] = json!(now);
    claims["exp"] = json!(now + 300);
    let token = shared().sign(&claims);
    let good = format!("Bearer {token}");
    let calls = vec![
        events::rest_token(&good, "GET", "/orders/1"),
        events::rest_token("Bearer canary-token", "GET", "/orders/1"),
        events::http_v2(&good, "GET", "/admin"),
        json!({"unknown": good}),
    ];
    let (api, posts) = runtime_api(calls.clone());
    let policy = PolicyFile::write("good", &POLICY.replace("https://issuer.example", &origin));
    let mut function = command()
        .env("AWS_LAMBDA_RUNTIME_API", api.trim_start_matches("http://"))
        .env("GATEWRIGHT_POLICY", &policy.0)
        .spawn()
        .unwrap();
    let answers: Vec<(String, Value)> = calls
        .iter()
        .map_while(|_| posts.recv_timeout(Duration::from_secs(20)).ok())
        .collect();
    function.kill().unwrap();
    let output = function.wait_with_output().unwrap();
    let log = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.len(), 4, "{log}");

    let (path, body) = &answers[0];
    assert!(
        path.ends_with("/invocation/request-0/response"),
        "{path} {body}"
    );
    assert!(
        iam::evaluate(&body["policyDocument"], &events::resource(&calls[0]))
            .unwrap()
            .is_allow()
    );
    let (path, body) = &answers[1];
    assert!(path.ends_with("/invocation/request-1/error"), "{path}");
    assert_eq!(
        (&body["errorMessage"], &body["errorType"]),
        (&json!("Unauthorized"), &json!("Gatewright.Unauthorized"))
    );
    let (path, body) = &answers[2];
    assert!(path.ends_with("/invocation/request-2/response"), "{path}");
    assert!(
        !iam::evaluate(&body["policyDocument"], &events::resource(&calls[2]))
            .unwrap()
            .is_allow()
    );
    let (path, body) = &answers[3];
    assert!(path.ends_with("/invocation/request-3/error"), "{path}");
    assert_eq!(body["errorType"], "Gatewright.Fault");

    let decisions: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect(line))
        .filter(|line| line["target"] == "gatewright::decision")
        .collect();
    assert_eq!(decisions.len(), 4);
    assert!(decisions[0]["fields"]["us"].as_u64().is_some());
    let trace = "5bef4de7ad49b0e87f6ef6c87fc2e700";
    assert_eq!(answers[0].1["context"]["trace_id"], trace);
    assert!(
        decisions
            .iter()
            .all(|line| line["fields"]["trace_id"] == trace)
    );
    let cold: Vec<&Value> = decisions
        .iter()
        .map(|line| &line["fields"]["cold"])
        .collect();
    assert_eq!(cold, [true, false, false, false]);
    let metrics: Vec<_> = log
        .lines()
        .filter(|line| line.contains("CloudWatchMetrics"))
        .map(read)
        .collect();
    assert_eq!(metrics.len(), 4, "one line a call");
    for (line, kind) in metrics
        .iter()
        .zip(["Allowed", "AuthnFailed", "AuthzDenied", "Faults"])
    {
        assert_eq!(
            (&line[kind], &line["function"]),
            (&json!(1), &json!("authorizer"))
        );
        assert!(
            line["Latency"]
                .as_f64()
                .is_some_and(|latency| latency > 0.0)
        );
    }
    assert!(
        !log.contains("canary-token") && !log.contains(&token[..60]),
        "no token is logged, even at TRACE"
    );
}

/// The usual policy with the keys of a file beside it, and nowhere to fetch any from.
fn pinned(file: &str) -> String {
    let jwks = format!("jwks = {{ pinned = \"{file}\" }}\n\n[[rule]]");
    POLICY.replacen("[[rule]]", &jwks, 1)
}

#[test]
fn the_bootstrap_verifies_with_keys_pinned_beside_its_policy() {
    let keys = PolicyFile::write("keys", &json!({"keys": [shared().jwk()]}).to_string());
    let name = keys.0.file_name().unwrap().to_str().unwrap();
    let policy = PolicyFile::write("pinned", &pinned(name));
    let mut claims = claims("orders:read");
    claims["iat"] = json!(0);
    claims["exp"] = json!(i64::MAX);
    let token = shared().sign(&claims);
    let call = events::rest_token(&format!("Bearer {token}"), "GET", "/orders/1");
    let (api, posts) = runtime_api(vec![call.clone()]);
    let mut function = command()
        .env("AWS_LAMBDA_RUNTIME_API", api.trim_start_matches("http://"))
        .env("GATEWRIGHT_POLICY", &policy.0)
        .env("GATEWRIGHT_METRICS", "off")
        .spawn()
        .unwrap();
    let answer = posts.recv_timeout(Duration::from_secs(20));
    function.kill().unwrap();
    let log = String::from_utf8(function.wait_with_output().unwrap().stdout).unwrap();
    let (_, body) = answer.expect(&log);
    let outcome = iam::evaluate(&body["policyDocument"], &events::resource(&call));
    assert!(outcome.unwrap().is_allow());
    assert!(log.contains("\"jwks\":\"pinned\""), "{log}");
    assert!(!log.contains("CloudWatchMetrics"), "{log}");
}

#[test]
fn the_bootstrap_refuses_metrics_of_a_kind_that_there_is_none_of() {
    let keys = PolicyFile::write("kind-keys", &json!({"keys": [shared().jwk()]}).to_string());
    let name = keys.0.file_name().unwrap().to_str().unwrap();
    let policy = PolicyFile::write("kind", &pinned(name));
    let output = command()
        .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
        .env("GATEWRIGHT_POLICY", &policy.0)
        .env("GATEWRIGHT_METRICS", "statsd")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let log = String::from_utf8(output.stdout).unwrap();
    assert!(log.contains("set it to emf or off"), "{log}");
}

#[test]
fn the_bootstrap_refuses_to_start_without_a_sound_policy() {
    let broken = PolicyFile::write("broken", &POLICY.replace("scopes", "scope"));
    let unpinned = PolicyFile::write("unpinned", &pinned("no-such-keys.json"));
    let missing = std::path::PathBuf::from("no-such-policy.toml");
    for (path, words) in [
        (None, "GATEWRIGHT_POLICY is not set"),
        (Some(&missing), "can't be read"),
        (Some(&broken.0), "the nearest key is `scopes`"),
        (
            Some(&unpinned.0),
            "no-such-keys.json of https://issuer.example can't be used",
        ),
    ] {
        let mut command = command();
        if let Some(path) = path {
            command.env("GATEWRIGHT_POLICY", path);
        }
        let output = command
            .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
            .output()
            .unwrap();
        assert!(!output.status.success());
        let log = String::from_utf8(output.stdout).unwrap();
        assert!(log.contains(words), "{log}");
    }
}
