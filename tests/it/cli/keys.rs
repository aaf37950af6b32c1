//! Signing keys.

use super::program::{Program, on_either};
use base64::Engine as _;
use gatewright::crypto::Entropy;
use gatewright::crypto::signing_key::generate;
use gatewright_authorizer::jose::Algorithm;
use serde_json::{Value, json};

fn of<'a>(list: &'a Value, alg: &str, state: &str) -> Option<&'a Value> {
    list["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["alg"] == alg && key["state"] == state)
}

on_either! {
    async fn rotating_twice_tells_the_same_pending_key(program) {
        let first = program.run(&["key", "rotate", "--alg", "ES256", "--json"]).json();
        let second = program.run(&["key", "rotate", "--alg", "ES256", "--json"]).json();
        assert_eq!(first["keys"][0]["kid"], second["keys"][0]["kid"]);
        assert_eq!(first["keys"][0]["activates_at"], second["keys"][0]["activates_at"]);
        assert_eq!((&first["keys"][0]["created"], &second["keys"][0]["created"]), (&json!(true), &json!(false)));

        let list = program.run(&["key", "list", "--json"]).json();
        assert_eq!(of(&list, "ES256", "pending").unwrap()["kid"], first["keys"][0]["kid"]);
        for alg in ["ES256", "RS256", "EdDSA"] {
            assert!(of(&list, alg, "active").is_some(), "a new key never leaves an algorithm without one: {list}");
        }
        assert_eq!(of(&list, "RS256", "pending"), None);
        let pending = of(&list, "ES256", "pending").unwrap();
        assert!(pending["activates"].as_str().unwrap().ends_with('Z'));
        assert_eq!(pending["retires_at"], Value::Null);
        // Twice keys.jwks_max_age_s, and the second in which a node may notice.
        let lead = pending["activates_at"].as_i64().unwrap() - pending["created_at"].as_i64().unwrap();
        assert!(lead >= 600, "{lead}");
    }

    async fn a_pending_key_can_be_taken_back_and_the_active_one_cannot(program) {
        let kid = program.run(&["key", "rotate", "--alg", "EdDSA", "--json"]).json()["keys"][0]["kid"].clone();
        let kid = kid.as_str().unwrap();
        let list = program.run(&["key", "list", "--json"]).json();
        let active = of(&list, "EdDSA", "active").unwrap()["kid"].as_str().unwrap();
        program.run(&["key", "retire", "--", active]).fails(1, &["gatewright key rotate"]);
        assert_eq!(program.run(&["key", "retire", "--json", "--", kid]).json(), json!({"kid": kid, "state": "gone"}));
        program.run(&["key", "retire", "--", kid]).fails(1, &["gone already"]);
        program.run(&["key", "retire", "nonesuch"]).fails(1, &["gatewright key list"]);
        assert!(!program.run(&["key", "list"]).succeeds().contains(kid));
        assert!(program.run(&["key", "list", "--all"]).succeeds().contains(kid));
    }
}

#[test]
fn a_key_made_elsewhere_is_brought_in_once() {
    let program = Program::sqlite();
    let pem = |alg| {
        let private = generate(alg, &Entropy::system()).unwrap();
        let body = base64::engine::general_purpose::STANDARD.encode(private.expose());
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    };
    let first = program.file("first.pem", &pem(Algorithm::Es256));
    let second = program.file("second.pem", &pem(Algorithm::Es256));
    let made = program.run(&["key", "import", &first, "--json"]).json();
    assert_eq!(
        (&made["keys"][0]["alg"], &made["keys"][0]["state"]),
        (&json!("ES256"), &json!("pending"))
    );
    program
        .run(&["key", "import", &first])
        .fails(1, &["here already"]);
    program.run(&["key", "import", &second]).fails(
        1,
        &["another ES256 key is pending", "gatewright key retire"],
    );
    let bytes = program.database_bytes();
    assert!(!super::program::holds(&bytes, "PRIVATE KEY"));

    let nonsense = program.file("nonsense.pem", "hello");
    program
        .run(&["key", "import", &nonsense])
        .fails(2, &["openssl pkcs8 -topk8"]);
    program
        .run(&["key", "import", "nowhere.pem"])
        .fails(2, &["check the path"]);
    program
        .run(&["key", "rotate", "--alg", "HS256"])
        .fails(2, &["ES256, RS256, EdDSA"]);
}
