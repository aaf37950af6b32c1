//! How a call that may not go on is answered over HTTP: status, challenges (RFC 6750 §3, RFC 9449 §7.1) and body.

use serde_json::{Value, json};

use crate::cause::{Cause, Refused};
use crate::credentials::Scheme;
use crate::jose::Algorithm;
use crate::policy::Decision;
use crate::reason::Reason;

/// A call that may not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    cause: Option<Cause>,
    rule: Option<String>,
    missing_scopes: Vec<String>,
    scheme: Option<Scheme>,
    takes_proofs: bool,
}

impl Refusal {
    /// `scheme` is what the caller used; `takes_proofs` says whether a proof of possession could be checked here.
    pub(crate) fn of(decision: &Decision, scheme: Option<Scheme>, takes_proofs: bool) -> Self {
        Self {
            // A denial without a reason would be a fault of the judge's.
            reason: decision.reason.unwrap_or(Reason::Internal),
            cause: decision.cause,
            rule: decision.rule.clone(),
            missing_scopes: decision.missing_scopes(),
            scheme,
            takes_proofs,
        }
    }

    /// Of a call that no rule was asked about.
    pub(crate) fn because_of(reason: Reason) -> Self {
        Self::of(&Decision::refused_before_judging(reason), None, false)
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Why, in one sentence that names the one cause.
    pub fn words(&self) -> String {
        let (reason, cause) = (self.reason, self.cause);
        Refused { reason, cause }.words()
    }

    /// The rule that decided, if one did.
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    /// The scopes that the token lacks, if that's all it lacks.
    pub fn missing_scopes(&self) -> &[String] {
        &self.missing_scopes
    }

    /// 401 for a token that was refused, 403 for a valid one that may not do this, 503 when nothing could be decided.
    pub fn status(&self) -> u16 {
        match self.as_str() {
            "unauthorized" => 401,
            "deny" => 403,
            _ => 503,
        }
    }

    /// The name in the decision log.
    pub(crate) fn as_str(&self) -> &'static str {
        if self.reason.refuses_token() {
            "unauthorized"
        } else if self.reason.is_fault() {
            "fault"
        } else {
            "deny"
        }
    }

    /// Values of `WWW-Authenticate`, each for a header of its own.
    pub fn challenges(&self) -> Vec<String> {
        let bearer = |error: &str| {
            let words = quotable(&self.words());
            format!("Bearer error=\"{error}\", error_description=\"{words}\"")
        };
        let algorithms = Algorithm::ALL.map(Algorithm::as_str).join(" ");
        let dpop = |error: &str| format!("DPoP error=\"{error}\", algs=\"{algorithms}\"");
        match self.reason {
            Reason::TokenMissing | Reason::SchemeRefused if self.takes_proofs => {
                vec!["Bearer".to_owned(), format!("DPoP algs=\"{algorithms}\"")]
            }
            Reason::TokenMissing | Reason::SchemeRefused => vec!["Bearer".to_owned()],
            Reason::CredentialsAmbiguous => vec![bearer("invalid_request")],
            Reason::ProofMissing
            | Reason::ProofInvalid
            | Reason::ProofMismatch
            | Reason::ProofExpired
            | Reason::ProofReplayed => vec![dpop("invalid_dpop_proof")],
            Reason::ProofKeyMismatch => vec![dpop("invalid_token")],
            Reason::SenderConstrained if self.takes_proofs => vec![dpop("invalid_token")],
            Reason::InsufficientScope => vec![self.scope_challenge(&bearer("insufficient_scope"))],
            Reason::TokenNotBound => vec![bearer("invalid_token")],
            reason if !reason.refuses_token() => Vec::new(),
            _ if self.scheme == Some(Scheme::Dpop) => vec![dpop("invalid_token")],
            _ => vec![bearer("invalid_token")],
        }
    }

    fn scope_challenge(&self, bearer: &str) -> String {
        let scope = quotable(&self.missing_scopes.join(" "));
        if scope.is_empty() {
            bearer.to_owned()
        } else {
            format!("{bearer}, scope=\"{scope}\"")
        }
    }

    /// All of it as a response that nobody keeps.
    #[cfg(feature = "fetch")]
    pub fn response<B: From<String>>(&self) -> http::Response<B> {
        use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
        use http::{HeaderValue, StatusCode};

        let mut response = http::Response::new(B::from(self.body().to_string()));
        *response.status_mut() =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for challenge in self.challenges() {
            if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                headers.append(WWW_AUTHENTICATE, challenge);
            }
        }
        if self.reason.is_fault() {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    /// The body: an error of OAuth, the reason's code and its words.
    pub fn body(&self) -> Value {
        let error = match self.status() {
            401 => "invalid_token",
            403 if self.reason == Reason::InsufficientScope => "insufficient_scope",
            403 => "access_denied",
            _ => "temporarily_unavailable",
        };
        let mut body =
            json!({"error": error, "reason": self.reason, "error_description": self.words()});
        if let (Value::Object(members), false) = (&mut body, self.missing_scopes.is_empty()) {
            members.insert("missing".to_owned(), self.missing_scopes.join(" ").into());
        }
        body
    }
}

/// What may stand between double quotes in a challenge (RFC 6750 §3).
fn quotable(text: &str) -> String {
    let allowed = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    text.chars().filter(allowed).collect()
}
