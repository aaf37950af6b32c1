//! An example for each reason.

use super::super::signer::Signer;
use super::world::{URL, World};
use gatewright_authorizer::Reason;
use gatewright_authorizer::fetch::unix_now;
use serde_json::{Value, json};

/// What the variables and files are, and commands that show the reason.
pub(super) struct Example {
    pub about: String,
    pub commands: String,
}

const GET: &str = "--method GET --path /orders/7";

pub(super) fn example(reason: Reason, world: &World) -> Example {
    match reason {
        Reason::TokenMissing
        | Reason::CredentialsAmbiguous
        | Reason::SchemeRefused
        | Reason::TokenMalformed
        | Reason::TokenTooLarge => of_credentials(reason, world),
        Reason::HeaderRefused
        | Reason::AlgorithmRefused
        | Reason::TypeRefused
        | Reason::KeyIdMissing
        | Reason::KeyUnknown
        | Reason::SignatureInvalid => of_a_header(reason, world),
        Reason::SenderConstrained
        | Reason::TokenNotBound
        | Reason::ProofMissing
        | Reason::ProofInvalid
        | Reason::ProofKeyMismatch
        | Reason::ProofMismatch
        | Reason::ProofExpired
        | Reason::CertificateMissing
        | Reason::CertificateMismatch => of_a_binding(reason, world),
        Reason::InsufficientScope
        | Reason::NotPermitted
        | Reason::ConditionNotMet
        | Reason::ConditionFailed
        | Reason::RuleDenied
        | Reason::NoRule
        | Reason::PathRefused
        | Reason::DocumentRefused => of_a_rule(reason),
        Reason::KeysUnavailable
        | Reason::ContextOverflow
        | Reason::EventUnrecognised
        | Reason::PolicyInvalid
        | Reason::ProofReplayed
        | Reason::IssuerMismatch
        | Reason::Internal => of_no_call(reason, world),
        _ => of_claims(reason, world),
    }
}

fn explained(about: &str, presented: &str, asked: &str) -> Example {
    Example {
        about: about.to_owned(),
        commands: format!("gatewright policy explain --policy policy.toml {presented} {asked}"),
    }
}

fn of_credentials(reason: Reason, world: &World) -> Example {
    world.token(&json!({}));
    let (about, presented) = match reason {
        Reason::TokenMissing => (
            "The headers of the call, without an `Authorization`.",
            "-H 'Accept: application/json'",
        ),
        Reason::CredentialsAmbiguous => (
            "`$T` is a good token, sent twice.",
            "-H \"Authorization: Bearer $T\" -H \"Authorization: Bearer $T\"",
        ),
        Reason::SchemeRefused => (
            "A name and a password, as a browser would send them.",
            "-H 'Authorization: Basic d29ya2VyOjEyMw=='",
        ),
        Reason::TokenMalformed => (
            "A refresh token, or an opaque token of another issuer.",
            "--token gwr_opaque",
        ),
        _ => {
            world.token(&json!({"pictures": "x".repeat(9000)}));
            ("`$T` has a claim of 9,000 letters.", "--token \"$T\"")
        }
    };
    explained(about, presented, GET)
}

fn of_a_header(reason: Reason, world: &World) -> Example {
    let about = match reason {
        Reason::HeaderRefused => {
            world.token_with_header("jku", json!("https://evil.example/jwks.json"));
            "`$T` says in its header where its keys are (`jku`)."
        }
        Reason::AlgorithmRefused => {
            world.token_with_header("alg", json!("RS256"));
            "`$T` is signed with RS256."
        }
        Reason::TypeRefused => {
            world.token_with_header("typ", json!("JWT"));
            "`$T` is an ID token (`typ` is `JWT`)."
        }
        Reason::KeyIdMissing => {
            world.token_with_header("kid", Value::Null);
            "`$T` has no `kid`."
        }
        Reason::KeyUnknown => {
            world.token_with_header("kid", json!("key-2"));
            "`$T` is signed with the key `key-2`, and `jwks.json` has `key-1`."
        }
        _ => {
            let stranger = Signer::es256("key-1");
            world.set("T", stranger.sign(&world.claims(&json!({}))));
            "`$T` is signed by somebody else under the issuer's name and `kid`."
        }
    };
    explained(about, "--token \"$T\"", GET)
}

fn of_claims(reason: Reason, world: &World) -> Example {
    let now = unix_now();
    let (about, changes) = match reason {
        Reason::IssuerUnknown => (
            "`$T` is of the issuer `https://other.example`.",
            json!({"iss": "https://other.example"}),
        ),
        Reason::AudienceMismatch => (
            "`$T` is for `https://billing.example.com`.",
            json!({"aud": "https://billing.example.com"}),
        ),
        Reason::Expired => (
            "`$T` was good until an hour ago.",
            json!({"exp": now - 3600}),
        ),
        Reason::NotYetValid => (
            "`$T` is good in an hour (`nbf`).",
            json!({"nbf": now + 3600}),
        ),
        Reason::IssuedInFuture => (
            "`$T` is of a clock that is two minutes ahead.",
            json!({"iat": now + 120}),
        ),
        Reason::ClaimMissing => ("`$T` has no `client_id`.", json!({"client_id": null})),
        Reason::ClaimMalformed => (
            "`$T` has its scopes as a list.",
            json!({"scope": ["orders:read"]}),
        ),
        other => panic!("no example of {other}"),
    };
    world.token(&changes);
    explained(about, "--token \"$T\"", GET)
}

fn of_a_binding(reason: Reason, world: &World) -> Example {
    let with_proof = format!("--token \"$T\" --proof \"$P\" --url {URL}");
    let nothing = json!({});
    let (about, presented) = match reason {
        Reason::SenderConstrained => {
            world.bound_token();
            (
                "`$T` is bound to a client's key (`cnf.jkt`).",
                "--token \"$T\"".to_owned(),
            )
        }
        Reason::ProofMissing => {
            world.bound_token();
            (
                "`$T` is bound to a client's key.",
                "-H \"Authorization: DPoP $T\"".to_owned(),
            )
        }
        Reason::CertificateMissing => {
            world.token(&json!({"cnf": {"x5t#S256": "A".repeat(43)}}));
            (
                "`$T` is bound to a client certificate (`cnf.x5t#S256`).",
                "--token \"$T\"".to_owned(),
            )
        }
        Reason::CertificateMismatch => {
            world.token(&json!({"cnf": {"x5t#S256": "A".repeat(43)}}));
            (
                "`$T` is bound to a client certificate, and `client.pem` is another.",
                "--token \"$T\" --certificate client.pem".to_owned(),
            )
        }
        Reason::TokenNotBound => {
            let token = world.token(&nothing);
            world.proof(&world.client, &token, &nothing);
            ("`$T` is a plain token, and `$P` a proof.", with_proof)
        }
        _ => {
            let token = world.bound_token();
            let about = match reason {
                Reason::ProofKeyMismatch => {
                    world.proof(&Signer::ed25519("thief"), &token, &nothing);
                    "`$T` is bound to a key, and `$P` is signed with another."
                }
                Reason::ProofMismatch => {
                    world.proof(&world.client, &token, &json!({"htm": "POST"}));
                    "`$P` is a proof for a POST."
                }
                Reason::ProofExpired => {
                    world.proof(&world.client, &token, &json!({"iat": unix_now() - 600}));
                    "`$P` was made ten minutes ago."
                }
                _ => {
                    world.set("P", token);
                    "`$P` is the token once more."
                }
            };
            (about, with_proof)
        }
    };
    explained(about, &presented, GET)
}

fn of_a_rule(reason: Reason) -> Example {
    let (about, presented, asked) = match reason {
        Reason::InsufficientScope => (
            "A token with another scope. The same of a WebSocket API is asked with `--connect`, of GraphQL with `--field \
             Query.orders`.",
            r#"{"scope":"profile"}"#,
            GET,
        ),
        Reason::NotPermitted => (
            "A token of somebody who isn't staff.",
            r#"{"groups":["guests"]}"#,
            "--method DELETE --path /orders/7",
        ),
        Reason::ConditionNotMet => (
            "Bob asks for Ada's profile.",
            r#"{"sub":"bob"}"#,
            "--method GET --path /people/ada",
        ),
        Reason::ConditionFailed => (
            "A token that doesn't say when its owner logged in.",
            r#"{"sub":"ada"}"#,
            "--method PUT --path /people/ada",
        ),
        Reason::RuleDenied => (
            "The scope is there, and a deny rule stands above it.",
            r#"{"scope":"orders:read"}"#,
            "--method GET --path /orders/draft",
        ),
        Reason::NoRule => (
            "A path that the policy file doesn't know.",
            r#"{"scope":"orders:read"}"#,
            "--method GET --path /invoices",
        ),
        Reason::PathRefused => (
            "A path that some servers would take for `/7`.",
            r#"{"scope":"orders:read"}"#,
            "--method GET --path /orders/..%2f7",
        ),
        _ => (
            "A document that lacks its last brace.",
            r#"{"scope":"orders:read"}"#,
            "--document query.graphql",
        ),
    };
    let mut example = explained(about, &format!("--claims '{presented}'"), asked);
    if reason == Reason::DocumentRefused {
        example.commands = format!("echo '{{ orders' > query.graphql\n{}", example.commands);
    }
    example
}

/// What doesn't come of one call's token and rules.
fn of_no_call(reason: Reason, world: &World) -> Example {
    let in_logs = |about: &str| Example {
        about: about.to_owned(),
        commands: format!("gatewright policy explain --reason {reason}"),
    };
    match reason {
        Reason::KeysUnavailable => {
            world.token(&json!({"iss": "http://127.0.0.1:9"}));
            Example {
                about: "`down.toml` is a policy file whose issuer is down. Standard error says how the fetch went, and the exit \
                        code is 1. A gateway gets an error here (500), not a denial."
                    .to_owned(),
                commands: format!("gatewright policy explain --policy down.toml --token \"$T\" {GET}"),
            }
        }
        Reason::EventUnrecognised => Example {
            about: "The event of the call, as the authorizer's log or API Gateway's test console shows it. With a whole event \
                    the answer is told as well."
                .to_owned(),
            commands: "echo '{\"type\":\"REQUEST\",\"version\":\"3.0\"}' > event.json\n\
                       gatewright policy explain --policy policy.toml --event event.json"
                .to_owned(),
        },
        Reason::PolicyInvalid => Example {
            about: "A policy file with a mistake: nothing is decided, and the authorizer doesn't start. `policy check` says \
                    the same."
                .to_owned(),
            commands: format!(
                "echo '[[isuer]]' > broken.toml\n\
                 gatewright policy explain --policy broken.toml --claims '{{}}' {GET}"
            ),
        },
        Reason::ContextOverflow => in_logs(
            "Only with `on_overflow = \"error\"` in the policy file's `[context]`. The decision log names the claims, and so \
             does a note of `policy explain`.",
        ),
        Reason::ProofReplayed => in_logs(
            "Only the process that saw a proof before knows that. For a code that stands in a log there is `--reason`.",
        ),
        Reason::IssuerMismatch => in_logs(
            "Only who verifies for one issuer alone gives it: the library's `token::verify`, and the issuer's own endpoints. \
             The authorizer says `issuer_unknown`.",
        ),
        _ => in_logs("A defect of the authorizer. No call should bring it about."),
    }
}
