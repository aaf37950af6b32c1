//! The floor: what axum itself costs, on the same listener settings as nobody's. Measured beside the issuer.

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    let router = Router::new()
        .route("/health/ready", get(|| async { "hello" }))
        .route("/", get(|| async { "hello" }))
        .route("/form", post(form));
    axum::serve(listener, router).await
}

async fn form(body: Bytes) -> ([(http::HeaderName, &'static str); 1], String) {
    let fields = body.split(|byte| *byte == b'&').count();
    let json = serde_json::json!({ "fields": fields }).to_string();
    ([(http::header::CONTENT_TYPE, "application/json")], json)
}
