//! The way to the collector: one request at a time, from the thread that exports.

use std::{
    error::Error,
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_authorizer::outbound::{Environment, Outbound, Way};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::{runtime::Runtime, time::timeout};

/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 64 * 1024;

/// An OTLP collector. The exporter's thread has no runtime of its own, so this one brings it.
pub(super) struct Collector {
    endpoint: String,
    patience: Duration,
    client: Client<HttpsConnector<Way>, Full<Bytes>>,
    runtime: Runtime,
    failing: AtomicBool,
}

impl Collector {
    /// One that answers within `patience`.
    pub fn new(endpoint: &str, patience: Duration) -> Result<Self, String> {
        let outbound = Outbound::of(&Environment::of_process());
        let connector = outbound.map_err(|error| error.to_string())?.connector();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                format!("no runtime can be started ({error}): check the limit on open files")
            })?;
        Ok(Self {
            endpoint: endpoint.to_owned(),
            patience,
            client: Client::builder(TokioExecutor::new()).build(connector),
            runtime,
            failing: AtomicBool::new(false),
        })
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.client.request(request.map(Full::new)).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }

    /// Says once that it fails, and once that it works again.
    fn note(&self, outcome: Result<u16, String>) {
        let problem = match outcome {
            Ok(200..=299) => None,
            Ok(status) => Some(format!("it answered {status}")),
            Err(what) => Some(what),
        };
        let failed_before = self.failing.swap(problem.is_some(), Ordering::Relaxed);
        match problem {
            Some(problem) if !failed_before => {
                tracing::warn!(
                    endpoint = self.endpoint,
                    problem,
                    "spans are not delivered, and some will be lost: check traces.endpoint and the collector"
                );
            }
            None if failed_before => {
                tracing::info!(endpoint = self.endpoint, "spans are delivered again");
            }
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answered = self
            .runtime
            .block_on(async { timeout(self.patience, self.exchange(request)).await });
        let outcome = answered.unwrap_or_else(|_| Err("it took too long to answer".into()));
        self.note(match &outcome {
            Ok(response) => Ok(response.status().as_u16()),
            Err(error) => Err(innermost(&**error)),
        });
        outcome
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// The outer causes only say that something failed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
