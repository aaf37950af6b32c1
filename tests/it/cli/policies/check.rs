//! `policy check`

use super::{MIXED, POLICY, Program, with_rules};
use serde_json::{Value, json};

#[test]
fn a_policy_file_is_checked_to_the_line_and_column() {
    let program = Program::sqlite();
    program.file("policy.toml", POLICY);
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
fn check_says_who_decides_on_public_routes_and_what_becomes_of_claims_that_do_not_fit() {
    let program = Program::sqlite();
    let public =
        "[[rule]]\nid = \"health\"\nmethods = [\"GET\"]\npath = \"/health\"\neffect = \"public\"\n";
    for (on_overflow, said) in [("drop", "is left out"), ("error", "such calls are denied")] {
        let head = format!(
            "[api]\nbase_paths = [\"/orders\"]\n[context]\nclaims = [\"tenant\"]\non_overflow = \"{on_overflow}\"\n"
        );
        program.file("policy.toml", &format!("{head}{POLICY}{public}"));
        let check = ["policy", "check", "--policy", "policy.toml"];
        let ran = program.run(&check);
        let text = ran.succeeds();
        assert!(
            text.contains("public: the rule \"health\" is public"),
            "{text}"
        );
        assert!(
            text.contains("on API Gateway attach no authorizer to these routes"),
            "{text}"
        );
        assert!(text.contains("under_base_path: "), "{text}");
        let passed_on = text
            .lines()
            .find(|line| line.starts_with("Passed on to the API: tenant."));
        assert!(passed_on.unwrap().contains(said), "{text}");
        let json = program.run(&[&check[..], &["--json"]].concat()).json();
        assert_eq!(json["context"]["claims"][0], "tenant");
        assert_eq!(json["context"]["on_overflow"], on_overflow);
    }
}
