//! What the decision log tells of a call, whatever kind it is.

use crate::appsync::GraphQlCall;
use crate::event::Call;
use crate::trace::TraceId;
use serde_json::Value;

/// The longest request id that is taken from an event that can't be read otherwise, bytes.
const ID_MAX_BYTES: usize = 128;

/// What the log tells of a call; of an event that isn't recognised, its request id at most.
#[derive(Default)]
pub(crate) struct Seen<'e> {
    pub kind: Option<&'static str>,
    pub api: Option<String>,
    pub stage: Option<String>,
    pub method: Option<&'e str>,
    pub request_id: Option<&'e str>,
    pub connection: Option<&'e str>,
    pub trace_id: Option<TraceId>,
    pub route: Option<&'e str>,
}

impl<'e> Seen<'e> {
    pub(crate) fn of(call: &Call<'e>) -> Self {
        Self {
            kind: Some(call.kind.as_str()),
            api: Some(call.arn.api.clone()),
            stage: Some(call.arn.stage.clone()),
            method: Some(call.method),
            request_id: call.request_id,
            connection: call.connection,
            trace_id: call.trace_id,
            route: call.route,
        }
    }

    pub(crate) fn graphql(call: &GraphQlCall<'e>) -> Self {
        Self {
            kind: Some("appsync"),
            api: Some(call.api.to_owned()),
            method: Some("POST"),
            request_id: call.request_id,
            trace_id: call.trace_id,
            route: call.operation,
            ..Self::default()
        }
    }

    /// What leads from the caller's failed request to the line about it, even if nothing else is known.
    pub(crate) fn unrecognised(event: &'e Value) -> Self {
        let id = event
            .pointer("/requestContext/requestId")
            .and_then(Value::as_str);
        Self {
            request_id: id.filter(|id| id.len() <= ID_MAX_BYTES),
            ..Self::default()
        }
    }
}
