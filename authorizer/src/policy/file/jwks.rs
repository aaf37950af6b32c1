//! `jwks` of an `[[issuer]]`: where its keys come from, and how long they are good.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::Spanned;

use super::issuer::is_loopback;
use super::table::Table;
use crate::policy::{JwksRules, JwksUri, PolicyError};

const DAY_S: u64 = 24 * 60 * 60;

pub(super) fn read(issuer: &Table<'_, '_>) -> Result<JwksRules, PolicyError> {
    let Some(item) = issuer.get("jwks") else {
        return Ok(JwksRules::default());
    };
    if item.get_ref().as_table().is_none() {
        let remedy = "write jwks = { uri = \"discover\" }";
        return Err(issuer.wrong_value("jwks", "`jwks` is not a table", remedy));
    }
    let table = issuer.table(item, "jwks")?;
    table.only(&[
        "uri",
        "pinned",
        "fresh_s",
        "stale_max_s",
        "unknown_kid_cooldown_s",
        "timeout_ms",
    ])?;
    let pinned = pinned(&table)?;
    let uri = uri(&table, pinned.is_some())?;
    let usual = JwksRules::default();
    let number = |key, range, default| Ok(whole_number(&table, key, range)?.unwrap_or(default));
    let rules = JwksRules {
        fresh_s: number("fresh_s", 1..=DAY_S, usual.fresh_s)?,
        stale_max_s: number("stale_max_s", 1..=7 * DAY_S, usual.stale_max_s)?,
        unknown_kid_cooldown_s: number(
            "unknown_kid_cooldown_s",
            1..=3600,
            usual.unknown_kid_cooldown_s,
        )?,
        timeout_ms: number("timeout_ms", 1..=10_000, usual.timeout_ms)?,
        uri,
        pinned,
    };
    check_stale_max(&table, &rules)?;
    Ok(rules)
}

fn pinned(table: &Table<'_, '_>) -> Result<Option<PathBuf>, PolicyError> {
    match table.optional_text("pinned")? {
        Some("") => Err(table.wrong_value(
            "pinned",
            "`pinned` names no file",
            "write the path of a JWKS file, relative to the policy file, or remove the key",
        )),
        path => Ok(path.map(PathBuf::from)),
    }
}

/// Without a `uri` the keys are discovered, unless they are pinned.
fn uri(table: &Table<'_, '_>, pinned: bool) -> Result<Option<JwksUri>, PolicyError> {
    let uri = match table.optional_text("uri")? {
        None if pinned => return Ok(None),
        None | Some("discover") => return Ok(Some(JwksUri::Discover)),
        Some(uri) => uri,
    };
    if is_fetchable(uri) {
        return Ok(Some(JwksUri::At(uri.to_owned())));
    }
    let remedy = "write \"discover\", or an https URL without user and fragment (plain http only for this machine)";
    Err(table.wrong_value("uri", "not a URL to fetch keys from", remedy))
}

fn is_fetchable(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let secure = scheme == "https" || (scheme == "http" && is_loopback(authority));
    let plain = !uri.contains(['#', '@', '\\']) && uri.bytes().all(|b| b.is_ascii_graphic());
    secure && plain && !authority.is_empty()
}

fn check_stale_max(table: &Table<'_, '_>, rules: &JwksRules) -> Result<(), PolicyError> {
    if rules.stale_max_s >= rules.fresh_s {
        return Ok(());
    }
    let key = if table.get("stale_max_s").is_some() {
        "stale_max_s"
    } else {
        "fresh_s"
    };
    let message = format!(
        "stale_max_s ({}) is less than fresh_s ({})",
        rules.stale_max_s, rules.fresh_s
    );
    let remedy =
        "raise stale_max_s: it's how long the last good keys still serve while the issuer is down";
    Err(table.wrong_value(key, &message, remedy))
}

pub(super) fn whole_number(
    table: &Table<'_, '_>,
    key: &str,
    range: RangeInclusive<u64>,
) -> Result<Option<u64>, PolicyError> {
    let Some(item) = table.get(key).map(Spanned::get_ref) else {
        return Ok(None);
    };
    let number = item
        .as_integer()
        .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
    if let Some(number) = number.filter(|number| range.contains(number)) {
        return Ok(Some(number));
    }
    let (least, most) = range.into_inner();
    let message = format!("`{key}` is not a whole number from {least} to {most}");
    let remedy = format!("write {key} = {least} or more, at most {most}, without quotes");
    Err(table.wrong_value(key, &message, &remedy))
}
