//! The routes by name, for what must have few of them: whatever is asked for, the answer is one of these or none.

use super::pages;
use crate::flows::discovery::paths;

/// A path below the issuer's own, and the name of its endpoint in metrics.
pub(super) type Route = (&'static str, &'static str);

/// Those of the issuer; the busiest first.
pub(super) const ISSUER: &[Route] = &[
    (paths::TOKEN, "token"),
    (paths::JWKS, "jwks"),
    (paths::AUTHORIZATION, "authorize"),
    ("/login", "login"),
    ("/consent", "consent"),
    ("/continue", "continue"),
    (paths::USERINFO, "userinfo"),
    (paths::INTROSPECTION, "introspect"),
    (paths::REVOCATION, "revoke"),
    (paths::END_SESSION, "logout"),
    (paths::OPENID_CONFIGURATION, "metadata"),
    (paths::AUTHORIZATION_SERVER, "metadata"),
    ("/admin", "admin"),
    ("/admin/activity", "admin"),
    ("/admin/events", "admin"),
    ("/admin/events/{id}", "admin"),
    ("/admin/api/events", "admin_api"),
    ("/admin/api/decisions", "admin_api"),
    ("/health/live", "health"),
    ("/health/ready", "health"),
];

/// Whether a path is one of a route, whose last segment may be `{id}`.
pub(super) fn leads_to(route: &str, path: &str) -> bool {
    match route.strip_suffix("{id}") {
        None => route == path,
        Some(parent) => path
            .strip_prefix(parent)
            .is_some_and(|id| !id.is_empty() && !id.contains('/')),
    }
}

/// The route that a path of the issuer leads to; `base` is the path of the issuer's URL, without a slash at the end.
pub fn of(base: &str, path: &str) -> Option<&'static str> {
    let assets = [
        pages::FAVICON_PATH,
        pages::STYLESHEET_PATH.as_str(),
        pages::ADMIN_STYLESHEET_PATH.as_str(),
    ];
    if assets.contains(&path) {
        return Some("/assets");
    }
    // RFC 8414 §3.1 puts the well-known part before the issuer's path.
    if let Some(rest) = path.strip_prefix(paths::AUTHORIZATION_SERVER)
        && rest == base
    {
        return Some(paths::AUTHORIZATION_SERVER);
    }
    let below = path.strip_prefix(base)?;
    let mut known = ISSUER.iter().map(|(route, _)| *route).chain(["/"]);
    known.find(|route| leads_to(route, below))
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_path_leads_to_one_route_or_none() {
        for (base, path, route) in [
            ("", "/token", Some("/token")),
            ("", "/", Some("/")),
            ("", "/assets/favicon.svg", Some("/assets")),
            ("", "/admin/events/7", Some("/admin/events/{id}")),
            ("", "/admin/events/", None),
            ("", "/admin/events/7/8", None),
            ("", "/token/", None),
            ("", "/people/7", None),
            ("", "-", None),
            ("/id", "/id/token", Some("/token")),
            ("/id", "/token", None),
            ("/id", "/idtoken", None),
            (
                "/id",
                "/.well-known/oauth-authorization-server/id",
                Some("/.well-known/oauth-authorization-server"),
            ),
        ] {
            assert_eq!(of(base, path), route, "{base} {path}");
        }
    }
}
