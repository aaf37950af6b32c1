//! What a decision costs beside the bare verification of its signature.
//!
//! ```sh
//! cargo bench -p gatewright-authorizer --bench decide
//! ```
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods
)]

#[path = "../tests/it/support/signer.rs"]
#[allow(dead_code)]
mod signer;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use divan::{Bencher, black_box};
use gatewright_authorizer::jose::{Algorithm, JwkSet};
use gatewright_authorizer::policy::Request;
use gatewright_authorizer::token::{TokenRules, verify};
use gatewright_authorizer::{Authorizer, Policy, Verifier};
use serde_json::{Value, json};
use signer::Signer;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://api.example.com";
const BASE: &str = "arn:aws:execute-api:eu-west-1:123456789012:api1/prod";
const ALGORITHMS: [&str; 2] = ["ES256", "RS256"];

fn main() {
    divan::main();
}

/// A signer, its key set, and a token.
struct World {
    signer: Signer,
    keys: JwkSet,
    token: String,
}

impl World {
    fn new(alg: &str) -> Self {
        let signer = match alg {
            "RS256" => Signer::rsa("r", "RS256"),
            _ => Signer::es256("e"),
        };
        let keys = JwkSet::parse(json!({"keys": [signer.jwk()]}).to_string().as_bytes()).unwrap();
        let token = signer.sign(&json!({
            "iss": ISSUER, "sub": "user-1", "aud": AUDIENCE, "client_id": "app", "jti": "t-1",
            "iat": NOW - 10, "exp": NOW + 300, "scope": "orders:read orders:write profile",
        }));
        Self {
            signer,
            keys,
            token,
        }
    }

    fn authorizer(&self, routes: usize) -> Authorizer {
        let verifier = Verifier::with_fixed_keys([(rules(), self.keys.clone())]);
        Authorizer::new(policy(routes), verifier)
    }

    fn event(&self) -> Value {
        json!({
            "version": "2.0", "type": "REQUEST", "routeArn": format!("{BASE}/GET/r7/1"),
            "routeKey": "GET /r7/{id}", "rawPath": "/prod/r7/1", "rawQueryString": "",
            "identitySource": [format!("Bearer {}", self.token)],
            "headers": {"authorization": format!("Bearer {}", self.token)},
            "requestContext": {
                "accountId": "123456789012", "apiId": "api1", "domainName": "api1.example.com", "requestId": "r-1",
                "routeKey": "GET /r7/{id}", "stage": "prod",
                "http": {"method": "GET", "path": "/prod/r7/1", "protocol": "HTTP/1.1", "sourceIp": "10.0.0.1", "userAgent": "b"},
            },
        })
    }
}

fn rules() -> TokenRules {
    TokenRules::new(ISSUER, vec![AUDIENCE.to_owned()], Algorithm::ALL.to_vec())
}

/// Of the routes the token may call the odd ones.
fn policy_text(routes: usize) -> String {
    let head = format!(
        "[[issuer]]\nurl = \"{ISSUER}\"\naudiences = [\"{AUDIENCE}\"]\nalgorithms = [\"ES256\", \"RS256\"]\n"
    );
    let rules = (0..routes).map(|at| {
        let scope = if at % 2 == 1 { "orders:read" } else { "other:read" };
        format!("[[rule]]\nid = \"r{at}\"\nmethods = [\"GET\"]\npath = \"/r{at}/{{id}}\"\nscopes = [\"{scope}\"]\n")
    });
    std::iter::once(head).chain(rules).collect()
}

fn policy(routes: usize) -> Policy {
    Policy::parse(&policy_text(routes)).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[divan::bench(args = ALGORITHMS)]
fn bare_signature(bencher: Bencher<'_, '_>, alg: &str) {
    let world = World::new(alg);
    let jwk = world.signer.jwk();
    let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let (input, signature) = world.token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    if alg == "RS256" {
        let key = RsaPublicKeyComponents {
            n: member("n"),
            e: member("e"),
        };
        bencher.bench_local(|| {
            let input = black_box(input.as_bytes());
            key.verify(&RSA_PKCS1_2048_8192_SHA256, input, &signature)
                .unwrap();
        });
    } else {
        let point = [vec![4], member("x"), member("y")].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        bencher.bench_local(|| key.verify(black_box(input.as_bytes()), &signature).unwrap());
    }
}

/// A token that was never seen, and one call of it against 200 rules.
#[divan::bench(args = ALGORITHMS)]
fn verify_and_decide(bencher: Bencher<'_, '_>, alg: &str) {
    let world = World::new(alg);
    let (policy, rules) = (policy(200), rules());
    let request = Request::new("GET", "/r7/1").at(NOW);
    bencher.bench_local(|| {
        let token = verify(black_box(&world.token), &world.keys, &rules, NOW).unwrap();
        assert!(policy.judge(&token, &request).is_allow());
    });
}

/// A token that is known, and one call of it.
#[divan::bench(args = ALGORITHMS)]
fn known_token_and_decide(bencher: Bencher<'_, '_>, alg: &str) {
    let world = World::new(alg);
    let (policy, runtime) = (policy(200), runtime());
    let verifier = Verifier::with_fixed_keys([(rules(), world.keys.clone())]);
    let request = Request::new("GET", "/r7/1").at(NOW);
    let decide = || {
        let token = runtime
            .block_on(verifier.verify(black_box(world.token.as_str()), NOW))
            .unwrap();
        assert!(policy.judge(&token, &request).is_allow());
    };
    decide();
    bencher.bench_local(decide);
}

/// Event in, answer with the token's whole rights out.
#[divan::bench(args = [10, 100])]
fn answer_of_a_known_token(bencher: Bencher<'_, '_>, routes: usize) {
    let world = World::new("ES256");
    let (authorizer, event, runtime) = (world.authorizer(routes), world.event(), runtime());
    let answer = || {
        runtime
            .block_on(authorizer.answer(black_box(&event), NOW))
            .unwrap()
    };
    assert!(answer()["policyDocument"].is_object());
    bencher.bench_local(answer);
}

#[divan::bench(args = [10, 200])]
fn read_the_policy_file(bencher: Bencher<'_, '_>, routes: usize) {
    let text = policy_text(routes);
    bencher.bench_local(|| Policy::parse(black_box(&text)).unwrap());
}

#[divan::bench(args = [10, 200])]
fn compile_the_rights_of_a_token(bencher: Bencher<'_, '_>, routes: usize) {
    let world = World::new("ES256");
    let policy = policy(routes);
    let token = verify(&world.token, &world.keys, &rules(), NOW).unwrap();
    bencher.bench_local(|| policy.rights(black_box(&token), BASE, None, 1_000_000));
}

/// A rule of one's own.
#[divan::bench(args = [
    "claims.client_id == \"app\"",
    "claims.sub == request.path.id || now - claims.iat < duration(\"15m\")",
])]
fn condition(bencher: Bencher<'_, '_>, when: &str) {
    let world = World::new("ES256");
    let text = policy_text(1).replace("scopes = [\"other:read\"]", &format!("when = '{when}'"));
    let policy = Policy::parse(&text).unwrap();
    let token = verify(&world.token, &world.keys, &rules(), NOW).unwrap();
    let request = Request::new("GET", "/r0/1").at(NOW);
    bencher.bench_local(|| assert!(policy.judge(black_box(&token), &request).is_allow()));
}
