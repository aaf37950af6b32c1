//! RFC 9449: a token that is bound to a key is good only with proof of the key (security.md 61).

use gatewright_authorizer::credentials::Scheme;
use gatewright_authorizer::jose::thumbprint;
use gatewright_authorizer::possession::{MAX_PROOFS, PROOF_MAX_AGE_S};
use gatewright_authorizer::{Credentials, Reason, Verifier};
use serde_json::{Value, json};

use crate::support::client::{Client, URL, sha256};
use crate::support::signer::shared;
use crate::support::{NOW, Signer, b64, block_on, claims, verifier};

fn dpop<'e>(token: &'e str, proof: &'e str) -> Credentials<'e> {
    Credentials {
        scheme: Scheme::Dpop,
        proof: Some(proof),
        method: "GET",
        url: Some(URL.to_owned()),
        ..Credentials::bearer(token)
    }
}

fn outcome(verifier: &Verifier, credentials: Credentials<'_>, now: i64) -> Option<Reason> {
    block_on(verifier.verify(credentials, now)).err()
}

#[test]
fn a_proof_is_good_once_and_each_call_needs_its_own() {
    let (client, verifier) = (Client::new(), verifier(&[shared()]));
    let token = client.token();
    for jti in ["one", "two"] {
        let proof = client.proof(&token, jti);
        assert_eq!(outcome(&verifier, dpop(&token, &proof), NOW), None);
        for _ in 0..2 {
            assert_eq!(
                outcome(&verifier, dpop(&token, &proof), NOW),
                Some(Reason::ProofReplayed)
            );
        }
    }
    let another = Client::new();
    let theirs = another.token();
    let proof = another.proof(&theirs, "one");
    assert_eq!(
        outcome(&verifier, dpop(&theirs, &proof), NOW),
        None,
        "another client's jti is its own"
    );
}

#[test]
fn a_replay_is_caught_for_as_long_as_the_proof_would_pass() {
    let (client, verifier) = (Client::new(), verifier(&[shared()]));
    let token = client.token();
    let proof = client.proof(&token, "one");
    let over = NOW + PROOF_MAX_AGE_S + 5;
    assert_eq!(outcome(&verifier, dpop(&token, &proof), NOW - 5), None);
    for (now, reason) in [
        (NOW, Reason::ProofReplayed),
        (over - 1, Reason::ProofReplayed),
        (over, Reason::ProofExpired),
    ] {
        assert_eq!(outcome(&verifier, dpop(&token, &proof), now), Some(reason));
    }
}

#[test]
fn a_proof_lives_for_a_minute_and_no_clock_may_be_far_ahead() {
    let (client, verifier) = (Client::new(), verifier(&[shared()]));
    let token = client.token();
    for (at, (iat, reason)) in [
        (json!(NOW - 64), None),
        (json!(NOW - 65), Some(Reason::ProofExpired)),
        (json!((NOW - 64) as f64 + 0.5), None),
        (json!((NOW - 65) as f64 + 0.999), Some(Reason::ProofExpired)),
        (json!(NOW + 5), None),
        (json!(NOW + 6), Some(Reason::ProofExpired)),
        (json!((NOW + 5) as f64 + 0.001), Some(Reason::ProofExpired)),
        (json!(i64::MAX), Some(Reason::ProofExpired)),
        (json!(0), Some(Reason::ProofExpired)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut claims = Client::claims(&token, &format!("p-{at}"));
        claims["iat"] = iat.clone();
        let proof = client.0.sign_with(&client.header(), &claims);
        assert_eq!(
            outcome(&verifier, dpop(&token, &proof), NOW),
            reason,
            "{iat}"
        );
    }
}

#[test]
fn a_proof_for_something_else_is_refused() {
    let (client, verifier) = (Client::new(), verifier(&[shared()]));
    let token = client.token();
    let other = Client::new().token();
    for (name, value, reason) in [
        ("htm", json!("POST"), Reason::ProofMismatch),
        ("htm", json!("get"), Reason::ProofMismatch),
        (
            "htu",
            json!("https://api.example.com/prod/orders/2"),
            Reason::ProofMismatch,
        ),
        (
            "htu",
            json!("https://api.example.com/orders/1"),
            Reason::ProofMismatch,
        ),
        (
            "htu",
            json!("http://api.example.com/prod/orders/1"),
            Reason::ProofMismatch,
        ),
        (
            "htu",
            json!("https://evil.example/prod/orders/1"),
            Reason::ProofMismatch,
        ),
        ("ath", json!(sha256(&other)), Reason::ProofMismatch),
        ("ath", json!(""), Reason::ProofMismatch),
        ("ath", Value::Null, Reason::ProofInvalid),
        ("htm", json!(7), Reason::ProofInvalid),
        ("htu", json!([URL]), Reason::ProofInvalid),
        ("iat", json!(1e300), Reason::ProofInvalid),
        ("iat", json!("1800000000"), Reason::ProofInvalid),
        ("jti", json!(""), Reason::ProofInvalid),
        ("jti", json!("x".repeat(513)), Reason::ProofInvalid),
        ("jti", json!(7), Reason::ProofInvalid),
    ] {
        let mut claims = Client::claims(&token, "p");
        claims[name] = value.clone();
        let proof = client.0.sign_with(&client.header(), &claims);
        assert_eq!(
            outcome(&verifier, dpop(&token, &proof), NOW),
            Some(reason),
            "{name} = {value}"
        );
        let mut claims = Client::claims(&token, "p");
        claims.as_object_mut().unwrap().remove(name);
        let proof = client.0.sign_with(&client.header(), &claims);
        assert_eq!(
            outcome(&verifier, dpop(&token, &proof), NOW),
            Some(Reason::ProofInvalid),
            "no {name}"
        );
    }
    let proof = client.proof(&token, "p");
    let nowhere = Credentials {
        url: None,
        ..dpop(&token, &proof)
    };
    assert_eq!(
        outcome(&verifier, nowhere, NOW),
        Some(Reason::ProofMismatch),
        "an event that doesn't tell the URL"
    );
}

#[test]
fn a_proof_must_be_a_sound_one_by_the_bound_key() {
    let (client, verifier) = (Client::new(), verifier(&[shared()]));
    let token = client.token();
    let mut private = client.jwk();
    private["d"] = json!(b64([7; 32]));
    let mut encryption = client.jwk();
    encryption["use"] = json!("enc");
    for (name, value) in [
        ("typ", json!("jwt")),
        ("typ", json!("at+jwt")),
        ("typ", json!("DPOP+JWT")),
        ("typ", Value::Null),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("ES256")),
        ("jwk", private),
        ("jwk", encryption),
        ("jwk", json!({"kty": "oct", "k": b64("secret")})),
        ("jwk", json!("key")),
        ("jku", json!("https://evil.example/jwks")),
        ("x5c", json!([])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
    ] {
        let mut header = client.header();
        header[name] = value.clone();
        let proof = client.0.sign_with(&header, &Client::claims(&token, "p"));
        assert_eq!(
            outcome(&verifier, dpop(&token, &proof), NOW),
            Some(Reason::ProofInvalid),
            "{name} = {value}"
        );
    }
    let thief = Client::new();
    assert_eq!(
        outcome(&verifier, dpop(&token, &thief.proof(&token, "p")), NOW),
        Some(Reason::ProofKeyMismatch)
    );
    let mut stolen = thief.header();
    stolen["jwk"] = client.jwk();
    let forged = thief.0.sign_with(&stolen, &Client::claims(&token, "p"));
    let mut claims = Client::claims(&token, "p");
    claims["x"] = json!("x".repeat(4096));
    let large = client.0.sign_with(&client.header(), &claims);
    for proof in [
        forged.as_str(),
        large.as_str(),
        "",
        "x",
        "a.b.c",
        token.as_str(),
    ] {
        assert_eq!(
            outcome(&verifier, dpop(&token, proof), NOW),
            Some(Reason::ProofInvalid),
            "{proof}"
        );
    }
    assert_eq!(
        outcome(&verifier, dpop(&token, &client.proof(&token, "p")), NOW),
        None,
        "what was refused has spent no jti"
    );
}

#[test]
fn scheme_and_binding_must_agree() {
    let (client, verifier) = (Client::new(), verifier(&[shared()]));
    let (token, unbound) = (client.token(), shared().sign(&claims("orders:read")));
    let proof = client.proof(&token, "p");
    let bearer = |token| Credentials {
        scheme: Scheme::Bearer,
        ..dpop(token, &proof)
    };
    for _ in 0..2 {
        assert_eq!(
            outcome(&verifier, bearer(&token), NOW),
            Some(Reason::SenderConstrained),
            "a proof beside it doesn't help"
        );
        assert_eq!(outcome(&verifier, bearer(&unbound), NOW), None);
        let for_unbound = client.proof(&unbound, "u");
        assert_eq!(
            outcome(&verifier, dpop(&unbound, &for_unbound), NOW),
            Some(Reason::TokenNotBound)
        );
        let unproven = Credentials {
            proof: None,
            ..dpop(&token, "")
        };
        assert_eq!(
            outcome(&verifier, unproven, NOW),
            Some(Reason::ProofMissing)
        );
    }
    assert_eq!(outcome(&verifier, dpop(&token, &proof), NOW), None);
}

#[test]
fn credentials_do_not_show_in_debug_output() {
    let text = format!("{:?}", dpop("canary-token", "canary-proof"));
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn the_usual_keys_sign_proofs() {
    let verifier = verifier(&[shared()]);
    for signer in [
        Signer::es256("x"),
        Signer::ed25519("x"),
        Signer::rsa("x", "RS256"),
        Signer::rsa("x", "PS256"),
    ] {
        let client = Client(signer);
        let token = client.token();
        let proof = client.proof(&token, "p");
        assert_eq!(
            outcome(&verifier, dpop(&token, &proof), NOW),
            None,
            "{}",
            client.0.alg
        );
    }
}

#[test]
fn a_bound_token_stays_bound_when_it_is_known() {
    let (client, verifier) = (Client(Signer::es256("x")), verifier(&[shared()]));
    let token = client.token();
    let proof = client.proof(&token, "p");
    assert_eq!(outcome(&verifier, dpop(&token, &proof), NOW), None);
    let looked = block_on(verifier.examine(&Credentials::bearer(&token), NOW));
    assert!(looked.known);
    assert_eq!(looked.outcome, Err(Reason::SenderConstrained));
    let thief = Client::new();
    let stolen = thief.proof(&token, "q");
    assert_eq!(
        outcome(&verifier, dpop(&token, &stolen), NOW),
        Some(Reason::ProofKeyMismatch)
    );
}

#[test]
fn another_callers_flood_makes_no_captured_proof_good_again() {
    let (victim, verifier) = (Client::new(), verifier(&[shared()]));
    let token = victim.token();
    let captured = victim.proof(&token, "captured");
    assert_eq!(outcome(&verifier, dpop(&token, &captured), NOW), None);
    let (flooder, mut theirs) = (Client::new(), claims("a"));
    theirs["client_id"] = json!("another");
    theirs["cnf"] = json!({"jkt": thumbprint(&flooder.jwk()).unwrap()});
    let theirs = shared().sign(&theirs);
    for at in 0..=MAX_PROOFS {
        let proof = flooder.proof(&theirs, &at.to_string());
        let refused = outcome(&verifier, dpop(&theirs, &proof), NOW);
        assert_eq!(refused, None);
    }
    assert_eq!(
        outcome(&verifier, dpop(&token, &captured), NOW + 30),
        Some(Reason::ProofReplayed)
    );
}
