//! The README's first screen keeps its word.

use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
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
