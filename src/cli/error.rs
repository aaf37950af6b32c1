//! What a command fails with: words for standard error and an exit code.

use crate::config::{ConfigError, MasterKeyError};
use crate::flows::FlowError;
use crate::flows::admin::AdminError;
use crate::store::StoreError;
use std::fmt;

/// Why a command did not do what it was asked. The words say what to do next and hold no secret.
#[derive(Debug)]
pub enum CliError {
    /// Wrong usage: everything that is wrong with what was asked for. Exit code 2.
    Usage(Vec<String>),
    /// Wrong configuration. Exit code 2.
    Config(ConfigError),
    /// Anything else. Exit code 1.
    Failed(String),
    /// Whoever reads standard output has gone: nothing to say, and nothing wrong. Exit code 0.
    OutputClosed,
}

impl CliError {
    /// Wrong usage, in one sentence.
    pub fn usage(words: impl Into<String>) -> Self {
        Self::Usage(vec![words.into()])
    }

    /// Any other failure.
    pub fn failed(words: impl Into<String>) -> Self {
        Self::Failed(words.into())
    }

    /// 2 for wrong usage or configuration, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Config(_) => 2,
            Self::Failed(_) => 1,
            Self::OutputClosed => 0,
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(faults) => match faults.as_slice() {
                [only] => f.write_str(only),
                several => {
                    write!(f, "{} things are wrong:", several.len())?;
                    several
                        .iter()
                        .try_for_each(|fault| write!(f, "\n  - {fault}"))
                }
            },
            Self::Config(error) => error.fmt(f),
            Self::Failed(words) => f.write_str(words),
            Self::OutputClosed => f.write_str("standard output was closed"),
        }
    }
}

impl std::error::Error for CliError {}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<MasterKeyError> for CliError {
    fn from(error: MasterKeyError) -> Self {
        match error {
            MasterKeyError::Missing | MasterKeyError::Malformed(_) => {
                Self::usage(error.to_string())
            }
            MasterKeyError::Io(..) | MasterKeyError::Unsafe(_) | MasterKeyError::NoEntropy => {
                Self::Failed(error.to_string())
            }
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<FlowError> for CliError {
    fn from(error: FlowError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<AdminError> for CliError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Refused(faults) => Self::Usage(faults),
            other => Self::Failed(other.to_string()),
        }
    }
}
