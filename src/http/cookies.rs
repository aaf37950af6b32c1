//! Cookies: `__Host-` and Secure where the issuer is https; plain names on loopback http, where browsers would
//! refuse the prefix.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// The names in use.
#[derive(Clone, Copy, Debug)]
pub struct CookieNames {
    secure: bool,
    /// The session.
    pub session: &'static str,
    /// Binds pages and forms to one browser.
    pub browser: &'static str,
    /// Known devices.
    pub device: &'static str,
}

const YEAR_S: i64 = 365 * 86_400;

impl CookieNames {
    /// Names for an issuer on https, or on loopback http.
    pub fn new(secure: bool) -> Self {
        if secure {
            Self {
                secure,
                session: "__Host-gatewright-session",
                browser: "__Host-gatewright-browser",
                device: "__Host-gatewright-device",
            }
        } else {
            Self {
                secure,
                session: "gatewright-session",
                browser: "gatewright-browser",
                device: "gatewright-device",
            }
        }
    }

    /// A cookie that ends with the browser.
    pub fn set(&self, name: &str, value: &str) -> Option<HeaderValue> {
        self.header(name, value, "")
    }
    /// A cookie that lasts a year.
    pub fn set_long(&self, name: &str, value: &str) -> Option<HeaderValue> {
        self.header(name, value, &format!("; Max-Age={YEAR_S}"))
    }
    /// Takes a cookie away.
    pub fn remove(&self, name: &str) -> Option<HeaderValue> {
        self.header(name, "", "; Max-Age=0")
    }

    fn header(&self, name: &str, value: &str, age: &str) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
        HeaderValue::from_str(&text).ok()
    }
}

/// The value of a cookie; none if it is missing, empty, or came twice.
pub fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = None;
    for header in headers.get_all(COOKIE) {
        let Ok(text) = header.to_str() else { continue };
        for pair in text.split(';') {
            let Some((key, value)) = pair.trim().split_once('=') else {
                continue;
            };
            if key == name {
                if found.is_some() {
                    return None;
                }
                found = Some(value);
            }
        }
    }
    found.filter(|value| !value.is_empty() && value.len() <= 4096)
}
