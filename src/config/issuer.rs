//! What an issuer and a web origin may look like.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::uri::Authority;

/// OpenID Connect Discovery §3, RFC 8414 §2: https, no query, no fragment; here also no trailing slash and nothing
/// that some client would normalise. Plain http is for loopback addresses.
pub(super) fn check_issuer(issuer: &str) -> Result<(), String> {
    let (scheme, rest) = split_scheme(issuer)?;
    if issuer.contains(['?', '#']) {
        return Err("must have no query and no fragment".to_owned());
    }
    if issuer.ends_with('/') {
        return Err("must not end with a slash".to_owned());
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = check_authority(scheme, authority)?;
    let segment_is_plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
    };
    if !path.is_empty() && !path.split('/').skip(1).all(segment_is_plain) {
        return Err(
            "must have a path of letters, digits and -._~ only, without empty or dot segments"
                .to_owned(),
        );
    }
    if scheme == "http" && !is_loopback(&host) {
        return Err(
            "must start with https://; plain http is for 127.0.0.1, [::1] and localhost only"
                .to_owned(),
        );
    }
    Ok(())
}

/// RFC 6454 §6.2, and never `null` or a wildcard.
pub(super) fn check_origin(origin: &str) -> Result<(), String> {
    let exact = || {
        let (scheme, rest) = split_scheme(origin).ok()?;
        check_authority(scheme, rest).ok()
    };
    exact().map(drop).ok_or_else(|| {
        format!("{origin:?} is not an exact origin such as https://app.example.com (no path, no trailing slash, no *)")
    })
}

fn split_scheme(url: &str) -> Result<(&str, &str), String> {
    url.split_once("://")
        .filter(|(scheme, _)| matches!(*scheme, "https" | "http"))
        .ok_or_else(|| "must be a URL such as https://login.example.com".to_owned())
}

fn check_authority(scheme: &str, authority: &str) -> Result<String, String> {
    let bad = |what: &str| Err(format!("must name a host after the scheme: {what}"));
    let Ok(parsed) = authority.parse::<Authority>() else {
        return bad("it cannot be parsed");
    };
    if authority.contains('@') {
        return bad("a user name is not allowed");
    }
    if authority.bytes().any(|b| b.is_ascii_uppercase()) {
        return bad("write it in lower case");
    }
    let host = parsed.host();
    let is_v6 = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .is_some_and(|h| h.parse::<Ipv6Addr>().is_ok());
    let is_name = !host.is_empty()
        && host.split('.').all(|label| !label.is_empty())
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    if !is_v6 && !is_name {
        return bad("letters, digits, hyphens and dots, or an IP address");
    }
    // `http` accepts an empty port and one beyond 65535.
    match (
        authority.strip_prefix(host).unwrap_or_default(),
        parsed.port_u16(),
    ) {
        ("", _) => Ok(host.to_owned()),
        (_, None | Some(0)) => bad("the port is not valid"),
        (_, Some(443)) if scheme == "https" => bad("leave out the default port :443"),
        (_, Some(80)) if scheme == "http" => bad("leave out the default port :80"),
        (given, Some(port)) if given != format!(":{port}") => bad("the port is not valid"),
        _ => Ok(host.to_owned()),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host == "[::1]"
        || host
            .parse::<Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{check_issuer, check_origin};

    #[test]
    fn an_issuer_is_https_or_http_on_loopback() {
        for good in [
            "https://login.example.com",
            "https://login.example.com:8443",
            "https://login.example.com/tenant-a",
            "http://127.0.0.1:8080",
            "http://127.0.0.1",
            "http://127.8.8.8:1",
            "http://[::1]:8080",
            "http://localhost:8080",
        ] {
            assert_eq!(check_issuer(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "login.example.com",
            "ftp://login.example.com",
            "https://",
            "https:///x",
            "https://login.example.com/",
            "https://login.example.com/a/",
            "https://login.example.com/a//b",
            "https://login.example.com/../b",
            "https://login.example.com/%61",
            "https://login.example.com?x",
            "https://login.example.com#x",
            "https://a@login.example.com",
            "https://Login.example.com",
            "https://login.example.com:443",
            "https://login.example.com:",
            "https://login.example.com:0",
            "https://login.example.com:080",
            "https://login.example.com:99999",
            "https://login..example.com",
            "https://login.example.com ",
            "http://login.example.com",
            "http://10.0.0.1",
            "http://[::2]:8080",
            "http://127.1",
            "http://localhost.example.com",
        ] {
            assert!(check_issuer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_exact() {
        for good in [
            "https://app.example.com",
            "http://localhost:3000",
            "http://127.0.0.1:7000",
        ] {
            assert_eq!(check_origin(good), Ok(()), "{good}");
        }
        for bad in [
            "*",
            "null",
            "https://*.example.com",
            "https://app.example.com/",
            "https://app.example.com/x",
            "https://APP.example.com",
            "https://app.example.com:443",
            "app.example.com",
            "https://u@app.example.com",
            "https://app.example.com?x",
        ] {
            assert!(check_origin(bad).is_err(), "{bad}");
        }
    }
}
