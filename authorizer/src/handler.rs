//! Event in, answer out.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::answer;
use crate::appsync::{self, GraphQlCall};
use crate::cause::Refused;
use crate::credentials::Credentials;
use crate::decision_log::DecisionLine;
use crate::event::Call;
use crate::jwks::Clock;
use crate::observer::{Decided, Observer};
use crate::outcome::Outcome;
use crate::panics::{catching, panic_message};
use crate::policy::{Policy, RestFailure, Target};
use crate::reason::Reason;
use crate::seen::Seen;
use crate::token::AccessToken;
use crate::trace::TraceId;
use crate::verifier::{Verification, Verifier};

/// The route of an HTTP API that takes what no other does, often all there is.
const CATCH_ALL: &str = "$default";

/// A policy with a verifier of its issuers' tokens: everything that answering needs.
#[derive(Clone)]
pub struct Authorizer {
    policy: Policy,
    verifier: Verifier,
    stopwatch: Option<Arc<dyn Clock>>,
    observer: Option<Arc<dyn Observer>>,
    /// Whether it has been asked before.
    warm: Arc<AtomicBool>,
}

/// A call that isn't answered with a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizerError {
    /// The token was refused, and the deployment wants that as the error `Unauthorized` (REST: 401).
    Unauthorized(Reason),
    /// Nothing could be decided (500).
    Fault(Reason),
}

impl AuthorizerError {
    /// Why.
    pub fn reason(self) -> Reason {
        match self {
            Self::Unauthorized(reason) | Self::Fault(reason) => reason,
        }
    }
}

/// For a refused token exactly `Unauthorized`: API Gateway takes any other text for a fault.
impl fmt::Display for AuthorizerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized(_) => f.write_str("Unauthorized"),
            Self::Fault(reason) => write!(f, "{reason}: {}", reason.explain()),
        }
    }
}

impl std::error::Error for AuthorizerError {}

impl Authorizer {
    /// An authorizer for one policy file.
    pub fn new(policy: Policy, verifier: Verifier) -> Self {
        Self {
            policy,
            verifier,
            stopwatch: None,
            observer: None,
            warm: Arc::default(),
        }
    }

    /// Adds the time that each decision took to its log line.
    #[must_use]
    pub fn timed_by(mut self, clock: Arc<dyn Clock>) -> Self {
        self.stopwatch = Some(clock);
        self
    }

    /// Tells `observer` of every decision, and of every fetch of an issuer's keys.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.verifier.tell(&observer);
        self.observer = Some(observer);
        self
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The verifier.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Answers one event; `now` in Unix seconds. A panic anywhere inside is a fault, never an allow.
    ///
    /// # Errors
    /// `Unauthorized` for a bad token on REST, unless the policy file wants a denial; `Fault` when nothing could be
    /// decided.
    pub async fn answer(&self, event: &Value, now: i64) -> Result<Value, AuthorizerError> {
        self.answer_traced(event, now, None).await
    }

    /// The same, with the trace that the invocation belongs to: for its log line, and for the API. Without one the
    /// event's headers tell it.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub async fn answer_traced(
        &self,
        event: &Value,
        now: i64,
        trace_id: Option<TraceId>,
    ) -> Result<Value, AuthorizerError> {
        let (outcome, took_us) = self.outcome(event, now, trace_id).await;
        let line = outcome.line();
        let route = match line.route {
            // It says nothing of what was called; the rule's path does.
            Some(CATCH_ALL) => self.policy.path_of(&outcome.decision).or(line.route),
            route => route,
        };
        self.record(&DecisionLine {
            route,
            trace_id: line.trace_id.or(trace_id),
            took_us,
            ..line
        });
        outcome.result
    }

    /// What becomes of an event, and how long it took in microseconds.
    pub(crate) async fn outcome<'e>(
        &self,
        event: &'e Value,
        now: i64,
        trace_id: Option<TraceId>,
    ) -> (Outcome<'e>, Option<u64>) {
        let (outcome, took_us) = self.supervised(self.decide(event, now, trace_id)).await;
        let outcome =
            outcome.unwrap_or_else(|reason| Outcome::failed(Seen::unrecognised(event), reason));
        (outcome, took_us)
    }

    /// Writes the line of a decision, with what every line has: which policy decided, and whether the process is new.
    pub(crate) fn record(&self, line: &DecisionLine<'_>) {
        let line = DecisionLine {
            cold: !self.warm.swap(true, Ordering::Relaxed),
            config: Some(self.policy.digest()),
            ..*line
        };
        line.write();
        if let Some(observer) = &self.observer {
            observer.decided(&Decided {
                decision: line.decision,
                reason: line.reason,
                left_out: line.left_out.len(),
                took_us: line.took_us,
                cold: line.cold,
            });
        }
    }

    /// Runs what decides: how it went and how long it took in microseconds. A panic is [`Reason::Internal`].
    pub(crate) async fn supervised<T>(
        &self,
        deciding: impl Future<Output = T>,
    ) -> (Result<T, Reason>, Option<u64>) {
        let started = self.stopwatch.as_ref().map(|clock| clock.now_us());
        let outcome = catching(deciding).await.map_err(|panic| {
            tracing::error!(
                panic = panic_message(panic.as_ref()),
                "the authorizer panicked"
            );
            Reason::Internal
        });
        let took_us = self
            .stopwatch
            .as_ref()
            .zip(started)
            .map(|(clock, from)| clock.now_us().saturating_sub(from));
        (outcome, took_us)
    }

    async fn decide<'e>(
        &self,
        event: &'e Value,
        now: i64,
        trace_id: Option<TraceId>,
    ) -> Outcome<'e> {
        if appsync::is_one(event) {
            return self.decide_on_graphql(event, now, trace_id).await;
        }
        let Ok(mut call) = Call::parse_for(event, &self.policy) else {
            return Outcome::unrecognised(event);
        };
        call.trace_id = trace_id.or(call.trace_id);
        let verification = self.verify(&call.credentials, now).await;
        Outcome {
            jwks: verification.jwks,
            known: verification.known,
            ..self.respond(&call, verification.verdict().cloned(), now)
        }
    }

    async fn decide_on_graphql<'e>(
        &self,
        event: &'e Value,
        now: i64,
        trace_id: Option<TraceId>,
    ) -> Outcome<'e> {
        let mut call = match GraphQlCall::parse(event) {
            Ok(call) => call,
            Err(reason) => return Outcome::failed(Seen::unrecognised(event), reason),
        };
        call.trace_id = trace_id.or(call.trace_id);
        let verification = self.verify(&call.credentials, now).await;
        let seen = Seen::graphql(&call);
        let outcome = match verification.verdict().cloned() {
            Ok(token) => {
                let answer = appsync::to_token(&self.policy, &call, &token, now);
                Outcome::answered(answer, seen, Some(token))
            }
            Err(why) if why.reason.is_fault() => Outcome::failed(seen, why),
            Err(why) => Outcome::answered(appsync::to_refused_token(&call, why), seen, None),
        };
        Outcome {
            jwks: verification.jwks,
            known: verification.known,
            ..outcome
        }
    }

    async fn verify(
        &self,
        credentials: &Result<Credentials<'_>, Reason>,
        now: i64,
    ) -> Verification {
        match credentials {
            Ok(credentials) => self.verifier.examine(credentials, now).await,
            Err(reason) => Verification::refused(*reason),
        }
    }

    fn respond<'e>(
        &self,
        call: &Call<'e>,
        verified: Result<Arc<AccessToken>, Refused>,
        now: i64,
    ) -> Outcome<'e> {
        let seen = Seen::of(call);
        let public = || {
            let route = call.target() == Target::Route && verified.is_err();
            self.policy
                .judge_public(&call.request(now))
                .filter(|_| route)
        };
        if let Some(decision) = public() {
            let answer = answer::to_nobody(&self.policy, call, decision);
            return Outcome::answered(answer, seen, None);
        }
        match verified {
            Ok(token) => Outcome::answered(
                answer::to_token(&self.policy, call, &token, now),
                seen,
                Some(token),
            ),
            Err(why) if why.reason.is_fault() => Outcome::failed(seen, why),
            Err(why)
                if call.kind.knows_unauthorized()
                    && self.policy.response().rest_failure == RestFailure::Unauthorized =>
            {
                Outcome::unauthorized(seen, why)
            }
            Err(why) => Outcome::answered(
                answer::to_refused_token(&self.policy, call, why),
                seen,
                None,
            ),
        }
    }
}
