//! An authorizer's decisions, sent to an issuer: its admin API takes them, from a client that may do nothing else.

use crate::domain::form::encode;
use crate::flows::admin_token::DECISIONS_SCOPE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gatewright_authorizer::fetch::{self, Limits, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use std::time::Duration;
use zeroize::Zeroizing;

/// Of an answer, from the first packet to its last byte.
const LIMITS: Limits = Limits {
    timeout: Duration::from_secs(10),
    max_bytes: 64 * 1024,
};
/// Characters of an answer's words that are passed on.
const WORDS_MAX_CHARS: usize = 300;

/// Why some lines were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// They are too many at once.
    TooLarge,
    /// The issuer won't take them: somebody has to change something.
    Refused(String),
    /// It may work later.
    Failed(String),
}

/// What became of lines that were taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Decisions that are new to the issuer.
    pub added: u64,
    /// Decisions that it had already.
    pub known: u64,
    /// Lines that are no decisions.
    pub passed_over: u64,
}

/// The way to one issuer.
pub struct Shipper {
    issuer: String,
    client: HeaderValue,
    token: Option<HeaderValue>,
}

impl Shipper {
    /// To the issuer of this URL, as one of its clients.
    ///
    /// # Errors
    /// What to write instead; nothing of the secret.
    pub fn new(issuer: &str, client_id: &str, client_secret: &str) -> Result<Self, String> {
        let issuer = issuer.trim_end_matches('/');
        fetch::checked(issuer).map_err(|_| {
            "the issuer's URL must be https, or http to this machine, without a user".to_owned()
        })?;
        let pair = Zeroizing::new(format!("{}:{}", encode(client_id), encode(client_secret)));
        let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        Ok(Self {
            issuer: issuer.to_owned(),
            client: secret(&basic)?,
            token: None,
        })
    }

    /// Sends lines, and how many were lost before them. A line that is sent again does no harm.
    ///
    /// # Errors
    /// [`NotTaken`]: then none of them was.
    pub async fn send(&mut self, lines: &[String], lost: u64) -> Result<Taken, NotTaken> {
        let known = self.token.is_some();
        let answer = self.send_once(lines, lost).await?;
        // A token that was good before is replaced, once.
        let answer = if known && answer.status == StatusCode::UNAUTHORIZED {
            self.token = None;
            self.send_once(lines, lost).await?
        } else {
            answer
        };
        match answer.status {
            StatusCode::OK => Ok(taken(&answer)),
            StatusCode::PAYLOAD_TOO_LARGE => Err(NotTaken::TooLarge),
            StatusCode::UNAUTHORIZED => {
                self.token = None;
                Err(not_taken("its admin API", &answer))
            }
            _ => Err(not_taken("its admin API", &answer)),
        }
    }

    async fn send_once(&mut self, lines: &[String], lost: u64) -> Result<Response, NotTaken> {
        let token = match &self.token {
            Some(token) => token.clone(),
            None => self.token.insert(self.fetch_token().await?).clone(),
        };
        let url = match lost {
            0 => format!("{}/admin/api/decisions", self.issuer),
            lost => format!("{}/admin/api/decisions?lost={lost}", self.issuer),
        };
        let headers = [
            (AUTHORIZATION, token),
            (
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-ndjson"),
            ),
        ];
        self.post(&url, &headers, lines.join("\n")).await
    }

    async fn fetch_token(&self) -> Result<HeaderValue, NotTaken> {
        let form = format!(
            "grant_type=client_credentials&scope={}&resource={}",
            encode(DECISIONS_SCOPE),
            encode(&self.issuer)
        );
        let headers = [
            (AUTHORIZATION, self.client.clone()),
            (
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            ),
        ];
        let url = format!("{}/token", self.issuer);
        let answer = self.post(&url, &headers, form).await?;
        let token = (answer.status == StatusCode::OK)
            .then(|| member(&answer, "access_token"))
            .flatten();
        let token = token.ok_or_else(|| not_taken("its token endpoint", &answer))?;
        secret(&format!("Bearer {token}")).map_err(NotTaken::Failed)
    }

    async fn post(
        &self,
        url: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: String,
    ) -> Result<Response, NotTaken> {
        let answer = fetch::post(url, headers, Bytes::from(body), LIMITS).await;
        answer.map_err(|error| NotTaken::Failed(error.to_string()))
    }
}

fn secret(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| "a credential holds characters that no header takes".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

fn member(answer: &Response, name: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    body.get(name)?.as_str().map(str::to_owned)
}

fn taken(answer: &Response) -> Taken {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let number = |name: &str| body.get(name).and_then(Value::as_u64).unwrap_or(0);
    Taken {
        added: number("added"),
        known: number("known"),
        passed_over: number("passed_over"),
    }
}

fn not_taken(whose: &str, answer: &Response) -> NotTaken {
    let mut words = format!("{whose} answered {}", answer.status);
    if let Some(said) = member(answer, "error_description") {
        words.push_str(": ");
        words.extend(said.chars().take(WORDS_MAX_CHARS));
    }
    let passes = answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS;
    if passes {
        NotTaken::Failed(words)
    } else {
        NotTaken::Refused(words)
    }
}
