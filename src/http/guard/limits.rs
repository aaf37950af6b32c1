//! What a request must be like before a handler sees it.

use axum::{body::Body, extract::Request};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, Version, header, uri::Authority};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use super::GuardSettings;
use crate::http::server::{MAX_HEADERS, OVERLOADED, Overloaded, PeerAddr, Refused};

type Check = Result<(), Refused>;

/// The request with its whole body in memory (unless it is relayed), or why not.
pub(super) async fn admit(settings: &GuardSettings, request: Request) -> Result<Request, Refused> {
    framing_was_accepted(&request)?;
    headers_are_few(request.headers())?;
    framing_is_unambiguous(request.headers())?;
    one_host(&request)?;
    host_is_own(settings, &request)?;
    if settings.relays {
        return Ok(request);
    }
    announced_length_fits(settings, request.headers())?;
    if request.body().is_end_stream() {
        return Ok(request);
    }
    body_is_not_encoded(request.headers())?;
    let (parts, body) = request.into_parts();
    let body = tokio::time::timeout(settings.body_timeout, whole(body, settings.body_limit))
        .await
        .map_err(|_| Refused {
            status: StatusCode::REQUEST_TIMEOUT,
            reason: "the body took too long",
        })??;
    Ok(Request::from_parts(parts, Body::from(body)))
}

fn refuse<T>(status: StatusCode, reason: &'static str) -> Result<T, Refused> {
    Err(Refused { status, reason })
}

fn bad<T>(reason: &'static str) -> Result<T, Refused> {
    refuse(StatusCode::BAD_REQUEST, reason)
}

/// The listener has looked at the bytes of an HTTP/1 request already.
fn framing_was_accepted(request: &Request) -> Check {
    request
        .extensions()
        .get::<Refused>()
        .map_or(Ok(()), |refused| Err(*refused))
}

fn headers_are_few(headers: &HeaderMap) -> Check {
    if headers.len() > MAX_HEADERS {
        return refuse(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "there are too many headers",
        );
    }
    Ok(())
}

/// RFC 9112 §6.1; over the listener it never gets here, for hyper would have removed one of the two.
fn framing_is_unambiguous(headers: &HeaderMap) -> Check {
    if headers.contains_key(header::TRANSFER_ENCODING)
        && headers.contains_key(header::CONTENT_LENGTH)
    {
        return bad("Content-Length and Transfer-Encoding exclude each other");
    }
    Ok(())
}

/// RFC 9112 §3.2, and for HTTP/2 RFC 9113 §8.3.1: one host, said once, or twice the same.
fn one_host(request: &Request) -> Check {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return bad("there is more than one Host");
    }
    let target = request.uri().authority();
    match (host, target) {
        (Some(host), _) if !is_authority(host) => bad("Host is not valid"),
        (_, Some(target)) if target.as_str().contains('@') => {
            bad("the request target holds a user name")
        }
        (Some(host), Some(target))
            if !host
                .as_bytes()
                .eq_ignore_ascii_case(target.as_str().as_bytes()) =>
        {
            bad("Host and the request target differ")
        }
        (None, None) if request.version() > Version::HTTP_10 => bad("Host is missing"),
        (None, Some(_)) if request.version() == Version::HTTP_11 => bad("Host is missing"),
        _ => Ok(()),
    }
}

/// On loopback; a request without any host is of HTTP/1.0, which no browser speaks.
fn host_is_own(settings: &GuardSettings, request: &Request) -> Check {
    let Some(own) = &settings.hosts else {
        return Ok(());
    };
    let header = request.headers().get(header::HOST);
    let target = request.uri().authority().map(Authority::as_str);
    let host = header.and_then(|host| host.to_str().ok()).or(target);
    let peer = request.extensions().get::<PeerAddr>();
    let relayed = || {
        peer.is_some_and(|peer| {
            let peer = peer.0.ip().to_canonical();
            settings
                .trusted_proxies
                .iter()
                .any(|net| net.contains(&peer))
        })
    };
    if host.is_none_or(|host| own.include(host)) || relayed() {
        return Ok(());
    }
    refuse(
        StatusCode::MISDIRECTED_REQUEST,
        "this listener is for this machine and isn't known by this Host: ask for 127.0.0.1, localhost, or a host that its \
         configuration names",
    )
}

fn is_authority(host: &HeaderValue) -> bool {
    let is_plain =
        |authority: &Authority| !authority.as_str().contains('@') && !authority.host().is_empty();
    Authority::try_from(host.as_bytes()).is_ok_and(|authority| is_plain(&authority))
}

/// What is small here could be large there.
fn body_is_not_encoded(headers: &HeaderMap) -> Check {
    let encoded = |value: &HeaderValue| {
        !value
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    };
    if headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(encoded)
    {
        return refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "an encoded body is not accepted",
        );
    }
    Ok(())
}

const TOO_LARGE: Refused = Refused {
    status: StatusCode::PAYLOAD_TOO_LARGE,
    reason: "the body is too large",
};

fn announced_length_fits(settings: &GuardSettings, headers: &HeaderMap) -> Check {
    let length = headers.get(header::CONTENT_LENGTH).map(|value| {
        value
            .to_str()
            .ok()
            .and_then(|text| text.parse::<usize>().ok())
    });
    match length {
        Some(None) => bad("Content-Length is not a number"),
        Some(Some(length)) if length > settings.body_limit => Err(TOO_LARGE),
        _ => Ok(()),
    }
}

fn body_ended(error: axum::Error) -> Refused {
    if error.into_inner().is::<Overloaded>() {
        return OVERLOADED;
    }
    Refused {
        status: StatusCode::BAD_REQUEST,
        reason: "the body is malformed or ends too early",
    }
}

async fn whole(mut body: Body, limit: usize) -> Result<Bytes, Refused> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Err(body_ended(error)),
        };
        let Ok(data) = frame.into_data() else {
            return bad("trailers are not accepted");
        };
        if read.len() + data.len() > limit {
            return Err(TOO_LARGE);
        }
        if read.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}
