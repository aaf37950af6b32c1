//! `policy test`

use super::{MIXED, with_rules};
use serde_json::{Value, json};

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
