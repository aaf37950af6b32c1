//! A policy file that can't be used: the start fails as ever, and an installation that is there has it in its record.

use super::program::{Program, Said, on_either};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::TcpListener;

const CANARY: &str = "gws_canary-of-a-wrong-file";

/// `serve` with a policy file that has a mistake in its fourth line; the error quotes what stands there.
fn refused(program: &Program) -> Said {
    let issuer = "[[issuer]]\nurl = \"https://login.example.com\"\naudiences = [\"https://api.example.com\"]\n";
    let text = format!("{issuer}algorithms = [\"{CANARY}\"]\n");
    program.file("policy.toml", &text);
    let mut command = program.command(env!("CARGO_BIN_EXE_gatewright"));
    let output = command
        .env("GATEWRIGHT_POLICY_FILE", "policy.toml")
        .env("GATEWRIGHT_NODE", "node-7")
        .arg("serve")
        .output()
        .unwrap();
    let said = Said {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    said.fails(2, &["policy.file", "policy.toml: line 4, column", CANARY]);
    said
}

/// What is recorded of it.
fn recorded(program: &Program) -> Vec<Value> {
    let args = ["events", "search", "--kind", "policy_refused", "--json"];
    let found = program.run(&args).json();
    found["events"].as_array().unwrap().clone()
}

/// The installation's files with their bytes.
fn files(program: &Program) -> BTreeMap<String, Vec<u8>> {
    let folder = std::fs::read_dir(program.dir.0.join("data"));
    let files = folder.into_iter().flatten().flatten();
    files
        .map(|file| {
            (
                file.file_name().to_string_lossy().into_owned(),
                std::fs::read(file.path()).unwrap(),
            )
        })
        .collect()
}

on_either! {
    async fn it_is_recorded_without_what_it_quotes_and_explained(program) {
        program.machine("worker");
        refused(&program);
        let recorded = recorded(&program);
        assert_eq!(recorded.len(), 1);
        let event = &recorded[0];
        assert_eq!((&event["severity"], &event["writer"]), (&"critical".into(), &"node-7".into()));
        let detail = &event["detail"];
        assert_eq!((&detail["file"], &detail["node"]), (&"policy.toml".into(), &"node-7".into()));
        let cause = detail["cause"].as_str().unwrap();
        assert!(cause.contains("line 4, column "), "{cause}");
        assert!(!event.to_string().contains(CANARY), "{event}");
        program.run(&["events", "verify"]).succeeds();

        let said = program.run(&["explain", event["event_id"].as_str().unwrap()]);
        let told = said.succeeds();
        for part in ["node node-7 did not start: its policy file policy.toml can't be used", "line 4, column ", "policy check"] {
            assert!(told.contains(part), "{part:?} is not in: {told}");
        }
    }

    async fn under_another_master_key_or_an_older_schema_it_is_not_recorded(program) {
        program.machine("worker");
        let other = "ab".repeat(32);
        let stranger = Program { dir: crate::support::database::TempDir::new(), url: program.url.clone(), env: program.env.clone() }
            .with("GATEWRIGHT_MASTER_KEY", &other);
        refused(&stranger);
        assert!(recorded(&program).is_empty());

        let store = program.store().await;
        let sql = "DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)";
        assert_eq!(store.execute(sql, vec![]).await.unwrap(), 1);
        refused(&program);
        let sql = "SELECT COUNT(*) FROM event WHERE kind = 'policy_refused'";
        assert_eq!(store.fetch_one::<(i64,)>(sql, vec![]).await.unwrap(), (0,));
        store.close().await;
    }
}

#[test]
fn where_nothing_is_nothing_is_made_and_the_words_are_the_same() {
    let nothing = Program::sqlite();
    let before = refused(&nothing);
    assert!(!nothing.dir.0.join("data").exists());

    let installed = Program::sqlite();
    installed.machine("worker");
    assert_eq!(refused(&installed).stderr, before.stderr);
}

#[test]
fn a_database_of_somebody_else_and_a_lost_master_key_are_left_as_they_are() {
    let program = Program::sqlite();
    program.machine("worker");
    let database = program.dir.0.join("data/gatewright.db");
    std::fs::remove_file(program.dir.0.join("data/gatewright.db.master-key")).unwrap();
    let before = files(&program);
    refused(&program);
    assert_eq!(files(&program), before);

    // Not one of ours: it has no write-ahead log, which opening would give it.
    let bytes = std::fs::read(&database).unwrap();
    let mut foreign = bytes.clone();
    foreign[18..20].copy_from_slice(&[1, 1]);
    let key = "ab".repeat(32);
    let program = program.with("GATEWRIGHT_MASTER_KEY", &key);
    for bytes in [foreign, b"not a database at all".to_vec(), Vec::new()] {
        std::fs::write(&database, bytes).unwrap();
        let before = files(&program);
        refused(&program);
        assert_eq!(files(&program), before);
    }
}

/// It takes the connection and says nothing: the error must come all the same.
#[test]
fn a_database_that_doesnt_answer_holds_nothing_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://gw@{}/gw", silent.local_addr().unwrap());
    let key = "ab".repeat(32);
    let program = Program::on(crate::support::database::TempDir::new(), url);
    let program = program.with("GATEWRIGHT_MASTER_KEY", &key);
    let began = std::time::Instant::now();
    refused(&program);
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
}
