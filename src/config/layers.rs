//! Collects what was given, file below variables below flags, and refuses whatever no setting is called.

use std::{collections::BTreeMap, path::Path};

use toml::de::{DeTable, DeValue};

use super::{
    Problem, Source,
    keys::{ALTERNATIVES, KEYS, Key},
    read::{Raw, cannot_read},
};

/// Variables of the project that are not settings of this program: the name of the configuration file, and the
/// authorizer's own, which may stand in the same environment.
const NOT_SETTINGS: [&str; 3] = [
    "GATEWRIGHT_CONFIG",
    "GATEWRIGHT_POLICY",
    "GATEWRIGHT_METRICS",
];

/// A value and where it stood.
pub(super) struct Given {
    pub raw: Raw,
    pub source: Source,
}

/// The effective value of every key that was given one, in the order of the table.
pub(super) fn gather(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    flags: &[(&str, String)],
    problems: &mut Vec<Problem>,
) -> Vec<(&'static Key, Given)> {
    let mut gathering = Gathering {
        given: BTreeMap::new(),
        problems,
    };
    let mut env: Vec<_> = env
        .filter(|(name, _)| {
            name.starts_with("GATEWRIGHT_") && !name.starts_with("GATEWRIGHT_TEST_")
        })
        .collect();
    env.sort();
    let named = env.iter().find(|(name, _)| name == "GATEWRIGHT_CONFIG");
    if let Some(path) = file.or(named.map(|(_, path)| Path::new(path))) {
        gathering.read_file(path);
    }
    for (name, value) in &env {
        gathering.read_variable(name, value);
    }
    for (path, value) in flags {
        gathering.read_flag(path, value);
    }
    gathering.choose_between_alternatives();
    let Gathering { mut given, .. } = gathering;
    KEYS.iter()
        .filter_map(|key| Some((key, given.remove(key.path)?)))
        .collect()
}

struct Gathering<'a> {
    given: BTreeMap<&'static str, Given>,
    problems: &'a mut Vec<Problem>,
}

impl Gathering<'_> {
    fn put(&mut self, key: &'static Key, raw: Raw, source: Source) {
        self.given.insert(key.path, Given { raw, source });
    }

    fn refuse(&mut self, key: &str, source: &Source, what: String) {
        self.problems.push(Problem::of(key, source, what));
    }

    fn read_flag(&mut self, path: &str, value: &str) {
        let source = Source::Flag(path.to_owned());
        match find(path) {
            Some(key) => self.put(key, Raw::Text(value.to_owned()), source),
            None => self.refuse(path, &source, unknown("setting", path, paths())),
        }
    }

    fn read_variable(&mut self, name: &str, value: &str) {
        if NOT_SETTINGS.contains(&name) {
            return;
        }
        let source = Source::Env(name.to_owned());
        if let Some(key) = KEYS.iter().find(|key| key.env_name() == name) {
            self.put(key, Raw::Text(value.to_owned()), source);
        } else {
            let valid = KEYS
                .iter()
                .map(Key::env_name)
                .chain(["GATEWRIGHT_CONFIG".to_owned()]);
            self.refuse(name, &source, unknown("variable", name, valid));
        }
    }

    fn read_file(&mut self, path: &Path) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.problems.push(Problem::missing(
                    "the configuration file",
                    cannot_read(path, &error),
                ));
                return;
            }
        };
        let file = File {
            path: path.display().to_string(),
            text: &text,
        };
        match DeTable::parse(&text) {
            Ok(table) => self.read_table(&file, "", table.get_ref()),
            Err(error) => {
                let source = file.source(error.span().map_or(0, |span| span.start));
                self.refuse(
                    "the configuration file",
                    &source,
                    format!("is not TOML: {}", error.message()),
                );
            }
        }
    }

    fn read_table(&mut self, file: &File<'_>, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let path = format!("{prefix}{}", name.get_ref());
            let section = format!("{path}.");
            let source = file.source(name.span().start);
            let is_section = KEYS.iter().any(|key| key.path.starts_with(&section));
            match (find(&path), value.get_ref()) {
                (Some(key), value) => self.put(key, Raw::from_toml(value), source),
                (None, DeValue::Table(inner)) if is_section => {
                    self.read_table(file, &section, inner);
                }
                (None, _) if is_section => {
                    self.refuse(&path, &source, format!("is a section: write [{path}]"));
                }
                (None, DeValue::Table(_)) if prefix.is_empty() => {
                    self.refuse(&path, &source, unknown("section", &path, sections()));
                }
                (None, _) => self.refuse(&path, &source, unknown("setting", &path, paths())),
            }
        }
    }

    /// Of a value and its `_file` the higher layer counts; both in one layer contradict each other.
    fn choose_between_alternatives(&mut self) {
        for (value, file) in ALTERNATIVES {
            let (Some(a), Some(b)) = (self.given.get(value), self.given.get(file)) else {
                continue;
            };
            let (rank_a, rank_b) = (rank(&a.source), rank(&b.source));
            if rank_a == rank_b {
                let what = format!("contradicts {value} ({}): give one of them", a.source);
                self.problems.push(Problem::of(file, &b.source, what));
            }
            self.given
                .remove(if rank_a < rank_b { value } else { file });
        }
    }
}

fn rank(source: &Source) -> u8 {
    match source {
        Source::Default | Source::Generated => 0,
        Source::File { .. } => 1,
        Source::Env(_) => 2,
        Source::Flag(_) => 3,
    }
}

struct File<'a> {
    path: String,
    text: &'a str,
}

impl File<'_> {
    fn source(&self, offset: usize) -> Source {
        let line = self
            .text
            .bytes()
            .take(offset)
            .filter(|byte| *byte == b'\n')
            .count()
            + 1;
        Source::File {
            path: self.path.clone(),
            line,
        }
    }
}

fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

fn paths() -> impl Iterator<Item = String> {
    KEYS.iter().map(|key| key.path.to_owned())
}

fn sections() -> impl Iterator<Item = String> {
    KEYS.iter()
        .filter_map(|key| key.path.split_once('.'))
        .map(|(section, _)| section.to_owned())
}

fn unknown(what: &str, given: &str, valid: impl Iterator<Item = String>) -> String {
    match valid.min_by_key(|name| strsim::damerau_levenshtein(name, given)) {
        Some(nearest) => format!("there is no such {what}; did you mean {nearest}?"),
        None => format!("there is no such {what}"),
    }
}
