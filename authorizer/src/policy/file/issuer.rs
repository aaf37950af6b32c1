//! `[[issuer]]`: whose tokens are accepted.

use super::table::Table;
use crate::jose::Algorithm;
use crate::policy::{IssuerRules, PolicyError};

pub(super) fn read(table: &Table<'_, '_>) -> Result<IssuerRules, PolicyError> {
    table.only(&["url", "audiences", "algorithms"])?;
    let url = table.text("url")?;
    if let Err(message) = check_issuer_url(url) {
        return Err(table.wrong_value(
            "url",
            message,
            "write the issuer exactly as its tokens do in iss",
        ));
    }
    let audiences = table.words("audiences")?.unwrap_or_default();
    if audiences.is_empty() || audiences.iter().any(String::is_empty) {
        let remedy = "list at least one audience, as the tokens' aud spells it";
        return Err(table.wrong_value("audiences", "the issuer has no audiences", remedy));
    }
    let remedy = "list some of \"ES256\", \"RS256\", \"PS256\" and \"EdDSA\"";
    let mut algorithms = Vec::new();
    for name in table.words("algorithms")?.unwrap_or_default() {
        let Ok(alg) = name.parse::<Algorithm>() else {
            return Err(table.wrong_value(
                "algorithms",
                &format!("unknown algorithm \"{name}\""),
                remedy,
            ));
        };
        algorithms.push(alg);
    }
    if algorithms.is_empty() {
        return Err(table.wrong_value("algorithms", "the issuer has no algorithms", remedy));
    }
    Ok(IssuerRules {
        url: url.to_owned(),
        audiences,
        algorithms,
    })
}

/// `https`, or `http` to a loopback host; no query, fragment or userinfo (RFC 8414 §2).
fn check_issuer_url(url: &str) -> Result<(), &'static str> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or("the issuer's url is not an https URL")?;
    if url.contains(['?', '#', '@', '\\']) || !url.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("the issuer's url has a query, a fragment, a user or unusual characters");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.is_empty() {
        return Err("the issuer's url names no host");
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_loopback(authority) => Ok(()),
        "http" => Err("the issuer's url is plain http, and its host is not this machine"),
        _ => Err("the issuer's url is not an https URL"),
    }
}

/// Whether `host[:port]` is a loopback name or address.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => return rest.split(']').next() == Some("::1"),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|ip| ip.is_loopback())
}
