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
