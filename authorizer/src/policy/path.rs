//! Request paths: judged by their segments, each decoded once.
//!
//! `%40` and `@` are the same path, and so are `%C3%A9` and `é`. Refused is what two readers between the gateway and the
//! API could take for two paths: escapes of `/`, `\` and control characters, dot segments and empty ones, parameters
//! after `;`, escapes that decode to escapes, and what isn't UTF-8.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::reason::Reason;

/// Longest request path that is judged, in bytes.
pub const MAX_PATH: usize = 2048;
/// Most segments of a request path.
const MAX_SEGMENTS: usize = 64;

/// Shapes that [`decoded`] and [`segments`] refuse, as IAM patterns on the part after the API's id: a cached answer with
/// wildcards must refuse them too. Escapes that are not two hex digits, or not UTF-8, can't all be expressed in IAM.
pub(super) const REFUSED_SHAPES: [&str; 33] = [
    "*//*", "*/./*", "*/../*", "*/.", "*/..", "*/%2E*", "*/%2e*", "*/.%2E*", "*/.%2e*", "*;*",
    "*%3B*", "*%3b*", "*\\*", "*%5C*", "*%5c*", "*%2F*", "*%2f*", "*%0*", "*%1*", "*%7F*", "*%7f*",
    "*%25*", "*%C0*", "*%c0*", "*%C1*", "*%c1*", "*%C2%8*", "*%c2%8*", "*%C2%9*", "*%c2%9*",
    "*%E0%8*", "*%E0%9*", "*%F0%8*",
];

/// The path as it's read, with every escape decoded once.
///
/// # Errors
/// [`Reason::PathRefused`] for what could be two paths.
pub(super) fn decoded(path: &str) -> Result<Cow<'_, str>, Reason> {
    let plain = path.starts_with('/') && path.len() <= MAX_PATH && !path.contains(['?', '#']);
    let text = match path.contains('%') {
        _ if !plain => None,
        false => Some(Cow::Borrowed(path)),
        true => unescaped(path).map(Cow::Owned),
    };
    text.filter(|text| !text.contains(is_unclear))
        .ok_or(Reason::PathRefused)
}

/// The segments of a decoded path; `/` has none.
///
/// # Errors
/// [`Reason::PathRefused`] for empty and dot segments; [`Reason::NoRule`] for a trailing slash, which is simply another
/// path than the one without.
pub(super) fn segments(path: &str) -> Result<Vec<&str>, Reason> {
    let rest = path.strip_prefix('/').ok_or(Reason::PathRefused)?;
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
        "an escape of a slash, a backslash, a control character or an escape; or one that is none, or isn't UTF-8"
    } else {
        "a semicolon, a backslash, a control character, ? or #"
    }
}

/// Whether the path has any form that is refused; a trailing slash is none.
pub(crate) fn is_refused(path: &str) -> bool {
    let read = decoded(path).and_then(|path| segments(&path).map(drop));
    read == Err(Reason::PathRefused)
}

/// The decoded segments of a path, or else those that it has as it stands; a trailing slash adds none. `None` for a path
/// that is refused.
pub(crate) fn segments_of(path: &str) -> Option<Vec<String>> {
    let read = decoded(path).ok()?;
    let read = read
        .strip_suffix('/')
        .filter(|read| !read.is_empty())
        .unwrap_or(&read);
    let segments = segments(read).ok()?;
    Some(segments.into_iter().map(str::to_owned).collect())
}

/// The path under a base path; `None` if it isn't.
pub(crate) fn under<'r>(raw: &'r str, base: &str) -> Option<&'r str> {
    match raw.strip_prefix(base)? {
        "" => Some("/"),
        rest => Some(rest).filter(|rest| rest.starts_with('/')),
    }
}

/// Whether two texts can be spellings of one path, either of them decoded already or not yet.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    let read = |path| decoded(path).ok();
    a == b
        || read(a).is_some_and(|a| a == b || read(b).is_some_and(|b| a == b))
        || read(b).is_some_and(|b| a == b)
}

/// The shapes of a path in which any of these characters is spelled by its escape.
pub(super) fn spelled_with_escapes(characters: &BTreeSet<u8>) -> BTreeSet<String> {
    let shapes = characters.iter().flat_map(|byte| match byte {
        // Nobody escapes letters in good faith: one shape for many.
        b'a'..=b'o' => vec!["*%6*".to_owned()],
        byte => vec![format!("*%{byte:02X}*"), format!("*%{byte:02x}*")],
    });
    shapes.collect()
}

fn is_unclear(c: char) -> bool {
    c.is_control() || matches!(c, ';' | '\\' | char::REPLACEMENT_CHARACTER)
}

fn unescaped(path: &str) -> Option<String> {
    let mut text = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => escape(bytes.next(), bytes.next()).filter(|byte| *byte != b'/')?,
            byte => byte,
        };
        text.push(byte);
    }
    let text = String::from_utf8(text).ok()?;
    let again =
        |at: &[u8]| matches!(at, [b'%', high, low] if escape(Some(*high), Some(*low)).is_some());
    (!text.as_bytes().windows(3).any(again)).then_some(text)
}

/// The byte behind `%xy`.
fn escape(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |d: Option<u8>| {
        char::from(d?)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<Vec<String>, Reason> {
        let decoded = decoded(path)?;
        Ok(segments(&decoded)?.into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn every_character_has_a_spelling_that_passes_and_both_are_one_path() {
        assert_eq!(read("/").unwrap(), Vec::<String>::new());
        for (spelled, plain) in [
            ("/people/ada%40example.com", "/people/ada@example.com"),
            ("/a%3Ab/c%3Dd/%5B1%5D/%7Ef", "/a:b/c=d/[1]/~f"),
            ("/%7b%3c%5e%7D%3E%7c%60%22", "/{<^}>|`\""),
            ("/pets/Chester%20Mall", "/pets/Chester Mall"),
            ("/pets/caf%C3%A9", "/pets/café"),
            ("/%61dm%69n", "/admin"),
            ("/a%2Eb/c%2dd/100%25", "/a.b/c-d/100%25"),
            ("/%2a", "/*"),
            ("/%21%24%26%27%28%29%2B%2C", "/!$&'()+,"),
        ] {
            assert_eq!(read(spelled), read(plain), "{spelled}");
            assert!(is_same(spelled, plain), "{spelled}");
        }
        assert_eq!(read("/a%3Fb/%23").unwrap(), ["a?b", "#"]);
        assert!(!is_same("/people/ada", "/people/bob"));
        // One of the two was decoded before it came.
        assert!(is_same("/100%25", "/100%"));
    }

    #[test]
    fn what_could_be_two_paths_is_refused() {
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
            "/a%3Bb",
            "/a%2Fdmin",
            "/a%2fdmin",
            "/%2e%2e/admin",
            "/.%2e/admin",
            "/%2E/admin",
            "/a%00",
            "/a%0d%0a",
            "/a%5cb",
            "/a%5Cb",
            "/a\\b",
            "/a%252Fb",
            "/a%2540",
            "/a%25%34%30",
            "/a?b",
            "/a#b",
            "/a\tb",
            "/a\nb",
            "/a\u{7f}",
            "/a%7F",
            "/a\u{85}",
            "/a%C2%85",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%+1",
            "/a%c0%ae",
            "/a%C0%AF",
            "/a%e0%80%af",
            "/a%ff",
            "/a%C3",
            "/a%C3/%A9",
            "/a\u{fffd}",
            "/a%EF%BF%BD",
        ] {
            assert_eq!(read(path), Err(Reason::PathRefused), "{path:?}");
        }
        assert_eq!(
            read(&format!("/{}", "a".repeat(MAX_PATH))),
            Err(Reason::PathRefused)
        );
        assert_eq!(read(&"/a".repeat(65)), Err(Reason::PathRefused));
    }

    #[test]
    fn a_trailing_slash_is_another_path() {
        assert_eq!(read("/admin/"), Err(Reason::NoRule));
        assert!(!is_refused("/admin/"));
    }
}
