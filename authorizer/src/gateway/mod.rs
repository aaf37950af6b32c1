//! The other side of the authorizer: what API Gateway does around it, without a server and without AWS.
//!
//! A front door builds the event, asks the authorizer, keeps the answer for its time to live under the identity
//! source, and evaluates the policy anew for every request, as API Gateway does. It's strict where AWS is: an answer
//! of a wrong shape is a 500, and a request without the identity source is a 401 that costs no call.

mod events;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::answer::MAX_ANSWER;
use crate::handler::{Authorizer, AuthorizerError};
use crate::iam;
use events::Request;

/// Which kind of API the front door stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontDoorKind {
    /// HTTP API, payload 2.0, IAM policies.
    HttpV2Iam,
    /// HTTP API, payload 2.0, simple responses. They are never cached: they'd be reused for every route.
    HttpV2Simple,
    /// REST API, TOKEN authorizer.
    RestToken,
    /// REST API, REQUEST authorizer.
    RestRequest,
}

/// What becomes of a request.
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

/// Most answers that are kept.
const MAX_CACHED: usize = 4096;

/// One API's front door.
pub struct FrontDoor {
    authorizer: Arc<Authorizer>,
    kind: FrontDoorKind,
    api: String,
    stage: String,
    ttl_s: i64,
    cached: Mutex<HashMap<String, Cached>>,
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
        authorizer: Arc<Authorizer>,
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
            authorizer,
            kind,
            api,
            stage,
            ttl_s,
            cached: Mutex::default(),
            requests: AtomicU64::new(0),
        }
    }

    /// Decides on one request: the raw path, the query without `?`, the headers as they came, `now` in Unix seconds.
    pub async fn admit(
        &self,
        method: &str,
        path: &str,
        query: &str,
        headers: &[(String, String)],
        source_ip: &str,
        now: i64,
    ) -> Passage {
        let id = format!(
            "front-door-{}",
            self.requests.fetch_add(1, Ordering::Relaxed)
        );
        let (api, stage, id) = (self.api.as_str(), self.stage.as_str(), id.as_str());
        let request = Request {
            api,
            stage,
            method,
            path,
            query,
            headers,
            source_ip,
            id,
            now,
        };
        let Some(identity) = request.identity() else {
            return refuse(401, "Unauthorized");
        };
        let arn = request.arn();
        let cached = match self.recall(&identity, now) {
            Some(cached) => cached,
            None => match self.call(&request).await {
                Ok(answer) => self.keep(
                    identity,
                    Cached {
                        answer: Arc::new(answer),
                        until: now.saturating_add(self.ttl_s),
                        arn: arn.clone(),
                    },
                    now,
                ),
                Err(AuthorizerError::Unauthorized(_)) => return refuse(401, "Unauthorized"),
                Err(AuthorizerError::Fault(_)) => return refuse(500, "Internal Server Error"),
            },
        };
        self.evaluate(&cached, &arn)
    }

    async fn call(&self, request: &Request<'_>) -> Result<Value, AuthorizerError> {
        let event = match self.kind {
            FrontDoorKind::HttpV2Iam | FrontDoorKind::HttpV2Simple => request.http_v2(),
            FrontDoorKind::RestToken => request.rest_token(),
            FrontDoorKind::RestRequest => request.rest_request(),
        };
        self.authorizer.answer(&event, request.now).await
    }

    fn recall(&self, identity: &str, now: i64) -> Option<Cached> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached
            .get(identity)
            .filter(|entry| now < entry.until)
            .cloned()
    }

    fn keep(&self, identity: String, entry: Cached, now: i64) -> Cached {
        if self.ttl_s > 0 {
            let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
            if cached.len() >= MAX_CACHED {
                cached.retain(|_, entry| now < entry.until);
            }
            if cached.len() >= MAX_CACHED {
                cached.clear();
            }
            cached.insert(identity, entry.clone());
        }
        entry
    }

    fn evaluate(&self, cached: &Cached, arn: &str) -> Passage {
        let verdict = match self.kind {
            FrontDoorKind::HttpV2Simple => simple_verdict(&cached.answer),
            _ => policy_verdict(&cached.answer, arn),
        };
        let context = cached
            .answer
            .get("context")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        match verdict {
            Some(true) => Passage::Forward { context },
            Some(false) => {
                let mut body = Map::from_iter([("message".to_owned(), Value::from("Forbidden"))]);
                let told = ["reason", "rule", "missing"]
                    .into_iter()
                    .filter(|_| cached.arn == arn);
                body.extend(
                    told.filter_map(|name| Some((name.to_owned(), context.get(name)?.clone()))),
                );
                Passage::Refuse {
                    status: 403,
                    body: Value::Object(body),
                }
            }
            None => refuse(500, "Internal Server Error"),
        }
    }
}

/// `None` for an answer that AWS would reject.
fn policy_verdict(answer: &Value, arn: &str) -> Option<bool> {
    let flat = |context: &Value| {
        context.as_object().is_some_and(|map| {
            map.values()
                .all(|v| v.is_string() || v.is_number() || v.is_boolean())
        })
    };
    let sound = answer.get("principalId").is_some_and(Value::is_string)
        && answer.get("context").is_none_or(flat)
        && answer.to_string().len() <= MAX_ANSWER;
    let outcome = iam::evaluate(answer.get("policyDocument").filter(|_| sound)?, arn).ok()?;
    Some(outcome.is_allow())
}

fn simple_verdict(answer: &Value) -> Option<bool> {
    answer.get("isAuthorized")?.as_bool()
}

fn refuse(status: u16, message: &str) -> Passage {
    Passage::Refuse {
        status,
        body: json!({"message": message}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_aws_would_reject_are_no_verdict() {
        let arn = "arn:aws:execute-api:local-1:000000000000:api/prod/GET/x";
        let document = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn},
        ]});
        let sound =
            json!({"principalId": "p", "policyDocument": document, "context": {"a": "b", "c": 1}});
        assert_eq!(policy_verdict(&sound, arn), Some(true));
        assert_eq!(policy_verdict(&sound, "arn:other"), Some(false));
        let changes = [
            ("principalId", Value::Null),
            ("policyDocument", Value::Null),
            ("context", json!({"a": ["nested"]})),
            ("context", json!({"a": null})),
            ("context", json!({"a": "x".repeat(MAX_ANSWER)})),
        ];
        for (name, value) in changes {
            let mut answer = sound.clone();
            if let Some(member) = answer.get_mut(name) {
                *member = value;
            }
            assert_eq!(policy_verdict(&answer, arn), None, "{name}");
        }
    }
}
