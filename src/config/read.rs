//! From a raw value to a typed one, and back to TOML.

use std::{
    fmt::Display,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use toml::de::DeValue;
use url::Url;

use crate::private_files;

use super::lists::list;
use super::{
    KeptAddress, LogFormat, MasterKeySource, MetricsFormat, Ratio, SecretText, TlsProfile,
};

/// A value before its key has read it.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    /// From a variable or a flag: lists are comma separated.
    Text(String),
    /// A TOML string.
    String(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML floating-point number.
    Float(f64),
    /// A TOML array of strings.
    List(Vec<String>),
    /// Any other TOML type, by name.
    Other(&'static str),
}

impl Raw {
    pub(super) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::String(text.to_string()),
            DeValue::Integer(digits) => {
                match i64::from_str_radix(digits.as_str(), digits.radix()) {
                    Ok(number) => Self::Integer(number),
                    Err(_) => Self::Other("a number too large"),
                }
            }
            DeValue::Array(items) => {
                let texts: Option<Vec<_>> = items
                    .iter()
                    .map(|item| item.get_ref().as_str().map(str::to_owned))
                    .collect();
                texts.map_or(
                    Self::Other("an array of something else than strings"),
                    Self::List,
                )
            }
            DeValue::Float(digits) => digits
                .as_str()
                .parse()
                .map_or(Self::Other("no number"), Self::Float),
            DeValue::Boolean(_) => Self::Other("a boolean"),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }
}

pub(super) fn text(raw: &Raw) -> Result<String, String> {
    match raw {
        Raw::Text(text) | Raw::String(text) if text.trim().is_empty() => {
            Err("is empty: give a value or remove it".to_owned())
        }
        Raw::Text(text) | Raw::String(text) => Ok(text.clone()),
        Raw::Integer(_) | Raw::Float(_) => {
            Err("must be a string, in quotes; it is a number".to_owned())
        }
        Raw::List(_) => Err("must be a string; it is an array".to_owned()),
        Raw::Other(kind) => Err(format!("must be a string; it is {kind}")),
    }
}

/// A whole number within `range`.
pub(super) fn integer<T>(range: RangeInclusive<T>) -> impl Fn(&Raw) -> Result<T, String>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    move |raw| {
        let number = match raw {
            Raw::Integer(number) => Some(*number),
            Raw::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        number
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                format!(
                    "must be a whole number from {} to {}",
                    range.start(),
                    range.end()
                )
            })
    }
}

/// A part of the whole, as a number from 0 to 1.
pub(super) fn ratio(raw: &Raw) -> Result<Ratio, String> {
    let number = match raw {
        Raw::Float(number) => Some(*number),
        Raw::Integer(0) => Some(0.0),
        Raw::Integer(1) => Some(1.0),
        Raw::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .and_then(Ratio::new)
        .ok_or_else(|| "must be a number from 0.0 to 1.0".to_owned())
}

/// The base URL of a collector.
pub(super) fn collector(raw: &Raw) -> Result<Option<String>, String> {
    let given = text(raw)?;
    let wrong = "must be the collector's base URL for OTLP over HTTP, such as http://127.0.0.1:4318; \
                 a key that it asks for goes into OTEL_EXPORTER_OTLP_HEADERS";
    let url = Url::parse(&given).map_err(|_| wrong.to_owned())?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let sound = plain && url.has_host() && ["http", "https"].contains(&url.scheme());
    if sound {
        Ok(Some(given.trim_end_matches('/').to_owned()))
    } else {
        Err(wrong.to_owned())
    }
}

pub(super) fn path(raw: &Raw) -> Result<PathBuf, String> {
    text(raw).map(PathBuf::from)
}

pub(super) fn optional_path(raw: &Raw) -> Result<Option<PathBuf>, String> {
    path(raw).map(Some)
}

pub(super) fn address(raw: &Raw) -> Result<SocketAddr, String> {
    text(raw)?.parse().map_err(|_| {
        "must be an IP address and a port, such as 127.0.0.1:8080 or [::]:8443".to_owned()
    })
}

pub(super) fn address_or_off(raw: &Raw) -> Result<Option<SocketAddr>, String> {
    if text(raw)? == "off" {
        return Ok(None);
    }
    address(raw)
        .map(Some)
        .map_err(|what| format!("{what}, or off"))
}

pub(super) fn metrics_format(raw: &Raw) -> Result<MetricsFormat, String> {
    one_of(
        raw,
        &[
            ("prometheus", MetricsFormat::Prometheus),
            ("emf", MetricsFormat::Emf),
        ],
    )
}

pub(super) fn level(raw: &Raw) -> Result<String, String> {
    one_of(
        raw,
        &[
            ("off", "off"),
            ("error", "error"),
            ("warn", "warn"),
            ("info", "info"),
            ("debug", "debug"),
            ("trace", "trace"),
        ],
    )
    .map(str::to_owned)
}

pub(super) fn log_format(raw: &Raw) -> Result<LogFormat, String> {
    one_of(
        raw,
        &[("human", LogFormat::Human), ("json", LogFormat::Json)],
    )
}

pub(super) fn tls_profile(raw: &Raw) -> Result<TlsProfile, String> {
    one_of(
        raw,
        &[("default", TlsProfile::Default), ("fapi", TlsProfile::Fapi)],
    )
}

pub(super) fn kept_address(raw: &Raw) -> Result<KeptAddress, String> {
    one_of(
        raw,
        &[
            ("full", KeptAddress::Full),
            ("truncated", KeptAddress::Truncated),
            ("none", KeptAddress::None),
        ],
    )
}

pub(super) fn node_name(raw: &Raw) -> Result<Option<String>, String> {
    let name = text(raw)?;
    let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(usable) {
        return Err("use 1 to 64 letters, digits, '-', '_' or '.'".to_owned());
    }
    Ok(Some(name.clone()))
}

fn one_of<T: Copy>(raw: &Raw, choices: &[(&str, T)]) -> Result<T, String> {
    let given = text(raw)?;
    choices
        .iter()
        .find(|(name, _)| *name == given)
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            format!("must be one of {}", names.join(", "))
        })
}

pub(super) fn issuer(raw: &Raw) -> Result<String, String> {
    let issuer = text(raw)?;
    super::issuer::check_issuer(&issuer)?;
    Ok(issuer)
}

pub(super) fn database_url(raw: &Raw) -> Result<String, String> {
    let url = text(raw)?;
    check_database_url(&url)?;
    Ok(url)
}

/// A secret, or what may hold one.
pub(super) fn secret_text(raw: &Raw) -> Result<Option<SecretText>, String> {
    text(raw).map(|text| Some(SecretText::new(text)))
}

/// Each item as it stands.
pub(super) fn texts(raw: &Raw) -> Result<Vec<String>, String> {
    list(raw)
}

/// The content of a file that holds the URL.
pub(super) fn database_url_file(raw: &Raw) -> Result<String, String> {
    let path = path(raw)?;
    let content = private_files::read(&path).map_err(|fault| fault.to_string())?;
    let url = content.trim().to_owned();
    check_database_url(&url)
        .map_err(|what| format!("the content of {}: {what}", path.display()))?;
    Ok(url)
}

fn check_database_url(url: &str) -> Result<(), String> {
    let known = ["sqlite:", "postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    if known && !url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Ok(())
    } else {
        Err("must be sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE".to_owned())
    }
}

pub(super) fn master_key_value(raw: &Raw) -> Result<Option<MasterKeySource>, String> {
    let value = SecretText::new(text(raw)?);
    super::master_key::decode(value.expose()).map_err(str::to_owned)?;
    Ok(Some(MasterKeySource::Value(value)))
}

pub(super) fn master_key_file(raw: &Raw) -> Result<Option<MasterKeySource>, String> {
    path(raw).map(|path| Some(MasterKeySource::File(path)))
}

pub(super) fn cannot_read(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::{Ratio, Raw, collector, ratio};

    #[test]
    fn a_ratio_is_a_part_of_the_whole() {
        for (raw, millionths) in [
            (Raw::Float(0.1), 100_000),
            (Raw::Float(0.0), 0),
            (Raw::Integer(0), 0),
            (Raw::Integer(1), 1_000_000),
            (Raw::Text("0.25".to_owned()), 250_000),
            (Raw::Text(" 1 ".to_owned()), 1_000_000),
        ] {
            assert_eq!(
                ratio(&raw).map(Ratio::millionths),
                Ok(millionths),
                "{raw:?}"
            );
        }
        for raw in [
            Raw::Float(1.1),
            Raw::Float(-0.1),
            Raw::Float(f64::NAN),
            Raw::Float(f64::INFINITY),
            Raw::Integer(2),
            Raw::Text("10%".to_owned()),
            Raw::String("0.1".to_owned()),
        ] {
            assert!(ratio(&raw).unwrap_err().contains("0.0 to 1.0"), "{raw:?}");
        }
    }

    #[test]
    fn a_collector_is_a_base_url_without_secrets() {
        for url in [
            "http://127.0.0.1:4318",
            "https://otel.example.com",
            "http://collector:4318/prefix/",
        ] {
            let read = collector(&Raw::Text(url.to_owned()));
            assert_eq!(read.unwrap().as_deref(), Some(url.trim_end_matches('/')));
        }
        for url in [
            "",
            "127.0.0.1:4318",
            "grpc://127.0.0.1:4317",
            "http://",
            "http://key:secret@otel.example.com",
            "https://otel.example.com?key=secret",
            "https://otel.example.com#x",
        ] {
            let refused = collector(&Raw::Text(url.to_owned())).unwrap_err();
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
