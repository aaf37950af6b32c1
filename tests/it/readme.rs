//! The README's first screen keeps its word.

use crate::cli::program::Program;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The commands after a mark, as they stand.
fn commands(mark: &str) -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, after) = readme
        .split_once(&format!("<!-- {mark} -->\n```sh\n"))
        .unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

/// Whether a test may run that needs these programs; in CI it must.
fn have(programs: &[&str]) -> bool {
    let is_missing = |name: &&&str| {
        let found = Command::new("sh")
            .args(["-c", "command -v \"$0\" > /dev/null", name])
            .status();
        !found.unwrap().success()
    };
    let missing: Vec<_> = programs.iter().filter(is_missing).collect();
    assert!(
        missing.is_empty() || std::env::var_os("GATEWRIGHT_TEST_ALL").is_none(),
        "no {missing:?}"
    );
    missing.is_empty()
}

#[test]
fn an_api_is_guarded_on_a_laptop_by_the_commands_as_they_stand() {
    if !have(&["curl", "python3"]) {
        return;
    }
    let program = Program::sqlite();
    let folder = program.dir.0.display().to_string();
    let program = program.with("TMPDIR", &folder);
    let mut script = commands("laptop-commands");
    let free: Vec<TcpListener> = (0..3)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let ports: Vec<String> = free
        .iter()
        .map(|port| port.local_addr().unwrap().port().to_string())
        .collect();
    for (port, own) in ["8080", "8081", "3000"].iter().zip(&ports) {
        assert!(script.contains(port));
        script = script.replace(port, own);
    }
    // The gateway's port is its default.
    script = script.replace(
        " gateway --policy",
        &format!(" gateway --listen 127.0.0.1:{} --policy", ports[1]),
    );
    drop(free);
    let said = program.shell(&format!("{script}\njobs -p > pids\nkill $(cat pids)\nwait"));
    let statuses: Vec<&str> = said
        .stdout
        .split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|answer| answer.lines().next())
        .collect();
    let expected = ["200 OK", "403 Forbidden", "401 Unauthorized"];
    assert_eq!(statuses, expected, "{}\n{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("{\"id\": \"7\"}"), "{}", said.stdout);
}

/// What `.ci/run` takes for the README's command.
fn command_in_ci(name: &str) -> String {
    let output = Command::new("bash")
        .arg(root().join(".ci/readme-command"))
        .arg(name)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_first_screen_has_the_two_commands_and_ci_runs_them_as_they_stand() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let screen: Vec<&str> = readme.lines().take(40).collect();
    for (name, command) in [
        ("demo", "cargo run --release -- demo"),
        ("test", "cargo test --workspace"),
    ] {
        assert_eq!(command_in_ci(name), command);
        assert!(
            screen.contains(&command),
            "{command} does not stand on a line of its own"
        );
    }
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    for line in [
        "test_command=$(.ci/readme-command test)",
        "step bash -c \"$test_command\"",
    ] {
        assert!(
            ci.lines().any(|known| known == line),
            ".ci/run does not have: {line}"
        );
    }
}
