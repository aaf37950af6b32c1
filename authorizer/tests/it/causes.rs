//! A code with several causes says which of them it was: in the log, in an answer and in an explanation.

use gatewright_authorizer::credentials::Scheme;
use gatewright_authorizer::jose::thumbprint;
use gatewright_authorizer::policy::{Asked, Explanation, Request, Target, explain};
use gatewright_authorizer::{Authorizer, Credentials, HttpCall, Reason, Refused};
use serde_json::{Value, json};

use crate::support::client::{Client, URL, bound};
use crate::support::signer::shared;
use crate::support::{NOW, Signer, block_on, claims, policy, token_with, verifier};

fn refused(credentials: &Credentials<'_>) -> Refused {
    let looked = block_on(verifier(&[shared()]).examine(credentials, NOW));
    let refused = looked.verdict().unwrap_err();
    assert_eq!(looked.outcome, Err(refused.reason));
    refused
}

#[test]
fn a_claim_that_is_missing_or_malformed_is_named() {
    for name in ["iss", "sub", "aud", "exp", "iat", "client_id", "jti"] {
        let mut without = claims("a");
        without.as_object_mut().unwrap().remove(name);
        let why = refused(&Credentials::bearer(&shared().sign(&without)));
        assert_eq!(why.reason, Reason::ClaimMissing, "{name}");
        let words =
            format!("The token lacks the claim {name}, which every access token must have.");
        assert_eq!(why.words(), words);
    }
    for name in [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "client_id",
        "jti",
        "scope",
        "cnf",
    ] {
        let mut odd = claims("a");
        odd[name] = json!([{}]);
        let why = refused(&Credentials::bearer(&shared().sign(&odd)));
        assert_eq!(why.reason, Reason::ClaimMalformed, "{name}");
        let words =
            format!("The claim {name} of the token has the wrong type or an impossible value.");
        assert_eq!(why.words(), words);
    }
}

#[test]
fn what_is_wrong_with_a_header_or_a_key_is_named() {
    let token_with = |name: &str, value: Value| {
        let mut header = shared().header();
        header[name] = value;
        shared().sign_with(&header, &claims("a"))
    };
    let mut no_typ = shared().header();
    no_typ.as_object_mut().unwrap().remove("typ");
    let cases = [
        (
            token_with("jku", json!("https://evil.example")),
            Reason::HeaderRefused,
            "the member jku,",
        ),
        (
            token_with("x5c", json!([])),
            Reason::HeaderRefused,
            "the member x5c,",
        ),
        (
            token_with("kid", json!(7)),
            Reason::HeaderRefused,
            "The member kid of",
        ),
        (
            token_with("kid", json!("../a")),
            Reason::HeaderRefused,
            "The member kid of",
        ),
        (
            token_with("typ", json!("jwt")),
            Reason::TypeRefused,
            "its typ is not at+jwt",
        ),
        (
            shared().sign_with(&no_typ, &claims("a")),
            Reason::TypeRefused,
            "has no typ",
        ),
        (
            token_with("kid", json!("another")),
            Reason::KeyUnknown,
            "doesn't publish.",
        ),
        (
            Signer::ed25519("key-1").sign(&claims("a")),
            Reason::KeyUnknown,
            "another algorithm",
        ),
    ];
    for (token, reason, words) in cases {
        let why = refused(&Credentials::bearer(&token));
        assert_eq!(why.reason, reason, "{words}");
        assert!(why.words().contains(words), "{}", why.words());
    }
}

#[test]
fn what_is_wrong_with_a_proof_or_a_binding_is_named() {
    let client = Client::new();
    let token = client.token();
    let proof_with = |name: &str, value: Value| {
        let mut claims = Client::claims(&token, "p");
        claims[name] = value;
        client.0.sign_with(&client.header(), &claims)
    };
    let header_with = |name: &str, value: Value| {
        let mut header = client.header();
        header[name] = value;
        client.0.sign_with(&header, &Client::claims(&token, "p"))
    };
    let mut enc = client.jwk();
    enc["use"] = json!("enc");
    let forged = header_with("jwk", Signer::ed25519("x").jwk());
    for (proof, reason, words) in [
        ("x".to_owned(), Reason::ProofInvalid, "strict compact form"),
        (
            header_with("typ", json!("jwt")),
            Reason::ProofInvalid,
            "The typ of",
        ),
        (
            header_with("jwk", enc),
            Reason::ProofInvalid,
            "its use is none",
        ),
        (
            forged,
            Reason::ProofInvalid,
            "not signed by the key in its header",
        ),
        (
            proof_with("jti", json!(7)),
            Reason::ProofInvalid,
            "The claim jti",
        ),
        (
            proof_with("ath", Value::Null),
            Reason::ProofInvalid,
            "The claim ath",
        ),
        (
            proof_with("iat", json!("now")),
            Reason::ProofInvalid,
            "The claim iat",
        ),
        (
            proof_with("htm", json!("POST")),
            Reason::ProofMismatch,
            "another method (htm)",
        ),
        (
            proof_with("htu", json!("https://x/")),
            Reason::ProofMismatch,
            "another URL (htu)",
        ),
        (
            proof_with("ath", json!("x")),
            Reason::ProofMismatch,
            "another token (ath)",
        ),
        (
            proof_with("iat", json!(NOW - 600)),
            Reason::ProofExpired,
            "older than a minute",
        ),
        (
            proof_with("iat", json!(NOW + 600)),
            Reason::ProofExpired,
            "from the future",
        ),
    ] {
        let why = refused(&Credentials {
            scheme: Scheme::Dpop,
            proof: Some(&proof),
            method: "GET",
            url: Some(URL.to_owned()),
            ..Credentials::bearer(&token)
        });
        assert_eq!(why.reason, reason, "{words}");
        assert!(why.words().contains(words), "{}", why.words());
    }
    let proof = client.proof(&token, "p");
    let nowhere = Credentials {
        scheme: Scheme::Dpop,
        proof: Some(&proof),
        method: "GET",
        ..Credentials::bearer(&token)
    };
    assert!(
        refused(&nowhere)
            .words()
            .contains("URL of the call is not known")
    );

    let bearer = refused(&Credentials::bearer(&token));
    assert!(bearer.words().contains("sent as a plain bearer token"));
    let unknown = bound(&json!({"kid": "x", "jkt": thumbprint(&client.jwk()).unwrap()}));
    let unknown = refused(&Credentials::bearer(&unknown));
    assert_eq!(unknown.reason, bearer.reason);
    assert!(
        unknown.words().contains("isn't supported"),
        "{}",
        unknown.words()
    );
    let with_certificate = bound(&json!({"x5t#S256": "A".repeat(43)}));
    let unreadable = Credentials {
        certificate: Some("no PEM"),
        ..Credentials::bearer(&with_certificate)
    };
    assert!(
        refused(&unreadable)
            .words()
            .contains("not one certificate in PEM")
    );
}

#[test]
fn what_makes_a_path_ambiguous_is_named() {
    let policy = policy();
    let token = Ok(token_with("orders:read"));
    for (path, words) in [
        ("", "no slash"),
        ("orders", "no slash"),
        ("//orders", "an empty segment"),
        ("/orders//1", "an empty segment"),
        ("/orders/../1", "one or two dots"),
        ("/orders/%2e", "one or two dots"),
        ("/orders/a%2Fb", "an escape"),
        ("/orders/%2561", "an escape"),
        ("/orders/%zz", "an escape"),
        ("/orders/%ff", "an escape"),
        ("/orders;v=1", "a semicolon"),
    ] {
        let told = explain(&policy, &token, Target::Route, &Request::new("GET", path));
        assert_eq!(told.reason, Some(Reason::PathRefused), "{path}");
        assert!(told.words.contains(words), "{path}: {}", told.words);
    }
    let long = format!("/{}", "a".repeat(2048));
    let told = explain(&policy, &token, Target::Route, &Request::new("GET", &long));
    assert!(told.words.contains("over 2048 bytes"), "{}", told.words);
}

#[test]
fn an_answer_and_an_explanation_name_the_cause() {
    let mut without = claims("orders:read");
    without.as_object_mut().unwrap().remove("client_id");
    let token = shared().sign(&without);
    let authorization = format!("Bearer {token}");
    let call = HttpCall {
        kind: "tower",
        method: "GET",
        path: "/orders/1",
        authorization: vec![authorization.as_bytes()],
        ..HttpCall::default()
    };
    let authorizer = Authorizer::new(policy(), verifier(&[shared()]));
    let refusal = block_on(authorizer.admit(&call, NOW)).unwrap_err();
    let words = "The token lacks the claim client_id, which every access token must have.";
    assert_eq!(refusal.body()["reason"], "claim_missing");
    assert_eq!(refusal.body()["error_description"], words);
    assert!(
        refusal.challenges()[0].contains(words),
        "{:?}",
        refusal.challenges()
    );

    let why = refused(&Credentials::bearer(&token));
    let asked = Request::new("GET", "/orders/1");
    let told: Explanation = explain(&policy(), &Err(why), Target::Route, &asked);
    assert_eq!(told.words, words);
    assert!(matches!(told.asked, Asked::Route { .. }));
}
