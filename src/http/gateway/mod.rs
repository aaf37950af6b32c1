//! A stand-in for API Gateway on one machine: an authorizer's front door before any upstream.
//!
//! Owns what a call passes on its way (limits, authorizer, upstream) and the line that it leaves in the log. What is
//! decided is decided in the authorizer crate; how refusals look is in `answers`.

mod answers;
pub mod runtime_api;
mod upstream;

use super::guard::{ClientAddr, RequestId, TraceContext};
use super::state::Clock;
use answers::Refusal;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use gatewright_authorizer::gateway::{FrontDoor, FrontDoorKind, Incoming, Ruling, RulingVerdict};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, UPGRADE};
use serde_json::{Map, Value};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

pub use upstream::{Upstream, UpstreamError};

/// Bytes of a request's line and headers that API Gateway takes.
const MAX_HEAD: usize = 10_240;
/// Bytes of a body that it passes on, in either direction.
pub const MAX_BODY: usize = 10 * 1024 * 1024;
/// How long an HTTP API waits for its authorizer; a REST API waits as long as for an integration.
const HTTP_AUTHORIZER: Duration = Duration::from_secs(10);
/// How long an integration may take.
const REST_INTEGRATION: Duration = Duration::from_secs(29);
const HTTP_INTEGRATION: Duration = Duration::from_secs(30);

/// One API with its authorizer and its upstream.
pub struct Gateway {
    door: FrontDoor,
    upstream: Upstream,
    clock: Clock,
    authorizer_timeout: Duration,
}

impl Gateway {
    /// An API with AWS's own time-outs.
    pub fn new(door: FrontDoor, upstream: Upstream, clock: Clock) -> Self {
        let authorizer_timeout = authorizer_timeout(door.kind());
        Self {
            door,
            upstream,
            clock,
            authorizer_timeout,
        }
    }

    /// Sets how long its authorizer may take.
    #[must_use]
    pub fn waiting(mut self, authorizer: Duration) -> Self {
        self.authorizer_timeout = authorizer;
        self
    }

    fn integration_timeout(&self) -> Duration {
        if self.door.kind().is_rest() {
            REST_INTEGRATION
        } else {
            HTTP_INTEGRATION
        }
    }
}

/// How long an API of this kind waits for its authorizer.
pub fn authorizer_timeout(kind: FrontDoorKind) -> Duration {
    if kind.is_rest() {
        REST_INTEGRATION
    } else {
        HTTP_AUTHORIZER
    }
}

/// Every method and path go the same way.
pub fn router(gateway: Gateway) -> Router {
    Router::new().fallback(call).with_state(Arc::new(gateway))
}

/// For the log of a denial whose context was made for another call.
const OF_ANOTHER_CALL: &str =
    "by the answer that is kept from an earlier call; --ttl 0 tells the reason";

/// What became of a call, for its line in the log.
struct Outcome {
    verdict: &'static str,
    why: String,
    told: Map<String, Value>,
    cached: bool,
    response: Response,
}

async fn call(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let trace = request.extensions().get::<TraceContext>().cloned();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let client = request.extensions().get::<ClientAddr>();
    let client = client.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.0);
    let mut outcome = pass(&gateway, &client.to_string(), request).await;
    if let Some(trace) = &trace {
        trace.decided(
            outcome.verdict,
            outcome.told.get("reason").and_then(Value::as_str),
        );
        trace.answer(outcome.response.headers_mut());
    }
    let told = |name: &str| outcome.told.get(name).and_then(Value::as_str);
    tracing::info!(
        target: "gatewright::gateway",
        verdict = outcome.verdict,
        method = %method,
        path = uri.path(),
        status = outcome.response.status().as_u16(),
        reason = told("reason"),
        rule = told("rule"),
        missing = told("missing"),
        why = Some(outcome.why.as_str()).filter(|why| !why.is_empty()),
        cached = outcome.cached,
        "call"
    );
    outcome.response
}

async fn pass(gateway: &Gateway, client: &str, mut request: Request) -> Outcome {
    let id = request.extensions().get::<RequestId>().cloned();
    let trace = request.extensions().get::<TraceContext>().cloned();
    let refuse = |verdict, why: String, refusal: Refusal| Outcome {
        verdict,
        why,
        told: Map::new(),
        cached: false,
        response: answers::refuse(gateway.door.kind(), refusal, id.as_ref()),
    };
    if let Err((why, refusal)) = acceptable(&request) {
        return refuse("refused", why.to_owned(), refusal);
    }
    if let Some(trace) = &trace {
        // The function's event has them as its integration gets them.
        trace.pass_on(request.headers_mut());
    }
    let headers: Vec<(String, String)> = request.headers().iter().map(pair).collect();
    let incoming = Incoming {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: &headers,
        source_ip: client,
        request_id: id.as_ref().map(|id| &*id.0),
        trace: trace.as_ref().map(TraceContext::here),
    };
    let ruling = gateway.door.rule(&incoming, (gateway.clock)());
    let Ok(ruling) = timeout(gateway.authorizer_timeout, ruling).await else {
        let why = "the authorizer took too long".to_owned();
        return refuse("fault", why, Refusal::AuthorizerFailed);
    };
    let Ruling {
        verdict,
        cached,
        told,
    } = ruling;
    let (name, why, refusal) = match verdict {
        RulingVerdict::Forward(context) => {
            let forwarded = gateway.upstream.forward(
                request,
                gateway.door.kind(),
                &context,
                client,
                gateway.integration_timeout(),
            );
            return match forwarded.await {
                Ok(response) => Outcome {
                    verdict: "allow",
                    why: String::new(),
                    told,
                    cached,
                    response,
                },
                Err(error) => refuse("allow", error.to_string(), Refusal::from(&error)),
            };
        }
        RulingVerdict::NoIdentity => {
            let why = "an identity source is missing; the authorizer was not asked";
            ("unauthorized", why.to_owned(), Refusal::Unauthorized)
        }
        RulingVerdict::Unauthorized => ("unauthorized", String::new(), Refusal::Unauthorized),
        RulingVerdict::Denied { explicit } => {
            let why = if cached && told.is_empty() {
                OF_ANOTHER_CALL
            } else {
                ""
            };
            ("deny", why.to_owned(), Refusal::Denied { explicit })
        }
        RulingVerdict::Failed(why) => ("fault", why, Refusal::AuthorizerFailed),
        RulingVerdict::Misconfigured(why) => {
            ("fault", why.to_owned(), Refusal::AuthorizerMisconfigured)
        }
    };
    Outcome {
        told,
        cached,
        ..refuse(name, why, refusal)
    }
}

/// What API Gateway would not even ask its authorizer about.
fn acceptable(request: &Request) -> Result<(), (&'static str, Refusal)> {
    let headers = request.headers();
    if !request.uri().path().starts_with('/') {
        return Err(("the request names no path", Refusal::Malformed));
    }
    let upgrades = headers.get_all(UPGRADE).iter();
    if upgrades.into_iter().any(is_web_socket) {
        let why = "WebSocket connections are not passed on: call the upstream itself";
        return Err((why, Refusal::WebSocket));
    }
    if head_length(request) > MAX_HEAD {
        return Err((
            "request line and headers are over 10,240 bytes",
            Refusal::HeadTooLarge,
        ));
    }
    if announced(headers).is_some_and(|length| length > MAX_BODY as u64) {
        return Err(("the body is over 10 MB", Refusal::BodyTooLarge));
    }
    Ok(())
}

fn is_web_socket(value: &http::HeaderValue) -> bool {
    let value = value.as_bytes().to_ascii_lowercase();
    value.windows(9).any(|word| word == b"websocket")
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn head_length(request: &Request) -> usize {
    let line = request.method().as_str().len()
        + request
            .uri()
            .path_and_query()
            .map_or(0, |target| target.as_str().len());
    let headers = request.headers().iter();
    headers.fold(line, |sum, (name, value)| {
        sum + name.as_str().len() + value.len()
    })
}

fn pair((name, value): (&http::HeaderName, &http::HeaderValue)) -> (String, String) {
    (
        name.to_string(),
        String::from_utf8_lossy(value.as_bytes()).into_owned(),
    )
}

impl From<&UpstreamError> for Refusal {
    fn from(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::BodyTooLarge => Self::BodyTooLarge,
            UpstreamError::TimedOut => Self::IntegrationTimedOut,
            UpstreamError::Unreachable(_) | UpstreamError::AnswerTooLarge => {
                Self::IntegrationFailed
            }
        }
    }
}
