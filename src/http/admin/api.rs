//! `GET /admin/api/events`: the search of events, for programs.

use crate::domain::ErrorCode;
use crate::flows::admin::AdminError;
use crate::flows::admin::events::{self, Query};
use crate::flows::admin_token::{self, EVENTS_SCOPE, Verdict};
use crate::http::extract::Inbound;
use crate::http::oauth_error::{bearer, failed, json, refusal};
use crate::http::state::App;
use crate::http::userinfo::bearer_token;
use crate::store::events::EventRow;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};

/// Events of one answer, if the caller doesn't say.
const LIMIT: i64 = 100;

/// Answers with the events that fit, newest first.
pub async fn events(State(app): State<App>, inbound: Inbound) -> Response {
    let challenge = |status, code, words| bearer(EVENTS_SCOPE, status, code, words);
    let token = match bearer_token(&inbound) {
        Ok(Some(token)) => token,
        Ok(None) => return challenge(StatusCode::UNAUTHORIZED, None, ""),
        Err((status, code, words)) => return challenge(status, Some(code), words),
    };
    let client = match admin_token::judge(&app.issuer, token, inbound.now).await {
        Ok(Verdict::Granted(client)) => client,
        Ok(Verdict::InvalidToken) => {
            return challenge(
                StatusCode::UNAUTHORIZED,
                Some(ErrorCode::InvalidToken),
                "the access token is expired, revoked or not meant for this server: ask for one with resource set to \
                 the issuer",
            );
        }
        Ok(Verdict::InsufficientScope) => {
            return challenge(
                StatusCode::FORBIDDEN,
                Some(ErrorCode::InsufficientScope),
                "the access token lacks the scope gatewright:events",
            );
        }
        Ok(Verdict::NotAdministrator) => {
            return challenge(
                StatusCode::FORBIDDEN,
                Some(ErrorCode::InsufficientScope),
                "the access token stands for a person who is not an administrator",
            );
        }
        Err(error) => return failed(&error, &inbound.request_id),
    };
    let wrong = |words: &str| refusal(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, words);
    let query = match &inbound.query {
        Ok(form) => Query::read(form, LIMIT, inbound.now),
        Err(error) => return wrong(error.words()),
    };
    let query = match query {
        Ok(query) => query,
        Err(faults) => return wrong(&faults.join("; ")),
    };
    match events::find(app.issuer.admin(&client), &query).await {
        Ok(found) => json(StatusCode::OK, answer(&found).to_string()),
        Err(AdminError::Failed(error)) => failed(&error, &inbound.request_id),
        Err(error) => wrong(&error.to_string().replace('\n', "; ")),
    }
}

fn answer(found: &events::Page) -> Value {
    let rows: Vec<Value> = found.events.iter().map(EventRow::json).collect();
    let mut members = Map::from_iter([("events".to_owned(), Value::Array(rows))]);
    if let Some(next) = &found.next {
        members.insert("next".to_owned(), Value::from(next.as_str()));
    }
    Value::Object(members)
}
