//! Policy files: checked, explained and tested by the authorizer's own code.

mod cases;
mod check;
mod denials;
mod explain;
mod kinds;
#[path = "../../../../authorizer/tests/it/support/signer.rs"]
#[allow(dead_code)]
pub mod signer;

use super::program::Program;

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
