//! The token, introspection and revocation endpoints.

use super::extract::{BodyError, Inbound};
use super::oauth_error::{json, refusal, token_error, unreadable};
use super::state::App;
use crate::domain::ErrorCode;
use crate::flows::client_auth::{self, Presented};
use crate::flows::error::RefusedRequest;
use crate::flows::{TokenError, introspect, revoke, token};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

/// `POST /token`
pub async fn token(State(app): State<App>, inbound: Inbound) -> Response {
    let presented = match presented(&app, &inbound) {
        Ok(presented) => presented,
        Err(refused) => return refused.tell(&app, None, &inbound).await,
    };
    match token::token(&app.issuer, &presented, inbound.now).await {
        Ok(body) => json(StatusCode::OK, body),
        Err(error) => {
            Refused::Token(error)
                .tell(&app, Some(&presented), &inbound)
                .await
        }
    }
}

/// `POST /introspect`
pub async fn introspect(State(app): State<App>, inbound: Inbound) -> Response {
    let presented = match presented(&app, &inbound) {
        Ok(presented) => presented,
        Err(refused) => return refused.tell(&app, None, &inbound).await,
    };
    match introspect::introspect(&app.issuer, &presented, inbound.now).await {
        Ok(answer) => json(StatusCode::OK, answer.to_string()),
        Err(error) => {
            Refused::Token(error)
                .tell(&app, Some(&presented), &inbound)
                .await
        }
    }
}

/// `POST /revoke`
pub async fn revoke(State(app): State<App>, inbound: Inbound) -> Response {
    let presented = match presented(&app, &inbound) {
        Ok(presented) => presented,
        Err(refused) => return refused.tell(&app, None, &inbound).await,
    };
    match revoke::revoke(&app.issuer, &presented, inbound.now).await {
        Ok(()) => json(StatusCode::OK, String::new()),
        Err(error) => {
            Refused::Token(error)
                .tell(&app, Some(&presented), &inbound)
                .await
        }
    }
}

/// Why a protocol request isn't answered.
enum Refused {
    Body(BodyError),
    Token(TokenError),
}

impl Refused {
    /// Notes it, and tells the caller.
    async fn tell(
        self,
        app: &App,
        presented: Option<&Presented<'_>>,
        inbound: &Inbound,
    ) -> Response {
        let (response, refused) = match self {
            Self::Body(error) => {
                let refused = RefusedRequest::new(ErrorCode::InvalidRequest, error.words());
                (unreadable(error), refused)
            }
            Self::Token(TokenError::Refused(refused)) => {
                let response = refusal(StatusCode::BAD_REQUEST, refused.code, refused.words);
                (response, *refused)
            }
            Self::Token(error) => return token_error(&error, inbound),
        };
        token::note_refusal(&app.issuer, presented, refused, inbound.now).await;
        response
    }
}

/// The parameters of a protocol request: in the body, never in the query, where logs would keep them.
fn presented<'i>(app: &App, inbound: &'i Inbound) -> Result<Presented<'i>, Refused> {
    if !inbound.raw_query.is_empty() {
        let words = "send the parameters in the body, none in the query";
        let refused = RefusedRequest::new(ErrorCode::InvalidRequest, words);
        return Err(Refused::Token(refused.error()));
    }
    let form = inbound
        .body
        .as_ref()
        .map_err(|error| Refused::Body(*error))?;
    let authorization = inbound.authorization().map_err(|_| {
        client_auth::note_unreadable(&app.issuer, inbound.now);
        Refused::Token(TokenError::Client { basic: true })
    })?;
    Ok(Presented {
        authorization,
        form,
    })
}
