//! `policy explain`

use super::{ISSUER, MIXED, POLICY, Program, with_rules};
use gatewright::crypto::Entropy;
use gatewright::crypto::jwt::{TokenType, sign};
use gatewright::crypto::signing_key::{SigningKey, generate};
use gatewright_authorizer::fetch::unix_now;
use gatewright_authorizer::jose::Algorithm;
use serde_json::{Value, json};

/// A program with a policy file, the issuer's public keys and a token with `orders:read`.
fn prepared(expires_in: i64) -> (Program, String) {
    let program = Program::sqlite();
    program.file("policy.toml", POLICY);
    let private = generate(Algorithm::Es256, &Entropy::system()).unwrap();
    let key = SigningKey::parse(Algorithm::Es256, &private).unwrap();
    program.file(
        "jwks.json",
        &json!({"keys": [key.public_jwk()]}).to_string(),
    );
    let now = unix_now();
    let claims = json!({
        "iss": ISSUER, "sub": "worker", "client_id": "worker", "aud": "https://api.example.com", "jti": "1",
        "iat": now - 60, "exp": now + expires_in, "scope": "orders:read",
    });
    let token = sign(&key, TokenType::AccessToken, &claims).unwrap();
    program.file("token", &format!("{token}\n"));
    (program, token)
}

fn explain(program: &Program, token: &str, method: &str, path: &str) -> Value {
    let args = [
        "policy",
        "explain",
        "--policy",
        "policy.toml",
        "--jwks",
        "jwks.json",
        "--token",
        token,
        "--method",
        method,
        "--path",
        path,
        "--json",
    ];
    program.run(&args).json()
}

#[test]
fn a_call_is_explained_with_verdict_rule_reason_and_what_is_missing() {
    let (program, token) = prepared(60);
    let allowed = explain(&program, &token, "GET", "/orders/7");
    assert_eq!(
        (&allowed["verdict"], &allowed["rule"]),
        (&json!("allow"), &json!("orders-read"))
    );
    assert_eq!(
        (&allowed["reason"], &allowed["missing"]),
        (&json!(null), &json!([]))
    );
    assert_eq!(allowed["token"]["scope"], "orders:read");

    let lacking = explain(&program, &token, "POST", "/orders");
    assert_eq!(
        (&lacking["verdict"], &lacking["reason"]),
        (&json!("deny"), &json!("insufficient_scope"))
    );
    assert_eq!(
        lacking["missing"],
        json!([{"rule": "orders-write", "all_of": ["orders:write"]}])
    );
    assert!(lacking["words"].as_str().unwrap().contains("orders:write"));
    assert!(!lacking["remedy"].as_str().unwrap().is_empty());

    assert_eq!(
        explain(&program, &token, "DELETE", "/orders/7")["reason"],
        "no_rule"
    );
    assert_eq!(
        explain(&program, &token, "GET", "/orders/../7")["reason"],
        "path_refused"
    );
    assert_eq!(
        explain(&program, "nonsense", "GET", "/orders/7")["reason"],
        "token_malformed"
    );
    let (program, expired) = prepared(-30);
    assert_eq!(
        explain(&program, &expired, "GET", "/orders/7")["reason"],
        "expired"
    );
}

#[test]
fn a_token_may_come_from_a_file_or_from_standard_input() {
    let (program, token) = prepared(60);
    let call = ["--method", "GET", "--path", "/orders/7"];
    let base = [
        "policy",
        "explain",
        "--policy",
        "policy.toml",
        "--jwks",
        "jwks.json",
    ];
    let from_file = program.run(&[&base[..], &["--token-file", "token"], &call].concat());
    assert!(
        from_file.succeeds().contains("GET /orders/7 is allowed"),
        "{}",
        from_file.stdout
    );
    let from_stdin = program.run_with(
        &[&base[..], &["--token-file", "-"], &call].concat(),
        &format!("{token}\n"),
    );
    assert_eq!(from_stdin.succeeds(), from_file.stdout);
    assert!(!from_stdin.stdout.contains(&token));
    program
        .run(&[&base[..], &call].concat())
        .fails(2, &["--token"]);
}

#[test]
fn keys_that_cannot_be_fetched_are_a_failure_that_is_explained_all_the_same() {
    let (program, token) = prepared(60);
    let args = [
        "policy",
        "explain",
        "--policy",
        "policy.toml",
        "--token",
        &token,
        "--method",
        "GET",
        "--path",
        "/orders/7",
        "--json",
    ];
    let said = program.run(&args);
    assert_eq!(said.code, 1);
    let told: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(
        (&told["verdict"], &told["reason"]),
        (&json!("deny"), &json!("keys_unavailable"))
    );
    assert!(
        said.stderr.contains(ISSUER) && said.stderr.contains("--jwks"),
        "{}",
        said.stderr
    );
    assert!(!said.stderr.contains(&token));
}

#[test]
fn explain_takes_claims_and_what_conditions_ask_for() {
    let program = with_rules(MIXED);
    let explain = |claims: Value, method: &str, path: &str, more: &[&str]| {
        let claims = claims.to_string();
        let mut args = vec![
            "policy",
            "explain",
            "--policy",
            "policy.toml",
            "--claims",
            &claims,
            "--method",
            method,
            "--path",
            path,
            "--json",
        ];
        args.extend(more);
        program.run(&args).json()
    };
    assert_eq!(
        explain(json!({"sub": "ada"}), "GET", "/people/ada", &[])["rule"],
        "own"
    );
    let denied = explain(json!({"sub": "bob"}), "GET", "/people/ada", &[]);
    assert_eq!(
        (&denied["reason"], &denied["rule"]),
        (&json!("condition_not_met"), &json!("own"))
    );
    assert_eq!(
        denied["missing"][0]["condition"],
        "claims.sub == request.path.sub"
    );
    let claims = json!({"scope": "people:write", "auth_time": 1_767_225_600});
    let from_office = ["--source-ip", "10.1.1.1", "--time", "2026-01-01T00:10:00Z"];
    assert_eq!(
        explain(claims.clone(), "POST", "/people", &from_office)["verdict"],
        "allow"
    );
    let later = ["--source-ip", "10.1.1.1", "--time", "2026-01-01T00:16:00Z"];
    assert_eq!(
        explain(claims.clone(), "POST", "/people", &later)["reason"],
        "condition_not_met"
    );
    assert_eq!(
        explain(
            claims,
            "POST",
            "/people",
            &["--time", "2026-01-01T00:10:00Z"]
        )["reason"],
        "condition_failed"
    );
    assert_eq!(
        explain(json!({}), "DELETE", "/people/ada", &[])["reason"],
        "not_permitted"
    );
    assert_eq!(
        explain(
            json!({"iss": "https://other.example"}),
            "GET",
            "/people/ada",
            &[]
        )["reason"],
        "issuer_unknown"
    );
    program
        .run(&[
            "policy",
            "explain",
            "--policy",
            "policy.toml",
            "--claims",
            "[]",
            "--method",
            "GET",
            "--path",
            "/",
        ])
        .fails(2, &["--claims", "JSON object"]);
}

#[test]
fn a_call_without_a_token_is_explained_and_what_a_token_is_too_large_for() {
    let program = Program::sqlite();
    let open =
        "[[rule]]\nid = \"open\"\nmethods = [\"GET\"]\npath = \"/open/{x}\"\neffect = \"public\"\n";
    let head = "[api]\nbase_paths = [\"/v1\"]\n[context]\nclaims = [\"roles\"]\n";
    program.file("policy.toml", &format!("{head}{POLICY}{open}"));
    let explained = |more: &[&str]| {
        let args = ["policy", "explain", "--policy", "policy.toml"];
        program
            .run(&[&args[..], more].concat())
            .succeeds()
            .to_owned()
    };
    let called = |path: &str| explained(&["--no-token", "--method", "GET", "--path", path]);
    assert!(called("/open/a%40b").contains("is public: GET /open/{x} asks for no token"));
    assert!(called("/v1/open/1").contains("is allowed"));
    assert!(called("/orders/7").contains("reason: token_missing"));
    let claims = format!(
        "{{\"scope\": \"orders:read\", \"roles\": \"{}\"}}",
        "r".repeat(1025)
    );
    let text = explained(&[
        "--claims",
        &claims,
        "--method",
        "GET",
        "--path",
        "/orders/7",
    ]);
    assert!(
        text.contains("note: roles of the token is over 1024 bytes"),
        "{text}"
    );
}
