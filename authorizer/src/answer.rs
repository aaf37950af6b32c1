//! Builds exactly what each kind of call expects: no null members, flat string contexts, within the size limits.
//!
//! The context tells the API who calls: `sub`, `client_id`, `scope`, `iss`, `exp`, the claims that the policy file's
//! `[context]` names (strings; lists and objects nested on payload 2.0, as JSON text elsewhere), `request_id` and
//! `trace_id` by which the decision is found in the log, and on a denial `reason`, `rule` and `missing` for the gateway's
//! error page. API Gateway caches the context together with the policy, so the last five are those of the request that
//! filled the cache.

use serde_json::{Map, Value, json};

use crate::cause::Refused;
use crate::event::{Call, Kind};
use crate::policy::{CONNECT, Coverage, Decision, HttpV2Answer, Policy, Rights};
use crate::reason::Reason;
use crate::token::AccessToken;
use crate::trace::TraceId;

/// Largest answer that API Gateway takes, in bytes.
pub const MAX_ANSWER: usize = 8192;
/// Largest context value, in bytes; longer ones are left out.
const MAX_CONTEXT_VALUE: usize = 1024;
/// The principal of a call without a valid token.
const NOBODY: &str = "unauthenticated";

/// An answer and what it was based on.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What API Gateway gets.
    pub body: Value,
    /// The verdict on the present request.
    pub decision: Decision,
    /// How far a policy answer may be cached; `None` for simple answers and for refused tokens.
    pub coverage: Option<Coverage>,
}

/// What a call is called elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallIds<'e> {
    pub request_id: Option<&'e str>,
    pub trace_id: Option<TraceId>,
}

impl<'e> CallIds<'e> {
    fn of(call: &Call<'e>) -> Self {
        Self {
            request_id: call.request_id,
            trace_id: call.trace_id,
        }
    }

    fn put(self, context: &mut Map<String, Value>) {
        if let Some(request_id) = self.request_id {
            put(context, "request_id", request_id);
        }
        if let Some(trace_id) = self.trace_id {
            put(context, "trace_id", &trace_id.to_string());
        }
    }
}

/// Answers a call of a valid token; `now` in Unix seconds.
pub fn to_token(policy: &Policy, call: &Call<'_>, token: &AccessToken, now: i64) -> Answer {
    if call.kind == Kind::WebSocket {
        return to_connect(policy, call, token, now);
    }
    let request = call.request(now);
    let decision = policy.judge_target(token, call.target(), &request);
    if call.kind == Kind::HttpV2 && policy.response().http_v2 == HttpV2Answer::Simple {
        return simple(decision, |decision| {
            context_of(policy, call, token, decision)
        });
    }
    let base = call.arn.base();
    let resource = format!("{base}/{}{}", call.method, call.path);
    let present = decision
        .is_allow()
        .then_some((call.method, call.path.as_str()));
    let context = context_of(policy, call, token, &decision);
    let frame = policy_answer(&token.subject, &Value::Null, &context);
    let budget = MAX_ANSWER.saturating_sub(frame.to_string().len());

    // The document must say of the present request what the policy says, whatever compiled it, and must not allow the
    // resource that the gateway asks about when the path that was judged is another.
    let agrees = |rights: &Rights| {
        let allowed = decision.is_allow();
        rights.permits(&resource) == allowed && (allowed || !rights.permits(call.resource))
    };
    // A cached answer would let a call pass without its proof, so that of a bound token names this call alone.
    let whole = token.confirmation.is_none();
    let rights = whole.then(|| policy.rights(token, &base, present, budget));
    let rights = rights.filter(agrees);
    let rights = rights.unwrap_or_else(|| policy.rights_for_one(&base, present));
    if !agrees(&rights) {
        return inexpressible(policy, call, token);
    }
    let body = policy_answer(&token.subject, &rights.document(), &context);
    Answer {
        body,
        decision,
        coverage: Some(rights.coverage().clone()),
    }
}

/// The answer to a `$connect` is for this connection and names it alone.
fn to_connect(policy: &Policy, call: &Call<'_>, token: &AccessToken, now: i64) -> Answer {
    let decision = policy.judge_target(token, call.target(), &call.request(now));
    let present = decision.is_allow().then_some((CONNECT, ""));
    let rights = policy.rights_for_one(&call.arn.base(), present);
    let context = context_of(policy, call, token, &decision);
    Answer {
        body: policy_answer(&token.subject, &rights.document(), &context),
        decision,
        coverage: Some(rights.coverage().clone()),
    }
}

/// Denies a call without a valid token, where a denial is what the API expects.
pub fn to_refused_token(policy: &Policy, call: &Call<'_>, why: impl Into<Refused>) -> Answer {
    let decision = Decision::refused_before_judging(why);
    if call.kind == Kind::HttpV2 && policy.response().http_v2 == HttpV2Answer::Simple {
        return simple(decision, |decision| {
            refused_context(CallIds::of(call), decision)
        });
    }
    let context = refused_context(CallIds::of(call), &decision);
    let body = policy_answer(NOBODY, &Rights::none(&call.arn.base()).document(), &context);
    Answer {
        body,
        decision,
        coverage: None,
    }
}

/// A path that can't be a resource ARN is one that we can't answer for.
fn inexpressible(policy: &Policy, call: &Call<'_>, token: &AccessToken) -> Answer {
    let base = call.arn.base();
    let decision = Decision::refused_before_judging(Reason::PathRefused);
    let context = context_of(policy, call, token, &decision);
    let body = policy_answer(&token.subject, &Rights::none(&base).document(), &context);
    Answer {
        body,
        decision,
        coverage: Some(Coverage::Exact { rules: Vec::new() }),
    }
}

fn simple(decision: Decision, context: impl Fn(&Decision) -> Map<String, Value>) -> Answer {
    let body = json!({"isAuthorized": decision.is_allow(), "context": context(&decision)});
    Answer {
        body,
        decision,
        coverage: None,
    }
}

fn policy_answer(principal: &str, document: &Value, context: &Map<String, Value>) -> Value {
    json!({"principalId": principal, "policyDocument": document, "context": context})
}

/// The context of a denial that no token comes into.
pub(crate) fn refused_context(ids: CallIds<'_>, decision: &Decision) -> Map<String, Value> {
    let mut context = Map::new();
    ids.put(&mut context);
    context_of_denial(decision, context)
}

fn context_of(
    policy: &Policy,
    call: &Call<'_>,
    token: &AccessToken,
    decision: &Decision,
) -> Map<String, Value> {
    let nests = call.kind == Kind::HttpV2;
    context_of_token(policy, CallIds::of(call), nests, token, decision)
}

/// The context of a valid token, all strings unless the API takes nested values.
pub(crate) fn context_of_token(
    policy: &Policy,
    ids: CallIds<'_>,
    nests: bool,
    token: &AccessToken,
    decision: &Decision,
) -> Map<String, Value> {
    let mut context = Map::new();
    put(&mut context, "sub", &token.subject);
    put(&mut context, "client_id", &token.client_id);
    put(&mut context, "iss", &token.issuer);
    put(&mut context, "exp", &token.expires_at.to_string());
    put(&mut context, "scope", &token.scope.to_string());
    for name in policy.passed_on() {
        match token.claims.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => put(&mut context, name, text),
            // Payload 2.0 takes what is nested; everything else takes text.
            Some(nested @ (Value::Array(_) | Value::Object(_))) if nests => {
                if nested.to_string().len() <= MAX_CONTEXT_VALUE {
                    context.insert(name.clone(), nested.clone());
                }
            }
            Some(other) => put(&mut context, name, &other.to_string()),
        }
    }
    ids.put(&mut context);
    if decision.is_allow() {
        context
    } else {
        context_of_denial(decision, context)
    }
}

fn context_of_denial(decision: &Decision, mut context: Map<String, Value>) -> Map<String, Value> {
    if let Some(reason) = decision.reason {
        put(&mut context, "reason", reason.as_str());
    }
    if let Some(rule) = &decision.rule {
        put(&mut context, "rule", rule);
    }
    if let Some(missing) = decision.missing.first() {
        // An empty one is left out: what a condition asks is the operator's business.
        put(
            &mut context,
            "missing",
            &[missing.all_of.as_slice(), missing.one_of.as_slice()]
                .concat()
                .join(" "),
        );
    }
    context
}

/// Strings only, without control characters: a context value may become a header.
fn put(context: &mut Map<String, Value>, name: &str, value: &str) {
    let fits = !value.is_empty() && value.len() <= MAX_CONTEXT_VALUE;
    if fits && !value.chars().any(char::is_control) {
        context.insert(name.to_owned(), Value::from(value));
    }
}
