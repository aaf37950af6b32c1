//! Standard output and standard error. A reader that goes away is no failure; a secret goes to standard output
//! only.

use super::error::CliError;
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

/// Unix seconds as RFC 3339 in UTC.
pub fn rfc3339(at: i64) -> String {
    let (days, second) = (at.div_euclid(86_400), at.rem_euclid(86_400));
    // Howard Hinnant's `civil_from_days`: years that begin in March, in eras of 400.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The same for a moment that may not be; else the words given.
pub fn rfc3339_or(at: Option<i64>, otherwise: &str) -> String {
    at.map_or_else(|| otherwise.to_owned(), rfc3339)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn moments_are_written_as_rfc_3339() {
        for (at, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(at), text);
        }
    }
}
