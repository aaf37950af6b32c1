//! The API for programs: the search of events, and the way in for an authorizer's decisions.

use crate::domain::ErrorCode;
use crate::domain::form::Form;
use crate::flows::admin::AdminError;
use crate::flows::admin::decisions::{self, Batch, LINES_MAX, Sender};
use crate::flows::admin::events::{self, Query};
use crate::flows::admin_token::{self, DECISIONS_SCOPE, EVENTS_SCOPE, Verdict};
use crate::http::extract::{Inbound, InboundLines};
use crate::http::oauth_error::{bearer, failed, json, refusal, unreadable};
use crate::http::state::App;
use crate::http::userinfo::bearer_token;
use crate::store::events::EventRow;
use axum::extract::State;
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json as object};

/// Events of one answer, if the caller doesn't say.
const LIMIT: i64 = 100;
/// Bytes that tell one number of lost decisions from another.
const REPORT_MAX_BYTES: usize = 64;

/// The client that a request's access token lets do what needs `scope`; else what it is answered.
async fn admitted(app: &App, inbound: &Inbound, scope: &str) -> Result<String, Response> {
    let challenge = |status, code, words: &str| bearer(scope, status, code, words);
    let token = match bearer_token(inbound) {
        Ok(Some(token)) => token,
        Ok(None) => return Err(challenge(StatusCode::UNAUTHORIZED, None, "")),
        Err((status, code, words)) => return Err(challenge(status, Some(code), words)),
    };
    let forbidden = |words: &str| {
        let code = Some(ErrorCode::InsufficientScope);
        challenge(StatusCode::FORBIDDEN, code, words)
    };
    let verdict = admin_token::judge(&app.issuer, token, scope, inbound.now).await;
    Err(match verdict {
        Ok(Verdict::Granted(client)) => return Ok(client),
        Ok(Verdict::InvalidToken) => challenge(
            StatusCode::UNAUTHORIZED,
            Some(ErrorCode::InvalidToken),
            "the access token is expired, revoked or not meant for this server: ask for one with resource set to the \
             issuer",
        ),
        Ok(Verdict::InsufficientScope) => {
            forbidden(&format!("the access token lacks the scope {scope}"))
        }
        Ok(Verdict::NotAdministrator) => {
            forbidden("the access token stands for a person who is not an administrator")
        }
        Ok(Verdict::Person) => forbidden(
            "the access token stands for a person: decisions are taken from a client that got it by client_credentials",
        ),
        Err(error) => failed(&error, &inbound.request_id),
    })
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
    let (lines, (lost, report)) = match (lines, lost) {
        (Ok(lines), Ok(lost)) => (lines, lost),
        (Err(error), _) => return unreadable(error),
        (_, Err(words)) => return wrong(words),
    };
    let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    if lines.len() > LINES_MAX {
        return refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::InvalidRequest,
            "there are over 500 lines: send fewer at once",
        );
    }
    let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    if !app.issuer.events.may_take_decisions(count, inbound.now) {
        return too_many();
    }
    let sender = Sender {
        client_id: &client,
        lost,
        report,
    };
    let batch = Batch {
        lines: &lines,
        sender: Some(sender),
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

fn too_many() -> Response {
    let mut response = refusal(
        StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::TemporarilyUnavailable,
        "more decisions come than are taken in a second: send them again in a moment",
    );
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// How many the sender had to leave out, and what tells this number from others.
fn lost(form: &Form) -> Result<(u64, &str), &'static str> {
    let known = form.names().all(|name| matches!(name, "lost" | "report"));
    if !known || form.duplicates(&[]).next().is_some() {
        return Err("there are two parameters, lost and report: send no other, and each once");
    }
    let lost = form.get("lost").map_or(Ok(0), str::parse);
    let lost = lost.map_err(|_| "lost must be the number of decisions that were left out")?;
    match form.get("report") {
        Some(report) if report.len() <= REPORT_MAX_BYTES => Ok((lost, report)),
        None if lost == 0 => Ok((lost, "")),
        _ => Err(
            "with lost goes report, a text of up to 64 bytes that tells this number from others",
        ),
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
