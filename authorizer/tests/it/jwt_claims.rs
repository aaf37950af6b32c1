//! security.md 72–76, 79: every claim has one type.

use gatewright_authorizer::token::{claims_of, verify};
use gatewright_authorizer::{Reason, Scopes, Verifier};
use serde_json::{Value, json};

use crate::support::signer::shared;
use crate::support::{AUDIENCE, ISSUER, NOW, block_on, claims, refusal, rules, set, verifier};

fn refused_with(name: &str, value: Value) -> Reason {
    let mut claims = claims("a");
    claims[name] = value;
    refusal(&shared().sign(&claims), &[shared()])
}

fn accepted_with(name: &str, value: Value) -> bool {
    let mut claims = claims("a");
    claims[name] = value;
    verify(&shared().sign(&claims), &set(&[shared()]), &rules(), NOW).is_ok()
}

#[test]
fn every_required_claim_is_required() {
    for name in ["iss", "sub", "aud", "exp", "iat", "client_id", "jti"] {
        let mut claims = claims("a");
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(
            refusal(&shared().sign(&claims), &[shared()]),
            Reason::ClaimMissing,
            "{name}"
        );
        assert_eq!(
            refused_with(name, Value::Null),
            Reason::ClaimMalformed,
            "{name}"
        );
    }
}

#[test]
fn the_issuer_is_one_string_and_equal_byte_for_byte() {
    for iss in [json!([ISSUER]), json!({"v": ISSUER}), json!(7), json!(true)] {
        assert_eq!(
            refused_with("iss", iss.clone()),
            Reason::ClaimMalformed,
            "{iss}"
        );
    }
    for iss in [
        "https://issuer.example/",
        "https://ISSUER.example",
        "HTTPS://issuer.example",
        "https://issuer.example.evil",
        "",
    ] {
        assert_eq!(
            refused_with("iss", json!(iss)),
            Reason::IssuerMismatch,
            "{iss}"
        );
        let mut claims = claims("a");
        claims["iss"] = json!(iss);
        let through = block_on(verifier(&[shared()]).verify(&shared().sign(&claims), NOW));
        assert_eq!(through, Err(Reason::IssuerUnknown));
    }
}

#[test]
fn an_issuer_can_not_speak_for_another_one() {
    let mut other = rules();
    other.issuer = "https://other.example".to_owned();
    let stranger = crate::support::Signer::es256("stranger");
    let both = Verifier::with_fixed_keys([(rules(), set(&[shared()])), (other, set(&[&stranger]))]);
    let mut forged = claims("a");
    assert_eq!(
        block_on(both.verify(&stranger.sign(&forged), NOW)),
        Err(Reason::KeyUnknown)
    );
    forged["iss"] = json!("https://other.example");
    assert!(block_on(both.verify(&stranger.sign(&forged), NOW)).is_ok());
    assert_eq!(
        block_on(Verifier::with_fixed_keys([]).verify(&shared().sign(&claims("a")), NOW)),
        Err(Reason::IssuerUnknown)
    );
}

#[test]
fn the_audience_is_exact() {
    for aud in [
        json!([]),
        json!(""),
        json!([7]),
        json!([AUDIENCE, 7]),
        json!([AUDIENCE, null]),
        json!({"a": AUDIENCE}),
        json!(1),
        json!([[AUDIENCE]]),
        json!([AUDIENCE, ""]),
    ] {
        assert_eq!(
            refused_with("aud", aud.clone()),
            Reason::ClaimMalformed,
            "{aud}"
        );
    }
    for aud in [
        json!("https://api.example"),
        json!("https://api.example.com/"),
        json!("https://api.example.com.evil"),
        json!(["x", "y"]),
        json!("HTTPS://api.example.com"),
    ] {
        assert_eq!(
            refused_with("aud", aud.clone()),
            Reason::AudienceMismatch,
            "{aud}"
        );
    }
    assert!(accepted_with("aud", json!(["x", AUDIENCE])));
}

#[test]
fn times_are_any_numbers_in_range() {
    for (exp, left) in [
        (json!(1_800_000_300.0), 300),
        (json!(1_800_000_300.999), 300),
        (json!(1.800_000_3e9), 300),
    ] {
        let mut claims = claims("a");
        claims["exp"] = exp.clone();
        claims["iat"] = json!(1.8e9);
        claims["nbf"] = json!(1_799_999_999.25);
        let token = verify(&shared().sign(&claims), &set(&[shared()]), &rules(), NOW).unwrap();
        assert_eq!(token.expires_at, NOW + left, "{exp}");
        assert_eq!((token.issued_at, token.not_before), (NOW, Some(NOW)));
        assert_eq!(token.claims["exp"], exp, "the claim itself stays");
    }
    for name in ["exp", "iat", "nbf"] {
        for value in [
            json!("1800000300"),
            json!(1e300),
            json!(-0.5),
            json!(-1),
            json!(null),
            json!(true),
            json!([1]),
            json!(u64::MAX),
        ] {
            assert_eq!(
                refused_with(name, value.clone()),
                Reason::ClaimMalformed,
                "{name} = {value}"
            );
        }
    }
}

#[test]
fn expiry_has_five_seconds_of_leeway_and_no_more() {
    assert_eq!(refused_with("exp", json!(0)), Reason::Expired);
    assert_eq!(refused_with("exp", json!(NOW - 5)), Reason::Expired);
    assert!(accepted_with("exp", json!(NOW - 4)));
    assert!(accepted_with("exp", json!(i64::MAX)));
}

#[test]
fn rounding_never_lengthens_a_life() {
    let seconds = |whole: i64, fraction: f64| json!(whole as f64 + fraction);
    assert_eq!(
        refused_with("exp", seconds(NOW - 5, 0.999)),
        Reason::Expired
    );
    assert!(accepted_with("exp", seconds(NOW - 4, 0.0)));
    assert_eq!(
        refused_with("nbf", seconds(NOW + 5, 0.001)),
        Reason::NotYetValid
    );
    assert_eq!(
        refused_with("iat", seconds(NOW + 5, 0.001)),
        Reason::IssuedInFuture
    );
    assert!(accepted_with("iat", seconds(NOW + 5, 0.0)));
}

#[test]
fn tokens_from_the_future_are_refused() {
    assert_eq!(refused_with("nbf", json!(NOW + 6)), Reason::NotYetValid);
    assert!(accepted_with("nbf", json!(NOW + 5)));
    assert_eq!(refused_with("iat", json!(NOW + 6)), Reason::IssuedInFuture);
    assert!(accepted_with("iat", json!(NOW + 5)));
    assert_eq!(refused_with("iat", json!(i64::MAX)), Reason::IssuedInFuture);
}

#[test]
fn scope_is_one_string_of_scope_tokens() {
    for scope in [
        json!(["a"]),
        json!({"a": true}),
        json!(7),
        json!(null),
        json!("a\"b"),
        json!("a\nb"),
        json!("a\tb"),
        json!("é"),
        json!("a\\b"),
    ] {
        assert_eq!(
            refused_with("scope", scope.clone()),
            Reason::ClaimMalformed,
            "{scope}"
        );
    }
    let mut without = claims("a");
    without.as_object_mut().unwrap().remove("scope");
    let token = verify(&shared().sign(&without), &set(&[shared()]), &rules(), NOW).unwrap();
    assert!(token.scope.is_empty());
}

#[test]
fn scopes_match_exactly_between_spaces() {
    let scopes = Scopes::parse("read:all readonly  write");
    for absent in [
        "read",
        "all",
        "only",
        "read:al",
        "READONLY",
        "",
        " ",
        "readonly write",
    ] {
        assert!(!scopes.contains(absent), "{absent}");
    }
    for present in ["read:all", "readonly", "write"] {
        assert!(scopes.contains(present), "{present}");
    }
    assert_eq!(scopes.to_string(), "read:all readonly write");
}

#[test]
fn identifiers_are_plain_bounded_strings() {
    for name in ["sub", "client_id", "jti"] {
        for value in [
            json!(""),
            json!(7),
            json!(["x"]),
            json!("a\r\nX: y"),
            json!("a\u{0}"),
            json!("x".repeat(513)),
        ] {
            assert_eq!(
                refused_with(name, value.clone()),
                Reason::ClaimMalformed,
                "{name} = {value}"
            );
        }
    }
}

#[test]
fn a_token_bound_to_a_key_is_not_a_bearer_token() {
    let thumbprint = "A".repeat(43);
    for cnf in [
        json!({"jkt": thumbprint}),
        json!({"kid": "x"}),
        json!({"jwk": {"kty": "EC"}}),
        json!({"jkt": thumbprint, "jwe": "x"}),
        json!({}),
    ] {
        assert_eq!(refused_with("cnf", cnf), Reason::SenderConstrained);
    }
    for cnf in [
        json!(null),
        json!("x"),
        json!([]),
        json!({"jkt": "x"}),
        json!({"jkt": null}),
        json!({"x5t#S256": thumbprint.replace('A', "=")}),
    ] {
        assert_eq!(refused_with("cnf", cnf), Reason::ClaimMalformed);
    }
}

#[test]
fn claims_that_nobody_signed_are_held_to_the_same_rules() {
    let Value::Object(payload) = claims("a") else {
        unreachable!()
    };
    let token = claims_of(payload.clone(), &rules(), NOW).unwrap();
    assert_eq!((token.kid.as_str(), token.alg), ("", None));
    assert_eq!(
        claims_of(payload, &rules(), NOW + 400).unwrap_err().reason,
        Reason::Expired
    );
}
