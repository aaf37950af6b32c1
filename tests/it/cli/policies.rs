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
        words.succeeds().contains("path_by_path:"),
        noted,
        "{}",
        words.stdout
    );
    assert!(noted, "{checked}");
}

/// A program with a policy file of these rules.
fn with_rules(rules: &str) -> Program {
    let program = Program::sqlite();
    let head = POLICY.split("[[rule]]").next().unwrap();
    program.file("policy.toml", &format!("{head}{rules}"));
    program
}

const MIXED: &str = r#"
[data]
office = "10.0.0.0/8"

[[rule]]
id = "own"
methods = ["GET"]
path = "/people/{sub}"
when = "claims.sub == request.path.sub"

[[rule]]
id = "office"
methods = ["POST"]
path = "/people"
scopes = ["people:write"]
when = "in_network(request.source_ip, policy.office) && now - claims.auth_time < duration('15m')"

[[rule]]
id = "staff"
methods = ["DELETE"]
path = "/people/{sub}"
groups = ["staff"]

[[rule]]
id = "never"
methods = ["GET"]
path = "/closed/{id}"

[[rule]]
id = "closed"
methods = ["ANY"]
path = "/closed/**"
effect = "deny"

[[rule]]
id = "staff-again"
methods = ["DELETE"]
path = "/people/{name}"
groups = ["staff"]
scopes = ["people:write"]
"#;

#[test]
fn check_finds_what_is_probably_not_meant() {
    let program = with_rules(MIXED);
    let checked = program
        .run(&["policy", "check", "--policy", "policy.toml", "--json"])
        .json();
    let findings: Vec<(&str, Option<&str>)> = checked["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| (finding["code"].as_str().unwrap(), finding["rule"].as_str()))
        .collect();
    assert_eq!(
        findings,
        [
            ("unreachable", Some("never")),
            ("redundant", Some("staff-again")),
            ("by_call", Some("own")),
            ("by_call", Some("office")),
        ]
    );
    let said = program.run(&["policy", "check", "--policy", "policy.toml"]);
    for words in [
        "TTL to 0",
        "$context.path",
        "\"closed\" denies it to everybody",
    ] {
        assert!(said.succeeds().contains(words), "{}", said.stdout);
    }
    let strict = program.run(&["policy", "check", "--policy", "policy.toml", "--strict"]);
    assert_eq!((strict.code, strict.stderr.as_str()), (1, ""));
}

#[test]
fn check_compares_with_an_openapi_description_and_with_the_clients() {
    let program = with_rules(MIXED);
    let yaml = "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths:\n  /people/{id}:\n    parameters: []\n    get:\n      responses: {200: {description: ok}}\n    put:\n      responses: {200: {description: ok}}\n  /people:\n    post: {}\n";
    program.file("api.yaml", yaml);
    program.file(
        "api.json",
        "{\"paths\": {\"/people/{id}\": {\"get\": {}, \"put\": {}}, \"/people\": {\"post\": {}}}}",
    );
    for file in ["api.yaml", "api.json"] {
        let args = [
            "policy",
            "check",
            "--policy",
            "policy.toml",
            "--openapi",
            file,
            "--json",
        ];
        let told = program.run(&args).json()["findings"].to_string();
        assert!(
            told.contains("PUT /people/{id} is described, and no rule allows it"),
            "{told}"
        );
        assert!(!told.contains("GET /people/{id} is described"), "{told}");
        assert!(
            told.contains("the rule \\\"staff\\\" covers /people/{sub}, which is not described"),
            "{told}"
        );
    }
    program.file("bad.yaml", "paths: [1]\n");
    program
        .run(&[
            "policy",
            "check",
            "--policy",
            "policy.toml",
            "--openapi",
            "bad.yaml",
        ])
        .fails(2, &["bad.yaml", "OpenAPI"]);

    let without = program.run(&[
        "client",
        "create",
        "x",
        "--grant",
        "client_credentials",
        "--scope",
        "a",
        "--json",
    ]);
    without.json();
    let line =
        "gatewright client list --json | gatewright policy check --policy policy.toml --clients -";
    assert!(
        program
            .shell(line)
            .succeeds()
            .contains("no client may get the scope people:write")
    );
    program
        .run(&["client", "update", "x", "--scope", "people:write"])
        .succeeds();
    assert!(!program.shell(line).succeeds().contains("ungranted_scope"));
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

const CASES: &str = r#"
policy = "policy.toml"

[tokens.ada]
sub = "ada"
auth_time = 1767225600
scope = "people:write"

[[case]]
token = "ada"
method = "GET"
path = "/people/ada"
expect = "allow"
rule = "own"

[[case]]
name = "nobody reads about others"
token = "ada"
method = "GET"
path = "/people/bob"
expect = "deny"
reason = "condition_not_met"

[[case]]
token = "ada"
method = "POST"
path = "/people"
source_ip = "10.0.0.1"
time = "2026-01-01T00:01:00Z"
expect = "allow"
"#;

#[test]
fn a_table_of_cases_passes_or_says_which_differ() {
    let program = with_rules(MIXED);
    let cases = program.file("cases.toml", CASES);
    let said = program.run(&["policy", "test", &cases]);
    assert!(
        said.succeeds().contains("ok    nobody reads about others"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.ends_with("3 passed, 0 failed\n"),
        "{}",
        said.stdout
    );

    let wrong = program.file(
        "wrong.toml",
        &CASES
            .replace("\"condition_not_met\"", "\"no_rule\"")
            .replacen("\"allow\"", "\"deny\"", 1),
    );
    let said = program.run(&["policy", "test", &wrong, "--json"]);
    assert_eq!(said.code, 1);
    let told: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((&told["passed"], &told["failed"]), (&json!(1), &json!(2)));
    assert_eq!(
        told["cases"][0]["differs"],
        json!(["expected deny, got allow"])
    );
    assert_eq!(
        told["cases"][1]["differs"],
        json!(["expected the reason no_rule, got condition_not_met"])
    );

    for (change, words) in [
        (
            CASES.replace("token = \"ada\"", "token = \"eve\""),
            "[tokens.eve]",
        ),
        (CASES.replace("expect", "expects"), "expects"),
        (CASES.replace("00:01:00Z", "00:01"), "2026-01-31T12:00:00Z"),
        (
            CASES.replace("policy = \"policy.toml\"", ""),
            "--policy FILE",
        ),
        ("policy = \"policy.toml\"\ncase = []".to_owned(), "[[case]]"),
    ] {
        let file = program.file("bad.toml", &change);
        program
            .run(&["policy", "test", &file])
            .fails(2, &["bad.toml", words]);
    }
}
