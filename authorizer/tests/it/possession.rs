//! RFC 9449 and RFC 8705: a token that is bound to a key is good only with proof of the key (security.md 61).

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatewright_authorizer::credentials::Scheme;
use gatewright_authorizer::jose::thumbprint;
use gatewright_authorizer::possession::PROOF_MAX_AGE_S;
use gatewright_authorizer::{Authorizer, Credentials, Reason, Verifier, iam};
use serde_json::{Value, json};

use crate::support::signer::{shared, shared_rsa};
use crate::support::{NOW, Signer, authorizer, b64, block_on, claims, events, policy, verifier};

const URL: &str = "https://api.example.com/prod/orders/1";

fn sha256(bytes: impl AsRef<[u8]>) -> String {
    b64(digest(&SHA256, bytes.as_ref()))
}

/// A key of a client, which signs proofs.
struct Client(Signer);

impl Client {
    fn new() -> Self {
        Self(Signer::ed25519("client"))
    }

    /// The bare public key, as proofs carry it.
    fn jwk(&self) -> Value {
        let jwk = self.0.jwk();
        let mut bare = json!({});
        for name in ["kty", "crv", "x", "y", "n", "e"] {
            if let Some(value) = jwk.get(name) {
                bare[name] = value.clone();
            }
        }
        bare
    }

    fn token(&self) -> String {
        bound(&json!({"jkt": thumbprint(&self.jwk()).unwrap()}))
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": self.0.alg, "jwk": self.jwk()})
    }

    fn claims(token: &str, jti: &str) -> Value {
        json!({"jti": jti, "htm": "GET", "htu": URL, "iat": NOW, "ath": sha256(token)})
    }

    fn proof(&self, token: &str, jti: &str) -> String {
        self.0.sign_with(&self.header(), &Self::claims(token, jti))
    }
}

fn bound(cnf: &Value) -> String {
    let mut claims = claims("orders:read");
    claims["cnf"] = cnf.clone();
    shared().sign(&claims)
}

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
        (NOW - 64, None),
        (NOW - 65, Some(Reason::ProofExpired)),
        (NOW + 5, None),
        (NOW + 6, Some(Reason::ProofExpired)),
        (i64::MAX, Some(Reason::ProofExpired)),
        (0, Some(Reason::ProofExpired)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut claims = Client::claims(&token, &format!("p-{at}"));
        claims["iat"] = json!(iat);
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
        ("iat", json!(1_800_000_000.5), Reason::ProofInvalid),
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
    let large = client.proof(&token, &"x".repeat(4096));
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

/// The event with the domain that was called.
fn called(mut event: Value) -> Value {
    event["requestContext"]["domainName"] = json!("api.example.com");
    event
}

fn with_header(mut event: Value, name: &str, value: &str) -> Value {
    event["headers"][name] = json!(value);
    if let Some(multi) = event["multiValueHeaders"].as_object_mut() {
        multi.insert(name.to_owned(), json!([value]));
    }
    event
}

fn reason_of(authorizer: &Authorizer, event: &Value) -> String {
    match block_on(authorizer.answer(event, NOW)) {
        Err(error) => error.reason().as_str().to_owned(),
        Ok(body) => body["context"]["reason"]
            .as_str()
            .unwrap_or("allowed")
            .to_owned(),
    }
}

/// Every kind of call that carries headers, with the URL that its caller knows.
fn kinds(authorization: &str) -> [(Value, &'static str); 3] {
    [
        (events::rest_request(authorization, "GET", "/orders/1"), URL),
        (events::http_v1(authorization, "GET", "/orders/1"), URL),
        (
            events::http_v2(authorization, "GET", "/orders/1"),
            "https://api.example.com/orders/1",
        ),
    ]
    .map(|(event, url)| (called(event), url))
}

#[test]
fn every_kind_that_carries_a_proof_verifies_it() {
    let (client, authorizer) = (Client::new(), authorizer(policy(), &[shared()]));
    let token = client.token();
    for (at, (event, url)) in kinds(&format!("DPoP {token}")).into_iter().enumerate() {
        let proof = |jti: &str, htu: &str| {
            let mut claims = Client::claims(&token, &format!("{at}-{jti}"));
            claims["htu"] = json!(htu);
            client.0.sign_with(&client.header(), &claims)
        };
        let sound = with_header(event.clone(), "DPoP", &proof("a", url));
        assert_eq!(reason_of(&authorizer, &sound), "allowed", "{url}");
        assert_eq!(reason_of(&authorizer, &sound), "proof_replayed");
        let elsewhere = "https://api.example.com/orders/2";
        let foreign = with_header(event.clone(), "DPoP", &proof("b", elsewhere));
        assert_eq!(reason_of(&authorizer, &foreign), "proof_mismatch");
        assert_eq!(reason_of(&authorizer, &event), "proof_missing");

        let once = proof("c", url);
        let mut twice = with_header(event.clone(), "DPoP", &once);
        twice["headers"]["dpop"] = json!(once);
        assert_eq!(reason_of(&authorizer, &twice), "credentials_ambiguous");
        let joined = with_header(event.clone(), "DPoP", &format!("{once},{once}"));
        assert_eq!(reason_of(&authorizer, &joined), "credentials_ambiguous");

        let mut host = with_header(event.clone(), "Host", "evil.example");
        host = with_header(
            host,
            "DPoP",
            &proof("d", &url.replace("api.example.com", "evil.example")),
        );
        assert_eq!(
            reason_of(&authorizer, &host),
            "proof_mismatch",
            "the Host header has no say"
        );
    }
}

#[test]
fn a_token_event_carries_no_proof() {
    let (client, authorizer) = (Client::new(), authorizer(policy(), &[shared()]));
    let token = client.token();
    for (scheme, reason) in [("DPoP", "proof_missing"), ("Bearer", "sender_constrained")] {
        let mut event = events::rest_token(&format!("{scheme} {token}"), "GET", "/orders/1");
        event["headers"] = json!({"DPoP": client.proof(&token, "p")});
        assert_eq!(reason_of(&authorizer, &event), reason);
    }
}

fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

#[test]
fn a_certificate_bound_token_needs_the_certificate_of_the_connection() {
    let der = [0x30; 200];
    let token = bound(&json!({"x5t#S256": sha256(der)}));
    let verifier = verifier(&[shared()]);
    let with = |certificate: Option<&str>| {
        let credentials = Credentials {
            certificate,
            ..Credentials::bearer(&token)
        };
        outcome(&verifier, credentials, NOW)
    };
    let own = pem(&der);
    for good in [
        own.clone(),
        own.replace('\n', "\r\n"),
        own.replace('\n', ""),
    ] {
        assert_eq!(with(Some(&good)), None);
    }
    assert_eq!(with(None), Some(Reason::CertificateMissing));
    for bad in [
        pem(&[0x31; 200]),
        format!("{own}{own}"),
        own.replace("CERTIFICATE", "PUBLIC KEY"),
        own.replace("-----", "---"),
        STANDARD.encode(der),
        pem(&vec![0x30; 64 * 1024]),
        pem(&[]),
        String::new(),
    ] {
        assert_eq!(with(Some(&bad)), Some(Reason::CertificateMismatch), "{bad}");
    }
}

#[test]
fn every_kind_that_carries_a_certificate_verifies_it() {
    let der = [0x30; 200];
    let token = bound(&json!({"x5t#S256": sha256(der)}));
    let authorizer = authorizer(policy(), &[shared()]);
    for (event, _) in kinds(&format!("Bearer {token}")) {
        let at = if event["version"] == "2.0" {
            "authentication"
        } else {
            "identity"
        };
        let mut held = event.clone();
        held["requestContext"][at]["clientCert"]["clientCertPem"] = json!(pem(&der));
        assert_eq!(reason_of(&authorizer, &held), "allowed");
        held["requestContext"][at]["clientCert"]["clientCertPem"] = json!(pem(b"other"));
        assert_eq!(reason_of(&authorizer, &held), "certificate_mismatch");
        assert_eq!(reason_of(&authorizer, &event), "certificate_missing");
        let spoofed = with_header(event, "X-Amzn-Mtls-Clientcert", &pem(&der));
        assert_eq!(reason_of(&authorizer, &spoofed), "certificate_missing");
    }
    let event = events::rest_token(&format!("Bearer {token}"), "GET", "/orders/1");
    assert_eq!(reason_of(&authorizer, &event), "certificate_missing");
}

#[test]
fn the_answer_to_a_bound_token_names_this_call_alone() {
    let client = Client::new();
    let token = client.token();
    let authorizer: Arc<Authorizer> = authorizer(policy(), &[shared()]);
    let [(event, _), ..] = kinds(&format!("DPoP {token}"));
    let event = with_header(event, "DPoP", &client.proof(&token, "p"));
    let body = block_on(authorizer.answer(&event, NOW)).unwrap();
    let allows = |resource: &str| {
        let outcome = iam::evaluate(&body["policyDocument"], resource);
        outcome.unwrap().is_allow()
    };
    let own = events::resource(&event);
    assert!(allows(&own));
    assert!(!allows(&own.replace("/orders/1", "/orders/2")));
    assert!(!allows(&own.replace("/orders/1", "/me")));
}

#[test]
fn a_bound_token_stays_bound_when_it_is_known() {
    let (client, verifier) = (
        Client(Signer::es256("x")),
        verifier(&[shared(), shared_rsa()]),
    );
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
