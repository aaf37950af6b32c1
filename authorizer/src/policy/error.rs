//! What is wrong with a policy file, where, and what to do.

use std::fmt;
use std::ops::Range;

/// The first mistake in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    line: usize,
    column: usize,
    message: String,
    remedy: String,
}

impl PolicyError {
    pub(super) fn at(
        source: &str,
        span: Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let before = source.get(..span.start.min(source.len())).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before
                .get(line_start..)
                .map_or(0, |line| line.chars().count())
                + 1,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// Line of the mistake, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Column of the mistake in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}; {}",
            self.line, self.column, self.message, self.remedy
        )
    }
}

impl std::error::Error for PolicyError {}
