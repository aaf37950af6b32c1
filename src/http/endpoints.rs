//! Names of the endpoints, for metrics: a fixed list, so that no path that somebody makes up becomes a label.

use super::pages;
use super::routes::{ISSUER, Route, leads_to};
use crate::flows::discovery::paths;
use crate::metrics::{EndpointMetrics, RequestMetrics};
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// Those of forward-auth.
const FORWARD_AUTH: &[Route] = &[
    (super::forward_auth::ENDPOINT, "auth"),
    ("/health/live", "health"),
    ("/health/ready", "health"),
];

/// Counts the requests of one listener; cheap to clone.
#[derive(Clone, Debug)]
pub struct Counted(Arc<Listener>);

#[derive(Debug)]
struct Listener {
    /// Whole paths, each with the name of its endpoint.
    routes: Vec<(String, &'static str)>,
    metrics: EndpointMetrics,
}

impl Counted {
    /// The issuer's, whose URL has this path; mostly it's empty.
    pub fn issuer(metrics: &RequestMetrics, base: &str) -> Self {
        let below = |(path, name): &Route| (format!("{base}{path}"), *name);
        let mut routes: Vec<_> = ISSUER.iter().map(below).collect();
        routes.push((pages::STYLESHEET_PATH.clone(), "asset"));
        routes.push((pages::ADMIN_STYLESHEET_PATH.clone(), "asset"));
        routes.push((pages::FAVICON_PATH.to_owned(), "asset"));
        if base.is_empty() {
            routes.push(("/".to_owned(), "home"));
        } else {
            // RFC 8414 §3.1 puts the well-known part before the issuer's path.
            routes.push((format!("{}{base}", paths::AUTHORIZATION_SERVER), "metadata"));
        }
        Self::new(metrics, routes)
    }

    /// Forward-auth's. What is asked about may follow in the path, and is no endpoint of ours.
    pub fn forward_auth(metrics: &RequestMetrics) -> Self {
        let whole = |(path, name): &Route| ((*path).to_owned(), *name);
        Self::new(metrics, FORWARD_AUTH.iter().map(whole).collect())
    }

    /// The dev gateway's: every path is somebody else's.
    pub fn gateway(metrics: &RequestMetrics) -> Self {
        Self::new(metrics, Vec::new())
    }

    fn new(metrics: &RequestMetrics, routes: Vec<(String, &'static str)>) -> Self {
        let metrics = metrics.of_endpoints(routes.iter().map(|(_, name)| *name));
        Self(Arc::new(Listener { routes, metrics }))
    }

    pub(super) fn answered(&self, path: &str, status: StatusCode, took: Duration) {
        let endpoint = self.endpoint(path);
        self.0.metrics.answered(endpoint, status.as_u16(), took);
    }

    fn endpoint(&self, path: &str) -> Option<usize> {
        self.0
            .routes
            .iter()
            .position(|(route, _)| leads_to(route, path))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metrics::{Metrics, Of};

    fn name(counted: &Counted, path: &str) -> &'static str {
        let at = counted.endpoint(path);
        at.map_or("other", |at| counted.0.routes[at].1)
    }

    #[test]
    fn an_endpoint_is_known_by_its_whole_path() {
        let metrics = Metrics::new(Of::Issuer);
        let root = Counted::issuer(&metrics.requests, "");
        let below = Counted::issuer(&metrics.requests, "/id");
        for (path, at_root, below_id) in [
            ("/token", "token", "other"),
            ("/id/token", "other", "token"),
            ("/id", "other", "other"),
            ("/token/", "other", "other"),
            ("/Token", "other", "other"),
            ("-", "other", "other"),
            ("/", "home", "other"),
            ("/assets/favicon.svg", "asset", "asset"),
            (pages::STYLESHEET_PATH.as_str(), "asset", "asset"),
            (
                "/.well-known/oauth-authorization-server/id",
                "other",
                "metadata",
            ),
            ("", "other", "other"),
        ] {
            assert_eq!(name(&root, path), at_root, "{path}");
            assert_eq!(name(&below, path), below_id, "{path}");
        }
    }

    /// Every path that the router names has a name here, so that a new one doesn't disappear in `other`.
    #[test]
    fn every_route_of_the_router_has_a_name() {
        let counted = Counted::issuer(&Metrics::new(Of::Issuer).requests, "");
        let router = include_str!("mod.rs");
        let literal = router.split(".route(").skip(1).filter_map(|call| {
            let path = call.trim_start().strip_prefix('"')?;
            path.split_once('"').map(|(path, _)| path)
        });
        let literal: Vec<&str> = literal.collect();
        assert!(literal.contains(&"/login"), "{literal:?}");
        let named = [
            paths::TOKEN,
            paths::JWKS,
            paths::AUTHORIZATION,
            paths::USERINFO,
            paths::INTROSPECTION,
            paths::REVOCATION,
            paths::END_SESSION,
            paths::OPENID_CONFIGURATION,
            paths::AUTHORIZATION_SERVER,
        ];
        for path in literal.iter().chain(&named) {
            let known = counted.endpoint(path).is_some();
            assert!(known, "{path}: give it a name in routes.rs");
        }
    }
}
