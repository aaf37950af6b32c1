//! A folder with a policy file, its issuer's keys, and variables that hold tokens.

use super::super::super::program::Program;
use super::super::signer::{Signer, b64};
use aws_lc_rs::digest::{SHA256, digest};
use gatewright_authorizer::fetch::unix_now;
use gatewright_authorizer::jose::thumbprint;
use serde_json::{Value, json};
use std::cell::RefCell;

pub(super) const POLICY: &str = r#"[[issuer]]
url = "https://login.example.com"
audiences = ["https://api.example.com"]
algorithms = ["ES256"]
jwks = { pinned = "jwks.json" }

[[rule]]
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

[[rule]]
id = "live"
route = "$connect"
scopes = ["live"]

[[rule]]
id = "orders"
field = "Query.orders"
scopes = ["orders:read"]
"#;

pub(super) const URL: &str = "https://api.example.com/orders/7";

/// A certificate, as far as anybody here reads it.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

pub(super) struct World {
    pub program: Program,
    pub issuer: Signer,
    pub client: Signer,
    variables: RefCell<Vec<(&'static str, String)>>,
}

impl World {
    pub fn new() -> Self {
        let (program, issuer) = (Program::sqlite(), Signer::es256("key-1"));
        program.file("policy.toml", POLICY);
        program.file("jwks.json", &json!({"keys": [issuer.jwk()]}).to_string());
        // Nobody listens there.
        let down = POLICY
            .replace("https://login.example.com", "http://127.0.0.1:9")
            .replace("jwks = { pinned = \"jwks.json\" }\n", "");
        program.file("down.toml", &down);
        program.file("client.pem", CERTIFICATE);
        Self {
            program,
            issuer,
            client: Signer::ed25519("client"),
            variables: RefCell::default(),
        }
    }

    /// From now on a variable of the examples.
    pub fn set(&self, name: &'static str, value: String) {
        self.variables.borrow_mut().push((name, value));
    }

    /// Claims that the policy file allows something, with these instead.
    pub fn claims(&self, changes: &Value) -> Value {
        let now = unix_now();
        let mut claims = json!({
            "iss": "https://login.example.com", "sub": "ada", "client_id": "web", "aud": "https://api.example.com",
            "jti": "1", "iat": now - 60, "exp": now + 240, "scope": "orders:read",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            }
        }
        claims
    }

    /// `$T`: a token with these claims.
    pub fn token(&self, changes: &Value) -> String {
        let token = self.issuer.sign(&self.claims(changes));
        self.set("T", token.clone());
        token
    }

    /// `$T`: a token whose header is changed.
    pub fn token_with_header(&self, name: &str, value: Value) {
        let mut header = self.issuer.header();
        header[name] = value.clone();
        if value.is_null() {
            header.as_object_mut().unwrap().remove(name);
        }
        let claims = self.claims(&json!({}));
        self.set("T", self.issuer.sign_with(&header, &claims));
    }

    /// `$T`: a token that is bound to the client's key.
    pub fn bound_token(&self) -> String {
        let jkt = thumbprint(&bare(&self.client)).unwrap();
        self.token(&json!({"cnf": {"jkt": jkt}}))
    }

    /// `$P`: a proof by this key for `GET` on the examples' URL, with these claims instead.
    pub fn proof(&self, key: &Signer, token: &str, changes: &Value) {
        let header = json!({"typ": "dpop+jwt", "alg": key.alg, "jwk": bare(key)});
        let mut claims = json!({
            "jti": "1", "htm": "GET", "htu": URL, "iat": unix_now(), "ath": b64(digest(&SHA256, token.as_bytes())),
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.set("P", key.sign_with(&header, &claims));
    }

    /// What the commands say, on standard output or else on the other.
    pub fn told(&self, commands: &str) -> String {
        let mut lines = String::new();
        for (name, value) in &*self.variables.borrow() {
            assert!(!value.contains('\''));
            lines.push_str(&format!("{name}='{value}'\n"));
        }
        let said = self.program.shell(&format!("{lines}{commands}"));
        if said.stdout.is_empty() {
            said.stderr
        } else {
            said.stdout
        }
    }
}

/// The public key as a proof carries it.
fn bare(key: &Signer) -> Value {
    let mut jwk = key.jwk();
    let members = jwk.as_object_mut().unwrap();
    members.retain(|name, _| ["kty", "crv", "x", "y"].contains(&name.as_str()));
    jwk
}
