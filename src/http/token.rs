//! The token, introspection and revocation endpoints.

use super::extract::Inbound;
use super::oauth_error::{json, token_error, unreadable};
use super::state::App;
use crate::domain::ErrorCode;
use crate::flows::client_auth::Presented;
use crate::flows::{TokenError, introspect, revoke, token};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

/// `POST /token`
pub async fn token(State(app): State<App>, inbound: Inbound) -> Response {
    match presented(&inbound) {
        Err(response) => *response,
        Ok(presented) => match token::token(&app.issuer, &presented, inbound.now).await {
            Ok(body) => json(StatusCode::OK, body),
            Err(error) => token_error(&error, &inbound),
        },
    }
}

/// `POST /introspect`
pub async fn introspect(State(app): State<App>, inbound: Inbound) -> Response {
    match presented(&inbound) {
        Err(response) => *response,
        Ok(presented) => match introspect::introspect(&app.issuer, &presented, inbound.now).await {
            Ok(answer) => json(StatusCode::OK, answer.to_string()),
            Err(error) => token_error(&error, &inbound),
        },
    }
}

/// `POST /revoke`
pub async fn revoke(State(app): State<App>, inbound: Inbound) -> Response {
    match presented(&inbound) {
        Err(response) => *response,
        Ok(presented) => match revoke::revoke(&app.issuer, &presented, inbound.now).await {
            Ok(()) => json(StatusCode::OK, String::new()),
            Err(error) => token_error(&error, &inbound),
        },
    }
}

/// The parameters of a protocol request: in the body, never in the query, where logs would keep them.
fn presented(inbound: &Inbound) -> Result<Presented<'_>, Box<Response>> {
    if !inbound.raw_query.is_empty() {
        let refused = TokenError::Refused(
            ErrorCode::InvalidRequest,
            "send the parameters in the body, none in the query",
        );
        return Err(Box::new(token_error(&refused, inbound)));
    }
    let form = inbound
        .body
        .as_ref()
        .map_err(|error| Box::new(unreadable(*error)))?;
    let authorization = inbound
        .authorization()
        .map_err(|_| Box::new(token_error(&TokenError::Client { basic: true }, inbound)))?;
    Ok(Presented {
        authorization,
        form,
    })
}
