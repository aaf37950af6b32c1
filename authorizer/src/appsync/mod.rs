//! AWS `AppSync`: GraphQL in place of routes.
//!
//! A call is allowed when each field that its document begins with is: `field = "Query.orders"` in a rule. Fields of
//! other types are open to whoever gets there, unless a rule names them; those that the token doesn't earn are in
//! `deniedFields`, and `AppSync` makes them null.
//!
//! `AppSync` keeps an answer for every later document of the same token. So it may be kept (at most [`MAX_TTL_S`], and not
//! beyond the token's end) only where the token has all of `Query.*`, `Mutation.*` and `Subscription.*`, whatever the
//! call; every other answer has the TTL 0.

pub mod graphql;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::answer::{Answer, CallIds, TokenContext, refused_context};
use crate::cause::Refused;
use crate::credentials::Credentials;
use crate::event::presented;
use crate::policy::{Decision, Policy, Request, Target};
use crate::reason::Reason;
use crate::token::AccessToken;
use crate::trace::{TRACEPARENT, TraceId, TraceParent, X_AMZN_TRACE_ID};
use graphql::RootField;

/// Longest that an answer may be kept, in seconds.
pub const MAX_TTL_S: i64 = 300;

/// One call of an `AppSync` API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphQlCall<'e> {
    /// The API's id.
    pub api: &'e str,
    /// Twelve digits.
    pub account: &'e str,
    /// `AppSync`'s id of the request.
    pub request_id: Option<&'e str>,
    /// The trace that the call belongs to, by its headers.
    pub trace_id: Option<TraceId>,
    /// The name of the operation, for the log.
    pub operation: Option<&'e str>,
    /// The document, which is anybody's until the token has been verified.
    pub document: &'e str,
    /// The token, or why there is none.
    pub credentials: Result<Credentials<'e>, Reason>,
}

/// GraphQL over HTTP.
const METHOD: &str = "POST";

/// Whether an event may be one: API Gateway's have a type, and `AppSync`'s none.
pub fn is_one(event: &Value) -> bool {
    let foreign = ["type", "version", "methodArn", "routeArn"];
    event.is_object()
        && foreign.iter().all(|name| event.get(name).is_none())
        && event
            .get("requestContext")
            .is_some_and(|context| context.get("queryString").is_some_and(Value::is_string))
}

impl<'e> GraphQlCall<'e> {
    /// Reads an event.
    ///
    /// # Errors
    /// [`Reason::EventUnrecognised`].
    pub fn parse(event: &'e Value) -> Result<Self, Reason> {
        Self::read(event).ok_or(Reason::EventUnrecognised)
    }

    /// What the document's operations begin with; `None` when it can't be read in one way.
    pub fn fields(&self) -> Option<BTreeSet<RootField<'e>>> {
        graphql::root_fields(self.document)
    }

    /// What is asked for with these fields of the document.
    pub(crate) fn target<'t>(&self, fields: Option<&'t BTreeSet<RootField<'t>>>) -> Target<'t> {
        graphql::target(self.document, fields)
    }

    fn read(event: &'e Value) -> Option<Self> {
        let context = event.get("requestContext").filter(|_| is_one(event))?;
        let text = |name: &str| context.get(name).and_then(Value::as_str);
        let (api, account) = (text("apiId")?, text("accountId")?);
        let sound = !api.is_empty()
            && api.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit());
        let credentials = match event.get("authorizationToken") {
            None | Some(Value::Null) => Err(Reason::TokenMissing),
            Some(Value::String(value)) => credentials(value, event.get("requestHeaders")),
            Some(_) => return None,
        };
        sound.then_some(Self {
            api,
            account,
            request_id: text("requestId"),
            trace_id: trace_id(event.get("requestHeaders")),
            operation: text("operationName").filter(|name| is_name(name)),
            document: text("queryString")?,
            credentials,
        })
    }
}

fn trace_id(headers: Option<&Value>) -> Option<TraceId> {
    let only = |name: &str| presented::only_value(headers, name).ok().flatten();
    let parent = TraceParent::from_either(only(TRACEPARENT), only(X_AMZN_TRACE_ID))?;
    Some(parent.trace_id)
}

/// Fit for the log.
fn is_name(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The token, with `Bearer` in front or, as `AppSync`'s own clients send it, without.
fn credentials<'e>(value: &'e str, headers: Option<&'e Value>) -> Result<Credentials<'e>, Reason> {
    let header = presented::only_value(headers, "authorization")?;
    if header.is_some_and(|header| header != value) {
        return Err(Reason::CredentialsAmbiguous);
    }
    if value.contains(' ') {
        return presented::alone(value, METHOD);
    }
    presented::bare(value).map(Credentials::bearer)
}

/// Answers a call of a valid token; `now` in Unix seconds.
pub fn to_token(policy: &Policy, call: &GraphQlCall<'_>, token: &AccessToken, now: i64) -> Answer {
    let request = Request::graphql().at(now);
    let fields = call.fields();
    let decision = policy.judge_target(token, call.target(fields.as_ref()), &request);
    let mut told = TokenContext::of(policy, false, token);
    let decision = told.fitting(policy, decision);
    let context = told.told(ids(call), &decision);
    let left_out = told.left_out;
    if !decision.is_allow() {
        let answer = answer(decision, &context, &[], 0);
        return Answer { left_out, ..answer };
    }
    let denied = policy.fields_denied_below(token, &request);
    let lasting = policy.grants_all_operations(token, &request) && token.confirmation.is_none();
    let left = token.expires_at.saturating_sub(now).clamp(0, MAX_TTL_S);
    let answer = answer(decision, &context, &denied, if lasting { left } else { 0 });
    Answer { left_out, ..answer }
}

/// Denies a call without a valid token.
pub fn to_refused_token(call: &GraphQlCall<'_>, why: impl Into<Refused>) -> Answer {
    let decision = Decision::refused_before_judging(why);
    let context = refused_context(ids(call), &decision);
    answer(decision, &context, &[], 0)
}

fn ids<'e>(call: &GraphQlCall<'e>) -> CallIds<'e> {
    CallIds {
        request_id: call.request_id,
        trace_id: call.trace_id,
    }
}

fn answer(
    decision: Decision,
    context: &Map<String, Value>,
    denied: &[String],
    ttl_s: i64,
) -> Answer {
    let body = json!({
        "isAuthorized": decision.is_allow(),
        "resolverContext": context,
        "deniedFields": denied,
        "ttlOverride": ttl_s,
    });
    Answer::of(body, decision)
}
