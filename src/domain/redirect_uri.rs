//! Redirect URIs: parsed once at registration, compared as bytes ever after.

use super::event::UriDifference;
use serde::{Deserialize, Serialize};

/// A URI that a client registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RedirectUri(String);

/// A presented URI that was found among the client's own. Only a client makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedRedirectUri {
    presented: String,
    registered: String,
}

impl VerifiedRedirectUri {
    /// The URI to redirect to, byte for byte as presented.
    pub fn as_str(&self) -> &str {
        &self.presented
    }
    /// The registered URI it matched: differs in the port of a loopback address only.
    pub fn registered(&self) -> &str {
        &self.registered
    }
    /// Whether it leads to a program on the person's own machine: loopback or a private-use scheme (RFC 8252 §7.1, §7.3).
    /// A claimed `https` URI is its owner's alone (§7.2).
    pub fn is_native(&self) -> bool {
        !self.presented.starts_with("https://")
    }
}

impl RedirectUri {
    /// Checks what a client may register: https, http on a loopback literal, or a private-use scheme with
    /// a dot (RFC 8252 §7.1). No fragment, user name, wildcard or dot segment, and written as a URL parser
    /// would write it, so that nobody else reads it otherwise.
    ///
    /// # Errors
    /// A sentence that says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("redirect URI {text:?}: {why}"));
        if text.len() > 2048 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return refuse("use at most 2048 printable ASCII characters, without spaces");
        }
        if text.contains(['*', '\\', '#']) {
            return refuse("wildcards, backslashes and fragments are not allowed");
        }
        let Ok(url) = url::Url::parse(text) else {
            return refuse("give an absolute URI such as https://app.example.com/callback");
        };
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
            return refuse("user names and '@' are not allowed");
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback_literal(text) => {}
            "http" => {
                return refuse("http is for 127.0.0.1 and [::1] only (RFC 8252 §7.3); use https");
            }
            scheme if scheme.contains('.') => {}
            _ => {
                return refuse("use https, or a private scheme with a dot such as com.example.app");
            }
        }
        let without_path = url.path() == "/" && url.query().is_none();
        if url.as_str() != text && !(without_path && url.as_str().strip_suffix('/') == Some(text)) {
            return Err(format!(
                "redirect URI {text:?}: write it in its normal form, {:?}",
                url.as_str()
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The URI as registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Byte-exact match (RFC 9700 §4.1.3). Where `any_loopback_port` holds, the port of a loopback literal
    /// is free (RFC 8252 §7.3), and nothing else is.
    pub fn verify(&self, presented: &str, any_loopback_port: bool) -> Option<VerifiedRedirectUri> {
        let equal = presented == self.0
            || any_loopback_port
                && matches!(
                    (split_loopback(&self.0), split_loopback(presented)),
                    (Some(registered), Some(other)) if registered == other
                );
        equal.then(|| VerifiedRedirectUri {
            presented: presented.to_owned(),
            registered: self.0.clone(),
        })
    }
}

fn is_loopback_literal(text: &str) -> bool {
    split_loopback(text).is_some()
}

/// Splits `http://127.0.0.1[:port]rest` into host and rest; `None` for anything else.
fn split_loopback(text: &str) -> Option<(&'static str, &str)> {
    for host in ["http://127.0.0.1", "http://[::1]"] {
        let Some(rest) = text.strip_prefix(host) else {
            continue;
        };
        let rest = match rest.strip_prefix(':') {
            None => rest,
            Some(after) => {
                let digits = after.bytes().take_while(u8::is_ascii_digit).count();
                let (port, rest) = after.split_at(digits);
                let canonical = !port.starts_with('0') && port.parse::<u16>().is_ok();
                if !canonical {
                    return None;
                }
                rest
            }
        };
        return (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest));
    }
    None
}

impl UriDifference {
    /// In what a presented URI differs from the nearest of those that are registered: enough to find the mistake, and
    /// nothing of what the caller wrote.
    pub fn nearest(presented: Option<&str>, registered: &[RedirectUri]) -> Self {
        let Some(presented) = presented else {
            return Self::Missing;
        };
        let differences = registered
            .iter()
            .map(|uri| Self::between(presented, uri.as_str()));
        differences.min().unwrap_or(Self::Host)
    }

    fn between(presented: &str, registered: &str) -> Self {
        let without_slash = |uri: &str| uri.trim_end_matches('/').to_owned();
        if without_slash(presented) == without_slash(registered) {
            return Self::TrailingSlash;
        }
        if presented.eq_ignore_ascii_case(registered) {
            return Self::Case;
        }
        let (Ok(one), Ok(other)) = (url::Url::parse(presented), url::Url::parse(registered)) else {
            return Self::Host;
        };
        if one.host_str() != other.host_str() {
            Self::Host
        } else if one.path() != other.path() {
            Self::Path
        } else if one.query() != other.query() {
            Self::Query
        } else if one.scheme() != other.scheme() {
            Self::Scheme
        } else {
            Self::Port
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RedirectUri, UriDifference};

    #[test]
    fn the_nearest_registered_uri_tells_the_mistake() {
        let registered = [
            RedirectUri::parse("https://other.example.com/cb").unwrap(),
            RedirectUri::parse("https://app.example.com/cb").unwrap(),
        ];
        for (presented, difference) in [
            (None, UriDifference::Missing),
            (
                Some("https://app.example.com/cb/"),
                UriDifference::TrailingSlash,
            ),
            (Some("https://app.example.com/CB"), UriDifference::Case),
            (Some("http://app.example.com/cb"), UriDifference::Scheme),
            (Some("https://app.example.com:8443/cb"), UriDifference::Port),
            (Some("https://app.example.com/cb?x=1"), UriDifference::Query),
            (
                Some("https://app.example.com/callback"),
                UriDifference::Path,
            ),
            (Some("https://evil.example/cb"), UriDifference::Host),
            (Some("not a URI"), UriDifference::Host),
        ] {
            assert_eq!(
                UriDifference::nearest(presented, &registered),
                difference,
                "{presented:?}"
            );
        }
    }
}
