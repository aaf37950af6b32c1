//! Why a call was denied, or why it could not be decided: a fixed set of codes.
//!
//! The codes are an interface: they stand in the decision log, in the context of a denial, in metrics and in
//! `explain`. The README has them as a table, which a test compares with this list.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident, $code:literal, $kind:ident, $explain:literal, $remedy:literal;)+) => {
        /// Why a call was denied, or why it could not be decided.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $explain] $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable code.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What happened, in one sentence.
            pub fn explain(self) -> &'static str {
                match self { $(Self::$name => $explain,)+ }
            }

            /// What to do about it.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)+ }
            }

            fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)+ }
            }
        }
    };
}

#[derive(PartialEq)]
enum Kind {
    Token,
    Rule,
    Fault,
}

reasons! {
    TokenMissing, "token_missing", Token,
        "The request carries no bearer token.",
        "Send `Authorization: Bearer <access token>`.";
    CredentialsAmbiguous, "credentials_ambiguous", Token,
        "The request carries more than one credential, or one that two readers could read differently.",
        "Send exactly one `Authorization: Bearer <access token>` header, and at most one `DPoP` header.";
    SchemeRefused, "scheme_refused", Token,
        "The Authorization header is neither of the Bearer nor of the DPoP scheme.",
        "Send `Authorization: Bearer <access token>`.";
    TokenMalformed, "token_malformed", Token,
        "The token is not a signed JWT in strict compact form.",
        "Send the access token exactly as the token endpoint returned it.";
    TokenTooLarge, "token_too_large", Token,
        "The token is larger than 8 KB.",
        "Have the issuer put fewer claims into the token.";
    HeaderRefused, "header_refused", Token,
        "The token's header has a member that is never accepted, such as jku, jwk, x5c, crit or zip.",
        "Use an issuer that names its keys by kid alone.";
    AlgorithmRefused, "algorithm_refused", Token,
        "The token is signed with an algorithm that the policy doesn't list for its issuer.",
        "List the algorithm under the issuer in the policy file, or have the issuer sign with a listed one.";
    TypeRefused, "type_refused", Token,
        "The token is not an access token: its typ is not at+jwt, nor another that the policy lists for its issuer.",
        "Send the access token, not the ID token or the refresh token.";
    KeyIdMissing, "key_id_missing", Token,
        "The token names no key.",
        "Use an issuer that puts a kid into its tokens.";
    KeyUnknown, "key_unknown", Token,
        "The token names a key that its issuer doesn't publish for that algorithm.",
        "Get a new token; if it happens after a key rotation, check that the issuer publishes keys before it uses them.";
    SignatureInvalid, "signature_invalid", Token,
        "The token's signature is wrong: it was altered, or signed by someone else.",
        "Get a new token from the issuer.";
    IssuerUnknown, "issuer_unknown", Token,
        "The token's issuer is not in the policy file.",
        "Add the issuer to the policy file, exactly as its tokens spell it, or get a token from a listed one.";
    IssuerMismatch, "issuer_mismatch", Token,
        "The token's issuer is not the one that was expected.",
        "Compare the token's iss with the issuer's url in the policy file, byte for byte.";
    AudienceMismatch, "audience_mismatch", Token,
        "The token is meant for another API.",
        "Ask for a token for this API (its audience), or add the audience under the issuer in the policy file.";
    Expired, "expired", Token,
        "The token has expired.",
        "Get a new token; if it's new, check the clocks.";
    NotYetValid, "not_yet_valid", Token,
        "The token is not valid yet.",
        "Wait until its nbf, or check the clocks.";
    IssuedInFuture, "issued_in_future", Token,
        "The token says that it was issued in the future.",
        "Check the clocks of the issuer and of this host.";
    ClaimMissing, "claim_missing", Token,
        "The token lacks a claim that every access token must have.",
        "Have the issuer send iss, sub, aud, exp, iat, client_id and jti (RFC 9068).";
    ClaimMalformed, "claim_malformed", Token,
        "A claim of the token has the wrong type or an impossible value.",
        "Have the issuer send claims of the types of RFC 9068: numbers for times, one string for scope.";
    SenderConstrained, "sender_constrained", Token,
        "The token is bound to a key (cnf), and was sent as a plain bearer token or is bound in a way that isn't supported.",
        "Send a token bound by jkt under the DPoP scheme with its proof; other bindings than jkt and x5t#S256 are not supported.";
    TokenNotBound, "token_not_bound", Token,
        "The token was sent under the DPoP scheme, but is not bound to a key (cnf.jkt).",
        "Send it as `Authorization: Bearer <access token>`, or send a DPoP proof with the token request to get a bound one.";
    ProofMissing, "proof_missing", Token,
        "The token was sent under the DPoP scheme without a DPoP proof.",
        "Send one `DPoP` header with each call; on a REST API use a REQUEST authorizer, since a TOKEN authorizer isn't shown it.";
    ProofInvalid, "proof_invalid", Token,
        "The DPoP proof is not a sound JWT of type dpop+jwt, signed by the public key in its header.",
        "Make the proof as RFC 9449 says: typ dpop+jwt, a public jwk, and jti, htm, htu, iat and ath.";
    ProofKeyMismatch, "proof_key_mismatch", Token,
        "The DPoP proof is signed by another key than the one that the token is bound to.",
        "Sign the proof with the key that the token was requested with.";
    ProofMismatch, "proof_mismatch", Token,
        "The DPoP proof was made for another method (htm), another URL (htu) or another token (ath).",
        "Make a proof for each call: htm and htu exactly as called, without query, and ath from the token that is sent.";
    ProofExpired, "proof_expired", Token,
        "The DPoP proof is older than a minute, or from the future.",
        "Make a proof for each call, and check the clocks.";
    ProofReplayed, "proof_replayed", Token,
        "The DPoP proof has been used before.",
        "Make a proof with a new jti for each call, repeated calls included.";
    CertificateMissing, "certificate_missing", Token,
        "The token is bound to a client certificate, and the call came without one.",
        "Call over mutual TLS, on a custom domain that has it turned on; on a REST API use a REQUEST authorizer.";
    CertificateMismatch, "certificate_mismatch", Token,
        "The token is bound to another client certificate than the one of this connection.",
        "Call with the certificate that the token was requested with, or get a new token with this one.";
    InsufficientScope, "insufficient_scope", Rule,
        "The token is valid but lacks a scope that this route needs.",
        "Ask for a token with the missing scope, if the client may have it.";
    NotPermitted, "not_permitted", Rule,
        "The token is valid, but its client, its subject or its groups are not those that this route is for.",
        "Use an account or a client that may call it, or add it to the rule.";
    ConditionNotMet, "condition_not_met", Rule,
        "The token is valid, but the condition of the rule for this route doesn't hold for this call.",
        "Have the policy explained for this token and call; it shows the condition.";
    ConditionFailed, "condition_failed", Rule,
        "The condition of the rule for this route can't be evaluated: a claim is missing or of another type.",
        "Have the policy explained for this token and call; then have the issuer send the claim, or guard with has().";
    RuleDenied, "rule_denied", Rule,
        "A deny rule of the policy file covers this call.",
        "Change the deny rule if the call should be allowed.";
    NoRule, "no_rule", Rule,
        "No rule of the policy file covers this method and path.",
        "Add a rule for the route; what no rule covers is denied.";
    PathRefused, "path_refused", Rule,
        "The path could be read in more than one way: empty or dot segments, `;`, `\\`, control characters, escapes of `/` or of escapes, or what isn't UTF-8.",
        "Call the plain form of the path; escape each character once.";
    ContextOverflow, "context_overflow", Rule,
        "The token is valid, but a claim that is passed on to the API doesn't fit: it's over 1024 bytes, or has line breaks.",
        "Have the issuer shorten the claim, which the decision log names, or write on_overflow = \"drop\" in [context].";
    DocumentRefused, "document_refused", Rule,
        "The GraphQL document can't be read, begins with no field, or is too large.",
        "Send one plain document of at most 64 KB; all its operations and fragments count.";
    KeysUnavailable, "keys_unavailable", Fault,
        "The issuer's keys could not be fetched, so the token could not be checked.",
        "Check that the issuer is up and reachable from here, and that its discovery document and key set are sound.";
    EventUnrecognised, "event_unrecognised", Fault,
        "The event is none of the kinds that API Gateway sends to an authorizer, or the proxy doesn't say exactly once which call it asks about.",
        "Check the authorizer's type and payload version in the deployment; of a proxy, the headers that it sets.";
    PolicyInvalid, "policy_invalid", Fault,
        "The policy file can't be used.",
        "Run the policy check; it names the line and what to do.";
    Internal, "internal_error", Fault,
        "The authorizer failed.",
        "Look for the request id in the log and report it.";
}

impl Reason {
    /// Whether this is our fault, to be answered with an error, and never a denial of the token.
    pub fn is_fault(self) -> bool {
        self.kind() == Kind::Fault
    }

    /// Whether the token itself was refused (HTTP 401), as against a valid token that may not do this (403).
    pub fn refuses_token(self) -> bool {
        self.kind() == Kind::Token
    }

    /// The reason with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Reason {}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
