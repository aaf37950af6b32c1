//! Settings that are lists. Each item is read by itself, so that all that is wrong is said at once.

use super::read::Raw;
use ipnet::IpNet;
use std::net::IpAddr;
use std::str::FromStr;
use url::Host;

pub(super) fn list(raw: &Raw) -> Result<Vec<String>, String> {
    match raw {
        Raw::Text(text) => Ok(text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()),
        Raw::List(items) => Ok(items.clone()),
        _ => Err("must be an array of strings".to_owned()),
    }
}

/// Networks or single addresses. A network of every address would let anyone choose their own.
pub(super) fn networks(raw: &Raw) -> Result<Vec<IpNet>, String> {
    each(raw, network)
}

/// Every item of a list, or all that is wrong with any.
fn each<T>(raw: &Raw, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let (items, faults): (Vec<_>, Vec<_>) = list(raw)?
        .iter()
        .map(|item| read(item))
        .partition(Result::is_ok);
    if faults.is_empty() {
        return Ok(items.into_iter().flatten().collect());
    }
    let faults: Vec<String> = faults.into_iter().filter_map(Result::err).collect();
    Err(faults.join("; "))
}

/// Names of hosts.
pub(super) fn hosts(raw: &Raw) -> Result<Vec<String>, String> {
    each(raw, host)
}

/// A host as a request names it, without a port.
///
/// # Errors
/// What is wrong with it.
pub fn host(item: &str) -> Result<String, String> {
    match Host::parse(item) {
        Ok(host) => Ok(host.to_string()),
        Err(_) => Err(format!(
            "{item:?} is no host: give a name such as gatewright.internal, without scheme and port"
        )),
    }
}

/// A network, or a single address.
///
/// # Errors
/// What it is instead; also for the network of every address.
pub fn network(item: &str) -> Result<IpNet, String> {
    let network = IpNet::from_str(item)
        .or_else(|_| item.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            format!("{item:?} is neither a network such as 10.0.0.0/8 nor an IP address")
        })?;
    if network.prefix_len() == 0 {
        return Err(format!(
            "{item:?} trusts everyone: name the addresses that you mean"
        ));
    }
    Ok(network)
}

/// Exact web origins: scheme, host and port, nothing else.
pub(super) fn origins(raw: &Raw) -> Result<Vec<String>, String> {
    let origins = list(raw)?;
    let faults: Vec<String> = origins
        .iter()
        .filter_map(|origin| super::issuer::check_origin(origin).err())
        .collect();
    if faults.is_empty() {
        Ok(origins)
    } else {
        Err(faults.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_host_has_neither_scheme_nor_port() {
        assert_eq!(host("API.test").as_deref(), Ok("api.test"));
        for text in ["", "https://api.test", "api.test:80", "api test", "a/b"] {
            let refused = host(text).unwrap_err();
            assert!(refused.contains("without scheme"), "{text}");
        }
    }
}
