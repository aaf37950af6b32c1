//! The other side of the authorizer: what API Gateway does around it, without a server and without AWS.
//!
//! A front door builds the event, asks the authorizer, keeps the answer for its time to live under the identity
//! sources, and evaluates the policy anew for every request, as API Gateway does. It's strict where AWS is: an answer
//! of a wrong shape is a 500, and a request without an identity source is a 401 that costs no call. It has one route,
//! which takes every method and path, and one without an authorizer for each public rule of a policy file.

mod events;
mod identity;
mod invoke;
mod verdict;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::iam::Outcome;
use crate::policy::{self, Policy};
use crate::trace::TraceParent;
use events::Request;

pub use identity::{IdentitySource, IdentitySourceError};
pub use invoke::{Invoke, InvokeError};

/// Which kind of API the front door stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontDoorKind {
    /// HTTP API, payload 1.0.
    HttpV1,
    /// HTTP API, payload 2.0, IAM policies.
    HttpV2Iam,
    /// HTTP API, payload 2.0, simple responses. They are never cached: they'd be reused for every route.
    HttpV2Simple,
    /// REST API, TOKEN authorizer.
    RestToken,
    /// REST API, REQUEST authorizer.
    RestRequest,
}

impl FrontDoorKind {
    /// Whether it's a REST API.
    pub fn is_rest(self) -> bool {
        matches!(self, Self::RestToken | Self::RestRequest)
    }

    fn is_payload_v2(self) -> bool {
        matches!(self, Self::HttpV2Iam | Self::HttpV2Simple)
    }
}

/// What becomes of a request, with the reasons in the body of a denial.
#[derive(Clone, Debug, PartialEq)]
pub enum Passage {
    /// It goes to the API, with the authorizer's context.
    Forward {
        /// `sub`, `client_id`, `scope`, …
        context: Map<String, Value>,
    },
    /// It's answered here.
    Refuse {
        /// 401, 403 or 500.
        status: u16,
        /// `{"message": …}`, with the reason of a denial.
        body: Value,
    },
}

/// A request as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'r> {
    /// The HTTP method.
    pub method: &'r str,
    /// The raw path.
    pub path: &'r str,
    /// The query without `?`.
    pub query: &'r str,
    /// The headers in order.
    pub headers: &'r [(String, String)],
    /// The caller's address.
    pub source_ip: &'r str,
    /// The request's id; without one it gets a number.
    pub request_id: Option<&'r str>,
    /// The place in the trace that the function is called from.
    pub trace: Option<TraceParent>,
}

/// What is decided on a request, and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// The decision.
    pub verdict: RulingVerdict,
    /// Whether it came from the cache.
    pub cached: bool,
    /// `reason`, `rule` and `missing` of a refusal, as far as they are known and are this request's.
    pub told: Map<String, Value>,
}

/// The decision on a request.
#[derive(Clone, Debug, PartialEq)]
pub enum RulingVerdict {
    /// It goes to the API with this context.
    Forward(Map<String, Value>),
    /// An identity source is missing; nobody was asked (401).
    NoIdentity,
    /// The function answered `Unauthorized` (401).
    Unauthorized,
    /// The policy denies it (403).
    Denied {
        /// By a statement, as against by silence.
        explicit: bool,
    },
    /// The function gave no answer (500).
    Failed(String),
    /// The function's answer is one that AWS rejects (500).
    Misconfigured(&'static str),
}

/// Most answers that are kept.
const MAX_CACHED: usize = 4096;

/// One API's front door.
pub struct FrontDoor {
    function: Arc<dyn Invoke>,
    kind: FrontDoorKind,
    api: String,
    stage: String,
    ttl_s: i64,
    sources: Vec<IdentitySource>,
    policy: Option<Policy>,
    cached: Mutex<HashMap<Vec<String>, Cached>>,
    requests: AtomicU64,
}

#[derive(Clone)]
struct Cached {
    answer: Arc<Value>,
    until: i64,
    /// The request that filled the cache: its reasons are in the context.
    arn: String,
}

impl FrontDoor {
    /// A front door for one API and stage; answers are kept for `ttl_s` seconds, with 0 not at all.
    pub fn new(
        function: Arc<dyn Invoke>,
        kind: FrontDoorKind,
        api: impl Into<String>,
        stage: impl Into<String>,
        ttl_s: i64,
    ) -> Self {
        let ttl_s = if kind == FrontDoorKind::HttpV2Simple {
            0
        } else {
            ttl_s
        };
        let (api, stage) = (api.into(), stage.into());
        Self {
            function,
            kind,
            api,
            stage,
            ttl_s,
            sources: vec![IdentitySource::authorization()],
            policy: None,
            cached: Mutex::default(),
            requests: AtomicU64::new(0),
        }
    }

    /// With other identity sources than the header `Authorization`.
    #[must_use]
    pub fn identified_by(mut self, sources: Vec<IdentitySource>) -> Self {
        self.sources = sources;
        self
    }

    /// With routes that have no authorizer: those that a rule of this policy makes public, under its base paths too.
    #[must_use]
    pub fn open_by(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Whether a request's route has no authorizer.
    fn is_open(&self, incoming: &Incoming<'_>, now: i64) -> bool {
        let open = |policy: &Policy| {
            let path = policy.path_inside(incoming.path);
            let request = policy::Request::new(incoming.method, path).at(now);
            let request = policy::Request {
                source_ip: incoming.source_ip.parse().ok(),
                ..request.on(&self.stage)
            };
            policy.judge_public(&request).is_some()
        };
        self.policy.as_ref().is_some_and(open)
    }

    /// The kind of API.
    pub fn kind(&self) -> FrontDoorKind {
        self.kind
    }

    /// Decides on one request; `now` in Unix seconds.
    pub async fn rule(&self, incoming: &Incoming<'_>, now: i64) -> Ruling {
        if self.is_open(incoming, now) {
            return Ruling::of(RulingVerdict::Forward(Map::new()));
        }
        let number = || self.requests.fetch_add(1, Ordering::Relaxed);
        let id = incoming.request_id.map_or_else(
            || Cow::Owned(format!("front-door-{}", number())),
            Cow::Borrowed,
        );
        let mut request = Request {
            api: &self.api,
            stage: &self.stage,
            method: incoming.method,
            path: incoming.path,
            query: incoming.query,
            headers: incoming.headers,
            identity: &[],
            source_ip: incoming.source_ip,
            id: &id,
            now,
        };
        let identity: Option<Vec<String>> = self
            .sources
            .iter()
            .map(|source| source.value(&request))
            .collect();
        let Some(identity) = identity else {
            return Ruling::of(RulingVerdict::NoIdentity);
        };
        request.identity = &identity;
        let arn = request.arn();
        if let Some(kept) = self.recall(&identity, now) {
            return Ruling {
                cached: true,
                ..self.evaluate(&kept, &arn, now)
            };
        }
        let asked = self
            .function
            .invoke_traced(self.event(&request), now, incoming.trace);
        match asked.await {
            Ok(answer) => {
                let fresh = Cached {
                    answer: Arc::new(answer),
                    until: now.saturating_add(self.ttl_s),
                    arn: arn.clone(),
                };
                let ruling = self.evaluate(&fresh, &arn, now);
                if !matches!(ruling.verdict, RulingVerdict::Misconfigured(_)) {
                    self.keep(identity, fresh, now);
                }
                ruling
            }
            Err(InvokeError::Unauthorized(reason)) => Ruling {
                told: reason
                    .map(|reason| ("reason".to_owned(), Value::from(reason)))
                    .into_iter()
                    .collect(),
                ..Ruling::of(RulingVerdict::Unauthorized)
            },
            Err(InvokeError::Failed(why)) => Ruling::of(RulingVerdict::Failed(why)),
        }
    }

    /// Decides on one request, at `now` in Unix seconds.
    pub async fn admit(&self, incoming: &Incoming<'_>, now: i64) -> Passage {
        let Ruling { verdict, told, .. } = self.rule(incoming, now).await;
        let (status, message) = match verdict {
            RulingVerdict::Forward(context) => return Passage::Forward { context },
            RulingVerdict::NoIdentity | RulingVerdict::Unauthorized => {
                return refuse(401, "Unauthorized", Map::new());
            }
            RulingVerdict::Denied { .. } => (403, "Forbidden"),
            RulingVerdict::Failed(_) | RulingVerdict::Misconfigured(_) => {
                (500, "Internal Server Error")
            }
        };
        refuse(status, message, told)
    }

    fn event(&self, request: &Request<'_>) -> Value {
        match self.kind {
            FrontDoorKind::HttpV1 => request.http_v1(),
            FrontDoorKind::HttpV2Iam | FrontDoorKind::HttpV2Simple => request.http_v2(),
            FrontDoorKind::RestToken => request.rest_token(),
            FrontDoorKind::RestRequest => request.rest_request(),
        }
    }

    fn recall(&self, identity: &[String], now: i64) -> Option<Cached> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached
            .get(identity)
            .filter(|entry| now < entry.until)
            .cloned()
    }

    fn keep(&self, identity: Vec<String>, entry: Cached, now: i64) {
        if self.ttl_s <= 0 {
            return;
        }
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= MAX_CACHED {
            cached.retain(|_, entry| now < entry.until);
        }
        if cached.len() >= MAX_CACHED {
            cached.clear();
        }
        cached.insert(identity, entry);
    }

    fn evaluate(&self, cached: &Cached, arn: &str, now: i64) -> Ruling {
        let context = cached.answer.get("context").and_then(Value::as_object);
        let context = context.cloned().unwrap_or_default();
        let outcome = match verdict::of_answer(self.kind, &cached.answer, arn, now) {
            Ok(outcome) => outcome,
            Err(why) => return Ruling::of(RulingVerdict::Misconfigured(why)),
        };
        if outcome.is_allow() {
            return Ruling::of(RulingVerdict::Forward(context));
        }
        let told = ["reason", "rule", "missing"]
            .into_iter()
            .filter(|_| cached.arn == arn)
            .filter_map(|name| Some((name.to_owned(), context.get(name)?.clone())));
        Ruling {
            told: told.collect(),
            ..Ruling::of(RulingVerdict::Denied {
                explicit: outcome == Outcome::ExplicitDeny,
            })
        }
    }
}

impl Ruling {
    fn of(verdict: RulingVerdict) -> Self {
        Self {
            verdict,
            cached: false,
            told: Map::new(),
        }
    }
}

fn refuse(status: u16, message: &str, told: Map<String, Value>) -> Passage {
    let mut body = Map::from_iter([("message".to_owned(), json!(message))]);
    body.extend(told);
    Passage::Refuse {
        status,
        body: Value::Object(body),
    }
}
