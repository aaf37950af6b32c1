//! What the head of an HTTP/1 request may look like: RFC 9112 without its leniencies.
//!
//! Whatever two servers could read differently is refused, so that neither this server and a proxy before it, nor
//! hyper and this check, ever disagree on where a request ends.

use http::{StatusCode, Uri};

use super::{MAX_HEAD_BYTES, MAX_HEADERS, Refused};

const MAX_TARGET_BYTES: usize = 32 * 1024;
const MAX_METHOD_BYTES: usize = 32;

/// What follows the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Nothing,
    Length(u64),
    Chunked,
}

/// How far the search for the end of a head has come.
#[derive(Debug, Default)]
pub(super) struct Search {
    scanned: usize,
    line: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// More bytes are needed.
    NotYet,
    /// An empty line before the request line (RFC 9112 §2.2): these two bytes are to be dropped.
    BlankLine,
    /// The head has so many bytes.
    End(usize),
}

impl Search {
    /// Looks on where it stopped. `bytes` begins with the head.
    pub fn on(&mut self, bytes: &[u8]) -> Result<Found, Refused> {
        while let Some(offset) = bytes
            .get(self.scanned..)
            .and_then(|rest| rest.iter().position(|b| *b == b'\n'))
        {
            let end = self.scanned + offset;
            let line = bytes.get(self.line..end).unwrap_or_default();
            let Some(line) = line.strip_suffix(b"\r") else {
                return refuse("a line ends with a bare line feed");
            };
            let starts_at = self.line;
            self.scanned = end + 1;
            self.line = end + 1;
            if line.is_empty() {
                return Ok(if starts_at == 0 {
                    Found::BlankLine
                } else {
                    Found::End(end + 1)
                });
            }
        }
        self.scanned = bytes.len();
        match bytes.len() {
            0..=MAX_HEAD_BYTES => Ok(Found::NotYet),
            _ if self.line == 0 => Err(TARGET_TOO_LONG),
            _ => Err(TOO_LARGE),
        }
    }
}

const TOO_LARGE: Refused = Refused {
    status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    reason: "the headers are too large",
};

const TARGET_TOO_LONG: Refused = Refused {
    status: StatusCode::URI_TOO_LONG,
    reason: "the request target is too long",
};

fn refuse<T>(reason: &'static str) -> Result<T, Refused> {
    Err(Refused {
        status: StatusCode::BAD_REQUEST,
        reason,
    })
}

/// Checks a whole head, with its empty line, and tells what follows it.
pub(super) fn vet(head: &[u8]) -> Result<Framing, Refused> {
    let mut lines = head
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let is_http_11 = request_line(lines.next().unwrap_or_default())?;
    if head.len() > MAX_HEAD_BYTES {
        return Err(TOO_LARGE);
    }
    let (mut length, mut chunked) = (None, false);
    for (count, line) in lines.take_while(|line| !line.is_empty()).enumerate() {
        if count >= MAX_HEADERS {
            return Err(Refused {
                reason: "there are too many headers",
                ..TOO_LARGE
            });
        }
        let (name, value) = header_line(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            if length.is_some() {
                return refuse("there is more than one Content-Length");
            }
            length = Some(content_length(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return refuse("the only Transfer-Encoding is chunked, once");
            }
            chunked = true;
        }
    }
    match (length, chunked) {
        (Some(_), true) => refuse("Content-Length and Transfer-Encoding exclude each other"),
        (None, true) if !is_http_11 => refuse("HTTP/1.0 has no Transfer-Encoding"),
        (None, true) => Ok(Framing::Chunked),
        (None | Some(0), false) => Ok(Framing::Nothing),
        (Some(length), false) => Ok(Framing::Length(length)),
    }
}

/// Is it HTTP/1.1, rather than 1.0?
fn request_line(line: &[u8]) -> Result<bool, Refused> {
    let mut parts = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return refuse("the request line is not METHOD TARGET VERSION");
    };
    if method.is_empty() || method.len() > MAX_METHOD_BYTES || !method.iter().copied().all(is_token)
    {
        return refuse("the method is not valid");
    }
    if target.len() > MAX_TARGET_BYTES {
        return Err(TARGET_TOO_LONG);
    }
    // RFC 9112 §3.2: origin, absolute or asterisk form; the authority form is CONNECT's, which nobody needs here.
    let is_known_form = target.starts_with(b"/")
        || target.starts_with(b"http://")
        || target.starts_with(b"https://")
        || (target == b"*" && method == b"OPTIONS");
    let is_plain = target
        .iter()
        .all(|b| matches!(b, 0x21..=0x7e) && *b != b'#');
    if method == b"CONNECT" || !is_known_form || !is_plain || Uri::try_from(target).is_err() {
        return refuse("the request target is not valid");
    }
    match version {
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        _ => Err(Refused {
            status: StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            reason: "the version is neither HTTP/1.1 nor HTTP/1.0",
        }),
    }
}

fn header_line(line: &[u8]) -> Result<(&[u8], &[u8]), Refused> {
    if line.first().is_some_and(|b| matches!(b, b' ' | b'\t')) {
        return refuse("a header line is folded");
    }
    let Some(colon) = line.iter().position(|b| *b == b':') else {
        return refuse("a header has no colon");
    };
    let (name, value) = line.split_at(colon);
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return refuse("a header name is not valid");
    }
    let value = value.strip_prefix(b":").unwrap_or_default();
    if value
        .iter()
        .any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f)
    {
        return refuse("a header value holds a control character");
    }
    Ok((name, value.trim_ascii()))
}

fn content_length(value: &[u8]) -> Result<u64, Refused> {
    // 15 digits fit into 64 bits and reach further than any body.
    let is_number = !value.is_empty() && value.len() <= 15 && value.iter().all(u8::is_ascii_digit);
    if !is_number {
        return refuse("Content-Length is not a number");
    }
    Ok(value
        .iter()
        .fold(0, |length, digit| length * 10 + u64::from(digit - b'0')))
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vet_lines(lines: &str) -> Result<Framing, u16> {
        vet(format!("{lines}\r\n\r\n").as_bytes()).map_err(|refused| refused.status.as_u16())
    }

    #[test]
    fn framing_is_read_where_it_is_unambiguous() {
        for (lines, framing) in [
            ("GET / HTTP/1.1", Framing::Nothing),
            ("GET /a?b=c%20d&e=[f] HTTP/1.0\r\nHost: a", Framing::Nothing),
            ("OPTIONS * HTTP/1.1\r\nHost: a", Framing::Nothing),
            ("GET http://a:80/b HTTP/1.1\r\nHost: a:80", Framing::Nothing),
            ("POST / HTTP/1.1\r\nContent-Length: 0", Framing::Nothing),
            (
                "POST / HTTP/1.1\r\ncontent-length:  12 ",
                Framing::Length(12),
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 000000000000012",
                Framing::Length(12),
            ),
            (
                "POST / HTTP/1.1\r\nTRANSFER-ENCODING: Chunked",
                Framing::Chunked,
            ),
            (
                "GET / HTTP/1.1\r\nX-Empty:\r\nX-Tab: a\tb\r\nX-Text: \u{e9}",
                Framing::Nothing,
            ),
        ] {
            assert_eq!(vet_lines(lines), Ok(framing), "{lines}");
        }
    }

    #[test]
    fn whatever_could_be_read_in_two_ways_is_refused() {
        let long_target = format!("GET /{} HTTP/1.1", "a".repeat(MAX_TARGET_BYTES));
        let many_headers = format!("GET / HTTP/1.1{}", "\r\nA: b".repeat(MAX_HEADERS + 1));
        for (lines, status) in [
            (
                "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6",
                400,
            ),
            ("POST / HTTP/1.1\r\nContent-Length: 5, 5", 400),
            ("POST / HTTP/1.1\r\nContent-Length: +5", 400),
            ("POST / HTTP/1.1\r\nContent-Length: -5", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 0x5", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 5 5", 400),
            ("POST / HTTP/1.1\r\nContent-Length:", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 9999999999999999", 400),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                400,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked",
                400,
            ),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked", 400),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked",
                400,
            ),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked", 400),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: \u{b}chunked", 400),
            ("POST / HTTP/1.1\r\nTransfer-Encoding:", 400),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked", 400),
            ("GET / HTTP/1.1\r\nTransfer-Encoding : chunked", 400),
            ("GET / HTTP/1.1\r\n Host: a", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n\tb", 400),
            ("GET / HTTP/1.1\r\nHost a", 400),
            ("GET / HTTP/1.1\r\n: a", 400),
            ("GET / HTTP/1.1\r\nA b: c", 400),
            ("GET / HTTP/1.1\r\nA: b\rc", 400),
            ("GET / HTTP/1.1\r\nA: b\0c", 400),
            ("GET  / HTTP/1.1", 400),
            ("GET / HTTP/1.1 ", 400),
            ("GET\t/ HTTP/1.1", 400),
            (" GET / HTTP/1.1", 400),
            ("G\u{e9}T / HTTP/1.1", 400),
            ("GET /\u{e9} HTTP/1.1", 400),
            ("GET /a#b HTTP/1.1", 400),
            ("GET a HTTP/1.1", 400),
            ("GET * HTTP/1.1", 400),
            ("GET ftp://a/ HTTP/1.1", 400),
            ("GET http:/// HTTP/1.1", 400),
            ("CONNECT a:443 HTTP/1.1", 400),
            ("CONNECT /a HTTP/1.1", 400),
            ("GET /", 400),
            ("GET / HTTP/2.0", 505),
            ("GET / HTTP/1.2", 505),
            ("GET / http/1.1", 505),
            ("GET / HTTP/1.1\r", 505),
            (&long_target, 414),
            (&many_headers, 431),
        ] {
            assert_eq!(vet_lines(lines), Err(status), "{lines}");
        }
    }

    #[test]
    fn the_end_is_found_however_the_bytes_arrive() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut search = Search::default();
        for length in 0..head.len() {
            assert_eq!(search.on(&head[..length]), Ok(Found::NotYet), "{length}");
        }
        assert_eq!(search.on(head), Ok(Found::End(head.len())));
        assert_eq!(Search::default().on(b"\r\nGET"), Ok(Found::BlankLine));
        for bare in [
            &b"\n"[..],
            b"GET / HTTP/1.1\nHost: a\n\n",
            b"GET / HTTP/1.1\r\nHost: a\n",
            b"GET /\r\n\n",
        ] {
            assert_eq!(Search::default().on(bare).unwrap_err().status, 400);
        }
        assert_eq!(
            Search::default().on(&vec![b'a'; MAX_HEAD_BYTES + 1]),
            Err(TARGET_TOO_LONG)
        );
        let headers = [b"GET / HTTP/1.1\r\n".to_vec(), vec![b'a'; MAX_HEAD_BYTES]].concat();
        assert_eq!(Search::default().on(&headers), Err(TOO_LARGE));
    }
}
