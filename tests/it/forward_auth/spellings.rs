//! Spellings of paths, and what the most careless reader behind a proxy may make of them.

use super::stage::POLICY;
use gatewright_authorizer::policy::{Policy, Request};
use gatewright_authorizer::token::{TokenRules, claims_of};
use gatewright_authorizer::{AccessToken, jose::Algorithm};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Escaped spellings of the segment of `/orders/{id}` that every proxy must let pass.
pub const PASSING: [&str; 22] = [
    "7",
    "ada%40example.com",
    "ada@example.com",
    "a%3Ab",
    "a:b",
    "a%3Db",
    "a=b",
    "%5B1%5D",
    "%7E",
    "~",
    "%7B%7D",
    "%3C%3E",
    "%5E",
    "%7C",
    "%60",
    "%22",
    "Chester%20Mall",
    "caf%C3%A9",
    "caf%c3%a9",
    "a%2Bb",
    "a+b",
    "a%2Cb%21%24%26%27%28%29",
];

/// Paths that a proxy may refuse, or that the policy does; what of them reaches the API must be what was allowed.
pub const DOUBTFUL: [&str; 44] = [
    "/orders/{1}",
    "/orders/[1]",
    "/orders/a<b",
    "/orders/a^b",
    "/orders/a|b",
    "/orders/a`b",
    "/orders/a\"b",
    "/orders/café",
    "/orders/*",
    "/orders/%2A",
    "/orders/%3F",
    "/orders/%23",
    "/orders/7#x",
    "/orders/7?x",
    "/orders/7%3Fx",
    "/orders/7%23/../admin",
    "/%6Frders/7",
    "/orders/%37",
    "/%61dmin/1",
    "/admin/1",
    "/admin%2F1",
    "/orders%2f7",
    "/orders/..%2fadmin%2f1",
    "/orders/../admin/1",
    "/orders/%2e%2e/admin/1",
    "/orders/.%2e/admin/1",
    "/orders/%2e/7",
    "/orders/./7",
    "/orders//7",
    "//orders/7",
    "/orders/7/",
    "/orders/7/..",
    "/orders/7%2e",
    "/orders/..;/admin/1",
    "/orders/7;v=1",
    "/orders/7%3Bv=1",
    "/orders/7%5c..%5cadmin",
    "/orders/7\\..\\admin",
    "/orders/7%00",
    "/orders/7%0d%0aX-A:%20b",
    "/orders/7%252e",
    "/orders/%2537",
    "/orders/%c0%ae",
    "/orders/%zz",
];

/// The segments that a careless reader sees: decoded, parameters cut off, dot segments resolved, empty ones skipped.
fn carelessly(path: &str) -> Vec<String> {
    let decoded = percent_decode_str(path)
        .decode_utf8_lossy()
        .replace('\\', "/");
    let mut segments = Vec::new();
    for segment in decoded.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            plain => segments.push(plain.to_owned()),
        }
    }
    segments
}

fn token() -> AccessToken {
    let Value::Object(claims) = json!({
        "iss": "https://issuer.example", "sub": "ada", "client_id": "worker", "jti": "1",
        "aud": "https://api.example.com", "iat": 1, "exp": 9, "scope": "orders:read",
    }) else {
        unreachable!()
    };
    let rules = TokenRules::new(
        "https://issuer.example",
        vec!["https://api.example.com".to_owned()],
        vec![Algorithm::Es256],
    );
    claims_of(claims, &rules, 2).unwrap()
}

/// What reached the API for a call that this rule allowed is what the rule covers, whoever reads it.
#[track_caller]
pub fn is_covered(sent: &str, target: &str, rule: &str) {
    let path = target.split(['?', '#']).next().unwrap();
    let policy = Policy::parse(POLICY).unwrap();
    let decision = policy.judge(&token(), &Request::new("GET", path));
    assert_eq!(
        decision.rule.as_deref(),
        Some(rule),
        "{sent} arrived as {target}"
    );
    assert!(decision.is_allow(), "{sent} arrived as {target}");
    let read = carelessly(path);
    assert_eq!(
        (read.len(), &*read[0]),
        (2, "orders"),
        "{sent} arrived as {target}"
    );
}

/// One call with this path as it stands, and the status of its answer; `None` if there is none.
pub fn status(address: SocketAddr, path: &str, bearer: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: {bearer}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut line = Vec::new();
    BufReader::new(stream).read_until(b'\n', &mut line).ok()?;
    let line = String::from_utf8_lossy(&line).into_owned();
    line.split(' ').nth(1)?.trim().parse().ok()
}
