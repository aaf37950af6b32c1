//! The configuration as the commands take it.

use super::program::Program;
use serde_json::json;

#[test]
fn a_wrong_setting_stops_every_command_and_names_the_nearest() {
    let program = Program::sqlite()
        .with("GATEWRIGHT_ISUER", "http://127.0.0.1:8080")
        .with("GATEWRIGHT_LISTEN", "nowhere");
    for args in [
        &["client", "list"][..],
        &["config", "check"],
        &["config", "show"],
        &["migrate"],
        &["doctor"],
        &["key", "list"],
    ] {
        program
            .run(args)
            .fails(2, &["2 problems", "GATEWRIGHT_ISSUER", "GATEWRIGHT_LISTEN"]);
    }
    assert!(!program.dir.0.join("data").exists(), "nothing is made");
    let said = program.run(&["config", "check", "--json"]);
    assert_eq!(said.code, 2);
    let told: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(
        (&told["valid"], told["problems"].as_array().unwrap().len()),
        (&json!(false), 2)
    );
}

#[test]
fn flags_go_before_variables_before_the_file_and_show_says_so() {
    let mut program = Program::sqlite().with("GATEWRIGHT_LISTEN", "127.0.0.1:2");
    program.env.remove("GATEWRIGHT_DATABASE_URL");
    let file = program.file(
        "gatewright.toml",
        "issuer = \"http://127.0.0.1:1\"\nlisten = \"127.0.0.1:1\"\nmaster_key = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"\n\
         [database]\nurl = \"postgres://gw:hunter2@db/gw\"\n",
    );
    let said = program.run(&[
        "config",
        "show",
        "--config",
        &file,
        "--issuer",
        "http://127.0.0.1:3",
        "--json",
    ]);
    let shown = said.json();
    let setting = |key: &str| {
        let found = shown["settings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|setting| setting["key"] == key)
            .unwrap();
        (
            found["value"].as_str().unwrap().to_owned(),
            found["source"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(
        setting("issuer"),
        ("http://127.0.0.1:3".to_owned(), "--issuer".to_owned())
    );
    assert_eq!(
        setting("listen"),
        ("127.0.0.1:2".to_owned(), "GATEWRIGHT_LISTEN".to_owned())
    );
    assert_eq!(
        setting("database.url"),
        ("postgres://gw:***@db/gw".to_owned(), format!("{file}:5"))
    );
    assert_eq!(setting("master_key").0, "***");
    let typed = |key: &str| {
        let settings = shown["settings"].as_array().unwrap();
        let found = settings.iter().find(|setting| setting["key"] == key);
        found.unwrap()["value"].clone()
    };
    assert_eq!(typed("tokens.access_token_s"), json!(300));
    assert_eq!(typed("cors.origins"), json!([]));
    assert_eq!(typed("log.level"), json!("info"));
    assert_eq!(typed("tls.key_file"), json!(null));
    assert!(!said.stdout.contains("hunter2") && !said.stdout.contains("MDEyMzQ1"));
    assert!(
        program
            .run(&["config", "check", "--config", &file])
            .succeeds()
            .contains("valid")
    );
    program
        .run(&["config", "check", "--config", "nowhere.toml"])
        .fails(2, &["nowhere.toml"]);
}

#[test]
fn variables_that_are_no_settings_do_no_harm() {
    let program = Program::sqlite()
        .with("GATEWRIGHT_POLICY", "policy.toml")
        .with("GATEWAY", "1");
    program.run(&["config", "check"]).succeeds();
}

#[test]
fn the_files_that_it_names_are_read_before_anything_is_made() {
    let mut program = Program::sqlite()
        .with("GATEWRIGHT_ISSUER", "https://127.0.0.1:8443")
        .with("GATEWRIGHT_LISTEN", "127.0.0.1:0")
        .with("GATEWRIGHT_MASTER_KEY_FILE", "no.key")
        .with("GATEWRIGHT_POLICY_FILE", "no.toml")
        .with("GATEWRIGHT_TLS_CERTIFICATE_FILE", "no.crt")
        .with("GATEWRIGHT_TLS_KEY_FILE", "no.pem");
    for args in [&["config", "check"][..], &["serve"]] {
        program.run(args).fails(
            2,
            &[
                "3 problems",
                "master_key_file (GATEWRIGHT_MASTER_KEY_FILE)",
                "policy.file (GATEWRIGHT_POLICY_FILE)",
                "tls.certificate_file (GATEWRIGHT_TLS_CERTIFICATE_FILE)",
                "No such file",
            ],
        );
    }
    program
        .run(&["user", "create", "ada", "--no-password"])
        .fails(2, &["no.key", "master_key_file"]);
    let policy = program.file("policy.toml", "[[issuer]]\nurl = 7\n");
    program.file("no.key", "too short");
    for name in ["GATEWRIGHT_TLS_CERTIFICATE_FILE", "GATEWRIGHT_TLS_KEY_FILE"] {
        program.env.remove(name);
    }
    let program = program.with("GATEWRIGHT_POLICY_FILE", &policy);
    program.run(&["config", "check"]).fails(
        2,
        &["2 problems", "line 2", "64 hex digits", "openssl rand"],
    );
    assert!(!program.dir.0.join("data").exists(), "nothing is made");
}

#[test]
fn every_fault_of_a_list_is_told_at_once() {
    Program::sqlite()
        .with(
            "GATEWRIGHT_CORS_ORIGINS",
            "https://a.example/x,https://good.example,null",
        )
        .with("GATEWRIGHT_TRUSTED_PROXIES", "10.0.0.0/8,nowhere,0.0.0.0/0")
        .run(&["config", "check"])
        .fails(2, &["a.example/x", "null", "\"nowhere\"", "\"0.0.0.0/0\""]);
}

#[test]
fn a_master_key_that_is_none_is_one_problem() {
    let said = Program::sqlite()
        .with("GATEWRIGHT_DATABASE_URL", "postgres://127.0.0.1:1/gw")
        .with("GATEWRIGHT_MASTER_KEY", "too short")
        .run(&["user", "list"]);
    said.fails(2, &["1 problem:", "64 hex digits"]);
}

#[test]
fn a_database_that_can_not_be_reached_is_told_with_the_cause() {
    let key = "00".repeat(32);
    Program::sqlite()
        .with(
            "GATEWRIGHT_DATABASE_URL",
            "postgres://u:hunter2@127.0.0.1:1/gw",
        )
        .with("GATEWRIGHT_MASTER_KEY", &key)
        .run(&["user", "list"])
        .fails(
            1,
            &["postgres://u:***@127.0.0.1:1/gw", "refused", "database.url"],
        );
    let program = Program::sqlite();
    let text = program.file("text.db", &"this is no database. ".repeat(1000));
    let said = program.run(&[
        "--database-url",
        &format!("sqlite://{text}"),
        "user",
        "list",
    ]);
    said.fails(1, &["text.db", "file is not a database", "database.url"]);
}

#[tokio::test]
async fn a_postgresql_without_this_database_says_so() {
    let Some(program) = Program::postgres().await else {
        return;
    };
    let (place, query) = program.url.split_once('?').unwrap();
    let (server, _) = place.rsplit_once('/').unwrap();
    let url = format!("{server}/nowhere_at_all?{query}");
    let said = program.run(&["--database-url", &url, "user", "list"]);
    said.fails(1, &["\"nowhere_at_all\" does not exist", "database.url"]);
    assert!(!said.stderr.contains("at line"), "{}", said.stderr);
}

#[test]
fn a_command_that_only_reads_makes_no_database() {
    let program = Program::sqlite();
    for args in [
        &["client", "list"][..],
        &["client", "update", "x", "--name", "y"],
        &["user", "list"],
        &["user", "delete", "x"],
        &["key", "list"],
        &["key", "retire", "x"],
    ] {
        program
            .run(args)
            .fails(1, &["gatewright.db", "gatewright serve"]);
    }
    assert!(!program.dir.0.join("data").exists());
    program.machine("worker");
    assert!(program.dir.0.join("data").exists());
}
