//! Configuration: a TOML file, then `GATEWRIGHT_…` variables, then flags.
//!
//! Owns the settings, their defaults, their checks and where each value came from. `keys.rs` is the one table
//! that parsing, variable names, `config show` and the example file are made of. The file system and the
//! variables passed in are the only inputs; nothing here imports another layer but `private_files`.

mod alerts;
mod checks;
mod error;
mod example;
mod issuer;
mod keys;
mod layers;
mod lists;
pub mod master_key;
mod monitoring;
mod read;
mod values;

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::private_files;

pub use alerts::{AlertLimits, AlertsConfig};
pub use error::{ConfigError, Problem};
pub use example::example_toml;
pub use master_key::{Announcement, MasterKey, MasterKeyError};
pub use monitoring::{
    EventsConfig, KeptAddress, MetricsConfig, MetricsFormat, Ratio, Share, TracesConfig, host_name,
};
pub use values::{
    Config, CorsConfig, DatabaseConfig, HttpConfig, KeysConfig, LogConfig, LogFormat,
    MasterKeySource, PasswordConfig, PolicyConfig, SecretText, SessionConfig, ThrottleConfig,
    TlsConfig, TlsProfile, TokensConfig,
};

pub use lists::{host, network};

use keys::{KEYS, Key};

/// Where an effective value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// A line of the configuration file.
    File {
        /// The file as it was named.
        path: String,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable, by name.
    Env(String),
    /// A command-line flag, by the key it sets.
    Flag(String),
    /// Made by the program on its first start.
    Generated,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Env(name) => f.write_str(name),
            Self::Flag(key) => write!(f, "--{}", key.replace(['.', '_'], "-")),
            Self::Generated => f.write_str("generated"),
        }
    }
}

/// One line of `config show`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Path of the key, as in the file: `database.url`.
    pub key: &'static str,
    /// The effective value for people; secrets are masked.
    pub value_masked: String,
    /// The same for programs: a number, a text, a list of texts, or null where nothing is set.
    pub value: Value,
    /// Where it came from.
    pub source: Source,
}

/// A checked configuration and the origin of each of its values.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The effective settings.
    pub config: Config,
    /// Origin by key; a key that is absent has its default.
    pub provenance: BTreeMap<&'static str, Source>,
}

impl Loaded {
    /// Every key with its effective value, secrets masked, in the order of the example file.
    pub fn show(&self) -> Vec<Setting> {
        KEYS.iter().map(|key| self.setting(key)).collect()
    }

    fn setting(&self, key: &'static Key) -> Setting {
        let source = self
            .provenance
            .get(key.path)
            .cloned()
            .unwrap_or(Source::Default);
        let generated = (key.path == "master_key_file" && self.config.master_key.is_none())
            .then(|| self.config.database.generated_master_key_file())
            .flatten();
        let (value_masked, source) = match generated {
            Some(path) => (path.display().to_string(), Source::Generated),
            None => ((key.masked)(&self.config), source),
        };
        Setting {
            key: key.path,
            value: key.typed(&self.config, &value_masked),
            value_masked,
            source,
        }
    }

    /// Whether somebody set the key, as against its default.
    pub fn is_set(&self, key: &str) -> bool {
        self.provenance.contains_key(key)
    }

    /// The configuration file, if a secret stands in it: the master key, or a password in the database's URL.
    pub fn file_with_secrets(&self) -> Option<&Path> {
        let file = |key: &str| match self.provenance.get(key) {
            Some(Source::File { path, .. }) => Some(Path::new(path)),
            _ => None,
        };
        let database = &self.config.database;
        let has_password = database.masked_url() != database.url;
        file("master_key").or_else(|| file("database.url").filter(|_| has_password))
    }

    /// A problem with the value of a key, and where that value stands.
    pub fn problem(&self, key: &str, what: impl Into<String>) -> Problem {
        match self.provenance.get(key) {
            Some(source) => Problem::of(key, source, what),
            None => Problem::missing(key, what),
        }
    }
}

impl Config {
    /// Reads `file` (or the one `GATEWRIGHT_CONFIG` names), then `env`, then `flags` (key and value).
    ///
    /// # Errors
    /// Everything that is wrong, at once: unknown keys and variables with the nearest valid name, values that do
    /// not parse or are out of range, settings that contradict each other.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        flags: &[(&str, String)],
    ) -> Result<Loaded, ConfigError> {
        let mut problems = Vec::new();
        let given = layers::gather(file, env, flags, &mut problems);
        let mut config = Self::default();
        let mut provenance = BTreeMap::new();
        for (key, value) in given {
            match (key.set)(&mut config, &value.raw) {
                Ok(()) => {
                    provenance.insert(key.path, value.source);
                }
                Err(what) => problems.push(Problem::of(key.path, &value.source, what)),
            }
        }
        checks::check_together(&config, &provenance, &mut problems);
        let loaded = Loaded { config, provenance };
        if let Some(file) = loaded.file_with_secrets()
            && let Err(fault) = private_files::check(file)
        {
            let what = format!("it holds a secret: {fault}");
            problems.push(Problem::missing("the configuration file", what));
        }
        if problems.is_empty() {
            Ok(loaded)
        } else {
            Err(ConfigError { problems })
        }
    }
}

#[cfg(test)]
mod tests;
