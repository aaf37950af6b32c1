//! `policy explain` and `policy test` on what isn't a method and a path.

use super::with_rules;
use serde_json::{Value, json};

const RULES: &str = r#"
[[rule]]
id = "live"
route = "$connect"
scopes = ["live"]
when = "in_network(request.source_ip, '10.0.0.0/8')"

[[rule]]
id = "orders"
field = "Query.orders"
scopes = ["orders:read"]

[[rule]]
id = "cards"
field = "Customer.card"
scopes = ["cards"]
"#;

/// The reason, or the rule that allows.
fn explained(scope: &str, asked: &[&str]) -> Value {
    let program = with_rules(RULES);
    program.file(
        "orders.graphql",
        "query A { o: orders { id } ...B } fragment B on Query { secrets }",
    );
    program.file("torn.graphql", "query A { orders");
    let claims = json!({"scope": scope}).to_string();
    let base = [
        "policy",
        "explain",
        "--policy",
        "policy.toml",
        "--claims",
        &claims,
        "--json",
    ];
    program.run(&[&base[..], asked].concat()).json()
}

#[test]
fn connections_fields_and_documents_are_explained() {
    let office = ["--connect", "--source-ip", "10.0.0.1"];
    let allowed = explained("live", &office);
    assert_eq!(
        (&allowed["verdict"], &allowed["rule"], &allowed["route"]),
        (&json!("allow"), &json!("live"), &json!("$connect"))
    );
    for (scope, asked, reason) in [
        (
            "live",
            &["--connect", "--source-ip", "11.0.0.1"][..],
            "condition_not_met",
        ),
        ("live", &["--connect"], "condition_failed"),
        ("", &office, "insufficient_scope"),
        ("", &["--field", "Query.orders"], "insufficient_scope"),
        (
            "orders:read",
            &["--field", "Query.orders", "--field", "Mutation.add"],
            "no_rule",
        ),
        (
            "orders:read",
            &["--field", "Customer.card"],
            "insufficient_scope",
        ),
        ("orders:read", &["--document", "orders.graphql"], "no_rule"),
        (
            "orders:read",
            &["--document", "torn.graphql"],
            "document_refused",
        ),
        // A route of the same name is another thing.
        (
            "live",
            &["--method", "GET", "--path", "/$connect"],
            "no_rule",
        ),
    ] {
        assert_eq!(
            explained(scope, asked)["reason"],
            reason,
            "{scope} {asked:?}"
        );
    }
    for (scope, asked) in [
        ("orders:read", ["--field", "Query.orders"]),
        ("cards", ["--field", "Customer.card"]),
        ("", ["--field", "Customer.name"]),
    ] {
        assert_eq!(explained(scope, &asked)["verdict"], "allow", "{asked:?}");
    }
    assert_eq!(
        explained("", &["--document", "orders.graphql"])["fields"],
        json!(["Query.orders", "Query.secrets"])
    );
}

#[test]
fn one_thing_is_asked_about_and_what_its_kind_does_not_tell_is_refused() {
    let program = with_rules(RULES);
    let base = [
        "policy",
        "explain",
        "--policy",
        "policy.toml",
        "--claims",
        "{}",
    ];
    for (asked, words) in [
        (&[][..], "--connect"),
        (&["--method", "GET"], "belong together"),
        (
            &["--connect", "--field", "Query.orders"],
            "ask about one thing",
        ),
        (&["--field", "orders"], "Query.orders"),
        (&["--field", "Query.orders", "--stage", "prod"], "--stage"),
        (&["--event", "event.json"], "--event"),
    ] {
        program.run(&[&base[..], asked].concat()).fails(2, &[words]);
    }
    let base = [
        "policy",
        "explain",
        "--policy",
        "policy.toml",
        "-H",
        "Authorization: DPoP x",
        "-H",
        "dpop: y",
    ];
    for (asked, words) in [
        (&["--method", "GET", "--path", "/"][..], "--url"),
        (&["--connect"], "WebSocket"),
        (&["--field", "Query.orders"], "AppSync"),
    ] {
        program.run(&[&base[..], asked].concat()).fails(2, &[words]);
    }
    program
        .run(&["policy", "explain", "--reason", "no_such_thing"])
        .fails(2, &["no_such_thing", "insufficient_scope"]);
}

#[test]
fn claims_of_a_bound_token_are_explained_with_what_they_cannot_show() {
    let program = with_rules(RULES);
    for (cnf, needed) in [
        (json!({"jkt": "A".repeat(43)}), "a DPoP proof"),
        (
            json!({"x5t#S256": "A".repeat(43)}),
            "the client certificate",
        ),
    ] {
        let claims = json!({"scope": "orders:read", "cnf": cnf}).to_string();
        let args = [
            "policy",
            "explain",
            "--policy",
            "policy.toml",
            "--claims",
            &claims,
            "--field",
            "Query.orders",
        ];
        let note = format!("note: the token is bound to a key (cnf): without {needed} each call");
        let said = program.run(&args);
        assert!(said.succeeds().contains(&note), "{}", said.stdout);
        let told = program.run(&[&args[..], &["--json"]].concat()).json();
        assert_eq!(told["verdict"], "allow");
        assert!(told["note"].as_str().unwrap().contains(needed));
        assert!(told["token"]["binding"].is_string());
    }
}

#[test]
fn an_event_is_explained_with_the_answer_that_the_gateway_gets() {
    let program = with_rules(RULES);
    program.file(
        "event.json",
        &json!({
            "authorizationToken": "nonsense",
            "requestContext": {"apiId": "a1", "accountId": "123456789012", "queryString": "{ orders }"},
        })
        .to_string(),
    );
    let args = [
        "policy",
        "explain",
        "--policy",
        "policy.toml",
        "--event",
        "event.json",
    ];
    let said = program.run(&args);
    assert!(
        said.succeeds().starts_with("Query.orders is denied."),
        "{}",
        said.stdout
    );
    let told = program.run(&[&args[..], &["--json"]].concat()).json();
    assert_eq!(
        (&told["fields"], &told["reason"]),
        (&json!(["Query.orders"]), &json!("token_malformed"))
    );
    assert_eq!(told["answer"]["isAuthorized"], false);
    program.file("event.json", "{");
    program.run(&args).fails(2, &["event.json", "no JSON"]);
}

#[test]
fn tables_of_cases_have_connections_and_fields_too() {
    let program = with_rules(RULES);
    let cases = r#"
policy = "policy.toml"

[tokens.reader]
scope = "orders:read live"

[[case]]
token = "reader"
route = "$connect"
source_ip = "10.0.0.1"
expect = "allow"
rule = "live"

[[case]]
token = "reader"
field = "Query.orders"
expect = "allow"

[[case]]
token = "reader"
document = "{ orders secrets }"
expect = "deny"
reason = "no_rule"
"#;
    program.file("cases.toml", cases);
    let said = program.run(&["policy", "test", "cases.toml"]);
    assert!(
        said.succeeds().contains("ok    reader $connect\n"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("ok    reader Query.orders\n"));
    for (change, words) in [
        (
            cases.replace("route = \"$connect\"", ""),
            "route = \"$connect\"",
        ),
        (cases.replace("\"$connect\"", "\"$default\""), "$connect"),
        (
            cases.replace("\"Query.orders\"", "\"orders\""),
            "Query.orders",
        ),
        (
            cases.replace("field = ", "stage = \"prod\"\nfield = "),
            "leave source_ip and stage out",
        ),
        (
            cases.replace("field = ", "path = \"/\"\nfield = "),
            "belong together",
        ),
    ] {
        let file = program.file("bad.toml", &change);
        program.run(&["policy", "test", &file]).fails(2, &[words]);
    }
}
