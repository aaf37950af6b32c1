//! Bound tokens on every kind of call: the proof or the certificate comes with the event, or the token is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatewright_authorizer::{Authorizer, Credentials, Reason, iam};
use serde_json::{Value, json};

use crate::support::client::{Client, URL, bound, sha256};
use crate::support::signer::shared;
use crate::support::{NOW, authorizer, block_on, events, policy, verifier};

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
        block_on(verifier.verify(credentials, NOW)).err()
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
    let authorizer = authorizer(policy(), &[shared()]);
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
