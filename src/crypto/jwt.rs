//! Signing JWTs (RFC 7519) with a key that was parsed once.

use super::signing_key::{KeyError, SigningKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// `typ` of a token (RFC 8725 §3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// RFC 9068
    AccessToken,
    /// OIDC Core §2
    IdToken,
}

impl TokenType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::IdToken => "JWT",
        }
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

/// Signs claims as a compact JWS.
///
/// # Errors
/// [`KeyError`] if the key refuses.
pub fn sign(
    key: &SigningKey,
    token_type: TokenType,
    claims: &impl Serialize,
) -> Result<String, KeyError> {
    let header = Header {
        alg: key.algorithm().as_str(),
        typ: token_type.as_str(),
        kid: key.kid(),
    };
    let mut token = String::with_capacity(1024);
    for part in [serde_json::to_vec(&header), serde_json::to_vec(claims)] {
        if !token.is_empty() {
            token.push('.');
        }
        let json = part.map_err(|_| KeyError::unserializable())?;
        URL_SAFE_NO_PAD.encode_string(json, &mut token);
    }
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}
