//! `GET` and `POST /userinfo` (OIDC Core §5.3, RFC 6750).

use super::extract::Inbound;
use super::oauth_error::{bearer, failed, json};
use super::state::App;
use crate::domain::ErrorCode;
use crate::flows::userinfo::{self, Userinfo};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

/// What userinfo needs.
const SCOPE: &str = "openid";

/// Answers for the person that the bearer token names.
pub async fn userinfo(State(app): State<App>, inbound: Inbound) -> Response {
    let token = match bearer_token(&inbound) {
        Ok(Some(token)) => token,
        Ok(None) => {
            userinfo::note_unread(&app.issuer, true, inbound.now);
            return bearer(SCOPE, StatusCode::UNAUTHORIZED, None, "");
        }
        Err((status, code, words)) => {
            userinfo::note_unread(&app.issuer, false, inbound.now);
            return bearer(SCOPE, status, Some(code), words);
        }
    };
    match userinfo::userinfo(&app.issuer, token, inbound.now).await {
        Ok(Userinfo::Claims(claims)) => json(StatusCode::OK, Value::Object(claims).to_string()),
        Ok(Userinfo::InvalidToken(words)) => bearer(
            SCOPE,
            StatusCode::UNAUTHORIZED,
            Some(ErrorCode::InvalidToken),
            words,
        ),
        Ok(Userinfo::InsufficientScope) => bearer(
            SCOPE,
            StatusCode::FORBIDDEN,
            Some(ErrorCode::InsufficientScope),
            "the access token lacks the scope openid",
        ),
        Err(error) => failed(&error, &inbound.request_id),
    }
}

pub(super) type Refusal = (StatusCode, ErrorCode, &'static str);

/// The token, from the header or a form body, never from the query, never from two places.
pub(super) fn bearer_token(inbound: &Inbound) -> Result<Option<&str>, Refusal> {
    let bad = |words| (StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, words);
    let query = inbound.query.as_ref().map_err(|error| bad(error.words()))?;
    if query.get("access_token").is_some() {
        return Err(bad("an access token does not belong in the query"));
    }
    let form = inbound.body.as_ref().map_err(|error| bad(error.words()))?;
    let in_body = form.get("access_token");
    let header = inbound
        .authorization()
        .map_err(|_| bad("send one Authorization header"))?;
    match (header, in_body) {
        (Some(_), Some(_)) => Err(bad("send the access token in one place only")),
        (None, None) => Ok(None),
        (None, Some(token)) => Ok(Some(token)),
        (Some(header), None) => {
            let token = header
                .split_once(' ')
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                .map(|(_, token)| token);
            match token {
                Some(token) if !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()) => {
                    Ok(Some(token))
                }
                Some(_) => Err(bad("the bearer token is malformed")),
                None => Ok(None),
            }
        }
    }
}
