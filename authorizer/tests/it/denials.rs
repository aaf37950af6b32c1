//! `docs/denials.md`: for every reason code an example, as `explain` tells it.

use std::fmt::Write as _;
use std::path::PathBuf;

use gatewright_authorizer::Reason;
use gatewright_authorizer::policy::{Request, explain};
use serde_json::{Value, json};

use crate::support::{NOW, policy_of, token_having};

const RULES: &str = r#"[[rule]]
id = "orders-read"
methods = ["GET"]
path = "/orders/{id}"
scopes = ["orders:read"]

[[rule]]
id = "staff"
methods = ["DELETE"]
path = "/orders/{id}"
groups = ["staff"]

[[rule]]
id = "own-profile"
methods = ["GET"]
path = "/people/{sub}"
when = 'claims.sub == request.path.sub'

[[rule]]
id = "fresh-login"
methods = ["PUT"]
path = "/people/{sub}"
when = 'now - claims.auth_time < duration("15m")'

[[rule]]
id = "no-drafts"
methods = ["ANY"]
path = "/orders/draft"
effect = "deny"
"#;

/// Calls that rules deny: the claims beside the usual ones, method and path.
fn call_denied_by_rule(reason: Reason) -> Option<(Value, &'static str, &'static str)> {
    Some(match reason {
        Reason::InsufficientScope => (json!({"scope": "profile"}), "GET", "/orders/7"),
        Reason::NotPermitted => (json!({"groups": ["guests"]}), "DELETE", "/orders/7"),
        Reason::ConditionNotMet => (json!({"sub": "bob"}), "GET", "/people/ada"),
        Reason::ConditionFailed => (json!({"sub": "ada"}), "PUT", "/people/ada"),
        Reason::RuleDenied => (json!({"scope": "orders:read"}), "GET", "/orders/draft"),
        Reason::NoRule => (json!({"scope": "orders:read"}), "GET", "/invoices"),
        Reason::PathRefused => (json!({"scope": "orders:read"}), "GET", "/orders/..%2f7"),
        _ => return None,
    })
}

fn document() -> String {
    let policy = policy_of(RULES);
    let mut text = format!(
        "# Why was this denied?\n\n\
         `gatewright policy explain` answers with the code that enforces. Here is an example for every reason code; the\n\
         same code stands in the decision log, in the context of the denial, and in an answer's `reason`. Where a rule\n\
         decided, the claims stand in the example; where the token itself was refused, `$T` is such a token, or what came\n\
         in its place. The policy file's rules:\n\n```toml\n{RULES}```\n"
    );
    for reason in Reason::ALL {
        let (presented, verdict) = match call_denied_by_rule(*reason) {
            Some((claims, method, path)) => {
                let request = Request::new(method, path).at(NOW);
                let told = explain(&policy, &Ok(token_having(&claims)), &request);
                assert_eq!(told.reason, Some(*reason), "{claims} {method} {path}");
                (
                    format!("--claims '{claims}' --method {method} --path {path}"),
                    told,
                )
            }
            None => (
                "--token \"$T\" --method GET --path /orders/7".to_owned(),
                explain(&policy, &Err(*reason), &Request::new("GET", "/orders/7")),
            ),
        };
        let _ = write!(
            text,
            "\n## `{reason}`\n\n```text\n$ gatewright policy explain --policy policy.toml {presented}\n{verdict}\n```\n"
        );
    }
    text
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/denials.md")
}

#[test]
fn every_reason_has_an_example() {
    assert_eq!(
        std::fs::read_to_string(file()).unwrap(),
        document(),
        "write it anew: cargo test -p gatewright-authorizer --test it -- --ignored write_the_examples"
    );
}

#[test]
#[ignore = "writes docs/denials.md anew"]
fn write_the_examples() {
    std::fs::write(file(), document()).unwrap();
}
