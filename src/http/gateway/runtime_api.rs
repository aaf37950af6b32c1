//! The Lambda Runtime API for one process of a function: it asks for the next event and posts its answer.
//!
//! One event at a time. Each process gets an API of its own, so that nothing is handed to one that is gone.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, oneshot};

/// The invocation's place in a trace.
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");

/// What a function made of an event.
pub type Answer = Result<Value, FunctionError>;

/// An error that a function reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// Its kind, for the log.
    pub error_type: String,
    /// Its text, on which API Gateway looks for `Unauthorized`.
    pub message: String,
}

/// One process's side of the API.
#[derive(Debug, Default)]
pub struct RuntimeApi {
    state: Mutex<Exchange>,
    offered: Notify,
}

#[derive(Debug, Default)]
struct Exchange {
    /// Not yet asked for.
    offered: Option<Invocation>,
    /// Under way.
    running: Option<(String, oneshot::Sender<Answer>)>,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    deadline_ms: i64,
    event: Value,
    trace: Option<String>,
    reply: oneshot::Sender<Answer>,
}

impl RuntimeApi {
    /// Offers an event; the answer comes when the process has asked for it and answered. `deadline_ms` is in Unix
    /// milliseconds, `trace` as in `X-Amzn-Trace-Id`.
    pub fn offer(
        &self,
        id: String,
        event: Value,
        deadline_ms: i64,
        trace: Option<String>,
    ) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        self.exchange(|exchange| {
            exchange.offered = Some(Invocation {
                id,
                deadline_ms,
                event,
                trace,
                reply,
            });
        });
        self.offered.notify_one();
        answer
    }

    fn exchange<T>(&self, change: impl FnOnce(&mut Exchange) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self) -> Option<Invocation> {
        self.exchange(|exchange| exchange.offered.take())
    }

    /// Ends the invocation of this id; `false` when there is none.
    fn settle(&self, id: &str, answer: Answer) -> bool {
        let running = self.exchange(|exchange| exchange.running.take_if(|(own, _)| own == id));
        running.is_some_and(|(_, reply)| reply.send(answer).is_ok())
    }
}

/// The paths that a function calls.
pub fn router(api: Arc<RuntimeApi>) -> Router {
    let base = "/2018-06-01/runtime";
    Router::new()
        .route(&format!("{base}/invocation/next"), get(next))
        .route(
            &format!("{base}/invocation/{{id}}/response"),
            post(response),
        )
        .route(&format!("{base}/invocation/{{id}}/error"), post(error))
        .route(&format!("{base}/init/error"), post(init_error))
        .with_state(api)
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    let invocation = loop {
        match api.take() {
            Some(invocation) => break invocation,
            None => api.offered.notified().await,
        }
    };
    let Invocation {
        id,
        deadline_ms,
        event,
        trace,
        reply,
    } = invocation;
    api.exchange(|exchange| exchange.running = Some((id.clone(), reply)));
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:local-1:000000000000:function:authorizer".to_owned(),
        ),
    ];
    let mut response = (headers, event.to_string()).into_response();
    if let Some(Ok(trace)) = trace.map(HeaderValue::try_from) {
        response.headers_mut().insert(TRACE_ID, trace);
    }
    response
}

async fn response(
    State(api): State<Arc<RuntimeApi>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let answer = serde_json::from_slice(&body).map_err(|_| FunctionError {
        error_type: "Runtime.InvalidResponse".to_owned(),
        message: "the function's answer is not JSON".to_owned(),
    });
    accepted(api.settle(&id, answer))
}

async fn error(
    State(api): State<Arc<RuntimeApi>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    accepted(api.settle(&id, Err(reported(&body))))
}

/// The process can't start: whoever waits for it is told.
async fn init_error(State(api): State<Arc<RuntimeApi>>, body: Bytes) -> Response {
    if let Some(invocation) = api.take() {
        let _ = invocation.reply.send(Err(reported(&body)));
    }
    accepted(true)
}

fn reported(body: &[u8]) -> FunctionError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or("unknown");
    FunctionError {
        error_type: text("errorType").to_owned(),
        message: text("errorMessage").to_owned(),
    }
}

fn accepted(known: bool) -> Response {
    let (status, body) = if known {
        (StatusCode::ACCEPTED, json!({"status": "OK"}))
    } else {
        let body = json!({"errorType": "InvalidRequestID", "errorMessage": "no such invocation is under way"});
        (StatusCode::BAD_REQUEST, body)
    };
    (
        status,
        [(CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}
