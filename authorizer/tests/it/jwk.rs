//! Keys that nobody should verify with are refused; keys that just aren't for us are skipped.

use gatewright_authorizer::jose::{Algorithm, JwkError, JwkSet, PublicKey};
use serde_json::{Value, json};

use crate::support::signer::{shared, shared_rsa};
use crate::support::{Signer, b64, set};

fn with(jwk: &Value, name: &str, value: Value) -> Value {
    let mut jwk = jwk.clone();
    jwk[name] = value;
    jwk
}

fn refused(jwk: &Value) -> JwkError {
    PublicKey::from_jwk(jwk).unwrap_err()
}

fn parse(keys: &[Value]) -> Result<JwkSet, JwkError> {
    JwkSet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

#[test]
fn private_and_symmetric_keys_are_refused() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert_eq!(
            refused(&with(&shared().jwk(), name, json!("AA"))),
            JwkError::Private,
            "{name}"
        );
    }
    assert!(PublicKey::from_jwk(&json!({"kty": "oct", "k": "AAAA"})).is_err());
    assert_eq!(
        parse(&[with(&shared().jwk(), "d", json!("AA"))]).unwrap_err(),
        JwkError::Private
    );
}

#[test]
fn keys_for_other_uses_are_unsupported() {
    let ec = shared().jwk();
    for (name, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["encrypt"])),
        ("alg", json!("ES384")),
        ("crv", json!("P-384")),
        ("kty", json!("AKP")),
    ] {
        assert_eq!(
            refused(&with(&ec, name, value)),
            JwkError::Unsupported,
            "{name}"
        );
    }
    assert!(PublicKey::from_jwk(&with(&ec, "key_ops", json!(["verify"]))).is_ok());
    assert_eq!(
        refused(&with(&Signer::ed25519("e").jwk(), "crv", json!("X25519"))),
        JwkError::Unsupported
    );
}

#[test]
fn malformed_keys_are_refused() {
    let ec = shared().jwk();
    for (name, value) in [
        ("x", json!("AAAA")),
        ("x", json!(7)),
        ("y", json!(b64([0; 32]))),
        ("alg", json!("RS256")),
        ("alg", json!(7)),
        ("kid", json!(7)),
        ("use", json!(7)),
        ("key_ops", json!("verify")),
        ("kty", json!(7)),
    ] {
        assert_eq!(
            refused(&with(&ec, name, value.clone())),
            JwkError::Malformed,
            "{name} = {value}"
        );
    }
    let rsa = shared_rsa().jwk();
    for (name, value) in [
        ("e", json!("AA")),
        ("e", json!("AQ")),
        ("e", json!("Ag")),
        ("n", json!("")),
        ("n", json!("=")),
        ("e", json!("AAEAAQ")),
        ("e", json!("AQAAAAE")),
    ] {
        assert_eq!(
            refused(&with(&rsa, name, value.clone())),
            JwkError::Malformed,
            "{name} = {value}"
        );
    }
    assert_eq!(refused(&json!("x")), JwkError::Malformed);
    assert_eq!(refused(&json!({})), JwkError::Malformed);
}

#[test]
fn rsa_keys_have_2048_to_8192_bits() {
    let rsa = |bytes: usize, top: u8| {
        let mut modulus = vec![0xff; bytes];
        modulus[0] = top;
        json!({"kty": "RSA", "n": b64(modulus), "e": "AQAB"})
    };
    for (jwk, sound) in [
        (rsa(128, 0xff), false),
        (rsa(256, 0x7f), false),
        (rsa(256, 0x80), true),
        (rsa(1024, 0xff), true),
        (rsa(1025, 1), false),
    ] {
        assert_eq!(PublicKey::from_jwk(&jwk).is_ok(), sound);
    }
    assert_eq!(refused(&rsa(257, 0)), JwkError::Malformed, "a leading zero");
}

#[test]
fn a_key_fits_its_own_algorithm_and_no_other() {
    let rsa = PublicKey::from_jwk(&shared_rsa().jwk()).unwrap();
    assert!(
        rsa.fits(Algorithm::Rs256) && !rsa.fits(Algorithm::Ps256) && !rsa.fits(Algorithm::Es256)
    );
    let mut open = shared_rsa().jwk();
    open.as_object_mut().unwrap().remove("alg");
    let open = PublicKey::from_jwk(&open).unwrap();
    assert!(
        open.fits(Algorithm::Rs256) && open.fits(Algorithm::Ps256) && !open.fits(Algorithm::EdDsa)
    );
    assert_eq!(
        (rsa.kty(), rsa.kid(), rsa.alg()),
        ("RSA", Some("rsa-1"), Some(Algorithm::Rs256))
    );
}

#[test]
fn sets_skip_what_is_not_for_us_and_refuse_what_is_wrong() {
    let (ec, other) = (shared().jwk(), Signer::ed25519("ed").jwk());
    let foreign = json!({"kty": "XYZ", "kid": "x"});
    assert_eq!(
        parse(&[
            foreign.clone(),
            with(&other, "use", json!("enc")),
            ec.clone()
        ])
        .unwrap()
        .iter()
        .count(),
        1
    );
    assert_eq!(parse(&[]).unwrap_err(), JwkError::Empty);
    assert_eq!(parse(&[foreign]).unwrap_err(), JwkError::Empty);
    assert_eq!(
        parse(&[ec.clone(), with(&other, "kid", json!("key-1"))]).unwrap_err(),
        JwkError::DuplicateKid
    );
    assert_eq!(
        parse(&[ec.clone(), with(&other, "x", json!("!"))]).unwrap_err(),
        JwkError::Malformed
    );
    let many: Vec<Value> = (0..33)
        .map(|at| with(&ec, "kid", json!(format!("k{at}"))))
        .collect();
    assert_eq!(parse(&many).unwrap_err(), JwkError::TooLarge);
    assert_eq!(parse(&many[..32]).unwrap().iter().count(), 32);
    let padded = format!("{}{}", json!({"keys": [ec]}), " ".repeat(64 * 1024));
    assert_eq!(
        JwkSet::parse(padded.as_bytes()).unwrap_err(),
        JwkError::TooLarge
    );
    for bad in [
        "",
        "{}",
        "[]",
        "{\"keys\":{}}",
        "{\"keys\":[],\"keys\":[]}",
        "<html>",
        "{\"keys\":[7]}",
    ] {
        assert!(JwkSet::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn without_a_kid_only_an_unambiguous_key_is_found() {
    let one = set(&[shared(), shared_rsa()]);
    assert_eq!(
        one.find(None, Algorithm::Es256).unwrap().kid(),
        Some("key-1")
    );
    assert!(one.find(None, Algorithm::EdDsa).is_none());
    assert!(one.find(Some("rsa-1"), Algorithm::Es256).is_none());
    let two = set(&[shared(), &Signer::es256("key-2")]);
    assert!(two.find(None, Algorithm::Es256).is_none());
    assert_eq!(
        two.find(Some("key-2"), Algorithm::Es256).unwrap().kid(),
        Some("key-2")
    );
}

#[test]
fn keys_that_others_could_sign_for_are_refused() {
    let okp = |x: [u8; 32]| json!({"kty": "OKP", "crv": "Ed25519", "x": b64(x)});
    // The points of small order (RFC 7748 §6.1 names their kind), with either sign where there are two.
    for y in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ] {
        let mut x = [0; 32];
        for (at, byte) in x.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&y[2 * at..2 * at + 2], 16).unwrap();
        }
        assert_eq!(refused(&okp(x)), JwkError::Weak, "{y}");
    }
    let mut not_on_the_curve = [0; 32];
    not_on_the_curve[0] = 2;
    assert_eq!(refused(&okp(not_on_the_curve)), JwkError::Malformed);
    // 2^255 - 19 + 3 is another spelling of 3.
    let mut another_spelling = [0xff; 32];
    another_spelling[0] = 0xf0;
    another_spelling[31] = 0x7f;
    assert_ne!(refused(&okp(another_spelling)), JwkError::Unsupported);
    let mut even = vec![0xff; 256];
    even[255] = 0xfe;
    let rsa = json!({"kty": "RSA", "n": b64(even), "e": "AQAB"});
    assert_eq!(refused(&rsa), JwkError::Weak);
}
