//! `docs/denials.md`: for every reason code a worked example, run as it stands in a shell.

mod examples;
mod world;

use examples::{Example, example};
use gatewright_authorizer::Reason;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;
use world::World;

/// The document with what the program says to each example now.
fn document() -> String {
    let world = World::new();
    let mut text = format!(
        "# Why was this denied?\n\n\
         `gatewright policy explain` answers with the code that enforces. Here is an example for every reason code, run as\n\
         it stands by a test; the same code stands in the decision log, in the context of the denial, and in an answer's\n\
         `reason`. What is in `$T` and the like is said above each. The policy file:\n\n```toml\n{}```\n",
        world::POLICY
    );
    for reason in Reason::ALL {
        let Example { about, commands } = example(*reason, &world);
        let told = world.told(&commands);
        let _ = write!(
            text,
            "\n## `{reason}`\n\n{about}\n\n```text\n$ {}\n{told}```\n",
            commands.replace('\n', "\n$ ")
        );
    }
    text
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/denials.md")
}

#[test]
fn every_reason_has_an_example_that_tells_what_the_program_tells() {
    if std::env::var_os("GATEWRIGHT_TEST_WRITE").is_some() {
        std::fs::write(file(), document()).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(file()).unwrap(),
        document(),
        "write it anew: GATEWRIGHT_TEST_WRITE=1 cargo test --test it denials"
    );
}

#[test]
fn every_example_has_its_reason_in_words_and_in_json() {
    let world = World::new();
    for reason in Reason::ALL {
        let Example { commands, .. } = example(*reason, &world);
        if *reason == Reason::PolicyInvalid {
            let said = world.program.shell(&commands);
            assert_eq!((said.code, said.stdout.as_str()), (2, ""));
            assert!(said.stderr.contains("line 1"), "{}", said.stderr);
            continue;
        }
        let line = format!("reason: {reason}\n");
        assert!(world.told(&commands).contains(&line), "{reason}");
        let told = world.told(&format!("{commands} --json"));
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["reason"], reason.as_str(), "{told}");
        assert_eq!(told["remedy"], reason.remedy());
    }
}
