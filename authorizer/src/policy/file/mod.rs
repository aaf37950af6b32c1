//! Reads the policy file. Every table, key and value is checked here, with its place in the file.

mod api;
mod context;
mod issuer;
mod jwks;
mod rule;
mod table;
mod target;
mod token_place;

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::condition::{Data, value_of_toml};
use super::error::PolicyError;
use super::{Expiry, HttpV2Answer, IssuerRules, PassedOn, Response, RestFailure, Rule, TokenPlace};
use table::Table;

#[cfg(feature = "fetch")]
pub(crate) use issuer::is_loopback;

/// The parts of a policy file, checked one by one and not yet compiled.
pub(super) struct Parts {
    pub issuers: Vec<IssuerRules>,
    pub response: Response,
    pub web_socket: TokenPlace,
    pub rules: Vec<Rule>,
    pub data: Data,
    pub passed_on: PassedOn,
    pub base_paths: Vec<String>,
}

/// Most rules of a file.
const MAX_RULES: usize = 1000;

pub(super) fn read(source: &str) -> Result<Parts, PolicyError> {
    let document = DeTable::parse(source).map_err(|error| {
        let remedy = "correct the TOML syntax there";
        PolicyError::at(
            source,
            error.span().unwrap_or(0..0),
            error.message().trim(),
            remedy,
        )
    })?;
    let top = Table {
        source,
        name: "the policy file",
        span: 0..0,
        entries: document.get_ref(),
    };
    top.only(&[
        "issuer",
        "response",
        "websocket",
        "api",
        "context",
        "data",
        "rule",
    ])?;

    let issuers = top
        .tables("issuer", "[[issuer]]")?
        .iter()
        .map(issuer::read)
        .collect::<Result<Vec<_>, _>>()?;
    if issuers.is_empty() {
        return Err(top.wrong(
            "no issuer is named",
            "add an [[issuer]] with url, audiences and algorithms",
        ));
    }
    if let Some(twice) = first_repeated(issuers.iter().map(|issuer| issuer.url.as_str())) {
        return Err(top.wrong(
            &format!("the issuer {twice} is named twice"),
            "merge the two [[issuer]] tables",
        ));
    }
    let response = match top.get("response") {
        None => Response::default(),
        Some(item) => response(&top.table(item, "[response]")?)?,
    };
    let web_socket = match top.get("websocket") {
        None => TokenPlace::default(),
        Some(item) => token_place::read(&top.table(item, "[websocket]")?)?,
    };
    let passed_on = match top.get("context") {
        None => PassedOn::default(),
        Some(item) => context::read(&top.table(item, "[context]")?)?,
    };
    let base_paths = match top.get("api") {
        None => Vec::new(),
        Some(item) => api::read(&top.table(item, "[api]")?)?,
    };
    let data = match top.get("data") {
        None => Data::default(),
        Some(item) => data(&top.table(item, "[data]")?)?,
    };
    let names: Vec<String> = data.keys().cloned().collect();
    let tables = top.tables("rule", "[[rule]]")?;
    if tables.len() > MAX_RULES {
        return Err(top.wrong(
            "over 1000 rules",
            "use path templates to cover several routes with one rule",
        ));
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(tables.len());
    for table in &tables {
        let next = rule::read(table, &names)?;
        if rules.iter().any(|rule| rule.id == next.id) {
            let message = format!("the rule id \"{}\" is used twice", next.id);
            return Err(table.wrong_value("id", &message, "give every rule an id of its own"));
        }
        rules.push(next);
    }
    Ok(Parts {
        issuers,
        response,
        web_socket,
        rules,
        data,
        passed_on,
        base_paths,
    })
}

/// `[data]`: what conditions compare with.
fn data(table: &Table<'_, '_>) -> Result<Data, PolicyError> {
    let entry = |(name, item): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let name: &DeString<'_> = name.get_ref();
        let value = value_of_toml(item.get_ref()).ok_or_else(|| {
            let message = format!("`{name}` holds a date, or a number that is out of range");
            let remedy = "write a date as a string and read it with timestamp() in the condition";
            PolicyError::at(table.source, item.span(), message, remedy)
        })?;
        Ok((name.to_string(), value))
    };
    table.entries.iter().map(entry).collect()
}

fn response(table: &Table<'_, '_>) -> Result<Response, PolicyError> {
    table.only(&["http_v2", "rest_failure", "expiry"])?;
    let http_v2 = match table.optional_text("http_v2")? {
        None | Some("iam") => HttpV2Answer::Iam,
        Some("simple") => HttpV2Answer::Simple,
        Some(_) => {
            return Err(table.wrong_value(
                "http_v2",
                "unknown kind of answer",
                "write \"iam\" or \"simple\"",
            ));
        }
    };
    let rest_failure = match table.optional_text("rest_failure")? {
        None | Some("unauthorized") => RestFailure::Unauthorized,
        Some("deny") => RestFailure::Deny,
        Some(_) => {
            let remedy = "write \"unauthorized\" (401) or \"deny\" (403)";
            return Err(table.wrong_value("rest_failure", "unknown kind of failure", remedy));
        }
    };
    let expiry = match table.optional_text("expiry")? {
        None | Some("untold") => Expiry::Untold,
        Some("condition") => Expiry::Condition,
        Some(_) => {
            let remedy = "write \"untold\" or \"condition\" (the IAM policy ends with its token)";
            return Err(table.wrong_value(
                "expiry",
                "unknown way to tell when a token ends",
                remedy,
            ));
        }
    };
    Ok(Response {
        http_v2,
        rest_failure,
        expiry,
    })
}

fn first_repeated<'a>(mut items: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    items.find(|item| !seen.insert(*item))
}
