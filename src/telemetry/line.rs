//! The two line formats. Everything that is not ours passes through [`Escaped`].

use std::{
    fmt::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::LookupSpan,
};

use super::traces;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Human,
    Json,
}

/// The version of the Elastic Common Schema whose names a JSON line has.
pub(super) const ECS_VERSION: &str = "8.11.0";

/// Names that a JSON line has of its own; a field of such a name gets an underscore.
const RESERVED: [&str; 4] = ["@timestamp", "log.level", "log.logger", "ecs.version"];

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "a line says when it was written")]
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        match self {
            Self::Human => {
                write_time(&mut line, SystemTime::now())?;
                write!(line, " {:>5} {}:", metadata.level(), metadata.target())?;
            }
            Self::Json => {
                line.write_str("{\"@timestamp\":\"")?;
                write_time(&mut line, SystemTime::now())?;
                write!(
                    line,
                    "\",\"log.level\":\"{}\",\"log.logger\":\"{}\",\"ecs.version\":\"{ECS_VERSION}\"",
                    level_name(*metadata.level()),
                    metadata.target()
                )?;
            }
        }
        self.format_fields(line.by_ref(), event)?;
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(tracing_subscriber::registry::Scope::from_root)
            .filter(|span| span.metadata().target() != traces::TARGET)
        {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                line.write_str(fields)?;
            }
        }
        line.write_str(match self {
            Self::Human => "\n",
            Self::Json => "}\n",
        })
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

impl<'writer> FormatFields<'writer> for Format {
    fn format_fields<R: RecordFields>(&self, line: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = FieldWriter {
            format: *self,
            line,
            result: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.result
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

/// Writes each field with its own separator before it: ` name=value`, or `,"name":value`.
struct FieldWriter<'a> {
    format: Format,
    line: Writer<'a>,
    result: fmt::Result,
}

impl FieldWriter<'_> {
    fn bare(&mut self, field: &Field, value: &dyn fmt::Display) {
        self.result = self.result.and_then(|()| {
            self.name(field)?;
            write!(self.line, "{value}")
        });
    }

    /// In JSON every value stands in quotes; for people one that could be taken for more than one field does.
    fn escaped(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        self.result = self.result.and_then(|()| {
            let quoted = match self.format {
                Format::Json => true,
                Format::Human if field.name() == "message" => false,
                Format::Human => is_ambiguous(value),
            };
            self.name(field)?;
            if quoted {
                self.line.write_char('"')?;
            }
            Escaped {
                line: &mut self.line,
                quoted,
            }
            .write_fmt(value)?;
            if quoted {
                self.line.write_char('"')
            } else {
                Ok(())
            }
        });
    }

    /// Names are literals of the source and need no escaping, but for raw identifiers.
    fn name(&mut self, field: &Field) -> fmt::Result {
        let name = field.name().trim_start_matches("r#");
        match self.format {
            Format::Human if name == "message" => self.line.write_char(' '),
            Format::Human => write!(self.line, " {name}="),
            Format::Json => {
                let mark = if RESERVED.contains(&name) { "_" } else { "" };
                write!(self.line, ",\"{mark}{name}\":")
            }
        }
    }
}

impl Visit for FieldWriter<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.escaped(field, format_args!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.escaped(field, format_args!("{value}"));
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.escaped(field, format_args!("{value}"));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, &value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, &value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, &value);
    }
}

/// Could it be taken for nothing, or for more than one field?
fn is_ambiguous(value: fmt::Arguments<'_>) -> bool {
    struct Look {
        is_empty: bool,
        has_mark: bool,
    }
    impl Write for Look {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.is_empty &= text.is_empty();
            self.has_mark |= text.bytes().any(|b| matches!(b, b' ' | b'=' | b'"'));
            Ok(())
        }
    }
    let mut look = Look {
        is_empty: true,
        has_mark: false,
    };
    // It never fails; a value that does is quoted.
    look.write_fmt(value).is_err() || look.is_empty || look.has_mark
}

/// Lets nothing through that ends a line, moves a cursor or ends a JSON string: control characters (C0, DEL, C1 and
/// so ESC), line and paragraph separators, and the characters that turn the direction of text or have no width.
struct Escaped<'a, 'w> {
    line: &'a mut Writer<'w>,
    quoted: bool,
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
}

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Mostly there is nothing to look for.
        if text
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        {
            return self.line.write_str(text);
        }
        let mut rest = text;
        while let Some(at) = rest.find(|c| is_hidden(c) || (self.quoted && matches!(c, '"' | '\\')))
        {
            let (plain, tail) = rest.split_at(at);
            self.line.write_str(plain)?;
            let mut tail = tail.chars();
            match tail.next() {
                Some('"') => self.line.write_str("\\\"")?,
                Some('\\') => self.line.write_str("\\\\")?,
                Some('\n') => self.line.write_str("\\n")?,
                Some('\r') => self.line.write_str("\\r")?,
                Some('\t') => self.line.write_str("\\t")?,
                Some(hidden) => write!(self.line, "\\u{:04x}", u32::from(hidden))?,
                None => {}
            }
            rest = tail.as_str();
        }
        self.line.write_str(rest)
    }
}

/// RFC 3339 in UTC, to the millisecond.
pub(super) fn write_time(line: &mut impl Write, time: SystemTime) -> fmt::Result {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days to a civil date, counting years from March (Howard Hinnant's `civil_from_days`).
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    write!(
        line,
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn times_are_rfc_3339() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            let mut text = String::new();
            super::write_time(&mut text, UNIX_EPOCH + Duration::from_millis(millis)).unwrap();
            assert_eq!(text, expected);
        }
    }
}
