//! Standard output and standard error. A reader that goes away is no failure; a secret goes to standard output
//! only.

use super::error::CliError;
pub use crate::domain::time::rfc3339;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};

/// Writes to standard output.
///
/// # Errors
/// [`CliError::OutputClosed`] once the reader has gone.
pub fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(CliError::OutputClosed),
        Err(error) => Err(CliError::Failed(format!(
            "standard output can't be written ({error}); what was asked for may be done: look before you try again"
        ))),
    }
}

/// Writes one JSON value as one line.
///
/// # Errors
/// [`CliError::OutputClosed`]
pub fn json(value: &Value) -> Result<(), CliError> {
    print(&format!("{value}\n"))
}

/// Says something beside the result, on standard error: `note: …`.
pub fn note(words: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "note: {words}");
}

/// Says why nothing was done, on standard error: `error: …`.
pub fn error(words: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "error: {words}");
}

/// Lines of name and value, aligned; empty values are left out.
pub fn details(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{name:width$}  {value}");
    }
    text
}

/// A listing that is written page by page, however long it is.
pub struct Listing {
    json: bool,
    entries: usize,
    nothing: &'static str,
}

impl Listing {
    /// Begins `{"member": […]}`, or the line of column names before the first entry.
    ///
    /// # Errors
    /// [`CliError::OutputClosed`]
    pub fn begin(json: bool, member: &str, nothing: &'static str) -> Result<Self, CliError> {
        if json {
            print(&format!("{{{}:[", Value::from(member)))?;
        }
        Ok(Self {
            json,
            entries: 0,
            nothing,
        })
    }

    /// Writes one entry: the value, or the columns, each at least as wide as given.
    ///
    /// # Errors
    /// [`CliError::OutputClosed`]
    pub fn entry(
        &mut self,
        value: &Value,
        columns: &[(&str, usize, String)],
    ) -> Result<(), CliError> {
        let mut text = String::new();
        if self.json {
            let comma = if self.entries > 0 { "," } else { "" };
            let _ = write!(text, "{comma}\n{value}");
        } else {
            if self.entries == 0 {
                line(
                    &mut text,
                    columns.iter().map(|(name, width, _)| (*name, *width)),
                );
            }
            line(
                &mut text,
                columns
                    .iter()
                    .map(|(_, width, value)| (value.as_str(), *width)),
            );
        }
        self.entries += 1;
        print(&text)
    }

    /// Ends the listing.
    ///
    /// # Errors
    /// [`CliError::OutputClosed`]
    pub fn end(self) -> Result<(), CliError> {
        match (self.json, self.entries) {
            (true, 0) => print("]}\n"),
            (true, _) => print("\n]}\n"),
            (false, 0) => print(&format!("{}\n", self.nothing)),
            (false, _) => Ok(()),
        }
    }
}

fn line<'a>(text: &mut String, columns: impl Iterator<Item = (&'a str, usize)>) {
    let mut row = String::new();
    for (value, width) in columns {
        let _ = write!(row, "{value:width$}  ");
    }
    text.push_str(row.trim_end());
    text.push('\n');
}

/// The same for a moment that may not be; else the words given.
pub fn rfc3339_or(at: Option<i64>, otherwise: &str) -> String {
    at.map_or_else(|| otherwise.to_owned(), rfc3339)
}
