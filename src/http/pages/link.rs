//! Which addresses from outside a page may link to.

use http::Uri;

/// A web address that a page may link to and name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Site<'a> {
    /// The whole address.
    pub(super) href: &'a str,
    /// Its host, with the port if there is one.
    pub(super) host: String,
}

/// `href` as a website: `http` or `https` with a host.
pub(super) fn site(href: &str) -> Option<Site<'_>> {
    let uri: Uri = href.parse().ok()?;
    matches!(uri.scheme_str(), Some("http" | "https")).then_some(())?;
    Some(Site {
        href,
        host: host(&uri)?,
    })
}

/// `href` if following it only goes somewhere: a website, a path of our own, or an application by a private-use
/// scheme, which has a dot in it (RFC 8252 §7.1). Never `javascript:`, `data:` and their kind.
pub(super) fn navigable(href: &str) -> Option<&str> {
    let own_path = href.starts_with('/') && !href.starts_with("//") && !href.starts_with("/\\");
    let private_use = href.split_once(':').is_some_and(|(scheme, _)| {
        scheme.contains('.')
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+'))
    });
    (own_path || private_use || site(href).is_some()).then_some(href)
}

/// What a person would call the place that `address` leads to.
pub(super) fn place(address: &str) -> String {
    site(address).map_or_else(|| "the application".to_owned(), |site| site.host)
}

/// Where an answer at a redirect URI goes, as a person is told: host and port, or the private-use scheme that an
/// application of the person's machine has claimed.
pub fn destination(redirect_uri: &str) -> String {
    let site = site(redirect_uri).map(|site| site.host);
    site.unwrap_or_else(|| {
        let scheme = redirect_uri.split(':').next().unwrap_or_default();
        format!("{scheme}:")
    })
}

/// Host and port without user information, which could pose as another host.
fn host(uri: &Uri) -> Option<String> {
    let host = uri.host().filter(|host| !host.is_empty())?;
    Some(
        uri.port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
    )
}
