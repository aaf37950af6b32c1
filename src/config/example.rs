//! `gatewright.example.toml`, made from the table.

use std::fmt::Write as _;

use super::{Config, keys::KEYS};

const HEAD: &str = "\
# Gatewright: every setting with its default. Copy it to gatewright.toml and start with
# `gatewright serve --config gatewright.toml` (or GATEWRIGHT_CONFIG=gatewright.toml).
# A variable goes before this file: database.url is GATEWRIGHT_DATABASE_URL, lists are comma
# separated. A flag goes before both. `gatewright config show` tells what counts, and why.
";

/// The commented example: parsing it gives [`Config::default`].
pub fn example_toml() -> String {
    let default = Config::default();
    let mut text = HEAD.to_owned();
    let mut section = "";
    for key in KEYS {
        let (of, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if of != section {
            section = of;
            // Writing to a `String` cannot fail.
            let _ = write!(text, "\n[{section}]\n");
        } else if section.is_empty() {
            text.push('\n');
        }
        for line in key.about.lines() {
            let _ = writeln!(text, "# {line}");
        }
        let _ = match key.sample {
            Some(sample) => writeln!(text, "# {name} = {}", toml::Value::from(sample)),
            None => writeln!(text, "{name} = {}", (key.toml)(&default)),
        };
    }
    text
}
