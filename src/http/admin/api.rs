//! The API for programs: the search of events, and the way in for an authorizer's decisions.

use crate::domain::ErrorCode;
use crate::domain::form::Form;
use crate::flows::admin::AdminError;
use crate::flows::admin::decisions::{self, Batch};
use crate::flows::admin::events::{self, Query};
use crate::flows::admin_token::{self, DECISIONS_SCOPE, EVENTS_SCOPE, Verdict};
use crate::http::extract::{Inbound, InboundLines};
use crate::http::oauth_error::{bearer, failed, json, refusal, unreadable};
use crate::http::state::App;
use crate::http::userinfo::bearer_token;
use crate::store::events::EventRow;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json as object};

/// Events of one answer, if the caller doesn't say.
const LIMIT: i64 = 100;

/// The client that a request's access token lets do what needs `scope`; else what it is answered.
async fn admitted(app: &App, inbound: &Inbound, scope: &str) -> Result<String, Response> {
    let challenge = |status, code, words: &str| bearer(scope, status, code, words);
    let token = match bearer_token(inbound) {
        Ok(Some(token)) => token,
        Ok(None) => return Err(challenge(StatusCode::UNAUTHORIZED, None, "")),
        Err((status, code, words)) => return Err(challenge(status, Some(code), words)),
    };
    let invalid = Some(ErrorCode::InvalidToken);
    let insufficient = Some(ErrorCode::InsufficientScope);
    Err(
        match admin_token::judge(&app.issuer, token, scope, inbound.now).await {
            Ok(Verdict::Granted(client)) => return Ok(client),
            Ok(Verdict::InvalidToken) => challenge(
                StatusCode::UNAUTHORIZED,
                invalid,
                "the access token is expired, revoked or not meant for this server: ask for one with resource set to the \
             issuer",
            ),
            Ok(Verdict::InsufficientScope) => challenge(
                StatusCode::FORBIDDEN,
                insufficient,
                &format!("the access token lacks the scope {scope}"),
            ),
            Ok(Verdict::NotAdministrator) => challenge(
                StatusCode::FORBIDDEN,
                insufficient,
                "the access token stands for a person who is not an administrator",
            ),
            Err(error) => failed(&error, &inbound.request_id),
        },
    )
}

fn wrong(words: &str) -> Response {
    refusal(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, words)
}

fn not_done(error: AdminError, inbound: &Inbound) -> Response {
    match error {
        AdminError::Failed(error) => failed(&error, &inbound.request_id),
        error => wrong(&error.to_string().replace('\n', "; ")),
    }
}

/// `GET /admin/api/events`: answers with the events that fit, newest first.
pub async fn events(State(app): State<App>, inbound: Inbound) -> Response {
    let client = match admitted(&app, &inbound, EVENTS_SCOPE).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
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
        Err(error) => not_done(error, &inbound),
    }
}

/// `POST /admin/api/decisions`: takes lines of an authorizer's decision log.
pub async fn decisions(State(app): State<App>, sent: InboundLines) -> Response {
    let InboundLines { inbound, lines } = sent;
    let client = match admitted(&app, &inbound, DECISIONS_SCOPE).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
    let lost = match &inbound.query {
        Ok(form) => lost(form),
        Err(error) => Err(error.words()),
    };
    let (lines, lost) = match (lines, lost) {
        (Ok(lines), Ok(lost)) => (lines, lost),
        (Err(error), _) => return unreadable(error),
        (_, Err(words)) => return wrong(words),
    };
    let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    let batch = Batch {
        lines: &lines,
        shipped_by: Some(&client),
        lost,
    };
    match decisions::import(app.issuer.admin(&client), batch, inbound.now).await {
        Ok(imported) => {
            let answer = object!({
                "added": imported.added,
                "known": imported.known,
                "passed_over": imported.passed_over,
            });
            json(StatusCode::OK, answer.to_string())
        }
        Err(error) => not_done(error, &inbound),
    }
}

/// How many the sender had to leave out, from the one parameter that there is.
fn lost(form: &Form) -> Result<u64, &'static str> {
    let known = form.names().all(|name| name == "lost") && form.duplicates(&[]).next().is_none();
    match form.get("lost") {
        None if known => Ok(0),
        Some(number) if known => number
            .parse()
            .map_err(|_| "lost must be the number of decisions that were left out"),
        _ => Err("there is one parameter, lost: send no other, and send it once"),
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
