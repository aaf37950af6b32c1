//! An axum service that judges its own calls by a policy file.
//!
//! ```text
//! cargo run -p gatewright-authorizer --example axum --features axum -- policy.toml
//! curl -i -H "Authorization: Bearer $T" http://127.0.0.1:3000/orders/7
//! ```

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Path as PathOf};
use axum::routing::get;
use axum::{Json, Router};
use gatewright_authorizer::extract::Claims;
use gatewright_authorizer::fetch::SystemClock;
use gatewright_authorizer::jwks::Clock;
use gatewright_authorizer::layer::Authorized;
use gatewright_authorizer::{Authorizer, AuthorizerLayer, Policy, Verifier};
use serde::Deserialize;
use serde_json::{Value, json};

/// The claims that this service works with.
#[derive(Deserialize)]
struct Caller {
    sub: String,
    tenant: Option<String>,
}

/// The service: what isn't allowed by the policy doesn't get to the handlers.
pub fn service(layer: AuthorizerLayer) -> Router {
    Router::new()
        .route("/orders/{id}", get(order))
        .route("/me", get(me))
        .layer(layer)
}

/// The token's claims, as a type.
async fn order(Claims(caller): Claims<Caller>, PathOf(id): PathOf<String>) -> Json<Value> {
    Json(json!({"order": id, "for": caller.sub, "tenant": caller.tenant}))
}

/// The token as it was verified, and the rule that let it pass.
async fn me(Authorized(admission): Authorized) -> Json<Value> {
    let scopes: Vec<&str> = admission.token.scope.iter().collect();
    Json(json!({"client": admission.token.client_id, "scopes": scopes, "rule": admission.rule}))
}

/// An authorizer that fetches its issuers' keys.
fn authorizer(path: &Path) -> Result<Authorizer, Box<dyn Error>> {
    let policy = Policy::parse(&std::fs::read_to_string(path)?)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let directory = path.parent().unwrap_or(Path::new(""));
    let verifier = Verifier::over_http(policy.issuers(), directory, &clock)?;
    Ok(Authorizer::new(policy, verifier).timed_by(clock))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("give the policy file")?;
    let layer = AuthorizerLayer::new(authorizer(Path::new(&path))?).with_source_ip(|extensions| {
        let caller = extensions.get::<ConnectInfo<SocketAddr>>()?;
        Some(caller.0.ip())
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let service = service(layer).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}
