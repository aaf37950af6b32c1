//! `[[issuer]]`: whose tokens are accepted.

use std::path::PathBuf;

use super::jwks;
use super::table::Table;
use crate::jose::Algorithm;
use crate::policy::{IssuerRules, PolicyError};
use crate::token::DEFAULT_TYP;

/// Clocks that disagree by more than this are to be set, not tolerated.
const MAX_LEEWAY_S: u64 = 300;
/// Media types of JWTs that are no access tokens, whatever they say inside.
const NEVER_ACCESS_TOKENS: [&str; 4] = [
    "dpop+jwt",
    "logout+jwt",
    "secevent+jwt",
    "token-introspection+jwt",
];

pub(super) fn read(table: &Table<'_, '_>) -> Result<IssuerRules, PolicyError> {
    table.only(&[
        "url",
        "audiences",
        "algorithms",
        "typ",
        "leeway_s",
        "ca_file",
        "jwks",
    ])?;
    let url = table.text("url")?;
    if let Err(message) = check_issuer_url(url) {
        return Err(table.wrong_value(
            "url",
            message,
            "write the issuer exactly as its tokens do in iss",
        ));
    }
    let mut rules = IssuerRules::new(url, audiences(table)?, algorithms(table)?);
    rules.typ = types(table)?;
    if let Some(leeway) = jwks::whole_number(table, "leeway_s", 0..=MAX_LEEWAY_S)? {
        rules.leeway_s = i64::try_from(leeway).unwrap_or(rules.leeway_s);
    }
    rules.jwks = jwks::read(table)?;
    rules.ca_file = ca_file(table, &rules)?;
    Ok(rules)
}

fn audiences(table: &Table<'_, '_>) -> Result<Vec<String>, PolicyError> {
    let audiences = table.words("audiences")?.unwrap_or_default();
    if audiences.is_empty() || audiences.iter().any(String::is_empty) {
        let remedy = "list at least one audience, as the tokens' aud spells it";
        return Err(table.wrong_value("audiences", "the issuer has no audiences", remedy));
    }
    Ok(audiences)
}

fn algorithms(table: &Table<'_, '_>) -> Result<Vec<Algorithm>, PolicyError> {
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
    Ok(algorithms)
}

fn ca_file(table: &Table<'_, '_>, rules: &IssuerRules) -> Result<Option<PathBuf>, PolicyError> {
    let Some(file) = table.optional_text("ca_file")? else {
        return Ok(None);
    };
    let (message, remedy) = if file.is_empty() {
        (
            "`ca_file` names no file",
            "write the path of a PEM file, relative to the policy file, or remove the key",
        )
    } else if rules.jwks.uri.is_none() {
        (
            "`ca_file` is of no use: the keys are pinned, and nothing is fetched",
            "remove it, or give jwks a uri beside pinned",
        )
    } else {
        return Ok(Some(PathBuf::from(file)));
    };
    Err(table.wrong_value("ca_file", message, remedy))
}

/// One media type or a list of them.
fn types(table: &Table<'_, '_>) -> Result<Vec<String>, PolicyError> {
    let Some(item) = table.get("typ") else {
        return Ok(vec![DEFAULT_TYP.to_owned()]);
    };
    let types = match item.get_ref().as_str() {
        Some(one) => vec![one.to_owned()],
        None => table.words("typ")?.unwrap_or_default(),
    };
    if types.is_empty() || !types.iter().all(|typ| is_media_type(typ)) {
        let remedy = "write typ = \"at+jwt\", or a list of what the issuer's access tokens have in their header";
        return Err(table.wrong_value("typ", "not a media type", remedy));
    }
    let short = |typ: &String| typ.to_ascii_lowercase().replace("application/", "");
    if let Some(other) = types
        .iter()
        .find(|typ| NEVER_ACCESS_TOKENS.contains(&short(typ).as_str()))
    {
        let message = format!("\"{other}\" is not the type of an access token");
        return Err(table.wrong_value("typ", &message, "remove it; access tokens are \"at+jwt\""));
    }
    Ok(types)
}

fn is_media_type(typ: &str) -> bool {
    !typ.is_empty()
        && typ.len() <= 64
        && typ
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-./_".contains(&b))
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
