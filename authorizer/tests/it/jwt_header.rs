//! security.md 66–71, 77, 78: what stands around the claims.

use base64::Engine as _;
use gatewright_authorizer::Reason;
use gatewright_authorizer::jose::{JwkSet, Jws, PublicKey};
use gatewright_authorizer::token::verify;
use serde_json::{Value, json};

use crate::support::signer::{shared, shared_rsa};
use crate::support::{NOW, Signer, b64, claims, refusal, rules, set};

fn header_with(name: &str, value: Value) -> Value {
    let mut header = shared().header();
    header[name] = value;
    header
}

fn refused_with_header(header: &Value) -> Reason {
    refusal(&shared().sign_with(header, &claims("a")), &[shared()])
}

#[test]
fn sound_tokens_of_every_algorithm_verify() {
    for signer in [
        shared(),
        shared_rsa(),
        &Signer::ed25519("ed"),
        &Signer::rsa("ps", "PS256"),
    ] {
        let token = verify(&signer.sign(&claims("a b")), &set(&[signer]), &rules(), NOW).unwrap();
        assert_eq!(
            (token.subject.as_str(), token.kid.as_str()),
            ("user-1", signer.kid.as_str())
        );
        assert_eq!(token.alg.unwrap().as_str(), signer.alg);
        assert!(token.scope.contains("a") && token.scope.contains("b"));
    }
}

#[test]
fn alg_none_in_any_spelling_or_absent_is_refused() {
    for alg in [
        json!("none"),
        json!("None"),
        json!("nOnE"),
        json!(""),
        json!(null),
        json!(7),
        json!("es256"),
        json!("ES512"),
    ] {
        let header = header_with("alg", alg.clone());
        assert_eq!(
            refused_with_header(&header),
            Reason::AlgorithmRefused,
            "{alg}"
        );
        let unsigned = format!(
            "{}.{}.",
            b64(header.to_string()),
            b64(claims("a").to_string())
        );
        assert_eq!(
            refusal(&unsigned, &[shared()]),
            Reason::TokenMalformed,
            "{alg}"
        );
    }
    let mut header = shared().header();
    header.as_object_mut().unwrap().remove("alg");
    assert_eq!(refused_with_header(&header), Reason::AlgorithmRefused);
}

#[test]
fn an_hmac_over_the_public_key_is_refused() {
    let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": shared_rsa().kid});
    let input = format!(
        "{}.{}",
        b64(header.to_string()),
        b64(claims("a").to_string())
    );
    let secret = aws_lc_rs::hmac::Key::new(
        aws_lc_rs::hmac::HMAC_SHA256,
        shared_rsa().jwk().to_string().as_bytes(),
    );
    let token = format!(
        "{input}.{}",
        b64(aws_lc_rs::hmac::sign(&secret, input.as_bytes()))
    );
    assert_eq!(refusal(&token, &[shared_rsa()]), Reason::AlgorithmRefused);
}

#[test]
fn headers_that_bring_or_point_at_keys_or_change_the_signature_are_refused() {
    for name in [
        "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "zip",
    ] {
        for value in [
            json!("https://evil.example/jwks"),
            json!(["exp"]),
            json!(null),
            json!(true),
            shared().jwk(),
        ] {
            assert_eq!(
                refused_with_header(&header_with(name, value)),
                Reason::HeaderRefused,
                "{name}"
            );
        }
    }
}

#[test]
fn an_algorithm_that_the_issuer_does_not_use_is_refused() {
    let mut rules = rules();
    rules.algorithms.retain(|alg| alg.as_str() != "ES256");
    let refused = verify(&shared().sign(&claims("a")), &set(&[shared()]), &rules, NOW);
    assert_eq!(refused, Err(Reason::AlgorithmRefused));
}

#[test]
fn a_key_is_only_used_for_its_own_algorithm_and_purpose() {
    // RS256 and PS256 share the key type: the key's own `alg` decides.
    let as_pss = json!({"alg": "PS256", "typ": "at+jwt", "kid": shared_rsa().kid});
    assert_eq!(
        refusal(
            &shared_rsa().sign_with(&as_pss, &claims("a")),
            &[shared_rsa()]
        ),
        Reason::KeyUnknown
    );
    let as_elliptic = json!({"alg": "ES256", "typ": "at+jwt", "kid": shared_rsa().kid});
    assert_eq!(
        refusal(
            &shared_rsa().sign_with(&as_elliptic, &claims("a")),
            &[shared_rsa()]
        ),
        Reason::KeyUnknown
    );

    let token = shared().sign(&claims("a"));
    for (name, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!([])),
        ("alg", json!("ECDH-ES")),
    ] {
        let mut jwk = shared().jwk();
        jwk[name] = value;
        let keys = json!({"keys": [jwk, Signer::ed25519("other").jwk()]});
        let keys = JwkSet::parse(keys.to_string().as_bytes()).unwrap();
        assert_eq!(
            verify(&token, &keys, &rules(), NOW),
            Err(Reason::KeyUnknown),
            "{name}"
        );
    }
    let jws = Jws::parse(&token, 8192).unwrap();
    assert!(
        jws.verify(&PublicKey::from_jwk(&shared_rsa().jwk()).unwrap())
            .is_err()
    );
}

#[test]
fn kids_that_are_missing_strange_or_huge_are_refused() {
    let mut header = shared().header();
    header.as_object_mut().unwrap().remove("kid");
    assert_eq!(refused_with_header(&header), Reason::KeyIdMissing);
    for kid in [
        json!(1),
        json!(null),
        json!(["key-1"]),
        json!(""),
        json!("../../etc/passwd"),
        json!("a\nb"),
        json!("a b"),
        json!("é"),
        json!("k\u{0}"),
        json!("'; DROP TABLE x"),
        json!("k".repeat(257)),
    ] {
        assert_eq!(
            refused_with_header(&header_with("kid", kid.clone())),
            Reason::HeaderRefused,
            "{kid}"
        );
    }
    assert_eq!(
        refused_with_header(&header_with("kid", json!("k".repeat(10_000)))),
        Reason::TokenTooLarge
    );
    assert_eq!(
        refused_with_header(&header_with("kid", json!("another"))),
        Reason::KeyUnknown
    );
}

#[test]
fn only_access_tokens_are_access_tokens() {
    for typ in [
        "JWT",
        "logout+jwt",
        "dpop+jwt",
        "at+jwt2",
        "",
        "application/JWT",
        "x/at+jwt",
    ] {
        assert_eq!(
            refused_with_header(&header_with("typ", json!(typ))),
            Reason::TypeRefused,
            "{typ}"
        );
    }
    let mut header = shared().header();
    header.as_object_mut().unwrap().remove("typ");
    assert_eq!(refused_with_header(&header), Reason::TypeRefused);
    assert_eq!(
        refused_with_header(&header_with("typ", json!(1))),
        Reason::HeaderRefused
    );
    for typ in ["at+JWT", "application/at+jwt", "Application/AT+jwt"] {
        let token = shared().sign_with(&header_with("typ", json!(typ)), &claims("a"));
        assert!(
            verify(&token, &set(&[shared()]), &rules(), NOW).is_ok(),
            "{typ}"
        );
    }
}

#[test]
fn repeated_members_and_deep_nesting_are_refused() {
    let kid = &shared().kid;
    let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"x","kid":"{kid}"}}"#);
    assert_eq!(
        refusal(
            &shared().sign_raw(&header, &claims("a").to_string()),
            &[shared()]
        ),
        Reason::TokenMalformed
    );
    let payload = claims("a")
        .to_string()
        .replacen('{', r#"{"sub":"admin","#, 1);
    assert_eq!(
        refusal(
            &shared().sign_raw(&shared().header().to_string(), &payload),
            &[shared()]
        ),
        Reason::TokenMalformed
    );
    let nested = claims("a")
        .to_string()
        .replacen('{', r#"{"x":[{"y":1,"y":2}],"#, 1);
    assert_eq!(
        refusal(
            &shared().sign_raw(&shared().header().to_string(), &nested),
            &[shared()]
        ),
        Reason::TokenMalformed
    );

    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let payload = claims("a")
        .to_string()
        .replacen('{', &format!(r#"{{"x":{deep},"#), 1);
    assert_eq!(
        refusal(
            &shared().sign_raw(&shared().header().to_string(), &payload),
            &[shared()]
        ),
        Reason::TokenMalformed
    );
    let header = shared()
        .header()
        .to_string()
        .replacen('{', &format!(r#"{{"x":{deep},"#), 1);
    assert_eq!(
        refusal(
            &shared().sign_raw(&header, &claims("a").to_string()),
            &[shared()]
        ),
        Reason::TokenMalformed
    );
}

#[test]
fn the_compact_form_is_strict() {
    let good = shared().sign(&claims("a"));
    let [header, payload, signature]: [&str; 3] =
        good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let std = base64::engine::general_purpose::STANDARD_NO_PAD.encode([0xfb; 64]);
    for bad in [
        format!("{header}.{payload}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.x"),
        format!("{good}.{payload}.{signature}"),
        format!("{header}.{payload}."),
        format!("..{signature}"),
        "..".to_owned(),
        ".".to_owned(),
        "a".to_owned(),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}=="),
        format!("{header}.{payload}.{std}"),
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\n"),
        format!("{header}.{payload} .{signature}"),
        format!("{header}.{payload}.{signature}é"),
        b64("{}"),
        format!("{}.{payload}.{signature}", b64("[]")),
        format!("{}.{payload}.{signature}", b64("{\"alg\":")),
        format!("{}.{payload}.{signature}", b64([0xff, 0xfe])),
    ] {
        assert_eq!(refusal(&bad, &[shared()]), Reason::TokenMalformed, "{bad}");
    }
    assert_eq!(refusal("", &[shared()]), Reason::TokenMissing);
    let not_object = shared().sign_raw(&shared().header().to_string(), "[1]");
    assert_eq!(refusal(&not_object, &[shared()]), Reason::TokenMalformed);
}

#[test]
fn non_zero_trailing_bits_are_refused() {
    let good = shared().sign(&claims("a"));
    // 64 bytes of signature end in a character with four unused bits.
    let (start, last) = good.split_at(good.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    let other = alphabet.chars().nth(at + 1).unwrap();
    assert_eq!(
        refusal(&format!("{start}{other}"), &[shared()]),
        Reason::TokenMalformed
    );
}

#[test]
fn signatures_in_der_all_zero_or_of_someone_else_are_refused() {
    let good = shared().sign(&claims("a"));
    let input = good.rsplit_once('.').unwrap().0;
    let fixed = shared().signature(input.as_bytes());
    let mut der = vec![0x30, 70, 0x02, 33, 0];
    der.extend(&fixed[..32]);
    der.extend([0x02, 33, 0]);
    der.extend(&fixed[32..]);
    let mut long = fixed.clone();
    long.push(0);
    let mut flipped = fixed.clone();
    flipped[40] ^= 1;
    let stranger = Signer::es256("key-1").signature(input.as_bytes());
    for signature in [
        der,
        vec![0; 64],
        vec![0xff; 64],
        vec![0],
        fixed[..63].to_vec(),
        long,
        flipped,
        stranger,
    ] {
        assert_eq!(
            refusal(&format!("{input}.{}", b64(signature)), &[shared()]),
            Reason::SignatureInvalid
        );
    }
}

#[test]
fn a_change_of_one_claim_breaks_the_signature() {
    let good = shared().sign(&claims("a"));
    let signature = good.rsplit_once('.').unwrap().1;
    let header = good.split_once('.').unwrap().0;
    let forged = format!(
        "{header}.{}.{signature}",
        b64(claims("a admin").to_string())
    );
    assert_eq!(refusal(&forged, &[shared()]), Reason::SignatureInvalid);
}

#[test]
fn over_eight_kilobytes_nothing_is_read() {
    let mut large = claims("a");
    large["padding"] = json!("x".repeat(8000));
    assert_eq!(
        refusal(&shared().sign(&large), &[shared()]),
        Reason::TokenTooLarge
    );
    assert_eq!(
        refusal(&"x".repeat(8193), &[shared()]),
        Reason::TokenTooLarge
    );
    assert_eq!(
        refusal(&"x".repeat(8192), &[shared()]),
        Reason::TokenMalformed
    );
}

#[test]
fn a_jwe_is_refused() {
    let header = b64(json!({"alg": "dir", "enc": "A128GCM"}).to_string());
    assert_eq!(
        refusal(&format!("{header}..AAAA.AAAA.AAAA"), &[shared()]),
        Reason::TokenMalformed
    );
}
