//! What a client is registered with: audiences that are no services, keys that others could sign for.

use crate::support::{TestApp, on_both_databases};
use crate::troubleshooting::admin;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewright::domain::client::GrantType;
use gatewright::flows::admin::{AdminError, ClientChange, clients};
use serde_json::{Value, json};

/// A machine client, and what is said of it besides.
fn machine() -> ClientChange {
    ClientChange {
        grants: Some(vec![GrantType::ClientCredentials]),
        scope: Some("orders:read".to_owned()),
        ..ClientChange::default()
    }
}

async fn faults(app: &TestApp, id: &str, change: &ClientChange) -> Vec<String> {
    match clients::create(admin(app), id, change, None, app.now()).await {
        Ok(_) => Vec::new(),
        Err(AdminError::Refused(faults)) => faults,
        Err(other) => panic!("{other}"),
    }
}

fn okp(kid: &str, x: [u8; 32]) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": URL_SAFE_NO_PAD.encode(x)})
}

on_both_databases! {
    async fn an_audience_is_no_script_and_no_file(app: TestApp) {
        let with = |uri: &str| ClientChange { audiences: Some(vec![uri.to_owned()]), ..machine() };
        for uri in ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "https://a@b.example"] {
            let faults = faults(&app, "worker", &with(uri)).await;
            assert!(faults.iter().any(|fault| fault.contains("https, http, urn")), "{uri}: {faults:?}");
        }
        assert_eq!(faults(&app, "worker", &with("urn:example:orders")).await, Vec::<String>::new());
    }

    /// One such key among sound ones is no less a way in, and none is passed over in silence.
    async fn a_key_that_others_could_sign_for_is_refused_by_name(app: TestApp) {
        let sound = json!({
            "kty": "OKP", "crv": "Ed25519", "kid": "sound", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        let with = |keys: &[Value]| ClientChange { jwks: Some(json!({"keys": keys})), ..machine() };
        let mut identity = [0; 32];
        identity[0] = 1;
        let modulus = URL_SAFE_NO_PAD.encode([[0xff; 255].as_slice(), &[0xfe]].concat());
        let off_curve = URL_SAFE_NO_PAD.encode([7; 32]);
        for (kid, bad) in [
            ("small", okp("small", identity)),
            ("zero", okp("zero", [0; 32])),
            ("even", json!({"kty": "RSA", "kid": "even", "n": modulus, "e": "AQAB"})),
            ("off", json!({"kty": "EC", "crv": "P-256", "kid": "off", "x": off_curve, "y": off_curve})),
            ("huge", json!({"kty": "RSA", "kid": "huge", "n": modulus, "e": "AQAAAAAAAAAAAQ"})),
        ] {
            let faults = faults(&app, "robot", &with(&[sound.clone(), bad])).await;
            assert!(faults.iter().any(|fault| fault.contains(&format!("key {kid:?}"))), "{kid}: {faults:?}");
        }
        assert_eq!(faults(&app, "robot", &with(&[sound])).await, Vec::<String>::new());
    }
}
