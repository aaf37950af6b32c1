//! The pages of `gatewright demo`.

use askama::Template;

/// A command to paste, and what to expect of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoStep {
    /// What the step shows; no two steps of a page share it.
    pub title: String,
    /// Why it is worth doing.
    pub explain: String,
    /// What to paste into a terminal; lines are kept.
    pub command: String,
    /// What then appears; empty to say nothing.
    pub expect: String,
}

/// Something to look at, by address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoLink {
    /// The words that are linked.
    pub label: String,
    /// Where they lead.
    pub href: String,
    /// What is found there; empty to say nothing.
    pub explain: String,
}

/// One claim of a token, its value as JSON text or plain string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimLine {
    /// The claim's name.
    pub name: String,
    /// Its value as shown.
    pub value: String,
}

impl ClaimLine {
    /// What the claim says (RFC 7519 §4.1, `OpenID` Connect Core §2 and §5.1, RFC 9068 §2.2); empty if not known.
    pub fn meaning(&self) -> &'static str {
        match self.name.as_str() {
            "iss" => "Who issued it",
            "sub" => "The account, by an identifier that never changes",
            "aud" => "Whom it’s meant for; anyone else must refuse it",
            "exp" => "When it stops being valid (Unix time)",
            "iat" => "When it was issued (Unix time)",
            "nbf" => "When it becomes valid (Unix time)",
            "auth_time" => "When the password was entered (Unix time)",
            "nonce" => "Ties it to the request that the application made",
            "jti" => "This token’s own identifier",
            "client_id" | "azp" => "The application it was issued to",
            "scope" => "What may be done with it",
            "sid" => "The session it belongs to",
            "acr" => "How strong the sign-in was",
            "amr" => "How the person signed in",
            "at_hash" => "Ties it to the access token issued with it",
            "name" => "The person’s name",
            "preferred_username" => "The username",
            "email" => "The email address",
            "email_verified" => "Whether the email address was verified",
            _ => "",
        }
    }
}

/// One call of the sample API and the authorizer's judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiCallLine {
    /// The request's method.
    pub method: String,
    /// The request's path.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// "Allowed", "Denied".
    pub verdict: String,
    /// Why, by the policy.
    pub reason: String,
}

impl ApiCallLine {
    fn allowed(&self) -> bool {
        self.status < 400
    }
}

/// The demo's `/`: what it is, how to log in, and the same by hand.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/start.html" %}"#
)]
pub struct StartPage<'a> {
    /// The issuer of this run.
    pub issuer: &'a str,
    /// Starts the browser login.
    pub login_href: &'a str,
    /// The seeded user's login.
    pub user: &'a str,
    /// And password, random for this run.
    pub password: &'a str,
    /// What to try in a terminal, in order.
    pub steps: Vec<DemoStep>,
    /// Key set, metadata and the like.
    pub links: Vec<DemoLink>,
    /// The text of the policy file.
    pub policy: &'a str,
}

/// What the browser login brought: tokens, and what the API says to them.
#[derive(Debug, Template)]
#[template(
    ext = "html",
    source = r#"{% extends "src/http/pages/templates/demo_result.html" %}"#
)]
pub struct DemoResultPage<'a> {
    /// The person who signed in.
    pub user_display: &'a str,
    /// The start page.
    pub start_href: &'a str,
    /// The ID token, verified and decoded.
    pub id_token_claims: Vec<ClaimLine>,
    /// The access token, as sent to the API.
    pub access_token: &'a str,
    /// The same, decoded.
    pub access_token_claims: Vec<ClaimLine>,
    /// Calls made with it.
    pub calls: Vec<ApiCallLine>,
    /// What to try next in a terminal; may be empty.
    pub steps: Vec<DemoStep>,
}
