//! HTTP: extractors, handlers, headers, pages. Handlers are extract → flow → response, and decide nothing
//! about the protocol.

mod admin;
pub mod authorize;
pub mod cookies;
mod cors;
mod documents;
pub mod endpoints;
pub mod extract;
pub mod forward_auth;
pub mod gateway;
pub mod guard;
pub mod headers;
mod login;
mod logout;
pub mod oauth_error;
pub mod page_error;
pub mod pages;
pub mod prefetch;
pub mod redirect;
mod routes;
pub mod scrape;
pub mod server;
pub mod signals;
pub mod state;
mod token;
mod userinfo;

use crate::flows::discovery::paths;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};
use http::StatusCode;
use http::header::ALLOW;
pub use state::App;

/// Without HEAD, which a router answers as GET without the body: here that would issue a code, or end a session,
/// that nobody gets to see.
fn whole(methods: MethodRouter<App>) -> MethodRouter<App> {
    methods.head(|| async { (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, POST")]) })
}

/// With the preflight that lets scripts of any origin read it.
fn public(methods: MethodRouter<App>) -> MethodRouter<App> {
    methods.options(cors::preflight_of_documents)
}

/// Every path of the server.
pub fn router(app: App) -> Router {
    let callable_by_scripts = Router::new()
        .route(paths::TOKEN, post(token::token))
        .route(paths::REVOCATION, post(token::revoke))
        .route(
            paths::USERINFO,
            get(userinfo::userinfo).post(userinfo::userinfo),
        )
        .layer(from_fn_with_state(app.clone(), cors::registered_origins));
    let pages = Router::new()
        .route(
            paths::AUTHORIZATION,
            whole(get(authorize::authorize).post(authorize::authorize)),
        )
        .route("/continue", whole(get(authorize::resume)))
        .route("/login", whole(get(login::reload).post(login::submit)))
        .route(
            "/consent",
            whole(get(login::reload).post(authorize::decide)),
        )
        .route(
            paths::END_SESSION,
            whole(get(logout::logout).post(logout::logout)),
        )
        .route("/admin", get(admin::index))
        .route("/admin/activity", get(admin::activity))
        .route("/admin/events", get(admin::events))
        .route("/admin/events/{id}", get(admin::event))
        .layer(from_fn(prefetch::refused));
    let endpoints = Router::new()
        .route(paths::INTROSPECTION, post(token::introspect))
        .route(paths::JWKS, public(get(documents::jwks)))
        .route(
            paths::OPENID_CONFIGURATION,
            public(get(documents::metadata)),
        )
        .route(
            paths::AUTHORIZATION_SERVER,
            public(get(documents::metadata)),
        )
        .route("/admin/api/events", get(admin::api::events))
        .route("/admin/api/decisions", post(admin::api::decisions))
        .route("/health/live", get(documents::live))
        .route("/health/ready", get(documents::ready))
        .merge(pages)
        .merge(callable_by_scripts);
    let base = app.base_path.to_string();
    let mut root = Router::new()
        .route(pages::STYLESHEET_PATH.as_str(), get(documents::stylesheet))
        .route(
            pages::ADMIN_STYLESHEET_PATH.as_str(),
            get(documents::admin_stylesheet),
        )
        .route(pages::FAVICON_PATH, get(documents::favicon));
    root = if base.is_empty() {
        root.route("/", get(documents::home)).merge(endpoints)
    } else {
        // RFC 8414 §3.1 puts the well-known part before the issuer's path.
        let inserted = format!("{}{base}", paths::AUTHORIZATION_SERVER);
        root.route(&inserted, public(get(documents::metadata)))
            .nest(&base, endpoints)
    };
    root.fallback(documents::not_found).with_state(app)
}
