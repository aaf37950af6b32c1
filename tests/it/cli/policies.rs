//! Policy files: checked, and explained by the authorizer's own code.

use super::program::Program;
use gatewright::crypto::Entropy;
use gatewright::crypto::jwt::{TokenType, sign};
use gatewright::crypto::signing_key::{SigningKey, generate};
use gatewright_authorizer::fetch::unix_now;
use gatewright_authorizer::jose::Algorithm;
use serde_json::{Value, json};

const ISSUER: &str = "http://127.0.0.1:9";
const POLICY: &str = r#"
[[issuer]]
url = "http://127.0.0.1:9"
audiences = ["https://api.example.com"]
algorithms = ["ES256"]

[response]
http_v2 = "iam"
rest_failure = "unauthorized"

[[rule]]
id = "orders-read"
methods = ["GET", "HEAD"]
path = "/orders/{id}"
scopes = ["orders:read"]

[[rule]]
id = "orders-write"
methods = ["POST"]
path = "/orders"
scopes = ["orders:write"]
"#;

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
fn a_policy_file_is_checked_to_the_line_and_column() {
    let (program, _) = prepared(60);
    assert!(
        program
            .run(&["policy", "check", "--policy", "policy.toml"])
            .succeeds()
            .contains("Rules: 2.")
    );
    let checked = program
        .run(&["policy", "check", "--policy", "policy.toml", "--json"])
        .json();
    assert_eq!(
        (&checked["valid"], &checked["scopes"]),
        (&json!(true), &json!(["orders:read", "orders:write"]))
    );
    assert_eq!(checked["coverage"], json!([]));

    program.file(
        "bad.toml",
        &POLICY.replace("scopes = [\"orders:read\"]", "scope = [\"orders:read\"]"),
    );
    program
        .run(&["policy", "check", "--policy", "bad.toml"])
        .fails(2, &["bad.toml: line 15, column 1"]);
    let said = program.run(&["policy", "check", "--policy", "bad.toml", "--json"]);
    let told: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(
        (said.code, &told["valid"], &told["line"], &told["column"]),
        (2, &json!(false), &json!(15), &json!(1))
    );
    let args = [
        "policy", "explain", "--policy", "bad.toml", "--token", "x", "--method", "GET", "--path",
        "/",
    ];
    program.run(&args).fails(2, &["line 15"]);
    program
        .run(&["policy", "check", "--policy", "nowhere.toml"])
        .fails(2, &["nowhere.toml", "check the path"]);
}

#[test]
fn rules_whose_answers_cannot_be_cached_are_noted() {
    let program = Program::sqlite();
    let wide = r#"
[[rule]]
id = "all-of-it"
methods = ["GET"]
path = "/orders/{rest+}"
scopes = ["orders:all"]
"#;
    program.file("policy.toml", &format!("{POLICY}{wide}"));
    let checked = program
        .run(&["policy", "check", "--policy", "policy.toml", "--json"])
        .json();
    let noted = !checked["coverage"].as_array().unwrap().is_empty();
    let words = program.run(&["policy", "check", "--policy", "policy.toml"]);
    assert_eq!(
        words.succeeds().contains("note:"),
        noted,
        "{}",
        words.stdout
    );
    assert!(noted, "{checked}");
}
