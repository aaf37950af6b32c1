//! One text for both databases.

use crate::support::on_both_databases;
use gatewright::store::{
    accounts, alerts, clients, codes, consents, events, known_devices, lease, lookalikes,
    password_costs, refresh_tokens, revocations, sessions, settings, signing_keys, sweep, throttle,
};
use std::path::{Path, PathBuf};

const FAMILIES: [(&str, &[&str]); 26] = [
    ("accounts", accounts::STATEMENTS),
    ("alerts", alerts::STATEMENTS),
    ("alerts/observed", alerts::observed::STATEMENTS),
    ("alerts/outbox", alerts::outbox::STATEMENTS),
    ("clients", clients::STATEMENTS),
    ("codes", codes::STATEMENTS),
    ("consents", consents::STATEMENTS),
    ("events", events::STATEMENTS),
    ("events/budget", events::budget::STATEMENTS),
    ("events/counts", events::counts::STATEMENTS),
    ("events/retention", events::retention::STATEMENTS),
    ("events/search", events::search::STATEMENTS),
    ("events/verify", events::verify::STATEMENTS),
    ("known_devices", known_devices::STATEMENTS),
    ("verify/anchor", events::verify::anchor::STATEMENTS),
    ("lease", lease::STATEMENTS),
    ("lookalikes", lookalikes::STATEMENTS),
    ("password_costs", password_costs::STATEMENTS),
    ("refresh_tokens", refresh_tokens::STATEMENTS),
    ("refresh_tokens/rows", refresh_tokens::rows::STATEMENTS),
    ("revocations", revocations::STATEMENTS),
    ("sessions", sessions::STATEMENTS),
    ("settings", settings::STATEMENTS),
    ("signing_keys", signing_keys::STATEMENTS),
    ("sweep", sweep::STATEMENTS),
    ("throttle", throttle::STATEMENTS),
];

on_both_databases! {
    async fn every_statement_prepares(app: TestApp) {
        for (family, statements) in FAMILIES {
            for sql in statements {
                let prepared = app.issuer.store.prepare(sql).await;
                assert!(prepared.is_ok(), "{family}: {prepared:?}\n{sql}");
            }
        }
    }
}

/// Every file of the store, and its family: `codes` of `codes.rs`, `events` of `events/mod.rs`.
fn files(folder: &Path, within: &str, found: &mut Vec<(String, PathBuf)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files(&path, &stem, found);
        } else if stem == "mod" {
            found.push((within.to_owned(), path));
        } else if within.is_empty() {
            found.push((stem, path));
        } else {
            found.push((format!("{within}/{stem}"), path));
        }
    }
}

/// A statement that is not in the lists is not prepared on both databases.
#[test]
fn every_statement_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut found = Vec::new();
    files(&folder, "", &mut found);
    let mut listed = 0;
    for (family, path) in found {
        let source = std::fs::read_to_string(&path).unwrap();
        let statements = source
            .lines()
            .filter(|line| line.contains(": &str ="))
            .filter(|line| !line.trim_end().ends_with("\";") || is_sql(line))
            .count();
        let Some((_, own)) = FAMILIES.iter().find(|(name, _)| *name == family) else {
            assert_eq!(statements, 0, "{family} has statements and no list of them");
            continue;
        };
        if family != "sweep" {
            assert_eq!(
                own.len(),
                statements,
                "{family} lists {} of its {statements} statements",
                own.len()
            );
        }
        listed += 1;
    }
    assert_eq!(listed, FAMILIES.len());
}

/// Whether a constant on one line is a statement, and not a name.
fn is_sql(line: &str) -> bool {
    ["SELECT ", "INSERT ", "UPDATE ", "DELETE "]
        .iter()
        .any(|word| line.contains(word))
}

/// The record of what happened is added to; only what is old enough is removed, from its beginning.
#[test]
fn no_statement_changes_an_event() {
    for (family, statements) in FAMILIES {
        for sql in statements {
            let words: Vec<&str> = sql.split_whitespace().collect();
            let acts_on_events = words
                .windows(2)
                .any(|pair| matches!(pair, ["UPDATE", "event"] | ["INTO", "event"]))
                || words
                    .windows(3)
                    .any(|three| three == ["DELETE", "FROM", "event"]);
            let allowed = match family {
                "events" => words.first() == Some(&"INSERT"),
                "events/retention" => words.first() == Some(&"DELETE"),
                _ => false,
            };
            assert!(!acts_on_events || allowed, "{family}: {sql}");
        }
    }
}
