//! `docs/events.md` tells of every kind of event.

use gatewright::domain::event::Happening;
use std::path::Path;

const BEGIN: &str = "<!-- kinds -->\n";
const END: &str = "<!-- /kinds -->";

/// The table, made of the code.
fn table() -> String {
    let mut text =
        "| Kind | Severity | Recording | Fields | When |\n|---|---|---|---|---|\n".to_owned();
    for kind in Happening::KINDS {
        let counted_by = kind.counted_by();
        let fields: Vec<String> = kind
            .fields
            .iter()
            .map(|field| {
                if Some(*field) == counted_by {
                    format!("**`{field}`**")
                } else {
                    format!("`{field}`")
                }
            })
            .collect();
        text += &format!(
            "| `{}` | {} | {} | {} | {} |\n",
            kind.name,
            kind.severity.as_str(),
            kind.recording.as_str(),
            fields.join(" "),
            kind.when.trim(),
        );
    }
    text
}

/// With `GATEWRIGHT_TEST_WRITE` set it is written anew.
#[test]
fn the_table_of_kinds_is_made_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/events.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    if std::env::var_os("GATEWRIGHT_TEST_WRITE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert!(
        written == table(),
        "docs/events.md is behind the code: write it with GATEWRIGHT_TEST_WRITE=1 cargo test --test it kinds"
    );
}
