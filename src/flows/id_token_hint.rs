//! `id_token_hint`: an ID token of ours that comes back (OIDC Core §3.1.2.1, RP-Initiated Logout 1.0 §2).

use super::Issuer;
use super::keys::sealed_public;
use crate::crypto::MasterKeys;
use crate::domain::Subject;
use crate::store::signing_keys::KeyRecord;
use gatewright_authorizer::jose::{Jws, PublicKey};
use serde_json::Value;

/// Largest hint looked at, bytes.
const MAX_BYTES: usize = 16_384;

/// What matters of an ID token that came back, expired or not.
pub(super) struct Hint {
    /// Whom it is about.
    pub subject: Subject,
    /// The client that got it.
    pub client_id: String,
    /// The session that it is of.
    pub session_id: Option<String>,
    /// Whether its signature was verified. Nobody can do so once its key is kept no longer; then it is what its bearer
    /// says, and may narrow what is answered but prove nothing.
    pub proven: bool,
}

/// Reads a hint.
///
/// # Errors
/// Words for the client: what came is no ID token of ours.
pub(super) fn read(issuer: &Issuer, presented: &str, now: i64) -> Result<Hint, &'static str> {
    let jws = Jws::parse(presented, MAX_BYTES)
        .map_err(|_| "id_token_hint is not a signed JWT in compact form")?;
    if jws
        .typ()
        .is_some_and(|typ| !typ.eq_ignore_ascii_case("jwt"))
    {
        return Err("id_token_hint is a token of another type than an ID token");
    }
    let payload = jws
        .payload()
        .map_err(|_| "the claims of id_token_hint can't be read")?;
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    if text("iss") != Some(issuer.url.as_str()) {
        return Err("id_token_hint is of another issuer");
    }
    let subject = text("sub").ok_or("id_token_hint has no sub")?;
    let client_id = text("aud").ok_or("id_token_hint has no aud, or more than one")?;
    let kid = jws.kid().ok_or("id_token_hint names no key")?;
    let keyring = issuer.keyring.load();
    let proven = match keyring.hint_key(kid, now) {
        None => false,
        Some(key) if key.fits(jws.alg()) && jws.verify(key).is_ok() => true,
        Some(_) => return Err("the signature of id_token_hint is wrong"),
    };
    Ok(Hint {
        subject: Subject::new(subject),
        client_id: client_id.to_owned(),
        session_id: text("sid").map(str::to_owned),
        proven,
    })
}

/// The public keys that have left the JWKS and still tell whose a hint is, each with the end of that.
pub(super) fn former_keys(master: &MasterKeys, records: &[KeyRecord]) -> Vec<(PublicKey, i64)> {
    let gone = records.iter().filter(|record| record.state == "gone");
    gone.filter_map(|record| {
        let key = PublicKey::from_jwk(&sealed_public(master, record)?).ok()?;
        Some((key, record.hints_until?))
    })
    .collect()
}
