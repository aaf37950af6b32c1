//! `cnf`: the key that a token is bound to (RFC 7800).

use serde_json::{Map, Value};

use crate::cause::Cause;

const CNF_MALFORMED: Cause = Cause::ClaimMalformed("cnf");

/// What the sender of a bound token must prove to have. At least one of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// `jkt`: the RFC 7638 thumbprint of the key that signs DPoP proofs (RFC 9449 §6.1).
    pub jkt: Option<String>,
    /// `x5t#S256`: the SHA-256 thumbprint of the client certificate (RFC 8705 §3.1).
    pub x5t_s256: Option<String>,
}

impl Confirmation {
    /// The word in the decision log.
    pub fn as_str(&self) -> &'static str {
        match (&self.jkt, &self.x5t_s256) {
            (Some(_), Some(_)) => "dpop+mtls",
            (Some(_), None) => "dpop",
            _ => "mtls",
        }
    }

    /// The binding that `cnf` states. One that isn't understood can't be checked, so it's refused.
    pub(super) fn of(payload: &Map<String, Value>) -> Result<Option<Self>, Cause> {
        let Some(cnf) = payload.get("cnf") else {
            return Ok(None);
        };
        let members = cnf.as_object().ok_or(CNF_MALFORMED)?;
        let known = |name: &String| name == "jkt" || name == "x5t#S256";
        if members.is_empty() || !members.keys().all(known) {
            return Err(Cause::BindingUnknown);
        }
        Ok(Some(Self {
            jkt: thumbprint(members, "jkt")?,
            x5t_s256: thumbprint(members, "x5t#S256")?,
        }))
    }
}

/// 256 bits as base64url.
fn thumbprint(members: &Map<String, Value>, name: &str) -> Result<Option<String>, Cause> {
    let sound = |text: &&str| {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        text.len() == 43 && text.bytes().all(word)
    };
    match members.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_str()
            .filter(sound)
            .map(|text| Some(text.to_owned()))
            .ok_or(CNF_MALFORMED),
    }
}
