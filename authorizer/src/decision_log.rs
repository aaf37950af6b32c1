//! The decision log: one line for each call, whatever door it came through, and never a token in it.

use std::io;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::cause::Cause;
use crate::jwks::JwksState;
use crate::reason::Reason;
use crate::token::{AccessToken, Confirmation};
use crate::trace::TraceId;

/// One line. What a door doesn't know is left out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DecisionLine<'l> {
    /// `allow`, `deny`, `unauthorized` or `fault`.
    pub decision: &'static str,
    pub reason: Option<Reason>,
    /// Which cause it was, where the reason has several.
    pub cause: Option<Cause>,
    /// What is wrong with an event that isn't recognised: its cause.
    pub wrong: Option<&'l str>,
    pub rule: Option<&'l str>,
    /// The scopes that the token lacks.
    pub missing: &'l [String],
    /// What the token says and the API isn't told, because it doesn't fit.
    pub left_out: &'l [String],
    pub request_id: Option<&'l str>,
    /// The WebSocket connection that was asked for.
    pub connection: Option<&'l str>,
    /// The trace that the call belongs to.
    pub trace_id: Option<TraceId>,
    pub api: Option<&'l str>,
    pub stage: Option<&'l str>,
    pub kind: Option<&'l str>,
    pub method: Option<&'l str>,
    pub route: Option<&'l str>,
    pub token: Option<&'l AccessToken>,
    pub jwks: Option<JwksState>,
    /// Whether the token had been verified before.
    pub known: bool,
    /// How far the answer may be cached.
    pub cache: Option<&'static str>,
    /// The form of an answer to payload 2.0: `iam` or `simple`.
    pub answer: Option<&'static str>,
    /// Whether it's the first call of this process.
    pub cold: bool,
    /// Length of the policy document as JSON.
    pub policy_bytes: Option<usize>,
    /// Which policy file decided: the start of its SHA-256 digest.
    pub config: Option<&'l str>,
    /// How long the decision took, in microseconds.
    pub took_us: Option<u64>,
}

impl DecisionLine<'_> {
    pub fn write(&self) {
        let token = self.token;
        tracing::info!(
            target: "gatewright::decision",
            decision = self.decision,
            reason = self.reason.map(Reason::as_str),
            cause = self.cause.map(|cause| cause.to_string()).as_deref().or(self.wrong),
            rule = self.rule,
            missing = (!self.missing.is_empty()).then(|| self.missing.join(" ")),
            left_out = (!self.left_out.is_empty()).then(|| self.left_out.join(" ")),
            request_id = self.request_id,
            connection = self.connection,
            trace_id = self.trace_id.map(tracing::field::display),
            api = self.api,
            stage = self.stage,
            kind = self.kind,
            method = self.method,
            route = self.route,
            issuer = token.map(|token| token.issuer.as_str()),
            client = token.map(|token| token.client_id.as_str()),
            subject = token.map(|token| short_digest(&token.subject)),
            jti = token.map(|token| whole_digest(&token.jti)),
            kid = token.map(|token| token.kid.as_str()),
            binding = token.and_then(|token| token.confirmation.as_ref()).map(Confirmation::as_str),
            jwks = self.jwks.map(JwksState::as_str),
            token_cache = self.jwks.map(|_| if self.known { "hit" } else { "miss" }),
            alg = token.and_then(|token| token.alg).map(crate::jose::Algorithm::as_str),
            cache = self.cache,
            answer = self.answer,
            cold = self.cold,
            policy_bytes = self.policy_bytes,
            config = self.config,
            us = self.took_us,
            "decision"
        );
    }
}

/// By which an issuer finds the one token that it recorded; from it alone nobody makes out the `jti`.
fn whole_digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// Enough to tell two texts apart: to find one subject's calls without naming the subject.
pub(crate) fn short_digest(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(first))
}

/// The length of an answer's policy document, without writing it anywhere.
pub(crate) fn policy_bytes(answer: &Value) -> Option<usize> {
    struct Length(usize);
    impl io::Write for Length {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut length = Length(0);
    serde_json::to_writer(&mut length, answer.get("policyDocument")?).ok()?;
    Some(length.0)
}
