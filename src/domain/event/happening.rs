//! The kinds of events, each with its fields: the table of `docs/events.md` is made of this file.

use super::reasons::{
    AssertionFault, BrowserSession, ClientAuthFailure, Decision, FailureCause, LoginFailure,
    RequestRefusal, SessionEnd, ThrottleScope, TokenRefusal, UnverifiedRequest, UriDifference,
};
use super::{Kind, Recording, Severity};
use crate::domain::client::{AuthMethod, GrantType};
use crate::domain::{ClientId, ErrorCode, FamilyId, Scope, SessionId, Subject};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Makes the enum, and what is known of each kind beforehand.
macro_rules! happenings {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $name:literal, $severity:ident, $recording:ident {
            $($field:ident: $type:ty),* $(,)?
        }
    )+) => {
        /// Everything that can happen.
        #[expect(missing_docs, reason = "fields are named as everywhere else in the domain")]
        #[expect(clippy::large_enum_variant, reason = "made once, and moved to a queue")]
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Happening {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $name)]
                $variant { $($field: $type),* },
            )+
        }

        impl Happening {
            /// What is known of each kind, in the order of a login and what follows from it.
            pub const KINDS: &'static [Kind] = &[$(
                Kind {
                    name: $name,
                    severity: Severity::$severity,
                    recording: Recording::$recording,
                    when: concat!($($doc),+),
                    fields: &[$(stringify!($field)),*],
                },
            )+];

            /// What is known of its kind.
            #[expect(clippy::indexing_slicing, reason = "the index is found by the compiler")]
            pub fn kind(&self) -> &'static Kind {
                const fn of(name: &str) -> usize {
                    let mut at = 0;
                    $(
                        if same(name, $name) {
                            return at;
                        }
                        at += 1;
                    )+
                    at
                }
                match self {
                    $(Self::$variant { .. } => {
                        const AT: usize = of($name);
                        &Self::KINDS[AT]
                    })+
                }
            }
        }
    };
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The end of a chain of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainEnd {
    /// Its name.
    pub writer: String,
    /// The number of its last event.
    pub seq: i64,
    /// The chain's hash there.
    pub hash: String,
}

happenings! {
    /// A person gave the right password.
    LoginSucceeded = "login_succeeded", Info, Committed {
        subject: Subject,
        session_id: SessionId,
        known_device: bool,
        administrator: bool,
    }
    /// A login was refused.
    LoginFailed = "login_failed", Notice, Queued {
        reason: LoginFailure,
        subject: Option<Subject>,
        same_password_accounts: Option<i64>,
    }
    /// An account, or an address, reached the limit of failures and has to wait.
    LoginThrottled = "login_throttled", Warning, Committed {
        scope: ThrottleScope,
        subject: Option<Subject>,
    }
    /// A browser session began.
    SessionStarted = "session_started", Info, Committed {
        subject: Subject,
        session_id: SessionId,
    }
    /// A browser session was ended before its time.
    SessionEnded = "session_ended", Info, Committed {
        session_id: SessionId,
        cause: SessionEnd,
    }
    /// A person allowed a client something.
    ConsentGiven = "consent_given", Info, Committed {
        client_id: ClientId,
        subject: Subject,
        scope: Scope,
    }
    /// A person refused a client.
    ConsentRefused = "consent_refused", Notice, Queued {
        client_id: ClientId,
        subject: Subject,
    }
    /// An authorization request was refused: told to the client, or on a page of ours.
    AuthorizationRefused = "authorization_refused", Notice, Queued {
        client_id: Option<ClientId>,
        error: Option<ErrorCode>,
        unverified: Option<UnverifiedRequest>,
        words: Option<String>,
        redirect_uri: Option<UriDifference>,
        beyond: Option<Vec<String>>,
        browser: Option<BrowserSession>,
    }
    /// A client got an authorization code for a person.
    CodeIssued = "code_issued", Info, Queued {
        client_id: ClientId,
        subject: Subject,
        grant_id: FamilyId,
        session_id: SessionId,
        scope: Scope,
    }
    /// A code was exchanged for tokens.
    CodeRedeemed = "code_redeemed", Info, Queued {
        client_id: ClientId,
        subject: Subject,
        grant_id: FamilyId,
    }
    /// A code came a second time; every token that came of it was revoked.
    CodeReplayed = "code_replayed", Warning, Committed {
        client_id: ClientId,
        subject: Subject,
        grant_id: FamilyId,
    }
    /// An access token was issued.
    TokenIssued = "token_issued", Info, Queued {
        grant: GrantType,
        client_id: ClientId,
        subject: Option<Subject>,
        scope: Scope,
        audience: Vec<String>,
        jti_digest: String,
        grant_id: Option<FamilyId>,
    }
    /// More access tokens were issued than are recorded one by one (`events.tokens_per_s`), or by a family that refreshes all the time.
    TokensIssued = "tokens_issued", Info, Queued {
        grant: GrantType,
        client_id: ClientId,
        count: u64,
    }
    /// A request at the token, introspection or revocation endpoint was refused.
    TokenRefused = "token_refused", Notice, Queued {
        grant: Option<GrantType>,
        client_id: Option<ClientId>,
        error: ErrorCode,
        words: String,
        cause: Option<TokenRefusal>,
        grant_id: Option<FamilyId>,
        beyond: Option<Vec<String>>,
    }
    /// A refresh token was exchanged for its successor. A family that refreshes all the time is counted (`tokens_issued`).
    TokenRefreshed = "token_refreshed", Info, Queued {
        client_id: ClientId,
        subject: Subject,
        grant_id: FamilyId,
    }
    /// A refresh was retried within its grace, and got the same answer again; recorded once an hour for each grant.
    RefreshRetried = "refresh_retried", Notice, Queued {
        client_id: ClientId,
        subject: Subject,
        grant_id: FamilyId,
    }
    /// A spent refresh token came again outside its grace; its whole family was revoked.
    RefreshReplayed = "refresh_replayed", Warning, Committed {
        client_id: ClientId,
        subject: Subject,
        grant_id: FamilyId,
    }
    /// A client revoked a token.
    TokenRevoked = "token_revoked", Info, Committed {
        client_id: ClientId,
        subject: Option<Subject>,
        grant_id: Option<FamilyId>,
        jti_digest: Option<String>,
    }
    /// A client proved who it is; recorded once a minute for each client and method.
    ClientAuthenticated = "client_authenticated", Info, Queued {
        client_id: ClientId,
        method: AuthMethod,
    }
    /// A client could not prove who it is.
    ClientAuthenticationFailed = "client_authentication_failed", Notice, Queued {
        client_id: Option<ClientId>,
        reason: ClientAuthFailure,
        presented: Option<AuthMethod>,
        assertion: Option<AssertionFault>,
    }
    /// A signing key was made or brought in.
    KeyCreated = "key_created", Info, Committed {
        kid: String,
        alg: String,
        state: String,
    }
    /// A signing key began to sign.
    KeyActivated = "key_activated", Info, Committed {
        kid: String,
    }
    /// A signing key ceased to sign.
    KeyRetired = "key_retired", Info, Committed {
        kid: String,
    }
    /// A signing key can't be opened and is not used.
    KeyRejected = "key_rejected", Critical, Queued {
        kid: String,
        cause: String,
    }
    /// An administrator changed something.
    Administration = "administration", Notice, Committed {
        what: String,
        target: String,
        actor: String,
        before: Option<Value>,
        after: Option<Value>,
    }
    /// A policy file was read, and counts from now on.
    PolicyLoaded = "policy_loaded", Info, Queued {
        digest: String,
        scopes: u64,
    }
    /// A node didn't start, since its policy file can't be used.
    PolicyRefused = "policy_refused", Critical, Queued {
        file: String,
        cause: String,
        node: String,
    }
    /// An access token was refused at one of our own endpoints.
    AccessRefused = "access_refused", Notice, Queued {
        endpoint: String,
        client_id: Option<ClientId>,
        subject: Option<Subject>,
        reason: String,
    }
    /// An authorizer decided about a call: it sent its decision, or its log was imported.
    AccessDecided = "access_decided", Info, Queued {
        decision: Decision,
        reason: Option<String>,
        rule: Option<String>,
        missing: Option<Vec<String>>,
        api: Option<String>,
        stage: Option<String>,
        call: Option<String>,
        connection: Option<String>,
        answer: Option<String>,
        method: Option<String>,
        route: Option<String>,
        issuer: Option<String>,
        client_id: Option<ClientId>,
        subject_digest: Option<String>,
        jti_digest: Option<String>,
        kid: Option<String>,
        jwks: Option<String>,
        config: Option<String>,
        us: Option<u64>,
        shipped_by: Option<ClientId>,
    }
    /// An authorizer had more decisions than it could send, or some that no issuer takes: so many are missing.
    DecisionsLost = "decisions_lost", Warning, Queued {
        client_id: ClientId,
        count: u64,
    }
    /// A node's clock and the database's disagree.
    ClockSkew = "clock_skew", Warning, Queued {
        seconds: i64,
    }
    /// How far the other chains of events had come, told in this one, so that none can be taken away whole.
    ChainEnds = "chain_ends", Info, Queued {
        ends: Vec<ChainEnd>,
    }
    /// More events came than could be kept: so many are missing.
    EventsLost = "events_lost", Critical, Queued {
        count: u64,
    }
    /// A request was refused before it came to a use case: what stands in for it is a page, or a plain answer.
    RequestRefused = "request_refused", Notice, Queued {
        reason: RequestRefusal,
        status: u16,
        words: Option<String>,
    }
    /// A peer that is not a trusted proxy sent `X-Forwarded-For` or `Forwarded`, which was not believed; recorded once a
    /// day for each network, and for few networks of strangers.
    ForwardedUntrusted = "forwarded_untrusted", Notice, Queued {
        peer: Option<String>,
        private: bool,
    }
    /// A request was answered with a failure of ours.
    RequestFailed = "request_failed", Warning, Queued {
        cause: FailureCause,
        words: String,
    }
    /// A message about an alert could not be delivered; it will be tried again.
    NotifierFailed = "notifier_failed", Warning, Queued {
        notifier: String,
        alert_id: String,
        cause: String,
    }
    /// An alert was raised.
    AlertOpened = "alert_opened", Warning, Committed {
        alert_id: String,
        rule: String,
        summary: String,
    }
    /// Somebody took notice of an alert.
    AlertAcknowledged = "alert_acknowledged", Info, Committed {
        alert_id: String,
        rule: String,
        actor: String,
    }
    /// What an alert was about has ended.
    AlertResolved = "alert_resolved", Info, Committed {
        alert_id: String,
        rule: String,
    }
    /// A node began to serve.
    NodeStarted = "node_started", Info, Queued {
        version: String,
    }
    /// A node left in good order.
    NodeStopped = "node_stopped", Info, Queued {
        version: String,
    }
}

impl Happening {
    /// Its fields as JSON; what is absent is left out.
    pub fn detail(&self) -> Map<String, Value> {
        let Ok(Value::Object(mut detail)) = serde_json::to_value(self) else {
            return Map::new();
        };
        detail.remove("kind");
        detail.retain(|_, value| !value.is_null());
        detail
    }

    /// The happening of a stored kind and detail; `None` for one of another version.
    pub fn restore(kind: &str, mut detail: Map<String, Value>) -> Option<Self> {
        detail.insert("kind".to_owned(), kind.into());
        serde_json::from_value(Value::Object(detail)).ok()
    }
}
