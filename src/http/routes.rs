//! The routes by name, for what must have few of them: whatever is asked for, the answer is one of these or none.

use super::pages;
use crate::flows::discovery::paths;

/// Below the issuer's path.
const ENDPOINTS: [&str; 19] = [
    paths::AUTHORIZATION,
    paths::TOKEN,
    paths::USERINFO,
    paths::INTROSPECTION,
    paths::REVOCATION,
    paths::JWKS,
    paths::END_SESSION,
    paths::OPENID_CONFIGURATION,
    paths::AUTHORIZATION_SERVER,
    "/continue",
    "/login",
    "/consent",
    "/admin",
    "/admin/activity",
    "/admin/events",
    "/admin/api/events",
    "/health/live",
    "/health/ready",
    "/",
];

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
    ENDPOINTS.into_iter().find(|route| *route == below)
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
