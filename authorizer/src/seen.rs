//! What the decision log tells of a call, whatever kind it is.

use crate::appsync::GraphQlCall;
use crate::event::Call;
use crate::trace::TraceId;

/// What the log tells of a call.
pub(crate) struct Seen<'e> {
    pub kind: &'static str,
    pub api: String,
    pub stage: Option<String>,
    pub method: &'e str,
    pub request_id: Option<&'e str>,
    pub trace_id: Option<TraceId>,
    pub route: Option<&'e str>,
}

impl<'e> Seen<'e> {
    pub(crate) fn of(call: &Call<'e>) -> Self {
        Self {
            kind: call.kind.as_str(),
            api: call.arn.api.clone(),
            stage: Some(call.arn.stage.clone()),
            method: call.method,
            request_id: call.request_id,
            trace_id: call.trace_id,
            route: call.route,
        }
    }

    pub(crate) fn graphql(call: &GraphQlCall<'e>) -> Self {
        Self {
            kind: "appsync",
            api: call.api.to_owned(),
            stage: None,
            method: "POST",
            request_id: call.request_id,
            trace_id: call.trace_id,
            route: call.operation,
        }
    }
}
