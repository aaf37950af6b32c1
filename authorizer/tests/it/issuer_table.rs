//! `[[issuer]]` of the policy file: whose tokens, of which type, with which keys.

use std::path::Path;
use std::time::Duration;

use gatewright_authorizer::jose::Algorithm;
use gatewright_authorizer::jwks::CacheSettings;
use gatewright_authorizer::policy::{IssuerRules, JwksRules, JwksUri};
use gatewright_authorizer::{Policy, Reason, Verifier};
use serde_json::json;

use crate::support::signer::{shared, shared_rsa};
use crate::support::{NOW, Signer, block_on, claims, set};

const HEAD: &str =
    "[[issuer]]\nurl = \"https://i.example\"\naudiences = [\"x\"]\nalgorithms = [\"ES256\"]\n";

fn issuer(more: &str) -> IssuerRules {
    let policy = Policy::parse(&format!("{HEAD}{more}")).unwrap();
    policy.issuers()[0].clone()
}

fn error(more: &str) -> String {
    let text = format!("{HEAD}{more}");
    Policy::parse(&text).expect_err(more).to_string()
}

#[test]
fn what_is_left_out_is_as_it_was() {
    let usual = issuer("");
    assert_eq!(usual.typ, ["at+jwt"]);
    assert_eq!(usual.leeway_s, 5);
    assert_eq!(usual.jwks, JwksRules::default());
    assert_eq!(CacheSettings::of(&usual.jwks), CacheSettings::default());
    assert_eq!(issuer("jwks = {}\n").jwks, JwksRules::default());
}

#[test]
fn every_setting_is_read() {
    let private = issuer("ca_file = \"company.pem\"\n");
    assert_eq!(private.ca_file.as_deref(), Some(Path::new("company.pem")));
    let rules = issuer(
        "typ = [\"at+jwt\", \"JWT\"]\nleeway_s = 0\n\
         jwks = { uri = \"https://i.example/keys?v=1\", pinned = \"keys/jwks.json\", fresh_s = 7200, \
         stale_max_s = 86_400, unknown_kid_cooldown_s = 5, timeout_ms = 0x3e8 }\n",
    );
    assert_eq!(rules.typ, ["at+jwt", "JWT"]);
    assert_eq!(rules.leeway_s, 0);
    let jwks = &rules.jwks;
    assert_eq!(
        jwks.uri,
        Some(JwksUri::At("https://i.example/keys?v=1".to_owned()))
    );
    assert_eq!(jwks.pinned.as_deref(), Some(Path::new("keys/jwks.json")));
    let settings = CacheSettings::of(jwks);
    assert_eq!(settings.fresh, Duration::from_hours(2));
    assert_eq!(settings.fresh_max, Duration::from_hours(2));
    assert_eq!(settings.stale_max, Duration::from_hours(24));
    assert_eq!(settings.unknown_kid_cooldown, Duration::from_secs(5));
    assert_eq!(settings.timeout, Duration::from_secs(1));
    let short = CacheSettings::of(&issuer("jwks = { fresh_s = 5 }\n").jwks);
    assert_eq!(short.fresh_min, Duration::from_secs(5));
    assert_eq!(short.fresh_max, Duration::from_hours(1));
    let table = issuer("[issuer.jwks]\npinned = \"jwks.json\"\n").jwks;
    assert_eq!(table.uri, None, "pinned alone is never fetched");
    let both = issuer("jwks = { pinned = \"jwks.json\", uri = \"discover\" }\n").jwks;
    assert_eq!(both.uri, Some(JwksUri::Discover));
    assert_eq!(issuer("typ = \"application/at+jwt\"\n").typ.len(), 1);
}

#[test]
fn unknown_keys_name_the_nearest_one_and_their_place() {
    assert!(error("type = \"at+jwt\"\n").starts_with(
        "line 5, column 1: unknown key `type` in [[issuer]]; the nearest key is `typ`"
    ));
    assert!(error("leeway = 5\n").contains("nearest key is `leeway_s`"));
    let inner = error("jwks = { fresh = 5 }\n");
    assert!(
        inner.starts_with("line 5, column 10: unknown key `fresh` in jwks"),
        "{inner}"
    );
    assert!(inner.contains("nearest key is `fresh_s`"), "{inner}");
}

#[test]
fn values_that_make_no_sense_are_refused_with_what_to_do() {
    for (more, words) in [
        ("typ = []", "not a media type; write typ = \"at+jwt\""),
        ("typ = \"\"", "not a media type"),
        ("typ = \"at jwt\"", "not a media type"),
        ("typ = 7", "not a list of strings"),
        (
            "typ = \"dpop+jwt\"",
            "not the type of an access token; remove it",
        ),
        (
            "typ = [\"at+jwt\", \"application/Logout+jwt\"]",
            "not the type of an access token",
        ),
        ("leeway_s = 301", "a whole number from 0 to 300"),
        ("leeway_s = -1", "a whole number from 0 to 300"),
        ("leeway_s = \"5\"", "without quotes"),
        ("leeway_s = 1.5", "a whole number"),
        (
            "jwks = \"discover\"",
            "`jwks` is not a table; write jwks = { uri",
        ),
        (
            "jwks = { uri = \"http://i.example/jwks\" }",
            "not a URL to fetch keys from",
        ),
        (
            "jwks = { uri = \"discovery\" }",
            "write \"discover\", or an https URL",
        ),
        (
            "jwks = { uri = \"https://u@i.example/\" }",
            "without user and fragment",
        ),
        ("jwks = { uri = \"https:///jwks\" }", "not a URL"),
        ("ca_file = \"\"", "`ca_file` names no file; write the path"),
        (
            "ca_file = \"ca.pem\"\njwks = { pinned = \"jwks.json\" }",
            "`ca_file` is of no use: the keys are pinned",
        ),
        ("jwks = { uri = \"file:///etc/passwd\" }", "not a URL"),
        (
            "jwks = { pinned = \"\" }",
            "`pinned` names no file; write the path",
        ),
        (
            "jwks = { fresh_s = 0 }",
            "`fresh_s` is not a whole number from 1 to 86400",
        ),
        (
            "jwks = { stale_max_s = 0 }",
            "`stale_max_s` is not a whole number from 1",
        ),
        (
            "jwks = { stale_max_s = 599 }",
            "stale_max_s (599) is less than fresh_s (600); raise",
        ),
        (
            "jwks = { fresh_s = 7200 }",
            "stale_max_s (3600) is less than fresh_s (7200)",
        ),
        ("jwks = { unknown_kid_cooldown_s = 0 }", "from 1 to 3600"),
        ("jwks = { timeout_ms = 0 }", "from 1 to 10000"),
        ("jwks = { timeout_ms = 10001 }", "from 1 to 10000"),
        (
            "jwks = { timeout_ms = 99999999999999999999 }",
            "from 1 to 10000",
        ),
    ] {
        let message = error(&format!("{more}\n"));
        assert!(message.contains(words), "{more}: {message}");
        assert!(message.starts_with("line 5, "), "{message}");
    }
    let none = HEAD.replace("\"ES256\"", "\"HS256\"");
    let message = Policy::parse(&none).unwrap_err().to_string();
    assert!(message.contains("unknown algorithm \"HS256\"; list some of \"ES256\""));
}

#[test]
fn each_issuer_has_rules_of_its_own() {
    let policy = Policy::parse(
        r#"
[[issuer]]
url = "https://issuer.example"
audiences = ["https://api.example.com"]
algorithms = ["ES256"]
leeway_s = 0

[[issuer]]
url = "https://other.example"
audiences = ["other"]
algorithms = ["RS256", "EdDSA"]
typ = ["JWT", "at+jwt"]
leeway_s = 60
"#,
    )
    .unwrap();
    let ed = Signer::ed25519("key-1");
    let keys = [set(&[shared()]), set(&[shared_rsa(), &ed])];
    let rules = policy.issuers().iter().map(IssuerRules::token_rules);
    let verifier = Verifier::with_fixed_keys(rules.zip(keys));
    let outcome = |signer: &Signer, iss: &str, aud: &str, typ: &str, late_s: i64| {
        let mut claims = claims("a");
        claims["iss"] = json!(iss);
        claims["aud"] = json!(aud);
        claims["exp"] = json!(NOW - late_s);
        let mut header = signer.header();
        header["typ"] = json!(typ);
        let token = signer.sign_with(&header, &claims);
        block_on(verifier.verify(&token, NOW)).err()
    };
    let (one, two) = ("https://issuer.example", "https://other.example");
    let api = "https://api.example.com";
    for (signer, iss, aud, typ, late_s, reason) in [
        (shared(), one, api, "at+jwt", -1, None),
        (shared(), one, api, "application/at+jwt", -1, None),
        (shared(), one, api, "JWT", -1, Some(Reason::TypeRefused)),
        (shared(), one, api, "at+jwt", 0, Some(Reason::Expired)),
        (
            shared(),
            one,
            "other",
            "at+jwt",
            -1,
            Some(Reason::AudienceMismatch),
        ),
        (&ed, one, api, "at+jwt", -1, Some(Reason::AlgorithmRefused)),
        (shared_rsa(), two, "other", "JWT", 59, None),
        (&ed, two, "other", "at+jwt", 59, None),
        (&ed, two, "other", "at+jwt", 60, Some(Reason::Expired)),
        (&ed, two, api, "at+jwt", -1, Some(Reason::AudienceMismatch)),
        (
            shared(),
            two,
            "other",
            "at+jwt",
            -1,
            Some(Reason::AlgorithmRefused),
        ),
    ] {
        assert_eq!(
            outcome(signer, iss, aud, typ, late_s),
            reason,
            "{} {iss} {aud} {typ} {late_s}",
            signer.alg
        );
    }
    assert_eq!(
        policy.issuers()[1].algorithms,
        [Algorithm::Rs256, Algorithm::EdDsa]
    );
}
