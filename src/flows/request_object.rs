//! Request objects (OIDC Core §6, RFC 9101): not supported, and refused the way that their client listens for.

use super::checks::{ECHO_MAX_BYTES, Refusal};
use crate::domain::ErrorCode;
use crate::domain::form::Form;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewright_authorizer::jose::parse_object;

/// Refuses `request` and `request_uri`; neither is looked at for what it asks.
pub(super) fn absent(form: &Form) -> Result<(), Refusal> {
    if form.get("request_uri").is_some() {
        return Err((
            ErrorCode::RequestUriNotSupported,
            "request_uri is not supported: send the parameters themselves",
        ));
    }
    if form.get("request").is_some() {
        return Err((
            ErrorCode::RequestNotSupported,
            "request is not supported: send the parameters themselves",
        ));
    }
    Ok(())
}

/// How the sender of a request object waits for its answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// `response_mode`
    pub response_mode: Option<String>,
    /// `state`
    pub state: Option<String>,
}

/// Reads how a request object wants to be answered, for the refusal alone: a client that put `state` and
/// `response_mode` nowhere else would not understand it otherwise. No signature is looked at and nothing is believed:
/// where the answer goes is the query's to say, and who sends an object could as well have sent both as parameters.
pub(super) fn wishes(form: &Form) -> Wishes {
    let once = form.duplicates(&[]).all(|name| name != "request");
    let object = form.get("request").filter(|_| once);
    object.and_then(read).unwrap_or_default()
}

fn read(object: &str) -> Option<Wishes> {
    let mut segments = object.split('.');
    let (_, payload, _) = (segments.next()?, segments.next()?, segments.next()?);
    if segments.next().is_some() {
        // Encrypted, or nothing at all.
        return None;
    }
    let claims = parse_object(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let text = |name: &str| {
        let value = claims.get(name)?.as_str()?;
        (!value.is_empty() && value.len() <= ECHO_MAX_BYTES).then(|| value.to_owned())
    };
    Some(Wishes {
        response_mode: text("response_mode"),
        state: text("state"),
    })
}
