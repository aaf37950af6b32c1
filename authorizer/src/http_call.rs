//! One HTTP call as a server, or the proxy in front of it, has it at hand: judged as it is, nothing to cache.
//!
//! What forward-auth and the tower layer have in common: credentials from raw header values, the verdict for this call
//! alone, and its line in the decision log.

use std::net::IpAddr;
use std::sync::Arc;

use crate::credentials::{Credentials, Scheme};
use crate::decision_log::DecisionLine;
use crate::handler::Authorizer;
use crate::policy::{Decision, OnOverflow, Policy, Request, Target, Verdict};
use crate::reason::Reason;
use crate::refusal::Refusal;
use crate::token::AccessToken;
use crate::trace::TraceId;
#[cfg(feature = "fetch")]
use crate::trace::TraceParent;
use crate::verifier::Verification;

/// One call.
#[derive(Clone, Debug, Default)]
pub struct HttpCall<'r> {
    /// Which door it came through, for the log: `forward_auth`, `tower`.
    pub kind: &'static str,
    /// The HTTP method.
    pub method: &'r str,
    /// The raw path, without the query, as the API gets it; the policy file's `base_paths` may stand in front.
    pub path: &'r str,
    /// Every value of the `Authorization` header, as it came.
    pub authorization: Vec<&'r [u8]>,
    /// Every value of the `DPoP` header.
    pub proofs: Vec<&'r [u8]>,
    /// The URL that proofs of possession must be for: scheme, host and path. Not from a header that the caller sets,
    /// or a proof for another host would do. Without it they are refused.
    pub url: Option<String>,
    /// The caller's address, if it's known.
    pub source_ip: Option<IpAddr>,
    /// The id under which the call is logged elsewhere.
    pub request_id: Option<&'r str>,
    /// The trace that the call belongs to.
    pub trace_id: Option<TraceId>,
}

/// A call that may go on.
#[derive(Clone, Debug, PartialEq)]
pub enum Admitted {
    /// As somebody's.
    Caller(Admission),
    /// As nobody's: this public rule asks for no token, and none was looked at.
    Public(String),
}

impl Admitted {
    /// Whose call it is, if it's somebody's.
    pub fn caller(&self) -> Option<&Admission> {
        match self {
            Self::Caller(admission) => Some(admission),
            Self::Public(_) => None,
        }
    }

    /// The rule that allowed it.
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::Caller(admission) => admission.rule.as_deref(),
            Self::Public(rule) => Some(rule),
        }
    }
}

/// A call that may go on as somebody's.
#[derive(Clone, Debug, PartialEq)]
pub struct Admission {
    /// Whose call it is.
    pub token: Arc<AccessToken>,
    /// The rule that allowed it.
    pub rule: Option<String>,
}

/// Names of headers that some servers and frameworks take for another method or path than the request's own, so that
/// what was judged would not be what is done. An underscore counts as a hyphen.
const OF_ANOTHER_CALL: [&str; 10] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-rewrite-uri",
    "x-forwarded-method",
    "x-forwarded-uri",
];

/// Whether a header could make the API read another call than the one that was judged.
pub fn tells_another_call(name: &str) -> bool {
    let name = name.replace('_', "-");
    OF_ANOTHER_CALL
        .iter()
        .any(|own| own.eq_ignore_ascii_case(&name))
}

#[cfg(feature = "fetch")]
impl<'r> HttpCall<'r> {
    /// With what the call's headers say: credentials, proofs of possession, and the trace.
    #[must_use]
    pub fn with_headers(mut self, headers: &'r http::HeaderMap) -> Self {
        let values = |name: &str| {
            let values = headers.get_all(name).iter();
            values.map(http::HeaderValue::as_bytes).collect()
        };
        self.authorization = values("authorization");
        self.proofs = values("dpop");
        self.trace_id = TraceParent::from_headers(headers).map(|parent| parent.trace_id);
        self
    }
}

impl HttpCall<'_> {
    fn credentials(&self) -> Result<Credentials<'_>, Reason> {
        Ok(Credentials {
            method: self.method,
            url: self.url.clone(),
            ..Credentials::in_headers(&self.authorization, &self.proofs)?
        })
    }

    /// The scheme to challenge the caller for.
    fn scheme(&self) -> Option<Scheme> {
        self.credentials()
            .ok()
            .map(|credentials| credentials.scheme)
    }

    fn request(&self, policy: &Policy, now: i64) -> Request<'_> {
        Request {
            source_ip: self.source_ip,
            ..Request::new(self.method, policy.path_inside(self.path)).at(now)
        }
    }

    fn line(&self) -> DecisionLine<'_> {
        DecisionLine {
            kind: Some(self.kind),
            method: Some(self.method).filter(|method| !method.is_empty()),
            request_id: self.request_id,
            trace_id: self.trace_id,
            ..DecisionLine::default()
        }
    }
}

impl Authorizer {
    /// Decides on one call; `now` in Unix seconds. A panic anywhere inside is a fault, never an admission.
    ///
    /// # Errors
    /// What to answer instead.
    pub async fn admit(&self, call: &HttpCall<'_>, now: i64) -> Result<Admitted, Refusal> {
        self.admit_telling(call, now, |_| Vec::new()).await
    }

    /// The same for a server that tells the API who calls by other means than [`Admission`]: `left_out` names what of a
    /// token wouldn't fit. Where the policy file wants that, such a call is denied.
    ///
    /// # Errors
    /// What to answer instead.
    pub async fn admit_telling(
        &self,
        call: &HttpCall<'_>,
        now: i64,
        left_out: impl Fn(&AccessToken) -> Vec<String>,
    ) -> Result<Admitted, Refusal> {
        let request = call.request(self.policy(), now);
        let public = async { self.policy().judge_public(&request) };
        let (public, took_us) = self.supervised(public).await;
        // A panic is met again below, and is a fault there.
        if let Ok(Some(decision)) = public {
            self.record(&DecisionLine {
                decision: "allow",
                rule: decision.rule.as_deref(),
                route: self.policy().path_of(&decision),
                took_us,
                ..call.line()
            });
            return Ok(Admitted::Public(decision.rule.unwrap_or_default()));
        }
        let (outcome, took_us) = self.supervised(self.examine(call, now)).await;
        let (verification, decision) = outcome.unwrap_or_else(|reason| {
            (
                Verification::refused(reason),
                Decision::refused_before_judging(reason),
            )
        });
        let token = verification.outcome.ok();
        let left_out = token.as_deref().map(left_out).unwrap_or_default();
        let denied = self.policy().on_overflow() == OnOverflow::Error && !left_out.is_empty();
        let decision = if denied && decision.is_allow() {
            Decision::overflowing(&left_out)
        } else {
            decision
        };
        let missing = decision.missing_scopes();
        let route = self.policy().path_of(&decision);
        let admitted = token
            .clone()
            .filter(|_| decision.verdict == Verdict::Allow)
            .ok_or_else(|| Refusal::of(&decision, call.scheme(), call.url.is_some()));
        self.record(&DecisionLine {
            decision: admitted.as_ref().map_or_else(Refusal::as_str, |_| "allow"),
            reason: decision.reason,
            cause: decision.cause,
            rule: decision.rule.as_deref(),
            missing: &missing,
            left_out: &left_out,
            route,
            token: token.as_deref(),
            jwks: verification.jwks,
            known: verification.known,
            took_us,
            ..call.line()
        });
        admitted.map(|token| {
            Admitted::Caller(Admission {
                token,
                rule: decision.rule,
            })
        })
    }

    /// Refuses a call of which it's not known what it is; of `call` only what is known is filled in.
    pub fn refuse(&self, call: &HttpCall<'_>, reason: Reason) -> Refusal {
        let refusal = Refusal::because_of(reason);
        self.record(&DecisionLine {
            decision: refusal.as_str(),
            reason: Some(reason),
            ..call.line()
        });
        refusal
    }

    async fn examine(&self, call: &HttpCall<'_>, now: i64) -> (Verification, Decision) {
        let verification = match call.credentials() {
            Ok(credentials) => self.verifier().examine(&credentials, now).await,
            Err(reason) => Verification::refused(reason),
        };
        let decision = match verification.verdict() {
            Ok(token) => {
                self.policy()
                    .judge_target(token, Target::Route, &call.request(self.policy(), now))
            }
            Err(why) => Decision::refused_before_judging(why),
        };
        (verification, decision)
    }
}
