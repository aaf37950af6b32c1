//! An authorizer's decisions, sent to an issuer: its admin API takes them, from a client that may do nothing else.

use crate::domain::form::encode;
use crate::flows::admin_token::DECISIONS_SCOPE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gatewright_authorizer::fetch::{self, Limits, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};
use std::fmt;
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
    /// They come too fast: in a second it works.
    TooFast,
    /// The issuer won't take them: somebody has to change something.
    Refused(String),
    /// It may work later.
    Failed(String),
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "they are too many at once",
            Self::TooFast => "they come too fast",
            Self::Refused(words) | Self::Failed(words) => words,
        })
    }
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
    token: Option<Token>,
}

struct Token {
    value: HeaderValue,
    /// When it is replaced, Unix seconds.
    until: i64,
}

/// How many decisions could not be sent, and what tells this number from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// How many.
    pub count: u64,
    /// Of URL-safe characters.
    pub report: String,
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
    pub async fn send(
        &mut self,
        lines: &[String],
        lost: &Lost,
        now: i64,
    ) -> Result<Taken, NotTaken> {
        self.token.take_if(|token| token.until <= now);
        let known = self.token.is_some();
        let answer = self.send_once(lines, lost, now).await?;
        // A token that was good before may have been revoked, or the client's rights changed.
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        let answer = if known && refused.contains(&answer.status) {
            self.token = None;
            self.send_once(lines, lost, now).await?
        } else {
            answer
        };
        if refused.contains(&answer.status) {
            self.token = None;
        }
        match answer.status {
            StatusCode::OK => taken(&answer).ok_or_else(|| {
                NotTaken::Failed("what answers there is no admin API of Gatewright".to_owned())
            }),
            StatusCode::PAYLOAD_TOO_LARGE if !lines.is_empty() => Err(NotTaken::TooLarge),
            StatusCode::TOO_MANY_REQUESTS => Err(NotTaken::TooFast),
            _ => Err(not_taken("its admin API", &answer)),
        }
    }

    async fn send_once(
        &mut self,
        lines: &[String],
        lost: &Lost,
        now: i64,
    ) -> Result<Response, NotTaken> {
        if self.token.is_none() {
            self.token = Some(self.fetch_token(now).await?);
        }
        let token = self.token.as_ref().map(|token| token.value.clone());
        let mut url = format!("{}/admin/api/decisions", self.issuer);
        if lost.count > 0 {
            url = format!("{url}?lost={}&report={}", lost.count, lost.report);
        }
        let ndjson = HeaderValue::from_static("application/x-ndjson");
        let mut headers = vec![(CONTENT_TYPE, ndjson)];
        headers.extend(token.map(|token| (AUTHORIZATION, token)));
        self.post(&url, &headers, lines.join("\n")).await
    }

    async fn fetch_token(&self, now: i64) -> Result<Token, NotTaken> {
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
        let body = (answer.status == StatusCode::OK).then(|| object(&answer));
        let body = body.ok_or_else(|| not_taken("its token endpoint", &answer))?;
        let token = body.get("access_token").and_then(Value::as_str);
        let token = token.ok_or_else(|| {
            NotTaken::Failed("what answers there is no token endpoint".to_owned())
        })?;
        let lasts_s = body.get("expires_in").and_then(Value::as_i64).unwrap_or(60);
        Ok(Token {
            value: secret(&format!("Bearer {token}")).map_err(NotTaken::Failed)?,
            // Before it expires, however slow the next request is.
            until: now + lasts_s * 4 / 5,
        })
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

fn object(answer: &Response) -> Map<String, Value> {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn taken(answer: &Response) -> Option<Taken> {
    let body = object(answer);
    let number = |name: &str| body.get(name).and_then(Value::as_u64);
    Some(Taken {
        added: number("added")?,
        known: number("known")?,
        passed_over: number("passed_over")?,
    })
}

fn not_taken(whose: &str, answer: &Response) -> NotTaken {
    let mut words = format!("{whose} answered {}", answer.status);
    let body = object(answer);
    if let Some(said) = body.get("error_description").and_then(Value::as_str) {
        words.push_str(": ");
        words.extend(said.chars().take(WORDS_MAX_CHARS));
    }
    let passes = answer.status.is_server_error()
        || [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::PAYLOAD_TOO_LARGE,
        ]
        .contains(&answer.status);
    if passes {
        NotTaken::Failed(words)
    } else {
        NotTaken::Refused(words)
    }
}
