//! One call of API Gateway to its authorizer, read tolerantly where AWS is loose and strictly where it matters.
//!
//! A field that a kind of call must have makes the event unrecognised when it's missing: that is an error, never an
//! allow, and never filled in. Header names come in any case, and header maps may be null.
//!
//! # Which path is judged
//!
//! - WebSocket APIs: none; the route `$connect` is judged.
//! - REST: the path of the method ARN, on which API Gateway evaluates the policy.
//! - HTTP APIs: the path of the request context, without the stage or the mapping key of a custom domain where it stands
//!   in front. Whether it does is settled by the route ARN, the route key and the policy file's `base_paths`; if they leave
//!   two readings, the path is refused. It comes decoded, so a `%` in it is read in both ways.
//!
//! Every other path that the event carries must be clean too.
//!
//! # Which URL a proof of possession is for
//!
//! `https://`, the domain name of the request context, and its path: the one that the caller asked for, stage or base
//! path included. Neither the `Host` header nor the port has a say. A REST TOKEN event tells neither.

mod arn;
pub(crate) mod presented;
mod route;
mod unrecognised;
mod web_socket;

use std::net::IpAddr;

use serde_json::Value;

use crate::credentials::Credentials;
use crate::policy::{PathTemplate, Policy, Request, Target, TokenPlace, is_refused, is_same};
use crate::reason::Reason;
use crate::trace::{TRACEPARENT, TraceId, TraceParent, X_AMZN_TRACE_ID};
use route::{Known, inside};

pub use arn::MethodArn;
pub(crate) use presented::authorization;
pub use unrecognised::what_is_wrong;

/// The kinds of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// REST API, TOKEN authorizer.
    RestToken,
    /// REST API, REQUEST authorizer.
    RestRequest,
    /// HTTP API, payload format 1.0.
    HttpV1,
    /// HTTP API, payload format 2.0.
    HttpV2,
    /// WebSocket API, the route `$connect`.
    WebSocket,
}

impl Kind {
    /// The name in the decision log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RestToken => "rest_token",
            Self::RestRequest => "rest_request",
            Self::HttpV1 => "http_1.0",
            Self::HttpV2 => "http_2.0",
            Self::WebSocket => "websocket",
        }
    }

    /// Whether API Gateway makes a 401 of the error `Unauthorized`.
    pub fn knows_unauthorized(self) -> bool {
        matches!(self, Self::RestToken | Self::RestRequest | Self::WebSocket)
    }
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'e> {
    /// Which kind of API and authorizer sent it.
    pub kind: Kind,
    /// The API and stage.
    pub arn: MethodArn,
    /// The whole ARN as it came: what the gateway evaluates the policy on.
    pub resource: &'e str,
    /// The HTTP method; of a WebSocket handshake, GET.
    pub method: &'e str,
    /// The path that the gateway routes, without the stage; `$connect` of a WebSocket API.
    pub path: String,
    /// Whether the ARN names this very call, in whatever spelling.
    pub is_in_arn: bool,
    /// The token with what proves whose it is, or why there is none.
    pub credentials: Result<Credentials<'e>, Reason>,
    /// The caller's address as the gateway saw it; TOKEN events have none.
    pub source_ip: Option<IpAddr>,
    /// The gateway's id of the request; TOKEN events have none.
    pub request_id: Option<&'e str>,
    /// The connection that a WebSocket handshake asks for.
    pub connection: Option<&'e str>,
    /// The trace that the call belongs to, by its headers.
    pub trace_id: Option<TraceId>,
    /// The route or resource that the gateway matched, for the log.
    pub route: Option<&'e str>,
}

impl<'e> Call<'e> {
    /// What the policy judges; `now` in Unix seconds.
    pub fn request(&self, now: i64) -> Request<'_> {
        Request {
            method: self.method,
            path: &self.path,
            decoded: matches!(self.kind, Kind::HttpV1 | Kind::HttpV2),
            source_ip: self.source_ip,
            stage: Some(&self.arn.stage),
            time: Some(now),
        }
    }

    /// Which part of it the policy judges.
    pub fn target(&self) -> Target<'_> {
        match self.kind {
            Kind::WebSocket => Target::Connect,
            _ => Target::Route,
        }
    }

    /// Reads an event; a WebSocket API has its token in the `Authorization` header.
    ///
    /// # Errors
    /// [`Reason::EventUnrecognised`].
    pub fn parse(event: &'e Value) -> Result<Self, Reason> {
        Self::read(event, &TokenPlace::Header, &[])
    }

    /// Reads an event of an API that a policy is for.
    ///
    /// # Errors
    /// [`Reason::EventUnrecognised`].
    pub fn parse_for(event: &'e Value, policy: &Policy) -> Result<Self, Reason> {
        Self::read(event, policy.web_socket(), policy.base_paths())
    }

    fn read(
        event: &'e Value,
        web_socket: &TokenPlace,
        base_paths: &[String],
    ) -> Result<Self, Reason> {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let call = match (
            text("type"),
            event
                .get("version")
                .filter(|v| !v.is_null())
                .map(Value::as_str),
        ) {
            (Some("TOKEN"), None) => rest_token(event),
            (Some("REQUEST"), None) if web_socket::is_one(event) => {
                web_socket::connect(event, web_socket)
            }
            (Some("REQUEST"), None) => rest_request(event),
            (Some("REQUEST"), Some(Some("1.0"))) => http_v1(event, base_paths),
            (Some("REQUEST"), Some(Some("2.0"))) => http_v2(event, base_paths),
            _ => None,
        };
        call.ok_or(Reason::EventUnrecognised)
    }
}

/// Where each kind of event has the path that was asked for.
const CONTEXT_PATH: [&str; 2] = ["requestContext", "path"];
const HTTP_PATH: [&str; 3] = ["requestContext", "http", "path"];
/// Where each kind of event has the client certificate of the connection.
const CERTIFICATE_V1: [&str; 4] = ["requestContext", "identity", "clientCert", "clientCertPem"];
const CERTIFICATE_V2: [&str; 4] = [
    "requestContext",
    "authentication",
    "clientCert",
    "clientCertPem",
];

fn rest_token(event: &Value) -> Option<Call<'_>> {
    let (arn, resource, method, path) = method_arn(event)?;
    let credentials = match event.get("authorizationToken") {
        None | Some(Value::Null) => Err(Reason::TokenMissing),
        Some(Value::String(value)) => presented::alone(value, method),
        Some(_) => return None,
    };
    Some(Call {
        kind: Kind::RestToken,
        arn,
        resource,
        method,
        path,
        is_in_arn: true,
        credentials,
        source_ip: None,
        request_id: None,
        connection: None,
        trace_id: None,
        route: None,
    })
}

fn rest_request(event: &Value) -> Option<Call<'_>> {
    let (arn, resource, method, path) = method_arn(event)?;
    if text(event, &["httpMethod"]).is_some_and(|own| own != method) {
        return None;
    }
    let known = Known {
        stage: None,
        base_paths: &[],
        in_arn: None,
        route: text(event, &["resource"]).filter(|route| has_length(route)),
    };
    // An emulator may have the mapping key of a custom domain in the ARN, which AWS has not.
    let path = inside(&path, &known).unwrap_or(&path).to_owned();
    let path = all_clean(
        path,
        [
            text(event, &["path"]),
            text(event, &["requestContext", "path"]),
        ],
    );
    Some(Call {
        kind: Kind::RestRequest,
        arn,
        resource,
        method,
        path,
        is_in_arn: true,
        credentials: presented::in_request(event, method, &CONTEXT_PATH, &CERTIFICATE_V1),
        source_ip: address(event, &["requestContext", "identity", "sourceIp"]),
        request_id: text(event, &["requestContext", "requestId"]),
        connection: None,
        trace_id: trace_id(event),
        route: text(event, &["resource"]),
    })
}

fn http_v1<'e>(event: &'e Value, base_paths: &[String]) -> Option<Call<'e>> {
    let resource = text(event, &["methodArn"])?;
    let (arn, rest) = MethodArn::parse(resource)?;
    let method =
        text(event, &["httpMethod"]).or_else(|| text(event, &["requestContext", "httpMethod"]))?;
    let raw = text(event, &["path"]).or_else(|| text(event, &["requestContext", "path"]))?;
    let route = text(event, &["requestContext", "routeKey"]).or_else(|| text(event, &["resource"]));
    let path = http_path(raw, &arn, rest, route, base_paths);
    Some(Call {
        kind: Kind::HttpV1,
        resource,
        method,
        is_in_arn: is_in_arn(rest, &[&path, raw]),
        path: all_clean(
            path,
            [text(event, &["requestContext", "path"]), escaped_in(rest)],
        ),
        arn,
        credentials: presented::in_request(event, method, &CONTEXT_PATH, &CERTIFICATE_V1),
        source_ip: address(event, &["requestContext", "identity", "sourceIp"]),
        request_id: text(event, &["requestContext", "requestId"]),
        connection: None,
        trace_id: trace_id(event),
        route,
    })
}

fn http_v2<'e>(event: &'e Value, base_paths: &[String]) -> Option<Call<'e>> {
    let resource = text(event, &["routeArn"])?;
    let (arn, rest) = MethodArn::parse(resource)?;
    let method = text(event, &["requestContext", "http", "method"])?;
    let raw =
        text(event, &["requestContext", "http", "path"]).or_else(|| text(event, &["rawPath"]))?;
    let route = text(event, &["routeKey"]).or_else(|| text(event, &["requestContext", "routeKey"]));
    let path = http_path(raw, &arn, rest, route, base_paths);
    Some(Call {
        kind: Kind::HttpV2,
        resource,
        method,
        is_in_arn: is_in_arn(rest, &[&path, raw]),
        path: all_clean(path, [text(event, &["rawPath"]), escaped_in(rest)]),
        arn,
        credentials: presented::in_request(event, method, &HTTP_PATH, &CERTIFICATE_V2),
        source_ip: address(event, &["requestContext", "http", "sourceIp"]),
        request_id: text(event, &["requestContext", "requestId"]),
        connection: None,
        trace_id: trace_id(event),
        route,
    })
}

/// The trace that an event's headers name; what is there twice says nothing.
fn trace_id(event: &Value) -> Option<TraceId> {
    let only = |name: &str| presented::header(event, name).ok().flatten();
    let parent = TraceParent::from_either(only(TRACEPARENT), only(X_AMZN_TRACE_ID))?;
    Some(parent.trace_id)
}

fn text<'e>(event: &'e Value, names: &[&str]) -> Option<&'e str> {
    names
        .iter()
        .try_fold(event, |value, name| value.get(name))?
        .as_str()
}

fn address(event: &Value, names: &[&str]) -> Option<IpAddr> {
    text(event, names)?.parse().ok()
}

/// REST: the ARN of the method, with its method and path.
fn method_arn(event: &Value) -> Option<(MethodArn, &str, &str, String)> {
    let resource = text(event, &["methodArn"])?;
    let (arn, rest) = MethodArn::parse(resource)?;
    let (method, path) = rest.split_once('/')?;
    let named = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    named.then(|| (arn, resource, method, format!("/{path}")))
}

/// The path of an HTTP API's request; an empty path, which is always refused, when it's unclear where it begins.
fn http_path(
    raw: &str,
    arn: &MethodArn,
    arn_rest: &str,
    route: Option<&str>,
    base_paths: &[String],
) -> String {
    let known = Known {
        stage: Some(arn.stage.as_str()).filter(|stage| *stage != "$default"),
        base_paths,
        in_arn: path_in(arn_rest),
        route: route.and_then(|route| Some(route.split_once(' ')?.1)),
    };
    inside(raw, &known).unwrap_or_default().to_owned()
}

/// The path in what follows the stage in an ARN: `GET/orders/1`.
fn path_in(arn_rest: &str) -> Option<&str> {
    arn_rest.find('/').and_then(|at| arn_rest.get(at..))
}

/// The path of an ARN that has escapes, which an HTTP API tells decoded elsewhere.
fn escaped_in(arn_rest: &str) -> Option<&str> {
    path_in(arn_rest).filter(|path| path.contains('%'))
}

fn is_in_arn(arn_rest: &str, paths: &[&str]) -> bool {
    let named = path_in(arn_rest);
    named.is_some_and(|named| paths.iter().any(|path| is_same(named, path)))
}

/// Whether a resource says how many segments its paths have.
fn has_length(resource: &str) -> bool {
    PathTemplate::parse(resource).is_ok_and(|template| template.length().is_some())
}

/// The path, unless another form of it that the event carries is one that is refused.
fn all_clean(path: String, others: [Option<&str>; 2]) -> String {
    match others.into_iter().flatten().find(|other| is_refused(other)) {
        Some(refused) => refused.to_owned(),
        None => path,
    }
}
