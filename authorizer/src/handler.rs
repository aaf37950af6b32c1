//! Event in, answer out.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use aws_lc_rs::digest;
use serde_json::Value;

use crate::answer::{self, Answer};
use crate::appsync::{self, GraphQlCall};
use crate::credentials::Credentials;
use crate::event::Call;
use crate::jwks::{Clock, JwksState};
use crate::policy::{Coverage, Policy, RestFailure};
use crate::reason::Reason;
use crate::token::{AccessToken, Confirmation};
use crate::verifier::{Verification, Verifier};

/// A policy with a verifier of its issuers' tokens: everything that answering needs.
#[derive(Clone)]
pub struct Authorizer {
    policy: Policy,
    verifier: Verifier,
    stopwatch: Option<Arc<dyn Clock>>,
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
        }
    }

    /// Adds the time that each decision took to its log line.
    #[must_use]
    pub fn timed_by(mut self, clock: Arc<dyn Clock>) -> Self {
        self.stopwatch = Some(clock);
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
        let started = self.stopwatch.as_ref().map(|clock| clock.now_us());
        let outcome = catching(self.decide(event, now))
            .await
            .unwrap_or_else(|panic| {
                tracing::error!(
                    panic = panic_message(panic.as_ref()),
                    "the authorizer panicked"
                );
                Outcome::failed(None, Reason::Internal)
            });
        let took = self
            .stopwatch
            .as_ref()
            .zip(started)
            .map(|(clock, from)| clock.now_us().saturating_sub(from));
        outcome.log(took);
        outcome.result
    }

    async fn decide<'e>(&self, event: &'e Value, now: i64) -> Outcome<'e> {
        if appsync::is_one(event) {
            return self.decide_on_graphql(event, now).await;
        }
        let call = match Call::parse_with(event, self.policy.web_socket()) {
            Ok(call) => call,
            Err(reason) => return Outcome::failed(None, reason),
        };
        let Verification {
            outcome,
            jwks,
            known,
        } = self.verify(&call.credentials, now).await;
        Outcome {
            jwks,
            known,
            ..self.respond(&call, outcome, now)
        }
    }

    async fn decide_on_graphql<'e>(&self, event: &'e Value, now: i64) -> Outcome<'e> {
        let call = match GraphQlCall::parse(event) {
            Ok(call) => call,
            Err(reason) => return Outcome::failed(None, reason),
        };
        let Verification {
            outcome,
            jwks,
            known,
        } = self.verify(&call.credentials, now).await;
        let seen = Seen::graphql(&call);
        let outcome = match outcome {
            Ok(token) => {
                let answer = appsync::to_token(&self.policy, &call, &token, now);
                Outcome::answered(answer, seen, Some(token))
            }
            Err(reason) if reason.is_fault() => Outcome::failed(Some(seen), reason),
            Err(reason) => Outcome::answered(appsync::to_refused_token(reason), seen, None),
        };
        Outcome {
            jwks,
            known,
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
        verified: Result<Arc<AccessToken>, Reason>,
        now: i64,
    ) -> Outcome<'e> {
        let seen = Seen::of(call);
        match verified {
            Ok(token) => Outcome::answered(
                answer::to_token(&self.policy, call, &token, now),
                seen,
                Some(token),
            ),
            Err(reason) if reason.is_fault() => Outcome::failed(Some(seen), reason),
            Err(reason)
                if call.kind.knows_unauthorized()
                    && self.policy.response().rest_failure == RestFailure::Unauthorized =>
            {
                Outcome::unauthorized(seen, reason)
            }
            Err(reason) => Outcome::answered(
                answer::to_refused_token(&self.policy, call, reason),
                seen,
                None,
            ),
        }
    }
}

/// A result with all that its log line tells.
struct Outcome<'e> {
    result: Result<Value, AuthorizerError>,
    verdict: &'static str,
    reason: Option<Reason>,
    rule: Option<String>,
    coverage: Option<Coverage>,
    call: Option<Seen<'e>>,
    token: Option<Arc<AccessToken>>,
    jwks: Option<JwksState>,
    known: bool,
}

impl<'e> Outcome<'e> {
    fn answered(answer: Answer, call: Seen<'e>, token: Option<Arc<AccessToken>>) -> Self {
        let Answer {
            body,
            decision,
            coverage,
        } = answer;
        let verdict = if decision.is_allow() { "allow" } else { "deny" };
        let (reason, rule) = (decision.reason, decision.rule);
        Self {
            result: Ok(body),
            verdict,
            reason,
            rule,
            coverage,
            call: Some(call),
            token,
            jwks: None,
            known: false,
        }
    }

    fn unauthorized(call: Seen<'e>, reason: Reason) -> Self {
        let error = AuthorizerError::Unauthorized(reason);
        Self {
            verdict: "unauthorized",
            ..Self::error(Some(call), error)
        }
    }

    fn failed(call: Option<Seen<'e>>, reason: Reason) -> Self {
        Self::error(call, AuthorizerError::Fault(reason))
    }

    fn error(call: Option<Seen<'e>>, error: AuthorizerError) -> Self {
        let reason = Some(error.reason());
        Self {
            result: Err(error),
            verdict: "fault",
            reason,
            rule: None,
            coverage: None,
            call,
            token: None,
            jwks: None,
            known: false,
        }
    }

    /// One line for each call, and never a token in it.
    fn log(&self, took_us: Option<u64>) {
        let call = self.call.as_ref();
        let token = self.token.as_ref();
        tracing::info!(
            target: "gatewright::decision",
            decision = self.verdict,
            reason = self.reason.map(Reason::as_str),
            rule = self.rule,
            request_id = call.and_then(|call| call.request_id),
            api = call.map(|call| call.api.as_str()),
            stage = call.and_then(|call| call.stage.as_deref()),
            kind = call.map(|call| call.kind),
            method = call.map(|call| call.method),
            route = call.and_then(|call| call.route),
            issuer = token.map(|token| token.issuer.as_str()),
            client = token.map(|token| token.client_id.as_str()),
            subject = token.map(|token| short_digest(&token.subject)),
            kid = token.map(|token| token.kid.as_str()),
            binding = token.and_then(|token| token.confirmation.as_ref()).map(Confirmation::as_str),
            jwks = self.jwks.map(JwksState::as_str),
            token_cache = self.jwks.map(|_| if self.known { "hit" } else { "miss" }),
            alg = token.and_then(|token| token.alg).map(crate::jose::Algorithm::as_str),
            cache = self.coverage.as_ref().map(|coverage| if *coverage == Coverage::Whole { "whole" } else { "exact" }),
            us = took_us,
            "decision"
        );
    }
}

/// What the log tells of a call.
struct Seen<'e> {
    kind: &'static str,
    api: String,
    stage: Option<String>,
    method: &'e str,
    request_id: Option<&'e str>,
    route: Option<&'e str>,
}

impl<'e> Seen<'e> {
    fn of(call: &Call<'e>) -> Self {
        Self {
            kind: call.kind.as_str(),
            api: call.arn.api.clone(),
            stage: Some(call.arn.stage.clone()),
            method: call.method,
            request_id: call.request_id,
            route: call.route,
        }
    }

    fn graphql(call: &GraphQlCall<'e>) -> Self {
        Self {
            kind: "appsync",
            api: call.api.to_owned(),
            stage: None,
            method: "POST",
            request_id: call.request_id,
            route: call.operation,
        }
    }
}

/// Enough to find one subject's calls, without naming the subject.
fn short_digest(subject: &str) -> String {
    let digest = digest::digest(&digest::SHA256, subject.as_bytes());
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(first))
}

/// Runs a future and gives back the panic, if it panics.
async fn catching<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
