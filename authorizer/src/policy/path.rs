//! Request paths: only forms that every reader between the gateway and the API reads alike.

use crate::reason::Reason;

/// Longest request path that is judged, in bytes.
pub const MAX_PATH: usize = 2048;
/// Most segments of a request path.
const MAX_SEGMENTS: usize = 64;

/// Shapes that [`segments`] refuses, as IAM patterns on the part after the API's id: a cached answer with wildcards
/// must refuse them too. `*` and `?` themselves, and escapes that are not two hex digits, can't be expressed in IAM.
pub(super) const REFUSED_SHAPES: [&str; 33] = [
    "*//*", "*/./*", "*/../*", "*/.", "*/..", "*;*", "*\\*", "*%0*", "*%1*", "*%25*", "*%2A*",
    "*%2a*", "*%2D*", "*%2d*", "*%2E*", "*%2e*", "*%2F*", "*%2f*", "*%3*", "*%4*", "*%5*", "*%6*",
    "*%7*", "*%C0*", "*%c0*", "*%C1*", "*%c1*", "*%E0%8*", "*%e0%8*", "*%E0%9*", "*%e0%9*",
    "*%F0%8*", "*%f0%8*",
];

/// The segments of a raw request path, undecoded; `/` has none.
///
/// # Errors
/// [`Reason::PathRefused`] for anything ambiguous; [`Reason::NoRule`] for a trailing slash, which is simply another
/// path than the one without.
pub(super) fn segments(path: &str) -> Result<Vec<&str>, Reason> {
    let rest = path
        .strip_prefix('/')
        .filter(|_| path.len() <= MAX_PATH)
        .ok_or(Reason::PathRefused)?;
    check_characters(rest)?;
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let (rest, trailing) = rest
        .strip_suffix('/')
        .map_or((rest, false), |rest| (rest, true));
    let segments: Vec<&str> = rest.split('/').collect();
    if segments.len() > MAX_SEGMENTS || segments.iter().any(|s| matches!(*s, "" | "." | "..")) {
        return Err(Reason::PathRefused);
    }
    if trailing {
        Err(Reason::NoRule)
    } else {
        Ok(segments)
    }
}

/// Why the path is refused, of one that is: what it has.
pub(super) fn why_refused(path: &str) -> &'static str {
    let has_dots = |s: &str| {
        let plain = s.replace("%2e", ".").replace("%2E", ".");
        matches!(plain.as_str(), "." | "..")
    };
    let segments = || path.trim_start_matches('/').split('/');
    if !path.starts_with('/') {
        "no slash at its beginning"
    } else if path.len() > MAX_PATH || segments().count() > MAX_SEGMENTS + 1 {
        "over 2048 bytes or 64 segments"
    } else if path.contains("//") {
        "an empty segment (//)"
    } else if segments().any(has_dots) {
        "a segment of one or two dots"
    } else if path.contains('%') {
        "an escape that is none, that a plain character didn't need, or that hides a separator; or an unusual character"
    } else {
        "a character that paths don't have unescaped, or that some readers take for a separator"
    }
}

/// Whether the path has any form that is refused; a trailing slash is none.
pub(crate) fn is_refused(path: &str) -> bool {
    segments(path) == Err(Reason::PathRefused)
}

fn check_characters(rest: &str) -> Result<(), Reason> {
    let mut decoded = Vec::new();
    let mut bytes = rest.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b';' | b'\\' | b'*' | b'?' | b'#' | 0..=0x20 | 0x7f.. => {
                return Err(Reason::PathRefused);
            }
            b'%' => decoded.push(escape(bytes.next(), bytes.next()).ok_or(Reason::PathRefused)?),
            _ if decoded.is_empty() => {}
            other => decoded.push(other),
        }
    }
    // Overlong and broken UTF-8 is how `.` and `/` were hidden in the past.
    if std::str::from_utf8(&decoded).is_err() {
        Err(Reason::PathRefused)
    } else {
        Ok(())
    }
}

/// The byte behind `%xy`, when it's one that needs its escape and means nothing special.
fn escape(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |d: Option<u8>| {
        char::from(d?)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let byte = digit(high)? << 4 | digit(low)?;
    let plain = match byte {
        0x25 | 0x2a | 0x2d | 0x2e | 0x2f => false,
        0x20..=0x2f | 0x80.. => true,
        _ => false,
    };
    plain.then_some(byte)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_split_and_not_decoded() {
        assert_eq!(segments("/").unwrap(), Vec::<&str>::new());
        assert_eq!(
            segments("/orders/4%202/caf%C3%A9").unwrap(),
            ["orders", "4%202", "caf%C3%A9"]
        );
        assert_eq!(segments("/a:b/@c/d.e/~f/g=h&i+j,k").unwrap().len(), 5);
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        for path in [
            "",
            "admin",
            "//admin",
            "/a//b",
            "/a//",
            "/./admin",
            "/a/..",
            "/..",
            "/x/..;/admin",
            "/admin;v=1",
            "/%61dmin",
            "/a%2Fdmin",
            "/a%2fdmin",
            "/%2e%2e/admin",
            "/%2E/admin",
            "/a%00",
            "/a%5cb",
            "/a%5Cb",
            "/a\\b",
            "/a%3Bb",
            "/a%3fb",
            "/a%252Fb",
            "/a%2Ab",
            "/*",
            "/a?b",
            "/a#b",
            "/a b",
            "/a\tb",
            "/a\nb",
            "/a\u{7f}",
            "/é",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%c0%ae",
            "/a%C0%AF",
            "/a%e0%80%af",
            "/a%ff",
            "/a%C3",
            "/a%7e",
            "/a%41",
        ] {
            assert_eq!(segments(path), Err(Reason::PathRefused), "{path:?}");
        }
        assert_eq!(
            segments(&format!("/{}", "a".repeat(MAX_PATH))),
            Err(Reason::PathRefused)
        );
        assert_eq!(segments(&"/a".repeat(65)), Err(Reason::PathRefused));
    }

    #[test]
    fn a_trailing_slash_is_another_path() {
        assert_eq!(segments("/admin/"), Err(Reason::NoRule));
        assert!(!is_refused("/admin/"));
    }
}
