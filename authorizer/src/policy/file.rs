//! Reads the policy file. Every table, key and value is checked here, with its place in the file.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::PolicyError;
use super::template::PathTemplate;
use super::{Effect, HttpV2Answer, IssuerRules, Method, Methods, Response, RestFailure, Rule};
use crate::jose::Algorithm;
use crate::token::Scopes;

/// The parts of a policy file, checked one by one and not yet compiled.
pub(super) struct Parts {
    pub issuers: Vec<IssuerRules>,
    pub response: Response,
    pub rules: Vec<Rule>,
}

type Item<'t, 'i> = &'t Spanned<DeValue<'i>>;

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
    top.only(&["issuer", "response", "rule"])?;

    let issuers = top
        .tables("issuer", "[[issuer]]")?
        .iter()
        .map(issuer)
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
    let tables = top.tables("rule", "[[rule]]")?;
    if tables.len() > MAX_RULES {
        return Err(top.wrong(
            "over 1000 rules",
            "use path templates to cover several routes with one rule",
        ));
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(tables.len());
    for table in &tables {
        let next = rule(table)?;
        if rules.iter().any(|rule| rule.id == next.id) {
            let message = format!("the rule id \"{}\" is used twice", next.id);
            return Err(table.wrong_value("id", &message, "give every rule an id of its own"));
        }
        rules.push(next);
    }
    Ok(Parts {
        issuers,
        response,
        rules,
    })
}

fn issuer(table: &Table<'_, '_>) -> Result<IssuerRules, PolicyError> {
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

fn response(table: &Table<'_, '_>) -> Result<Response, PolicyError> {
    table.only(&["http_v2", "rest_failure"])?;
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
    Ok(Response {
        http_v2,
        rest_failure,
    })
}

fn rule(table: &Table<'_, '_>) -> Result<Rule, PolicyError> {
    table.only(&["id", "methods", "path", "scopes", "any_scope", "effect"])?;
    let id = table.text("id")?;
    let named = id
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b));
    if id.is_empty() || id.len() > 64 || !named {
        let remedy = "use up to 64 letters, digits, `-`, `_`, `.`, `:` and `/`";
        return Err(table.wrong_value("id", "not a rule id", remedy));
    }
    let mut methods = Methods::default();
    for name in table.words("methods")?.unwrap_or_default() {
        match (name.as_str(), Method::parse(&name)) {
            ("ANY", _) => methods = Methods::ANY,
            (_, Some(method)) => methods.insert(method),
            _ => {
                let remedy = format!("use ANY or some of {}, in upper case", Method::names());
                return Err(table.wrong_value(
                    "methods",
                    &format!("unknown method \"{name}\""),
                    &remedy,
                ));
            }
        }
    }
    if methods.is_empty() {
        return Err(table.wrong_value(
            "methods",
            "the rule names no methods",
            "add methods = [\"GET\"], or [\"ANY\"]",
        ));
    }
    let template = PathTemplate::parse(table.text("path")?)
        .map_err(|error| table.wrong_value("path", "not a path template", &error.to_string()))?;
    let effect = match table.optional_text("effect")? {
        None | Some("allow") => Effect::Allow,
        Some("deny") => Effect::Deny,
        Some(_) => {
            return Err(table.wrong_value(
                "effect",
                "unknown effect",
                "write \"allow\" or \"deny\"",
            ));
        }
    };
    let scopes = scopes(table, "scopes")?;
    let any_scope = scopes_of_some(table)?;
    Ok(Rule {
        id: id.to_owned(),
        methods,
        template,
        effect,
        scopes,
        any_scope,
    })
}

fn scopes(table: &Table<'_, '_>, key: &str) -> Result<Vec<String>, PolicyError> {
    let words = table.words(key)?.unwrap_or_default();
    match words.iter().find(|word| !Scopes::is_scope_token(word)) {
        None => Ok(words),
        Some(word) => {
            let remedy = "a scope is visible ASCII without spaces, quotes and backslashes; one scope for each string";
            Err(table.wrong_value(key, &format!("{word:?} is not a scope"), remedy))
        }
    }
}

/// An empty `any_scope` would be satisfied by nobody or by everybody, depending on the reader.
fn scopes_of_some(table: &Table<'_, '_>) -> Result<Vec<String>, PolicyError> {
    let any = scopes(table, "any_scope")?;
    if any.is_empty() && table.get("any_scope").is_some() {
        return Err(table.wrong_value(
            "any_scope",
            "the list is empty",
            "name at least one scope, or remove the key",
        ));
    }
    Ok(any)
}

fn first_repeated<'a>(mut items: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    items.find(|item| !seen.insert(*item))
}

/// One TOML table with what an error needs to point at it.
struct Table<'t, 'i> {
    source: &'t str,
    name: &'static str,
    span: Range<usize>,
    entries: &'t DeTable<'i>,
}

impl<'t, 'i> Table<'t, 'i> {
    fn wrong(&self, message: &str, remedy: &str) -> PolicyError {
        PolicyError::at(self.source, self.span.clone(), message, remedy)
    }

    fn wrong_value(&self, key: &str, message: &str, remedy: &str) -> PolicyError {
        let span = self.get(key).map_or(self.span.clone(), Spanned::span);
        PolicyError::at(self.source, span, message, remedy)
    }

    fn get(&self, key: &str) -> Option<Item<'t, 'i>> {
        self.entries
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map(|(_, item)| item)
    }

    fn only(&self, known: &[&str]) -> Result<(), PolicyError> {
        let Some((key, _)) = self
            .entries
            .iter()
            .find(|(name, _)| !known.contains(&name.get_ref().as_ref()))
        else {
            return Ok(());
        };
        let nearest = known
            .iter()
            .min_by_key(|name| strsim::damerau_levenshtein(name, key.get_ref()));
        let message = format!("unknown key `{}` in {}", key.get_ref(), self.name);
        let remedy = format!(
            "the nearest key is `{}`; valid are {}",
            nearest.unwrap_or(&""),
            known.join(", ")
        );
        Err(PolicyError::at(self.source, key.span(), message, remedy))
    }

    fn table(&self, item: Item<'t, 'i>, name: &'static str) -> Result<Self, PolicyError> {
        let entries = item.get_ref().as_table().ok_or_else(|| {
            PolicyError::at(
                self.source,
                item.span(),
                format!("{name} is not a table"),
                format!("write {name} on a line of its own"),
            )
        })?;
        Ok(Self {
            source: self.source,
            name,
            span: item.span(),
            entries,
        })
    }

    fn tables(&self, key: &str, name: &'static str) -> Result<Vec<Self>, PolicyError> {
        let Some(item) = self.get(key) else {
            return Ok(Vec::new());
        };
        let Some(list) = item.get_ref().as_array() else {
            return Err(self.wrong_value(
                key,
                "not a list of tables",
                &format!("write {name} with two brackets"),
            ));
        };
        list.iter().map(|item| self.table(item, name)).collect()
    }

    fn text(&self, key: &str) -> Result<&'t str, PolicyError> {
        let missing = || {
            self.wrong(
                &format!("{} has no `{key}`", self.name),
                &format!("add {key} = \"...\""),
            )
        };
        self.optional_text(key)?.ok_or_else(missing)
    }

    fn optional_text(&self, key: &str) -> Result<Option<&'t str>, PolicyError> {
        let Some(item) = self.get(key) else {
            return Ok(None);
        };
        let wrong = || {
            self.wrong_value(
                key,
                &format!("`{key}` is not a string"),
                "put the value into quotes",
            )
        };
        item.get_ref().as_str().map(Some).ok_or_else(wrong)
    }

    fn words(&self, key: &str) -> Result<Option<Vec<String>>, PolicyError> {
        let Some(item) = self.get(key) else {
            return Ok(None);
        };
        let wrong = |span| {
            let remedy = format!("write {key} = [\"...\", \"...\"]");
            PolicyError::at(
                self.source,
                span,
                format!("`{key}` is not a list of strings"),
                remedy,
            )
        };
        let list = item
            .get_ref()
            .as_array()
            .ok_or_else(|| wrong(item.span()))?;
        let word = |item: &Spanned<DeValue<'_>>| {
            item.get_ref()
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| wrong(item.span()))
        };
        list.iter()
            .map(word)
            .collect::<Result<Vec<_>, _>>()
            .map(Some)
    }
}
