//! Who calls, in headers for the API behind the proxy.
//!
//! Every value is visible ASCII: all other bytes, and `%`, are percent-encoded, so that no claim can end a header,
//! start another, or mean something else after a proxy has trimmed it. Scopes have one space between them.
//!
//! The header of a claim that the token doesn't have is empty and not left out: it takes the place of whatever a client
//! sent, and a proxy that is to copy it has something to copy (Caddy 2.6 would send the name of its variable). A call of
//! nobody's, which a public rule lets pass, has all of them empty.

use gatewright_authorizer::AccessToken;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

const X_AUTH_SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const X_AUTH_CLIENT_ID: HeaderName = HeaderName::from_static("x-auth-client-id");
const X_AUTH_ISSUER: HeaderName = HeaderName::from_static("x-auth-issuer");
const X_AUTH_SCOPE: HeaderName = HeaderName::from_static("x-auth-scope");
/// Longest value of a claim, in bytes; longer ones are not passed on, as in the answers to API Gateway.
const MAX_CLAIM: usize = 1024;
/// What is encoded beside bytes outside ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// The header for each claim that is passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimHeaders(Vec<(String, HeaderName)>);

impl ClaimHeaders {
    /// `tenant_id` becomes `X-Auth-Claim-Tenant-Id`: whatever is neither letter nor digit is a hyphen.
    ///
    /// # Errors
    /// When two claims would have the same header.
    pub fn of(claims: &[String]) -> Result<Self, String> {
        let mut headers: Vec<(String, HeaderName)> = Vec::new();
        for claim in claims {
            let words = claim.split(|c: char| !c.is_ascii_alphanumeric());
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            let name = format!("x-auth-claim-{}", words.join("-")).to_ascii_lowercase();
            let name = HeaderName::try_from(name)
                .ok()
                .filter(|_| !words.is_empty())
                .ok_or_else(|| format!("the claim {claim:?} can't be the name of a header"))?;
            if let Some((other, _)) = headers.iter().find(|(_, known)| *known == name) {
                return Err(format!(
                    "the claims {other:?} and {claim:?} would both be the header {name}"
                ));
            }
            headers.push((claim.clone(), name));
        }
        Ok(Self(headers))
    }

    /// Writes who calls into the headers of an answer; of nobody's call, that it is nobody's.
    pub(super) fn tell(&self, token: Option<&AccessToken>, headers: &mut HeaderMap) {
        let mut put = |name: &HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name.clone(), value);
            }
        };
        let own = [
            (X_AUTH_SUBJECT, token.map(|token| encoded(&token.subject))),
            (
                X_AUTH_CLIENT_ID,
                token.map(|token| encoded(&token.client_id)),
            ),
            (X_AUTH_ISSUER, token.map(|token| encoded(&token.issuer))),
            (X_AUTH_SCOPE, token.map(scope)),
        ];
        for (name, value) in own {
            put(&name, &value.unwrap_or_default());
        }
        for (claim, name) in &self.0 {
            let text = token.map(|token| value(token, claim)).unwrap_or_default();
            let fits = text.len() <= MAX_CLAIM;
            put(name, if fits { &text } else { "" });
        }
    }

    /// The claims of a token that are too long to be passed on.
    pub(super) fn left_out(&self, token: &AccessToken) -> Vec<String> {
        let claims = self.0.iter().map(|(claim, _)| claim);
        let long = claims.filter(|claim| value(token, claim).len() > MAX_CLAIM);
        long.cloned().collect()
    }
}

/// With one space between scopes.
fn scope(token: &AccessToken) -> String {
    let scopes: Vec<String> = token.scope.iter().map(encoded).collect();
    scopes.join(" ")
}

/// A claim as a header has it; empty if the token doesn't have it.
fn value(token: &AccessToken, claim: &str) -> String {
    match token.claims.get(claim) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => encoded(text),
        Some(other) => encoded(&other.to_string()),
    }
}

/// Visible ASCII that stands for the text, and for no other.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(claims: &[&str]) -> Result<Vec<String>, String> {
        let claims: Vec<String> = claims.iter().map(|claim| (*claim).to_owned()).collect();
        let headers = ClaimHeaders::of(&claims)?;
        Ok(headers
            .0
            .into_iter()
            .map(|(_, name)| name.to_string())
            .collect())
    }

    #[test]
    fn every_claim_has_a_header_of_its_own() {
        assert_eq!(
            names(&["tenant_id", "email", "https://example.com/Roles"]).unwrap(),
            [
                "x-auth-claim-tenant-id",
                "x-auth-claim-email",
                "x-auth-claim-https-example-com-roles"
            ]
        );
        assert!(
            names(&["tenant_id", "tenant.id"])
                .unwrap_err()
                .contains("tenant.id")
        );
        assert!(names(&["::"]).unwrap_err().contains("::"));
    }

    #[test]
    fn no_value_can_leave_its_header() {
        assert_eq!(
            encoded("caf\u{e9} 100%\r\nX-Auth-Subject: root\u{0}\u{7f}"),
            "caf%C3%A9%20100%25%0D%0AX-Auth-Subject:%20root%00%7F"
        );
        assert_eq!(
            encoded("https://issuer.example/a?b=c&d,\"e\""),
            "https://issuer.example/a?b=c&d,\"e\""
        );
    }
}
