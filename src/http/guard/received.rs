//! A request that is all here, or that was refused, and what the guard knows of it.

use std::{net::IpAddr, pin::pin, sync::Arc, time::Instant};

use axum::{Router, extract::Request, response::Response};
use http::{Method, StatusCode, Uri, Version, header};
use tower::Service as _;
use tracing::{Instrument as _, Span};

use super::{
    GuardSettings, Guarded, Noted, RequestId, TraceContext, catch_panic::CatchPanic, finish, json,
    method_refused, refusal, trace,
};
use crate::domain::device::DeviceClass;
use crate::domain::event::{FailureCause, Happening};
use crate::flows::context::{self, CurrentRequest};
use crate::http::server::Refused;

/// See the module.
pub struct Received {
    pub(super) guarded: Guarded,
    pub(super) admitted: Result<Request, Refused>,
    pub(super) began: Instant,
    pub(super) id: RequestId,
    pub(super) version: Version,
    pub(super) seen: (Method, Uri),
    /// An empty request stands in for one whose head was refused.
    pub(super) is_stand_in: bool,
    pub(super) client: IpAddr,
    pub(super) trace: Option<TraceContext>,
    pub(super) device: DeviceClass,
    /// What else is told on its behalf.
    pub(super) unheard: Option<Box<Happening>>,
}

impl Received {
    /// Does it go on to a handler?
    pub fn is_admitted(&self) -> bool {
        self.admitted.is_ok()
    }

    /// Refuses it after all.
    #[must_use]
    pub fn refuse(mut self, refused: Refused) -> Self {
        self.admitted = Err(refused);
        self
    }

    /// Answers it.
    #[expect(
        clippy::disallowed_methods,
        reason = "measures how long the answer took"
    )]
    pub async fn answer(self) -> Response {
        let (span, recorded) = self.spans();
        let Self {
            guarded,
            admitted,
            began,
            id,
            version,
            seen,
            is_stand_in,
            client,
            trace,
            device,
            unheard,
        } = self;
        let Guarded {
            settings,
            router,
            on_noted,
            counted,
            logs,
            untrusted: _,
        } = guarded;
        let current = CurrentRequest {
            request_id: Arc::clone(&id.0),
            trace_id: trace.map(|trace| trace.id),
            address: client,
            device,
        };
        let answering = async {
            let response = handle(&settings, admitted, router, &id).await;
            if let Some(tell) = &on_noted {
                if let Some(happening) = unheard {
                    tell(*happening);
                }
                let marked = response.extensions().get::<Noted>().cloned();
                if let Some(Noted(happening)) =
                    marked.or_else(|| method_refused(&seen.0, &response))
                {
                    tell(happening);
                }
            }
            response
        };
        let mut response = context::within(current, answering)
            .instrument(recorded.clone())
            .instrument(span.clone())
            .await;
        finish(response.headers_mut(), &settings, &id);
        trace::ended(&recorded, response.status());
        if version == Version::HTTP_2 {
            response.headers_mut().remove(header::CONNECTION);
        }

        let _entered = span.enter();
        let (method, uri) = seen;
        let (method, path) = if is_stand_in {
            ("-", "-")
        } else {
            (method.as_str(), uri.path())
        };
        let took = began.elapsed();
        if let Some(counted) = &counted {
            counted.answered(path, response.status(), took);
        }
        if !logs && response.status().is_success() {
            return response;
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let status = response.status().as_u16();
        let address = || settings.addresses.kept(client).map(tracing::field::display);
        tracing::info!(target: "gatewright::access", method, path, status, micros, client = address(), "answered");
        response
    }

    /// The span that every line logged on the request's behalf is in, and the one that is part of a trace, if it's
    /// recorded.
    fn spans(&self) -> (Span, Span) {
        let id = &self.id;
        let Some(context) = &self.trace else {
            return (
                tracing::error_span!("request", request_id = %id),
                Span::none(),
            );
        };
        let span = tracing::error_span!("request", request_id = %id, trace_id = &*context.id);
        let settings = &self.guarded.settings;
        let tracing = settings.traces.as_deref();
        let recorded = match tracing.filter(|_| context.is_recorded() && !self.is_stand_in) {
            None => Span::none(),
            Some(tracing) => {
                let (method, uri) = &self.seen;
                let route = tracing.route(settings, uri.path());
                span.in_scope(|| context.span(method, &id.0, route))
            }
        };
        (span, recorded)
    }
}

async fn handle(
    settings: &GuardSettings,
    admitted: Result<Request, Refused>,
    mut router: Router,
    id: &RequestId,
) -> Response {
    let request = match admitted {
        Ok(request) => request,
        Err(refused) => return refusal(settings, refused, id),
    };
    let answer = pin!(router.call(request));
    match CatchPanic::new(answer).await {
        Ok(Ok(response)) => response,
        Err(_panic) => {
            tracing::error!("a handler panicked");
            let body = serde_json::json!({ "error": "server_error", "request_id": &*id.0 });
            let mut response = json(StatusCode::INTERNAL_SERVER_ERROR, &body);
            response
                .extensions_mut()
                .insert(Noted(Happening::RequestFailed {
                    cause: FailureCause::Internal,
                    words: "a handler panicked; the log has where, under the request id".to_owned(),
                }));
            response
        }
    }
}
