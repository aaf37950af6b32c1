//! Cookies: `__Host-` and Secure where the issuer is https; plain names on loopback http, where browsers would
//! refuse the prefix.
//!
//! Browsers keep cookies by host, whatever the port, and `__Host-` demands `Path=/`. So an issuer that shares its host
//! with others (a path in its URL, or a port) has names of its own.

use crate::crypto::token::sha256;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use std::fmt;
use url::Url;

/// Characters of a digest that tell one issuer on a host from another.
const DIGEST_LEN: usize = 16;

/// The name of a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieName {
    stem: &'static str,
    /// Which issuer's on this host; `None` if it has the host to itself.
    issuer: Option<[u8; DIGEST_LEN]>,
}

impl CookieName {
    fn is(&self, key: &[u8]) -> bool {
        let Some(rest) = key.strip_prefix(self.stem.as_bytes()) else {
            return false;
        };
        match &self.issuer {
            None => rest.is_empty(),
            Some(issuer) => rest.strip_prefix(b"-") == Some(issuer),
        }
    }

    /// As it was before issuers on one host had names of their own, if that is another.
    fn former(self) -> Option<Self> {
        self.issuer.map(|_| Self {
            issuer: None,
            ..self
        })
    }
}

impl fmt::Display for CookieName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stem)?;
        match &self.issuer {
            None => Ok(()),
            Some(issuer) => write!(f, "-{}", String::from_utf8_lossy(issuer)),
        }
    }
}

/// The names in use.
#[derive(Clone, Copy, Debug)]
pub struct CookieNames {
    secure: bool,
    /// The session.
    pub session: CookieName,
    /// Binds pages and forms to one browser.
    pub browser: CookieName,
    /// Known devices.
    pub device: CookieName,
}

const YEAR_S: i64 = 365 * 86_400;

impl CookieNames {
    /// Names for the issuer of this URL: on https, or on loopback http.
    pub fn of(issuer: &str) -> Self {
        let secure = issuer.starts_with("https://");
        let place = place(issuer);
        let issuer = place.and_then(|place| sha256(&place).into_bytes().first_chunk().copied());
        let name = |stem| CookieName { stem, issuer };
        let [session, browser, device] = if secure {
            [
                "__Host-gatewright-session",
                "__Host-gatewright-browser",
                "__Host-gatewright-device",
            ]
        } else {
            [
                "gatewright-session",
                "gatewright-browser",
                "gatewright-device",
            ]
        };
        Self {
            secure,
            session: name(session),
            browser: name(browser),
            device: name(device),
        }
    }

    /// A cookie that ends with the browser.
    pub fn set(&self, name: CookieName, value: &str) -> Option<HeaderValue> {
        self.header(name, value, "")
    }
    /// A cookie that lasts a year.
    pub fn set_long(&self, name: CookieName, value: &str) -> Option<HeaderValue> {
        self.header(name, value, &format!("; Max-Age={YEAR_S}"))
    }
    /// Takes a cookie away.
    pub fn remove(&self, name: CookieName) -> Option<HeaderValue> {
        self.header(name, "", "; Max-Age=0")
    }

    fn header(&self, name: CookieName, value: &str, age: &str) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
        HeaderValue::from_str(&text).ok()
    }
}

/// What tells an issuer from others on its host: port and path. `None` if it has neither.
fn place(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok()?;
    let port = url.port().map_or_else(String::new, |port| port.to_string());
    let place = format!("{port}{}", url.path().trim_end_matches('/'));
    (!place.is_empty()).then_some(place)
}

/// The values of all cookies of a name. Each cookie is read by itself, so that one which another application set, of
/// whatever bytes, hides none of ours.
fn values(headers: &HeaderMap, name: CookieName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let (key, value) = (halves.next()?, halves.next()?);
        name.is(key.trim_ascii()).then(|| value.trim_ascii())
    })
}

/// The value of a cookie; none if it is missing, empty, or came twice.
pub fn get(headers: &HeaderMap, name: CookieName) -> Option<&str> {
    let mut values = values(headers, name);
    let only = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let usable = !only.is_empty() && only.len() <= 4096 && only.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(only).ok().filter(|_| usable)
}

/// The same; without it, what an earlier version of this server set under a name that other issuers on the host had too.
pub fn get_or_former(headers: &HeaderMap, name: CookieName) -> Option<&str> {
    get(headers, name).or_else(|| get(headers, name.former()?))
}

/// Whether a cookie came more than once, so that none of them counts.
pub fn came_twice(headers: &HeaderMap, name: CookieName) -> bool {
    values(headers, name).nth(1).is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ROOT: &str = "https://id.example.com";

    fn sent(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    #[test]
    fn no_other_cookie_hides_ours() {
        let name = CookieNames::of(ROOT).session;
        let ours = format!("{name}=abc");
        for other in [
            &b"lang=fran\xc3\xa7ais"[..],
            b"odd=\xff\xfe",
            b"\xff=1",
            b"nothing",
            b"=",
            b";;",
            b"x=\"a; b\"",
            b"__Host-gatewright-session-other=1",
            b"__Host-gatewright-sessions=1",
        ] {
            let before = [other, b"; ", ours.as_bytes()].concat();
            let behind = [ours.as_bytes(), b"; ", other].concat();
            for lines in [
                &[&*before][..],
                &[&*behind],
                &[other, ours.as_bytes()],
                &[ours.as_bytes(), other],
            ] {
                assert_eq!(get(&sent(lines), name), Some("abc"), "{lines:?}");
            }
        }
    }

    #[test]
    fn two_of_ours_are_none_and_so_is_one_that_we_never_set() {
        let name = CookieNames::of(ROOT).session;
        let line = |text: &str| text.replace('N', &name.to_string());
        for twice in ["N=abc; N=abc", "N=abc; a=1; N=x", "N=\u{e4}; N=abc"] {
            let headers = sent(&[line(twice).as_bytes()]);
            assert_eq!(get(&headers, name), None, "{twice}");
            assert!(came_twice(&headers, name), "{twice}");
        }
        for unusable in ["N=", "N", "N=\u{e4}bc", "N=a b", "n=abc"] {
            let headers = sent(&[line(unusable).as_bytes()]);
            assert_eq!(get(&headers, name), None, "{unusable}");
            assert!(!came_twice(&headers, name), "{unusable}");
        }
    }

    #[test]
    fn issuers_on_one_host_have_cookies_of_their_own() {
        let issuers = [
            ROOT,
            "https://id.example.com/a",
            "https://id.example.com/a/b",
            "https://id.example.com/b",
            "https://id.example.com:8443",
            "https://id.example.com:8443/a",
            "http://127.0.0.1:8080",
            "http://127.0.0.1:9000",
        ];
        let mut names: Vec<String> = issuers
            .iter()
            .map(|issuer| CookieNames::of(issuer).session.to_string())
            .collect();
        assert_eq!(names[0], "__Host-gatewright-session");
        for name in &names {
            let token = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
            assert!(name.bytes().all(token), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), issuers.len());
        let (one, other) = (CookieNames::of(issuers[1]), CookieNames::of(issuers[2]));
        let set = one.set(one.session, "abc").unwrap();
        let pair = set.as_bytes().split(|b| *b == b';').next().unwrap();
        assert_eq!(get(&sent(&[pair]), one.session), Some("abc"));
        assert_eq!(get_or_former(&sent(&[pair]), other.session), None);
        assert!(set.to_str().unwrap().contains("; Path=/; "));
    }

    #[test]
    fn what_an_earlier_version_set_is_known_until_there_is_another() {
        let name = CookieNames::of("https://id.example.com/a").session;
        let former = CookieNames::of(ROOT).session;
        let line = format!("{former}=old");
        assert_eq!(get(&sent(&[line.as_bytes()]), name), None);
        assert_eq!(get_or_former(&sent(&[line.as_bytes()]), name), Some("old"));
        let both = format!("{former}=old; {name}=new");
        assert_eq!(get_or_former(&sent(&[both.as_bytes()]), name), Some("new"));
    }
}
