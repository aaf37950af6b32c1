//! DPoP proofs (RFC 9449 §4.3).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Moment;
use super::replay::{ReplayCache, UsedProof};
use crate::cause::{Cause, Refused};
use crate::credentials::Credentials;
use crate::jose::{Jws, PublicKey, Round, numeric_date, thumbprint};
use crate::reason::Reason;
use crate::token::AccessToken;

/// How long a proof is good after its `iat`, in seconds; the leeway for clocks comes on top.
pub const PROOF_MAX_AGE_S: i64 = 60;
/// Largest proof, in bytes.
const MAX_PROOF_BYTES: usize = 4096;
/// Longest `jti`, in bytes.
const MAX_JTI: usize = 512;

/// Checks the proof of a call with a token that is bound to the key of this thumbprint.
pub(super) fn check(
    token: &AccessToken,
    bound_to: &str,
    credentials: &Credentials<'_>,
    proofs: &ReplayCache,
    moment: Moment,
) -> Result<(), Refused> {
    let proof = credentials.proof.ok_or(Reason::ProofMissing)?;
    let claims = signed_claims(proof, bound_to)?;
    let (htm, htu) = (text(&claims, "htm")?, text(&claims, "htu")?);
    let (ath, jti) = (text(&claims, "ath")?, text(&claims, "jti")?);
    let issued_at = claims.get("iat").ok_or(Cause::ProofClaim("iat"))?;
    if jti.is_empty() || jti.len() > MAX_JTI {
        return Err(Cause::ProofClaim("jti").into());
    }
    if htm != credentials.method {
        return Err(Cause::ProofFor("htm").into());
    }
    let url = credentials.url.as_deref().ok_or(Cause::UrlUnknown)?;
    if !same_url(htu, url) {
        return Err(Cause::ProofFor("htu").into());
    }
    if ath != token_digest(credentials.token) {
        return Err(Cause::ProofFor("ath").into());
    }
    let until = in_force_until(issued_at, moment)?;
    let used = UsedProof {
        issuer: &token.issuer,
        client: &token.client_id,
        subject: &token.subject,
        key: bound_to,
        jti,
        until,
    };
    if proofs.first_use(&used, moment.now) {
        Ok(())
    } else {
        Err(Reason::ProofReplayed.into())
    }
}

/// The claims of a proof that is signed by the key in its header, which is the bound one.
fn signed_claims(proof: &str, bound_to: &str) -> Result<Map<String, Value>, Refused> {
    let parsed = Jws::parse_with_jwk(proof, MAX_PROOF_BYTES);
    let (jws, jwk) = parsed.map_err(|_| Cause::ProofUnreadable)?;
    if jws.typ() != Some("dpop+jwt") {
        return Err(Cause::ProofType.into());
    }
    let key = PublicKey::from_jwk(&jwk).map_err(Cause::ProofKey)?;
    jws.verify(&key).map_err(|_| Cause::ProofSignature)?;
    let own = thumbprint(&jwk).map_err(Cause::ProofKey)?;
    if own != bound_to {
        return Err(Reason::ProofKeyMismatch.into());
    }
    Ok(jws.payload().map_err(|_| Cause::ProofUnreadable)?)
}

/// The moment from which the proof is too old, if it's neither that nor from the future now.
fn in_force_until(issued_at: &Value, moment: Moment) -> Result<i64, Cause> {
    let [earliest, latest] = [Round::Down, Round::Up].map(|round| numeric_date(issued_at, round));
    let (earliest, latest) = earliest.zip(latest).ok_or(Cause::ProofClaim("iat"))?;
    let until = earliest
        .saturating_add(PROOF_MAX_AGE_S)
        .saturating_add(moment.leeway_s);
    if latest > moment.now.saturating_add(moment.leeway_s) {
        return Err(Cause::ProofAhead);
    }
    if until <= moment.now {
        return Err(Cause::ProofOld);
    }
    Ok(until)
}

fn text<'c>(claims: &'c Map<String, Value>, name: &'static str) -> Result<&'c str, Cause> {
    let value = claims.get(name).and_then(Value::as_str);
    value.ok_or(Cause::ProofClaim(name))
}

/// `ath`: the SHA-256 digest of the token, as base64url.
fn token_digest(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, token.as_bytes()))
}

/// Compares without query and fragment. Scheme and host are case-insensitive, the usual port and an empty path may be
/// left out; of the path every byte counts.
fn same_url(claimed: &str, called: &str) -> bool {
    let parts = |url: &str| -> Option<(String, String)> {
        let url = url.split(['?', '#']).next()?;
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        let origin = format!("{scheme}://{authority}").to_ascii_lowercase();
        let origin = origin.strip_suffix(":443").unwrap_or(&origin).to_owned();
        (origin.starts_with("https://") && !authority.is_empty()).then(|| (origin, path.to_owned()))
    };
    let (claimed, called) = (parts(claimed), parts(called));
    claimed.is_some() && claimed == called
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_the_same_byte_for_byte_but_for_what_cannot_matter() {
        let called = "https://api.example.com/prod/orders/1";
        for same in [
            called,
            "HTTPS://API.example.com/prod/orders/1",
            "https://api.example.com:443/prod/orders/1",
            "https://api.example.com/prod/orders/1?x=1",
            "https://api.example.com/prod/orders/1#x",
        ] {
            assert!(same_url(same, called), "{same}");
        }
        for other in [
            "",
            "/prod/orders/1",
            "http://api.example.com/prod/orders/1",
            "https://api.example.com:8443/prod/orders/1",
            "https://api.example.com/prod/orders/1/",
            "https://api.example.com/prod/Orders/1",
            "https://api.example.com/prod/orders/%31",
            "https://api.example.com//prod/orders/1",
            "https://u@api.example.com/prod/orders/1",
            "https://api.example.com.evil.example/prod/orders/1",
            "https:///prod/orders/1",
            " https://api.example.com/prod/orders/1",
        ] {
            assert!(!same_url(other, called), "{other}");
        }
        assert!(same_url("https://a.example", "https://a.example/"));
        for not_https in ["x", "http://a.example/", "https:///x"] {
            assert!(!same_url(not_https, not_https), "{not_https}");
        }
    }
}
