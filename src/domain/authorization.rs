//! An authorization request after its checks (RFC 6749 §4.1.1, OIDC Core §3.1.2.1).

use super::id::{ClientId, Subject};
use super::pkce::CodeChallenge;
use super::redirect_uri::VerifiedRedirectUri;
use super::resource::Audience;
use super::scope::Scope;
use serde::{Deserialize, Serialize};

/// How the response travels (OAuth 2.0 Multiple Response Types, Form Post Response Mode).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of a 303.
    #[default]
    Query,
    /// In a form that the browser posts.
    FormPost,
}

/// `prompt` (OIDC Core §3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// No page may be shown.
    pub none: bool,
    /// The password is asked again.
    pub login: bool,
    /// Consent is asked again.
    pub consent: bool,
}

/// What a client asked for and may ask for. Travels sealed through the browser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client_id: ClientId,
    /// Where the answer goes.
    pub redirect_uri: VerifiedRedirectUri,
    /// Whether the request named it: then the token request must too (RFC 6749 §4.1.3).
    pub redirect_uri_named: bool,
    /// Query or form post.
    pub response_mode: ResponseMode,
    /// Returned as it came.
    pub state: Option<String>,
    /// For the ID token.
    pub nonce: Option<String>,
    /// What is asked for, within what the client may.
    pub scope: Scope,
    /// The APIs that the `resource` parameter names; empty for the client's default.
    pub resources: Vec<Audience>,
    /// PKCE.
    pub code_challenge: Option<CodeChallenge>,
    /// What may and must be shown.
    pub prompt: Prompt,
    /// Seconds since the last login, at most.
    pub max_age: Option<i64>,
    /// Prefills the login form.
    pub login_hint: Option<String>,
    /// The person that `id_token_hint` names.
    pub hinted_subject: Option<Subject>,
    /// Whether the hint's key is none that this server keeps: then it can only narrow who may be answered for.
    #[serde(default)]
    pub hint_unproven: bool,
    /// When it came, Unix seconds.
    pub requested_at: i64,
}
