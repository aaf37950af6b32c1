//! A request, read once and strictly.

use super::guard::{ClientAddr, RequestId};
use super::state::App;
use crate::domain::form::{Form, FormError};
use axum::body::Body;
use axum::extract::{FromRef, FromRequest, Request};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, Collected};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Why a body is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Another `Content-Type` than `application/x-www-form-urlencoded`.
    NotAForm,
    /// Another `Content-Type` than `application/x-ndjson`.
    NotLines,
    /// Not decodable.
    Malformed(FormError),
    /// The client went away, was too slow, or sent too much.
    Unreadable(StatusCode),
}

impl BodyError {
    /// What to tell the caller.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotAForm => {
                "send the parameters as application/x-www-form-urlencoded in the body"
            }
            Self::NotLines => {
                "send the log's lines as application/x-ndjson in the body, one JSON object a line"
            }
            Self::Malformed(error) => error.words(),
            Self::Unreadable(_) => "the body could not be read; send it again",
        }
    }
    /// The status it deserves.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Unreadable(status) => status,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// A header that came twice, or isn't text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusableHeader;

/// One request: its parameters, and what is known of its sender.
pub struct Inbound {
    /// Method.
    pub method: Method,
    /// Headers.
    pub headers: HeaderMap,
    /// Parameters of the query.
    pub query: Result<Form, FormError>,
    /// The query as it came.
    pub raw_query: String,
    /// Parameters of the body; empty for GET.
    pub body: Result<Form, BodyError>,
    /// Joins answer and log.
    pub request_id: Arc<str>,
    /// The sender's address.
    pub address: IpAddr,
    /// Unix seconds: the one time of this request.
    pub now: i64,
}

impl Inbound {
    /// The parameters of an endpoint that takes GET and POST.
    ///
    /// # Errors
    /// Words for the caller.
    pub fn parameters(&self) -> Result<&Form, &'static str> {
        if self.method == Method::POST {
            self.body.as_ref().map_err(|error| error.words())
        } else {
            self.query.as_ref().map_err(|error| error.words())
        }
    }

    /// The `Authorization` header; `Err` if it came twice or isn't text.
    ///
    /// # Errors
    /// [`UnusableHeader`]
    pub fn authorization(&self) -> Result<Option<&str>, UnusableHeader> {
        let mut values = self.headers.get_all(AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(Some).map_err(|_| UnusableHeader),
            (Some(_), Some(_)) => Err(UnusableHeader),
        }
    }

    /// Whether a browser says that the request comes from a page of ours, or doesn't say. Our pages send no
    /// referrer, so their forms come with `Origin: null`; that alone proves nothing, and the CSRF token decides.
    pub fn is_same_origin(&self, origin: &str) -> bool {
        let text = |name: &str| {
            self.headers
                .get(name)
                .map(|value| value.to_str().unwrap_or_default())
        };
        let site = text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
        let origin = text("origin").is_none_or(|sent| sent == origin || sent == "null");
        site && origin
    }
}

impl<S> FromRequest<S> for Inbound
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let app = App::from_ref(state);
        let (parts, body) = request.into_parts();
        let body = if parts.method == Method::POST {
            read_form(&parts.headers, body).await
        } else {
            Ok(Form::default())
        };
        Ok(Self::of(&app, parts, body))
    }
}

impl Inbound {
    fn of(app: &App, parts: Parts, body: Result<Form, BodyError>) -> Self {
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        let request_id = parts
            .extensions
            .get::<RequestId>()
            .map_or_else(|| "-".into(), |id| Arc::clone(&id.0));
        let address = parts
            .extensions
            .get::<ClientAddr>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.0);
        Self {
            query: Form::parse(raw_query.as_bytes()),
            raw_query,
            body,
            method: parts.method,
            headers: parts.headers,
            request_id,
            address,
            now: app.now(),
        }
    }
}

/// A request whose body is lines of text (`application/x-ndjson`), and its parameters are all in the query.
pub struct InboundLines {
    /// The request.
    pub inbound: Inbound,
    /// Its body; bytes that are no text stand as U+FFFD.
    pub lines: Result<String, BodyError>,
}

impl<S> FromRequest<S> for InboundLines
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let app = App::from_ref(state);
        let (parts, body) = request.into_parts();
        let of_lines = is_media(&parts.headers, "application/x-ndjson");
        let lines = whole(body).await.and_then(|bytes| {
            if !bytes.is_empty() && !of_lines {
                return Err(BodyError::NotLines);
            }
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        });
        Ok(Self {
            inbound: Inbound::of(&app, parts, Ok(Form::default())),
            lines,
        })
    }
}

/// Whether the content is of a type, whatever its parameters are.
fn is_media(headers: &HeaderMap, known: &str) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .map_or(&[][..], HeaderValue::as_bytes);
    let media = content_type.split(|byte| *byte == b';').next();
    media.is_some_and(|media| media.trim_ascii().eq_ignore_ascii_case(known.as_bytes()))
}

/// The guard in front has bounded the body.
async fn whole(body: Body) -> Result<Bytes, BodyError> {
    let collected = body.collect().await;
    collected
        .map(Collected::to_bytes)
        .map_err(|_| BodyError::Unreadable(StatusCode::BAD_REQUEST))
}

async fn read_form(headers: &HeaderMap, body: Body) -> Result<Form, BodyError> {
    let bytes = whole(body).await?;
    // A type describes content (RFC 9110 §8.3): where there is none, it says nothing.
    if bytes.is_empty() {
        return Ok(Form::default());
    }
    if !is_media(headers, "application/x-www-form-urlencoded") {
        return Err(BodyError::NotAForm);
    }
    Form::parse(&bytes).map_err(BodyError::Malformed)
}
