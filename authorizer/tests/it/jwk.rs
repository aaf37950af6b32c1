//! Keys that nobody should verify with are refused; in a set they are passed over, as are keys that just aren't for us.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewright_authorizer::jose::{Algorithm, JwkError, JwkSet, PublicKey, SetError};
use gatewright_authorizer::token::verify;
use gatewright_authorizer::{Credentials, Reason, Verifier};
use serde_json::{Value, json};

use crate::support::signer::{shared, shared_rsa};
use crate::support::{NOW, Signer, b64, block_on, claims, rules, set};

fn with(jwk: &Value, name: &str, value: Value) -> Value {
    let mut jwk = jwk.clone();
    jwk[name] = value;
    jwk
}

fn refused(jwk: &Value) -> JwkError {
    PublicKey::from_jwk(jwk).unwrap_err()
}

fn parse(keys: &[Value]) -> Result<JwkSet, SetError> {
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
            JwkError::Unsupported(name),
            "{name}"
        );
    }
    assert!(PublicKey::from_jwk(&with(&ec, "key_ops", json!(["verify"]))).is_ok());
    assert_eq!(
        refused(&with(&Signer::ed25519("e").jwk(), "crv", json!("X25519"))),
        JwkError::Unsupported("crv")
    );
}

#[test]
fn malformed_keys_are_refused() {
    let ec = shared().jwk();
    for (name, value) in [
        ("x", json!("AAAA")),
        ("x", json!(7)),
        ("alg", json!("RS256")),
        ("alg", json!(7)),
        ("kid", json!(7)),
        ("use", json!(7)),
        ("key_ops", json!("verify")),
        ("kty", json!(7)),
    ] {
        assert_eq!(
            refused(&with(&ec, name, value.clone())),
            JwkError::Malformed(name),
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
            JwkError::Malformed(name),
            "{name} = {value}"
        );
    }
    assert_eq!(refused(&json!("x")), JwkError::NotAnObject);
    assert_eq!(refused(&json!({})), JwkError::Malformed("kty"));
    assert_eq!(
        refused(&with(&ec, "y", json!(b64([0; 32])))),
        JwkError::Malformed("point"),
        "not on the curve"
    );
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
    assert_eq!(
        refused(&rsa(257, 0)),
        JwkError::Malformed("n"),
        "a leading zero"
    );
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

/// Every oddity that was seen in a set of somebody's: one member of it, and what is said of that.
fn oddities() -> Vec<(&'static str, String, &'static str)> {
    let (ec, rsa) = (shared().jwk(), shared_rsa().jwk());
    let mut zero = vec![0];
    zero.extend(URL_SAFE_NO_PAD.decode(rsa["n"].as_str().unwrap()).unwrap());
    let padded = format!("{}=", ec["x"].as_str().unwrap());
    let without = |name: &str| {
        let mut jwk = ec.clone();
        jwk.as_object_mut().unwrap().remove(name);
        jwk
    };
    let odd = |name: &str, value: Value| with(&with(&ec, "kid", json!("odd")), name, value);
    let mut twice = odd("use", json!("sig")).to_string();
    twice.insert_str(1, "\"kty\":\"RSA\",");
    let deep = format!(
        "{{\"kid\":\"odd\",\"x\":{}1{}}}",
        "[".repeat(90),
        "]".repeat(90)
    );
    let members = [
        (
            "a leading zero",
            with(&rsa, "n", json!(b64(zero))),
            "its n is",
        ),
        ("padding", odd("x", json!(padded)), "its x is"),
        ("alg null", odd("alg", Value::Null), "its alg is"),
        ("kid a number", with(&ec, "kid", json!(7)), "its kid is"),
        ("kid null", with(&ec, "kid", Value::Null), "its kid is"),
        ("no y", with(&without("y"), "kid", json!("odd")), "its y is"),
        (
            "key_ops null",
            odd("key_ops", Value::Null),
            "its key_ops is",
        ),
        ("use a list", odd("use", json!(["sig"])), "its use is"),
        (
            "no kty",
            with(&without("kty"), "kid", json!("odd")),
            "its kty is",
        ),
        ("an empty object", json!({}), "its kty is"),
        ("private", odd("d", json!("AA")), "private members"),
        (
            "for encryption",
            odd("use", json!("enc")),
            "its use is none",
        ),
        (
            "another curve",
            odd("crv", json!("P-384")),
            "its crv is none",
        ),
        ("another kind", odd("kty", json!("AKP")), "its kty is none"),
        (
            "symmetric",
            json!({"kty": "oct", "k": "AAAA"}),
            "its kty is none",
        ),
        ("a text", json!("key"), "no JSON object"),
        ("null", Value::Null, "no JSON object"),
    ];
    let mut all: Vec<_> = members
        .into_iter()
        .map(|(name, jwk, why)| (name, jwk.to_string(), why))
        .collect();
    all.push(("a repeated member", twice, "repeats"));
    all.push(("nested deeply", deep, "nests too deeply"));
    all
}

#[test]
fn an_odd_member_is_passed_over_and_takes_no_other_with_it() {
    let good = Signer::es256("good");
    for (name, odd, why) in oddities() {
        for members in [
            format!("{odd},{}", good.jwk()),
            format!("{},{odd}", good.jwk()),
        ] {
            let document = format!("{{\"keys\":[{members}]}}");
            let set = JwkSet::parse(document.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
            let kids: Vec<_> = set.iter().map(PublicKey::kid).collect();
            assert_eq!(kids, [Some("good")], "{name}");
            let [passed_over] = set.passed_over() else {
                panic!("{name}: {:?}", set.passed_over())
            };
            let told = passed_over.to_string();
            assert!(told.contains(why), "{name}: {told}");
            assert!(set.find(Some("odd"), Algorithm::Es256).is_none(), "{name}");
            let only = set.find(None, Algorithm::Es256).unwrap();
            assert_eq!(only.kid(), Some("good"), "{name}");
            let token = good.sign(&claims("a"));
            assert!(verify(&token, &set, &rules(), NOW).is_ok(), "{name}");
        }
    }
}

#[test]
fn a_token_of_a_key_that_was_passed_over_is_refused_and_told_why() {
    let odd = Signer::es256("odd");
    let jwks = json!({"keys": [with(&odd.jwk(), "alg", Value::Null), shared().jwk()]});
    let keys = JwkSet::parse(jwks.to_string().as_bytes()).unwrap();
    let verifier = Verifier::with_fixed_keys([(rules(), keys)]);
    let token = odd.sign(&claims("a"));
    let looked = block_on(verifier.examine(&Credentials::bearer(&token), NOW));
    let refused = looked.verdict().unwrap_err();
    assert_eq!(refused.reason, Reason::KeyUnknown);
    assert_eq!(
        refused.words(),
        "The token names a key that its issuer publishes, but that can't be used: its alg is missing or malformed."
    );
}

#[test]
fn a_set_is_refused_when_it_is_none_or_too_large() {
    let ec = shared().jwk();
    let many: Vec<Value> = (0..101)
        .map(|at| with(&ec, "kid", json!(format!("k{at}"))))
        .collect();
    assert_eq!(parse(&many).unwrap_err(), SetError::TooMany);
    assert_eq!(parse(&many[..100]).unwrap().iter().count(), 100);
    let chain = json!([b64(vec![7; 2000]), b64(vec![8; 2000])]);
    let chains: Vec<Value> = many[..40]
        .iter()
        .map(|jwk| with(jwk, "x5c", chain.clone()))
        .collect();
    assert_eq!(parse(&chains).unwrap().iter().count(), 40, "over 200 KB");
    let padded = format!("{}{}", json!({"keys": [ec]}), " ".repeat(256 * 1024));
    assert_eq!(
        JwkSet::parse(padded.as_bytes()).unwrap_err(),
        SetError::TooLarge
    );
    for bad in [
        "",
        "{}",
        "[]",
        "[[]]",
        "null",
        "{\"keys\":{}}",
        "{\"keys\":null}",
        "{\"keys\":[],\"keys\":[]}",
        "{\"keys\":[]} x",
        "{\"Keys\":[]}",
        "<html>",
        "{\"keys\":[",
    ] {
        assert_eq!(
            JwkSet::parse(bad.as_bytes()).unwrap_err(),
            SetError::NotASet,
            "{bad}"
        );
    }
    let marked = format!(
        "\u{feff}{}",
        json!({"keys": [ec], "other": {"a": 1, "b": [{}]}})
    );
    assert_eq!(JwkSet::parse(marked.as_bytes()).unwrap().iter().count(), 1);
}

#[test]
fn one_kid_for_two_different_usable_keys_refuses_the_set() {
    let (ec, other) = (shared().jwk(), Signer::ed25519("key-1").jwk());
    assert_eq!(
        parse(&[ec.clone(), other.clone()]).unwrap_err(),
        SetError::DuplicateKid("key-1".to_owned())
    );
    assert_eq!(
        parse(&[ec.clone(), Signer::es256("key-1").jwk()]).unwrap_err(),
        SetError::DuplicateKid("key-1".to_owned())
    );
    for (name, namesake) in [
        ("the same key", ec.clone()),
        ("one for encryption", with(&other, "use", json!("enc"))),
        ("an odd one", with(&other, "x", json!("!"))),
    ] {
        for members in [
            [ec.clone(), namesake.clone()],
            [namesake.clone(), ec.clone()],
        ] {
            let set = parse(&members).unwrap_or_else(|error| panic!("{name}: {error}"));
            let token = shared().sign(&claims("a"));
            assert!(verify(&token, &set, &rules(), NOW).is_ok(), "{name}");
        }
    }
    let mut open = shared_rsa().jwk();
    open.as_object_mut().unwrap().remove("kid");
    let mut another = Signer::ed25519("x").jwk();
    another.as_object_mut().unwrap().remove("kid");
    assert!(parse(&[open, another]).is_ok(), "no kid is nobody's");
}

#[test]
fn what_somebody_chose_to_rely_on_has_a_usable_key() {
    let odd = with(&shared().jwk(), "alg", Value::Null);
    let document = json!({"keys": [odd]}).to_string();
    assert!(JwkSet::parse(document.as_bytes()).is_ok());
    let refused = JwkSet::parse_usable(document.as_bytes()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the key set holds no usable key: the key \"key-1\": its alg is missing or malformed"
    );
    assert!(JwkSet::parse_usable(b"{\"keys\":[]}").is_err());
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
    assert_eq!(refused(&okp(not_on_the_curve)), JwkError::Malformed("x"));
    // 2^255 - 19 + 3 is another spelling of 3.
    let mut another_spelling = [0xff; 32];
    another_spelling[0] = 0xf0;
    another_spelling[31] = 0x7f;
    assert_eq!(refused(&okp(another_spelling)), JwkError::Malformed("x"));
    let mut even = vec![0xff; 256];
    even[255] = 0xfe;
    let rsa = json!({"kty": "RSA", "n": b64(even), "e": "AQAB"});
    assert_eq!(refused(&rsa), JwkError::Weak);
}
