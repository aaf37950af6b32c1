//! The `$connect` of a WebSocket API: the only route of one that an authorizer guards.
//!
//! The token is in the one place that the policy file names. One anywhere else as well is refused (RFC 6750 §2), for
//! another reader might take that.

use serde_json::Value;

use super::{CERTIFICATE_V1, Call, Kind, MethodArn, address, presented, text, trace_id};
use crate::credentials::Credentials;
use crate::policy::{CONNECT, TokenPlace};
use crate::reason::Reason;

/// The subprotocol that the token follows.
const BEARER: &str = "bearer";
/// The query parameter of RFC 6750 §2.3.
const ACCESS_TOKEN: &str = "access_token";
/// The handshake is a GET (RFC 6455 §4.1).
const METHOD: &str = "GET";

/// Whether it's from a WebSocket API at all.
pub(super) fn is_one(event: &Value) -> bool {
    event.get("requestContext").is_some_and(|context| {
        ["connectionId", "eventType", "messageDirection"]
            .iter()
            .any(|name| context.get(name).is_some_and(|value| !value.is_null()))
    })
}

pub(super) fn connect<'e>(event: &'e Value, place: &TokenPlace) -> Option<Call<'e>> {
    let resource = text(event, &["methodArn"])?;
    let (arn, rest) = MethodArn::parse(resource)?;
    let context = |name: &str| text(event, &["requestContext", name]);
    let http = event.get("httpMethod").is_some_and(|own| !own.is_null());
    let connects = rest == CONNECT
        && context("routeKey") == Some(CONNECT)
        && context("eventType") == Some("CONNECT")
        && context("connectionId").is_some_and(|id| !id.is_empty())
        && !http;
    connects.then(|| Call {
        kind: Kind::WebSocket,
        arn,
        resource,
        method: METHOD,
        path: CONNECT.to_owned(),
        is_in_arn: true,
        credentials: credentials(event, place),
        source_ip: address(event, &["requestContext", "identity", "sourceIp"]),
        request_id: context("requestId"),
        connection: context("connectionId"),
        trace_id: trace_id(event),
        route: context("routeKey"),
    })
}

fn credentials<'e>(event: &'e Value, place: &TokenPlace) -> Result<Credentials<'e>, Reason> {
    let name = match place {
        TokenPlace::Query(name) => name,
        _ => ACCESS_TOKEN,
    };
    let header = presented::header(event, "authorization")?;
    let query = presented::parameter(event, name)?;
    let subprotocol = subprotocol(event)?;
    let found = [header, query, subprotocol];
    if found.iter().flatten().count() > 1 {
        return Err(Reason::CredentialsAmbiguous);
    }
    let bare = match place {
        TokenPlace::Header => {
            return presented::in_request(event, METHOD, &["path"], &CERTIFICATE_V1);
        }
        TokenPlace::Query(_) => query,
        TokenPlace::Subprotocol => subprotocol,
    };
    let token = presented::bare(bare.ok_or(Reason::TokenMissing)?)?;
    Ok(Credentials {
        certificate: text(event, &CERTIFICATE_V1),
        method: METHOD,
        ..Credentials::bearer(token)
    })
}

/// The token among the subprotocols: the last one, after `bearer`.
fn subprotocol(event: &Value) -> Result<Option<&str>, Reason> {
    let offered = presented::header(event, "sec-websocket-protocol")?.unwrap_or_default();
    let mut offered = offered.split(',').map(str::trim);
    if !offered.any(|name| name.eq_ignore_ascii_case(BEARER)) {
        return Ok(None);
    }
    match (offered.next(), offered.next()) {
        (None | Some(""), None) => Err(Reason::TokenMissing),
        (Some(token), None) => Ok(Some(token)),
        _ => Err(Reason::CredentialsAmbiguous),
    }
}
