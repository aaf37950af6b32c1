//! What is wrong with a configuration, said so that it can be put right.

use std::fmt;

use super::Source;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key or variable it is about.
    pub key: String,
    /// Where the value came from; `None` if nothing was given.
    pub source: Option<Source>,
    /// What is wrong and what to do. Never the value of a secret.
    pub what: String,
}

impl Problem {
    pub(super) fn of(key: &str, source: &Source, what: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            source: Some(source.clone()),
            what: what.into(),
        }
    }

    pub(super) fn missing(key: &str, what: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            source: None,
            what: what.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(Source::Env(name)) if *name == self.key => write!(f, "{name}: {}", self.what),
            Some(source) => write!(f, "{} ({source}): {}", self.key, self.what),
            None => write!(f, "{}: {}", self.key, self.what),
        }
    }
}

/// Everything that is wrong with a configuration. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order they were found.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(
            f,
            "the configuration has {count} problem{}:",
            if count == 1 { "" } else { "s" }
        )?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for ConfigError {}
