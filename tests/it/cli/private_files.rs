//! Files with secrets are read only where nobody else could have written or read them, and none is made on a way that
//! ends in a refusal.

use super::program::Program;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

const SOMEBODY: u32 = 12_345;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// An installation with a client, and its files.
fn installed() -> (Program, PathBuf, PathBuf) {
    let program = Program::sqlite();
    program.machine("worker");
    let data = program.dir.0.join("data");
    (
        program,
        data.join("gatewright.db"),
        data.join("gatewright.db.master-key"),
    )
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn is_root(program: &Program) -> bool {
    let is_root = fs::metadata(&program.dir.0).unwrap().uid() == 0;
    if !is_root {
        eprintln!("left out: only root can give a file away");
    }
    is_root
}

#[test]
fn a_master_key_that_others_can_read_or_write_is_refused() {
    let (program, _, key) = installed();
    for open in [0o644, 0o640, 0o602] {
        set_mode(&key, open);
        let mend = format!("chmod 600 {}", key.display());
        program.run(&["client", "list"]).fails(2, &[&mend]);
        assert_eq!(mode(&key), open, "it is for the operator to mend");
    }
    set_mode(&key, 0o600);
    program.run(&["client", "list"]).succeeds();

    let named = program.file("named", &fs::read_to_string(&key).unwrap());
    set_mode(Path::new(&named), 0o644);
    let program = program.with("GATEWRIGHT_MASTER_KEY_FILE", &named);
    for args in [["client", "list"].as_slice(), &["serve"]] {
        let said = program.run(args);
        assert!(
            said.code != 0 && said.stderr.contains("chmod 600"),
            "{said:?}"
        );
    }
}

#[test]
fn a_master_key_that_somebody_else_planted_is_refused() {
    let program = Program::sqlite();
    if !is_root(&program) {
        return;
    }
    // Before the first start, where the server would make it.
    let data = program.dir.0.join("data");
    fs::create_dir(&data).unwrap();
    let key = data.join("gatewright.db.master-key");
    fs::write(&key, "00".repeat(32)).unwrap();
    set_mode(&key, 0o600);
    chown(&key, Some(SOMEBODY), None).unwrap();
    let said = program.run(&["key", "rotate"]);
    said.fails(2, &["belongs to uid 12345", "chown -h"]);
    assert_eq!(
        names(&data),
        ["gatewright.db.master-key"],
        "nothing was made"
    );
}

#[test]
fn nothing_is_made_through_a_link() {
    let program = Program::sqlite();
    let data = program.dir.0.join("data");
    fs::create_dir(&data).unwrap();
    let target = program.dir.0.join("target");
    for name in [
        "gatewright.db.master-key",
        "gatewright.db",
        "gatewright.db.lock",
    ] {
        symlink(&target, data.join(name)).unwrap();
        let said = program.run(&["key", "rotate"]);
        assert!(said.code != 0, "{name}: {said:?}");
        assert!(!target.exists(), "{name}");
        for made in names(&data) {
            fs::remove_file(data.join(made)).unwrap();
        }
    }
    program.run(&["key", "rotate"]).succeeds();
}

#[test]
fn a_database_that_was_open_to_others_is_its_owners_alone_from_then_on() {
    let (program, database, _) = installed();
    set_mode(&database, 0o666);
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", database.display()));
    for suffix in ["-wal", "-shm"] {
        fs::write(beside(suffix), "").unwrap();
        set_mode(&beside(suffix), 0o666);
    }
    program.run(&["client", "list"]).succeeds();
    for name in names(database.parent().unwrap()) {
        assert_eq!(mode(&database.with_file_name(&name)), 0o600, "{name}");
    }
    if is_root(&program) {
        chown(&database, Some(SOMEBODY), None).unwrap();
        let said = program.run(&["client", "list"]);
        said.fails(1, &["belongs to uid 12345"]);
    }
}

#[test]
fn a_folder_that_others_can_write_is_no_place_for_a_database() {
    let program = Program::sqlite();
    let data = program.dir.0.join("data");
    fs::create_dir(&data).unwrap();
    set_mode(&data, 0o777);
    let mend = format!("chmod go-w {}", data.display());
    program.run(&["key", "rotate"]).fails(1, &[&mend]);
    assert!(names(&data).is_empty());
    set_mode(&data, 0o755);
    program.run(&["key", "rotate"]).succeeds();
}

#[test]
fn beside_a_database_that_needs_its_key_no_other_is_made() {
    let (program, database, key) = installed();
    let aside = program.dir.0.join("aside");
    fs::rename(&key, &aside).unwrap();
    let data = database.parent().unwrap();
    let before = names(data);
    for args in [
        ["client", "list"].as_slice(),
        &["key", "rotate"],
        &["serve"],
    ] {
        let said = program.run(args);
        said.fails(1, &["is missing", "restore the file from your backup"]);
        assert_eq!(names(data), before, "{args:?}");
    }
    let program = program.with("GATEWRIGHT_MASTER_KEY", &"00".repeat(32));
    program
        .run(&["client", "list"])
        .fails(1, &["was sealed under master key"]);
    assert_eq!(names(data), before);
}

#[test]
fn every_file_that_holds_a_secret_is_looked_at() {
    let (program, ..) = installed();
    let url = program.url.clone();
    let file = |name: &str, text: &str| {
        let path = program.file(name, text);
        set_mode(Path::new(&path), 0o644);
        path
    };
    let pem = file(
        "key.pem",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
    );
    let mend = |path: &str| format!("chmod 600 {path}");
    program
        .run(&["key", "import", &pem])
        .fails(2, &[&mend(&pem)]);
    let log = program.file("log", "");
    let secret = file("secret", "x");
    let args = [
        "events",
        "import",
        &log,
        "--to",
        "http://127.0.0.1:9",
        "--client",
        "gate",
        "--secret-file",
        &secret,
    ];
    program.run(&args).fails(2, &[&mend(&secret)]);

    let url_file = file("url", &url);
    let (webhook, tls) = (file("webhook", &"x".repeat(40)), file("tls.key", "x"));
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = file("tls.crt", &own.cert.pem());
    for (name, value) in [
        ("GATEWRIGHT_ALERTS_WEBHOOK_SECRET_FILE", &webhook),
        ("GATEWRIGHT_TLS_KEY_FILE", &tls),
        ("GATEWRIGHT_DATABASE_URL_FILE", &url_file),
    ] {
        let mut command = program.command(env!("CARGO_BIN_EXE_gatewright"));
        command
            .env(
                "GATEWRIGHT_ALERTS_WEBHOOK_URL",
                "https://hooks.example.com/",
            )
            .env("GATEWRIGHT_ALERTS_WEBHOOK_SECRET_FILE", &webhook)
            .env("GATEWRIGHT_TLS_CERTIFICATE_FILE", &certificate)
            .env("GATEWRIGHT_TLS_KEY_FILE", &tls)
            .env("GATEWRIGHT_ISSUER", "https://id.example.com")
            .env(name, value)
            .arg("serve");
        if name == "GATEWRIGHT_DATABASE_URL_FILE" {
            command.env_remove("GATEWRIGHT_DATABASE_URL");
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&mend(value)), "{name}: {said}");
    }
}
