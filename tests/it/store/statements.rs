//! One text for both databases.

use crate::support::on_both_databases;
use gatewright::store::{
    accounts, clients, codes, consents, events, refresh_tokens, revocations, sessions, settings,
    signing_keys, sweep, throttle,
};

const FAMILIES: [(&str, &[&str]); 12] = [
    ("accounts", accounts::STATEMENTS),
    ("clients", clients::STATEMENTS),
    ("codes", codes::STATEMENTS),
    ("consents", consents::STATEMENTS),
    ("events", events::STATEMENTS),
    ("refresh_tokens", refresh_tokens::STATEMENTS),
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

/// A statement that is not in the lists is not prepared on both databases.
#[test]
fn every_statement_is_listed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut listed = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let family = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let source = std::fs::read_to_string(&path).unwrap();
        let statements = source.matches(": &str =").count();
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
