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
use crate::policy::{
    CONNECT, Coverage, Decision, Expiry, HttpV2Answer, OnOverflow, Policy, Rights,
};
use crate::reason::Reason;
use crate::token::AccessToken;
use crate::trace::TraceId;

/// Largest answer that API Gateway takes, in bytes.
pub const MAX_ANSWER: usize = 8192;
/// Largest context value, in bytes; longer ones are left out, or the call is denied.
pub const MAX_CONTEXT_VALUE: usize = 1024;
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
    /// What the token says and the API isn't told, because it doesn't fit into a context.
    pub left_out: Vec<String>,
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
    let mut context = TokenContext::of(policy, call.kind == Kind::HttpV2, token);
    let decision = policy.judge_target(token, call.target(), &call.request(now));
    let decision = context.fitting(policy, decision);
    let answer = if call.kind == Kind::WebSocket {
        to_connect(policy, call, token, decision, &mut context)
    } else if call.kind == Kind::HttpV2 && policy.response().http_v2 == HttpV2Answer::Simple {
        simple(decision, |decision| {
            context.told(CallIds::of(call), decision)
        })
    } else {
        by_policy(policy, call, token, decision, &mut context)
    };
    Answer {
        left_out: context.left_out,
        ..answer
    }
}

fn by_policy(
    policy: &Policy,
    call: &Call<'_>,
    token: &AccessToken,
    decision: Decision,
    context: &mut TokenContext,
) -> Answer {
    let base = call.arn.base();
    let resources = Resources::of(call, &base, &decision);
    let members = context.told(CallIds::of(call), &decision);
    let frame = policy_answer(&token.subject, &Value::Null, &members);
    let budget = MAX_ANSWER.saturating_sub(frame.to_string().len());

    // A cached answer would let a call pass without its proof, so that of a bound token names this call alone. And what
    // doesn't fit into this context doesn't fit into that of any other call.
    let whole = token.confirmation.is_none() && context.is_passable(policy);
    let present = decision
        .is_allow()
        .then_some((call.method, call.path.as_str()));
    let rights = whole.then(|| policy.rights(token, &base, present, budget));
    let rights = rights.map(|rights| {
        resources
            .allowed
            .iter()
            .fold(rights, |all, one| all.with(one))
    });
    let rights = rights.filter(|rights| resources.agree(rights));
    let rights = rights.unwrap_or_else(|| policy.rights_for_one(&base, &resources.allowed));
    if !resources.agree(&rights) {
        return inexpressible(call, token, members);
    }
    let rights = match policy.response().expiry {
        Expiry::Untold => rights,
        Expiry::Condition => rights.until(policy.end_of(token)),
    };
    let body = policy_answer(&token.subject, &rights.document(), &members);
    Answer {
        coverage: Some(rights.coverage().clone()),
        ..Answer::of(body, decision)
    }
}

/// The spellings of the present call's resource, and what the document must say of them.
struct Resources {
    /// What is allowed, if anything.
    allowed: Vec<String>,
    /// What the gateway evaluates the document on.
    evaluated: String,
    /// Every spelling, and what else the gateway may mean.
    all: Vec<String>,
}

impl Resources {
    fn of(call: &Call<'_>, base: &str, decision: &Decision) -> Self {
        let own = format!("{base}/{}{}", call.method, call.path);
        let named = call.resource.to_owned();
        let all = vec![own.clone(), named.clone()];
        let allowed = match (decision.is_allow(), call.is_in_arn) {
            (true, true) => all.clone(),
            (true, false) => vec![own.clone()],
            (false, _) => Vec::new(),
        };
        Self {
            allowed,
            evaluated: if call.is_in_arn { named } else { own },
            all,
        }
    }

    /// Whether the document says of the present request what the policy says, whatever compiled it. What it denies must
    /// not be allowed by another spelling either.
    fn agree(&self, rights: &Rights) -> bool {
        if self.allowed.is_empty() {
            !self.all.iter().any(|resource| rights.permits(resource))
        } else {
            rights.permits(&self.evaluated)
        }
    }
}

/// The answer to a `$connect` is for this connection and names it alone.
fn to_connect(
    policy: &Policy,
    call: &Call<'_>,
    token: &AccessToken,
    decision: Decision,
    context: &mut TokenContext,
) -> Answer {
    let base = call.arn.base();
    let present = decision.is_allow().then(|| format!("{base}/{CONNECT}"));
    let rights = policy.rights_for_one(&base, present.as_slice());
    let context = context.told(CallIds::of(call), &decision);
    Answer {
        coverage: Some(rights.coverage().clone()),
        ..Answer::of(
            policy_answer(&token.subject, &rights.document(), &context),
            decision,
        )
    }
}

/// Allows a call of nobody's by a public rule, and names it alone. API Gateway asks about such a route only where an
/// authorizer is attached to it.
pub fn to_nobody(policy: &Policy, call: &Call<'_>, decision: Decision) -> Answer {
    if call.kind == Kind::HttpV2 && policy.response().http_v2 == HttpV2Answer::Simple {
        return simple(decision, |decision| {
            refused_context(CallIds::of(call), decision)
        });
    }
    let base = call.arn.base();
    let resources = Resources::of(call, &base, &decision);
    let rights = policy.rights_for_one(&base, &resources.allowed);
    let decision = if resources.agree(&rights) {
        decision
    } else {
        Decision::refused_before_judging(Reason::PathRefused)
    };
    let context = refused_context(CallIds::of(call), &decision);
    Answer {
        coverage: Some(rights.coverage().clone()),
        ..Answer::of(
            policy_answer(NOBODY, &rights.document(), &context),
            decision,
        )
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
    Answer::of(body, decision)
}

/// A path that can't be a resource ARN is one that we can't answer for.
fn inexpressible(call: &Call<'_>, token: &AccessToken, context: Map<String, Value>) -> Answer {
    let base = call.arn.base();
    let decision = Decision::refused_before_judging(Reason::PathRefused);
    let context = context_of_denial(&decision, context);
    let body = policy_answer(&token.subject, &Rights::none(&base).document(), &context);
    Answer {
        coverage: Some(Coverage::Exact { rules: Vec::new() }),
        ..Answer::of(body, decision)
    }
}

fn simple(decision: Decision, context: impl FnOnce(&Decision) -> Map<String, Value>) -> Answer {
    let body = json!({"isAuthorized": decision.is_allow(), "context": context(&decision)});
    Answer::of(body, decision)
}

impl Answer {
    pub(crate) fn of(body: Value, decision: Decision) -> Self {
        Self {
            body,
            decision,
            coverage: None,
            left_out: Vec::new(),
        }
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

/// What the API is told of a token, all strings unless it takes nested values.
pub(crate) struct TokenContext {
    members: Map<String, Value>,
    /// What doesn't fit.
    pub left_out: Vec<String>,
}

impl TokenContext {
    pub(crate) fn of(policy: &Policy, nests: bool, token: &AccessToken) -> Self {
        let mut context = Self {
            members: Map::new(),
            left_out: Vec::new(),
        };
        context.tell("sub", &token.subject);
        context.tell("client_id", &token.client_id);
        context.tell("iss", &token.issuer);
        context.tell("exp", &token.expires_at.to_string());
        context.tell("scope", &token.scope.to_string());
        for name in policy.passed_on() {
            match token.claims.get(name) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) => context.tell(name, text),
                // Payload 2.0 takes what is nested; everything else takes text.
                Some(nested @ (Value::Array(_) | Value::Object(_))) if nests => {
                    if nested.to_string().len() <= MAX_CONTEXT_VALUE {
                        context.members.insert(name.clone(), nested.clone());
                    } else {
                        context.left_out.push(name.clone());
                    }
                }
                Some(other) => context.tell(name, &other.to_string()),
            }
        }
        context
    }

    fn tell(&mut self, name: &str, value: &str) {
        if !value.is_empty() && !put(&mut self.members, name, value) {
            self.left_out.push(name.to_owned());
        }
    }

    /// Whether the policy lets calls pass without what is left out.
    fn is_passable(&self, policy: &Policy) -> bool {
        self.left_out.is_empty() || policy.on_overflow() == OnOverflow::Drop
    }

    /// The decision, unless it allows what can't be told whole.
    pub(crate) fn fitting(&self, policy: &Policy, decision: Decision) -> Decision {
        if !decision.is_allow() || self.is_passable(policy) {
            return decision;
        }
        Decision::overflowing(&self.left_out)
    }

    /// The context of the one answer.
    pub(crate) fn told(&mut self, ids: CallIds<'_>, decision: &Decision) -> Map<String, Value> {
        let mut context = std::mem::take(&mut self.members);
        ids.put(&mut context);
        if decision.is_allow() {
            context
        } else {
            context_of_denial(decision, context)
        }
    }
}

/// The claims and the rest of a token that the API wouldn't be told of, by an API that takes nested values or one that
/// doesn't.
pub fn left_out(policy: &Policy, nests: bool, token: &AccessToken) -> Vec<String> {
    TokenContext::of(policy, nests, token).left_out
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

/// Strings only, without control characters: a context value may become a header. Whether it was put.
fn put(context: &mut Map<String, Value>, name: &str, value: &str) -> bool {
    let fits = !value.is_empty()
        && value.len() <= MAX_CONTEXT_VALUE
        && !value.chars().any(char::is_control);
    if fits {
        context.insert(name.to_owned(), Value::from(value));
    }
    fits
}
