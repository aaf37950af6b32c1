//! Applications: their secrets, their fields, their end.

use super::program::{Program, holds, on_either};
use crate::support::database::recent_events;
use gatewright::config::master_key;
use gatewright::crypto::signing_key::{SigningKey, generate};
use gatewright::crypto::{Entropy, MasterKeys};

use gatewright_authorizer::jose::Algorithm;
use serde_json::{Value, json};

#[test]
fn a_secret_is_printed_once_and_stored_as_a_keyed_digest() {
    let program = Program::sqlite();
    let said = program.run(&[
        "client",
        "create",
        "worker",
        "--grant",
        "client_credentials",
        "--json",
    ]);
    let secret = said.json()["client_secret"].as_str().unwrap().to_owned();
    assert!(!said.stderr.contains(&secret), "{}", said.stderr);

    let bytes = program.database_bytes();
    assert!(!holds(&bytes, &secret) && !holds(&bytes, secret.trim_start_matches("gws_")));
    let key = std::fs::read_to_string(program.dir.0.join("data/gatewright.db.master-key")).unwrap();
    let mut config = gatewright::config::Config::default();
    config.database.url = program.url.clone();
    let (master, _) = master_key::resolve(&config).unwrap();
    let digest = MasterKeys::derive(master.expose())
        .unwrap()
        .client_secret_digest("worker", &secret);
    assert!(holds(&bytes, &digest) && !holds(&bytes, key.trim()));

    for args in [
        &["client", "show", "worker", "--json"][..],
        &["client", "list"],
        &["client", "secret", "list", "worker"],
    ] {
        let shown = program.run(args);
        assert!(
            !shown.succeeds().contains(&secret) && !shown.stdout.contains(&digest),
            "{}",
            shown.stdout
        );
    }
}

on_either! {
    async fn administrators_at_once_never_undo_each_other(program) {
        program.machine("worker");
        std::thread::scope(|scope| {
            for number in 0..6 {
                let program = &program;
                scope.spawn(move || {
                    program.run(&["client", "update", "worker", "--claim", &format!("c{number}={number}")]).succeeds();
                });
            }
        });
        let claims = &program.run(&["client", "show", "worker", "--json"]).json()["claims"];
        assert_eq!(claims.as_object().unwrap().len(), 6, "{claims}");
    }

    async fn a_secret_is_rotated_without_an_outage(program) {
        let first = program.machine("worker");
        let said = program.run(&["client", "secret", "add", "worker", "--expires-in", "3600", "--json"]);
        let second = said.json();
        assert_ne!(first["client_secret"], second["client_secret"]);
        assert!(!said.stderr.contains("gws_"));

        let list = program.run(&["client", "secret", "list", "worker", "--json"]).json();
        let secrets = list["secrets"].as_array().unwrap();
        assert_eq!(secrets.len(), 2);
        assert!(secrets.iter().all(|secret| secret["state"] == "live" && secret["last_used_at"].is_null()));
        let ends: Vec<&Value> = secrets.iter().map(|secret| &secret["expires_at"]).collect();
        assert!(ends.contains(&&Value::Null) && ends.contains(&&second["secret_expires_at"]), "{ends:?}");

        let first_id = first["secret_id"].as_str().unwrap();
        let revoked = program.run(&["client", "secret", "revoke", "worker", first_id, "--json"]).json();
        assert_eq!((&revoked["revoked"], &revoked["live_secrets"]), (&json!(true), &json!(1)));
        program
            .run(&["client", "secret", "revoke", "worker", first_id])
            .fails(1, &["gatewright client secret list worker"]);
        let last = program.run(&["client", "secret", "revoke", "worker", second["secret_id"].as_str().unwrap()]);
        last.succeeds();
        assert!(last.stderr.contains("gatewright client secret add worker"), "{}", last.stderr);
    }

    async fn a_native_client_is_silent_only_where_it_is_said(program) {
        let args = ["client", "create", "tool", "--type", "public", "--redirect-uri", "http://127.0.0.1/cb", "--grant",
            "authorization_code", "--scope", "openid", "--json"];
        assert_eq!(program.run(&args).json()["silent_authorization"], false);
        for (flag, silent) in [("--silent-authorization", true), ("--silent-authorization=false", false)] {
            let args = ["client", "update", "tool", flag, "--json"];
            assert_eq!(program.run(&args).json()["silent_authorization"], silent);
            let shown = program.run(&["client", "show", "tool"]).stdout;
            assert_eq!(shown.lines().any(|line| line.starts_with("silent") && line.ends_with("yes")), silent, "{shown}");
        }
    }

    async fn a_client_lives_and_every_act_is_recorded_without_secrets(program) {
        let created = program.machine("worker");
        let args = ["client", "update", "worker", "--name", "Night shift", "--scope", "orders:read orders:write",
            "--audience", "https://a.example.com", "--audience", "https://b.example.com", "--claim", "tier=\"gold\"",
            "--access-token-lifetime", "60", "--json"];
        let updated = program.run(&args).json();
        assert_eq!((&updated["name"], &updated["access_token_s"]), (&json!("Night shift"), &json!(60)));
        assert_eq!(updated["claims"], json!({"tier": "gold"}));
        assert!(updated["updated_at"].as_i64() > created["updated_at"].as_i64());

        let args = ["client", "update", "worker", "--audience", "", "--claim", "tier=null", "--access-token-lifetime",
            "default", "--json"];
        let emptied = program.run(&args).json();
        assert_eq!((&emptied["audiences"], &emptied["claims"]), (&json!([]), &json!({})));
        assert_eq!((emptied.get("access_token_s"), &emptied["name"]), (None, &json!("Night shift")));

        assert_eq!(program.run(&["client", "disable", "worker", "--json"]).json()["disabled"], true);
        assert_eq!(program.run(&["client", "enable", "worker", "--json"]).json()["disabled"], false);
        assert_eq!(program.run(&["client", "delete", "worker", "--json"]).json()["deleted"], true);
        program.run(&["client", "show", "worker"]).fails(1, &["gatewright client list"]);

        let store = program.store().await;
        let recorded = recent_events(&store).await;
        let acts: Vec<&Value> =
            recorded.iter().filter(|(kind, _)| kind == "administration").map(|(_, detail)| detail).collect();
        let mut whats: Vec<&str> = acts.iter().map(|detail| detail["what"].as_str().unwrap()).collect();
        whats.sort_unstable();
        assert_eq!(
            whats,
            ["client_created", "client_deleted", "client_disabled", "client_enabled", "client_updated", "client_updated"]
        );
        assert!(acts.iter().all(|detail| detail["actor"] == "cli" && detail["target"] == "worker"));
        let disabled = acts.iter().find(|detail| detail["what"] == "client_disabled").unwrap();
        assert_eq!((&disabled["before"]["disabled"], &disabled["after"]["disabled"]), (&json!(false), &json!(true)));
        assert_eq!(disabled["before"].get("name"), None, "only what changed is kept");
        let all = serde_json::to_string(&acts).unwrap();
        assert!(!all.contains("gws_") && !all.contains("digest"), "{all}");
    }
}

#[test]
fn everything_that_is_wrong_with_a_client_is_said_at_once() {
    let program = Program::sqlite();
    let args = [
        "client",
        "create",
        "bad name",
        "--type",
        "public",
        "--grant",
        "client_credentials",
        "--pkce",
        "optional",
        "--redirect-uri",
        "http://evil.example/cb",
        "--redirect-uri",
        "https://*.example.com/",
        "--scope",
        "a\"b",
        "--audience",
        "api",
        "--claim",
        "iss=3",
        "--claim",
        "address=3",
        "--access-token-lifetime",
        "5",
        "--secret-expires-in",
        "1",
        "--json",
    ];
    let said = program.run(&args);
    said.fails(
        2,
        &[
            "things are wrong",
            "client id",
            "evil.example",
            "wildcards",
            "scope",
            "audience \"api\"",
            "\"iss\"",
            "\"address\"",
            "--type confidential",
            "--pkce optional",
            "10 to 86400",
            "from 60 to",
        ],
    );
    program
        .run(&["client", "show", "bad name"])
        .fails(1, &["no client"]);
}

#[test]
fn a_name_is_taken_once() {
    let program = Program::sqlite();
    program.machine("worker");
    let again = program.run(&[
        "client",
        "create",
        "worker",
        "--grant",
        "client_credentials",
    ]);
    again.fails(1, &["exists already", "gatewright client update worker"]);
}

#[test]
fn keys_make_a_client_authenticate_by_them_and_private_ones_are_refused() {
    let program = Program::sqlite();
    let private = generate(Algorithm::Es256, &Entropy::system()).unwrap();
    let public = SigningKey::parse(Algorithm::Es256, &private)
        .unwrap()
        .public_jwk()
        .clone();
    let jwks = program.file("jwks.json", &json!({"keys": [public]}).to_string());
    let args = [
        "client",
        "create",
        "bank",
        "--grant",
        "client_credentials",
        "--jwks",
        &jwks,
        "--assertion-alg",
        "ES256",
        "--json",
    ];
    let created = program.run(&args).json();
    assert_eq!(
        (&created["auth_method"], created.get("client_secret")),
        (&json!("private_key_jwt"), None)
    );
    program
        .run(&["client", "secret", "add", "bank"])
        .fails(2, &["private_key_jwt", "--auth-method"]);

    let mut leaked = public;
    leaked["d"] = json!("AAAA");
    let leaked = program.file("leaked.json", &json!({"keys": [leaked]}).to_string());
    let args = [
        "client",
        "create",
        "leak",
        "--grant",
        "client_credentials",
        "--jwks",
        &leaked,
    ];
    program.run(&args).fails(2, &["JWK set"]);
    let args = [
        "client",
        "create",
        "none",
        "--grant",
        "client_credentials",
        "--jwks",
        "nowhere.json",
    ];
    program
        .run(&args)
        .fails(2, &["nowhere.json", "check the path"]);
}

#[test]
fn a_change_of_type_brings_the_method_that_suits_it() {
    let program = Program::sqlite();
    let args = [
        "client",
        "create",
        "app",
        "--type",
        "public",
        "--grant",
        "authorization_code",
        "--redirect-uri",
        "https://app.example.com/cb",
        "--json",
    ];
    assert_eq!(program.run(&args).json()["auth_method"], "none");
    let said = program.run(&[
        "client",
        "update",
        "app",
        "--type",
        "confidential",
        "--json",
    ]);
    assert_eq!(said.json()["auth_method"], "client_secret");
    assert!(
        said.stderr.contains("gatewright client secret add app"),
        "{}",
        said.stderr
    );
    program
        .run(&[
            "client",
            "update",
            "app",
            "--type",
            "public",
            "--grant",
            "client_credentials",
        ])
        .fails(2, &["--type confidential"]);
}

#[test]
fn the_secret_is_shown_to_people_with_the_warning_that_it_is_not_shown_again() {
    let program = Program::sqlite();
    let said = program.run(&[
        "client",
        "create",
        "worker",
        "--grant",
        "client_credentials",
    ]);
    assert!(
        said.succeeds().contains("gws_") && said.stdout.contains("not shown again"),
        "{}",
        said.stdout
    );
}
