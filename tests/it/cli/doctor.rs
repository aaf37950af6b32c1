//! The doctor's findings.

use super::program::Program;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

fn examine(program: &Program) -> (i32, Value) {
    let said = program.run(&["doctor", "--json"]);
    (
        said.code,
        serde_json::from_str(&said.stdout)
            .unwrap_or_else(|_| panic!("{} {}", said.stdout, said.stderr)),
    )
}

#[track_caller]
fn finding<'a>(report: &'a Value, check: &str) -> (&'a str, &'a str) {
    let found = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("no {check} in {report}"));
    let remedy = found["remedy"].as_str().unwrap_or_default();
    assert!(
        found["state"] == "ok" || !remedy.is_empty(),
        "every finding has a remedy: {found}"
    );
    (found["state"].as_str().unwrap(), remedy)
}

/// A listener that answers every request with this document.
fn server(document: impl Fn(&str) -> String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = document(&url);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    url
}

#[test]
fn a_sound_installation_is_found_sound_and_nothing_is_changed() {
    let url = server(|url| format!("{{\"issuer\":{url:?}}}"));
    let program = Program::sqlite().with("GATEWRIGHT_ISSUER", &url);
    program.run(&["key", "rotate"]).succeeds();
    let before = program.run(&["key", "list", "--json"]).json();
    let (code, report) = examine(&program);
    assert_eq!(code, 0, "{report}");
    for check in [
        "master key",
        "database",
        "clock",
        "signing keys",
        "issuer URL",
        "file modes",
    ] {
        assert_eq!(finding(&report, check).0, "ok", "{report}");
    }
    assert_eq!(program.run(&["key", "list", "--json"]).json(), before);
    assert!(
        program
            .run(&["doctor"])
            .succeeds()
            .contains("Nothing is wrong.")
    );
}

#[test]
fn an_installation_that_is_not_there_is_a_finding_and_stays_away() {
    let program = Program::sqlite().with("GATEWRIGHT_ISSUER", "http://127.0.0.1:9");
    let (code, report) = examine(&program);
    assert_eq!((code, &report["healthy"]), (1, &Value::Bool(false)));
    assert!(finding(&report, "database").1.contains("gatewright serve"));
    assert_eq!(finding(&report, "master key").0, "warn");
    let (state, remedy) = finding(&report, "issuer URL");
    assert_eq!(state, "fail");
    assert!(remedy.contains("gatewright serve"));
    assert!(!program.dir.0.join("data").exists());
}

#[test]
fn a_server_that_calls_itself_otherwise_is_found() {
    let url = server(|_| "{\"issuer\":\"https://login.example.com\"}".to_owned());
    let program = Program::sqlite().with("GATEWRIGHT_ISSUER", &url);
    program.run(&["migrate"]).succeeds();
    let (_, report) = examine(&program);
    let (state, remedy) = finding(&report, "issuer URL");
    assert!(
        state == "fail" && remedy.contains("byte for byte"),
        "{report}"
    );
}

#[test]
fn a_lost_or_exchanged_master_key_is_found_and_none_is_made_in_its_place() {
    let program = Program::sqlite();
    program.run(&["key", "rotate"]).succeeds();
    let key = program.dir.0.join("data/gatewright.db.master-key");
    std::fs::rename(&key, program.dir.0.join("backup")).unwrap();
    let (code, report) = examine(&program);
    assert_eq!(code, 1);
    assert!(finding(&report, "master key").1.contains("backup"));
    assert!(!key.exists());
    let program = program.with("GATEWRIGHT_MASTER_KEY", &"09".repeat(32));
    let (_, report) = examine(&program);
    assert!(
        finding(&report, "signing keys")
            .1
            .contains("sealed the database"),
        "{report}"
    );
}

#[test]
fn files_that_others_can_read_are_found() {
    let program = Program::sqlite();
    program.run(&["migrate"]).succeeds();
    program.run(&["client", "list"]).succeeds();
    assert_eq!(finding(&examine(&program).1, "file modes").0, "ok");
    let open = |name: &str| {
        let path = program.dir.0.join("data").join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    };
    open("gatewright.db");
    assert_eq!(finding(&examine(&program).1, "file modes").0, "warn");
    assert_eq!(
        finding(&examine(&program).1, "file modes").0,
        "ok",
        "whoever opens the database takes it away"
    );
    open("gatewright.db");
    open("gatewright.db.master-key");
    let (_, report) = examine(&program);
    let modes: Vec<&Value> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["check"] == "file modes")
        .collect();
    assert_eq!(modes.len(), 2);
    assert!(modes.iter().any(|finding| finding["state"] == "fail"
        && finding["remedy"].as_str().unwrap().contains("chmod 600")));
}

#[tokio::test]
async fn a_key_that_no_server_took_up_is_found() {
    let program = Program::sqlite().with("GATEWRIGHT_KEYS_JWKS_MAX_AGE_S", "1");
    program.run(&["key", "rotate"]).succeeds();
    let store = program.store().await;
    store
        .execute(
            "UPDATE signing_key SET activates_at = 1 WHERE state = 'pending'",
            vec![],
        )
        .await
        .unwrap();
    let (_, report) = examine(&program);
    let overdue = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["state"] == "warn")
        .count();
    assert_eq!(overdue, 3, "{report}");
}

#[tokio::test]
async fn rows_that_somebody_else_wrote_are_found() {
    let program = Program::sqlite();
    program.run(&["key", "rotate"]).succeeds();
    let ada = program.user("ada");
    let store = program.store().await;
    let forged = "INSERT INTO signing_key (kid, algorithm, state, public_jwk, sealed_private, created_at, activates_at)
                  SELECT 'forged', algorithm, 'retiring', public_jwk, sealed_private, 1, 1
                    FROM signing_key
                   WHERE algorithm = 'ES256' AND state = 'active'";
    store.execute(forged, vec![]).await.unwrap();
    let planted = "INSERT INTO administrator (subject, granted_at) VALUES ($1, 1)";
    let subject = ada["sub"].as_str().unwrap();
    store.execute(planted, vec![subject.into()]).await.unwrap();
    let (code, report) = examine(&program);
    assert_eq!(code, 1);
    let told = report.to_string();
    assert!(told.contains("gatewright key retire forged"), "{told}");
    assert!(
        told.contains(&format!("the database calls {subject} an administrator")),
        "{told}"
    );
    program.run(&["key", "retire", "forged"]).succeeds();
    program
        .run(&["user", "update", "ada", "--administrator", "true"])
        .succeeds();
    let told = examine(&program).1.to_string();
    assert!(
        !told.contains("forged") && !told.contains("an administrator"),
        "{told}"
    );
}

#[test]
fn a_configuration_file_with_a_secret_is_the_owners_alone() {
    let mut program = Program::sqlite();
    let url = program.env.remove("GATEWRIGHT_DATABASE_URL").unwrap();
    let file = program.file("gatewright.toml", &format!("[database]\nurl = \"{url}\"\n"));
    let program = program.with("GATEWRIGHT_CONFIG", &file);
    program.run(&["key", "rotate"]).succeeds();
    let open_to_all =
        || std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    open_to_all();
    assert_eq!(
        finding(&examine(&program).1, "file modes").0,
        "ok",
        "it holds no secret"
    );
    let key = "00".repeat(32);
    program.file(
        "gatewright.toml",
        &format!("master_key = \"{key}\"\n[database]\nurl = \"{url}\"\n"),
    );
    open_to_all();
    for args in [["doctor", "--json"], ["client", "list"]] {
        let said = program.run(&args);
        said.fails(2, &["it holds a secret", &format!("chmod 600 {file}")]);
        assert!(!said.stderr.contains(&key));
    }
}
