//! Resource indicators (RFC 8707): the audience that an access token is for.

use serde::{Deserialize, Serialize};

/// Schemes besides those of the web that name services.
const SCHEMES: [&str; 4] = ["urn", "tag", "api", "spiffe"];

/// An absolute URI without fragment, compared as bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Audience(String);

impl Audience {
    /// Checks the form that RFC 8707 §2 demands.
    ///
    /// # Errors
    /// A sentence that says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = url::Url::parse(text)
            .map_err(|_| format!("audience {text:?}: give an absolute URI"))?;
        if text.len() > 512
            || url.fragment().is_some()
            || !text.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(format!(
                "audience {text:?}: give an absolute URI without fragment, at most 512 characters"
            ));
        }
        Ok(Self(text.to_owned()))
    }
    /// The same for one that is registered anew: of a scheme that names services, and none that a browser runs or reads
    /// files by.
    ///
    /// # Errors
    /// A sentence that says what is expected.
    pub fn parse_new(text: &str) -> Result<Self, String> {
        let audience = Self::parse(text)?;
        let url = url::Url::parse(text).ok();
        let names_a_service = url.is_some_and(|url| {
            let scheme = url.scheme();
            let web = matches!(scheme, "https" | "http");
            let known = web || SCHEMES.contains(&scheme) || scheme.contains('.');
            let plain = url.username().is_empty() && url.password().is_none();
            known && plain && (!web || url.has_host())
        });
        if names_a_service {
            return Ok(audience);
        }
        Err(format!(
            "audience {text:?}: give an https, http, urn, tag, api or spiffe URI without a user name, or one of a scheme of \
             your own with a dot in it, such as com.example.api:/orders"
        ))
    }
    /// The URI as registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Audience;

    #[test]
    fn an_audience_is_of_a_scheme_that_names_services() {
        for text in [
            "https://api.example.com",
            "http://127.0.0.1:3000/orders",
            "urn:example:orders",
            "tag:example.com,2026:orders",
            "api://0a1b2c3d",
            "spiffe://example.com/orders",
            "com.example.api:/orders",
        ] {
            assert!(Audience::parse_new(text).is_ok(), "{text}");
        }
        for text in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "blob:https://example.com/x",
            "about:blank",
            "ftp://example.com",
            "mailto:ada@example.com",
            "https://user@api.example.com",
            "https://:secret@api.example.com",
        ] {
            let refused = Audience::parse_new(text).unwrap_err();
            assert!(refused.contains("https, http, urn"), "{refused}");
            // What was registered before goes on.
            assert!(Audience::parse(text).is_ok(), "{text}");
        }
        for text in ["orders", "/orders", "https://api.example.com#x", ""] {
            assert!(Audience::parse_new(text).is_err(), "{text}");
        }
    }
}
