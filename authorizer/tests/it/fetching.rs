//! Keys over real connections: discovery, limits, and nothing that wasn't configured.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gatewright_authorizer::fetch::{GetError, HttpKeys, Limits, SystemClock, get};
use gatewright_authorizer::jose::Algorithm;
use gatewright_authorizer::jwks::{Clock, FetchKeys as _};
use gatewright_authorizer::policy::IssuerRules;
use gatewright_authorizer::{Reason, Verifier};
use serde_json::json;

use crate::support::http::{Response, serve};
use crate::support::signer::shared;
use crate::support::{AUDIENCE, NOW, block_on, claims};

fn discovery(origin: &str) -> Response {
    Response::json(json!({"issuer": origin, "jwks_uri": format!("{origin}/jwks")}).to_string())
}

fn keys() -> Response {
    let headers = vec![("Cache-Control", "public, max-age=120".to_owned())];
    Response {
        headers,
        ..Response::json(json!({"keys": [shared().jwk()]}).to_string())
    }
}

fn issuer() -> String {
    serve(|origin, request| match request.path.as_str() {
        "/.well-known/openid-configuration" => discovery(origin),
        "/jwks" => keys(),
        _ => Response::status(404),
    })
}

fn verifier(origin: &str) -> Verifier {
    let rules = IssuerRules::new(origin, vec![AUDIENCE.to_owned()], vec![Algorithm::Es256]);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    Verifier::over_http(&[rules], Path::new(""), &clock).unwrap()
}

#[test]
fn a_token_verifies_with_keys_that_were_discovered() {
    let origin = issuer();
    let verifier = verifier(&origin);
    let mut claims = claims("a");
    claims["iss"] = json!(origin);
    block_on(async {
        assert_eq!(
            verifier
                .verify(&shared().sign(&claims), NOW)
                .await
                .unwrap()
                .subject,
            "user-1"
        );
        let mut header = shared().header();
        header["kid"] = json!("other");
        assert_eq!(
            verifier
                .verify(&shared().sign_with(&header, &claims), NOW)
                .await,
            Err(Reason::KeyUnknown)
        );
    });
}

#[test]
fn headers_of_a_token_cause_no_fetch() {
    static FETCHES: AtomicUsize = AtomicUsize::new(0);
    let origin = serve(|origin, request| {
        FETCHES.fetch_add(1, Ordering::SeqCst);
        if request.path == "/jwks" {
            keys()
        } else {
            discovery(origin)
        }
    });
    let verifier = verifier(&origin);
    let mut claims = claims("a");
    claims["iss"] = json!(origin);
    for name in ["jku", "x5u", "jwk", "x5c"] {
        let mut header = shared().header();
        header[name] = json!(format!("{origin}/evil"));
        assert_eq!(
            block_on(verifier.verify(&shared().sign_with(&header, &claims), NOW)),
            Err(Reason::HeaderRefused)
        );
    }
    claims["iss"] = json!("http://127.0.0.1:1");
    assert_eq!(
        block_on(verifier.verify(&shared().sign(&claims), NOW)),
        Err(Reason::IssuerUnknown)
    );
    assert_eq!(FETCHES.load(Ordering::SeqCst), 0);
}

#[test]
fn max_age_travels_with_the_keys() {
    let fetched = block_on(HttpKeys::new(issuer()).fetch()).unwrap();
    assert_eq!(fetched.max_age_s, Some(120));
}

#[test]
fn discovery_of_another_issuer_is_refused() {
    let liar = serve(|_, _| {
        Response::json(
            json!({"issuer": "https://other.example", "jwks_uri": "https://other.example/jwks"})
                .to_string(),
        )
    });
    let error = block_on(HttpKeys::new(liar).fetch()).unwrap_err();
    assert!(error.to_string().contains("of another issuer"), "{error}");
}

#[test]
fn what_is_odd_elsewhere_in_a_discovery_document_does_no_harm() {
    let odd = serve(|origin, request| {
        if request.path == "/jwks" {
            return Response::json(json!({"keys": [shared().jwk()]}).to_string());
        }
        Response::json(format!(
            "\u{feff}{{\"x\":1,\"x\":[{{\"y\":1,\"y\":2}}],\"issuer\":\"{origin}\",\"jwks_uri\":\"{origin}/jwks\"}}"
        ))
    });
    assert!(block_on(HttpKeys::new(odd).fetch()).is_ok());
    let twice = serve(|origin, _| {
        Response::json(format!(
            "{{\"issuer\":\"{origin}\",\"jwks_uri\":\"{origin}/jwks\",\"jwks_uri\":\"{origin}/evil\"}}"
        ))
    });
    let error = block_on(HttpKeys::new(twice).fetch()).unwrap_err();
    assert!(
        error.to_string().contains("is not a discovery document"),
        "{error}"
    );
}

#[test]
fn redirects_are_not_followed_and_errors_are_errors() {
    for status in [301, 302, 307, 404, 500, 204] {
        let origin = serve(move |origin, _| Response {
            headers: vec![("Location", format!("{origin}/jwks"))],
            ..Response::status(status)
        });
        let error = block_on(HttpKeys::new(origin).fetch()).unwrap_err();
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
    let plain = serve(|origin, _| {
        Response::json(json!({"issuer": origin, "jwks_uri": "http://10.0.0.1/jwks"}).to_string())
    });
    assert!(
        block_on(HttpKeys::new(plain).fetch())
            .unwrap_err()
            .to_string()
            .contains("neither https")
    );
}

#[test]
fn bodies_are_cut_off_and_slow_servers_given_up() {
    let large = serve(|_, _| Response::json("x".repeat(256 * 1024 + 1)));
    assert_eq!(
        block_on(get(&large, Limits::default())).unwrap_err(),
        GetError::TooLarge
    );
    let fits = serve(|_, _| Response::json("x".repeat(256 * 1024)));
    assert_eq!(
        block_on(get(&fits, Limits::default())).unwrap().body.len(),
        256 * 1024
    );

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let started = Instant::now();
    let limits = Limits {
        timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    assert_eq!(block_on(get(&url, limits)).unwrap_err(), GetError::Timeout);
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(matches!(
        block_on(get("http://127.0.0.1:1/", Limits::default())),
        Err(GetError::Transport(_))
    ));
    assert_eq!(
        block_on(get("http://issuer.example/", Limits::default())).unwrap_err(),
        GetError::Url
    );
}
