//! `[[rule]]`: who may make which calls.

use super::table::Table;
use super::target;
use crate::policy::condition::{Condition, Scope};
use crate::policy::{Effect, PathTemplate, PolicyError, Rule};
use crate::token::Scopes;

const KEYS: [&str; 12] = [
    "id",
    "methods",
    "path",
    "route",
    "field",
    "effect",
    "scopes",
    "any_scope",
    "groups",
    "clients",
    "subjects",
    "when",
];

/// `data` are the names in `[data]`.
pub(super) fn read(table: &Table<'_, '_>, data: &[String]) -> Result<Rule, PolicyError> {
    table.only(&KEYS)?;
    let id = table.text("id")?;
    let named = id
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b));
    if id.is_empty() || id.len() > 64 || !named {
        let remedy = "use up to 64 letters, digits, `-`, `_`, `.`, `:` and `/`";
        return Err(table.wrong_value("id", "not a rule id", remedy));
    }
    let (methods, template) = target::read(table)?;
    let effect = match table.optional_text("effect")? {
        None | Some("allow") => Effect::Allow,
        Some("deny") => Effect::Deny,
        Some("public") => public(table)?,
        Some(_) => {
            return Err(table.wrong_value(
                "effect",
                "unknown effect",
                "write \"allow\", \"deny\" or \"public\"",
            ));
        }
    };
    let scopes = scopes(table, "scopes")?;
    let any_scope = scopes_of_some(table)?;
    let condition = condition(table, &template, data)?;
    Ok(Rule {
        id: id.to_owned(),
        methods,
        template,
        effect,
        scopes,
        any_scope,
        groups: one_of(table, "groups")?,
        clients: one_of(table, "clients")?,
        subjects: one_of(table, "subjects")?,
        condition,
    })
}

/// Without a token there is nobody to ask anything of.
fn public(table: &Table<'_, '_>) -> Result<Effect, PolicyError> {
    let asked = [
        "scopes",
        "any_scope",
        "groups",
        "clients",
        "subjects",
        "when",
    ];
    if let Some(key) = asked.into_iter().find(|key| table.get(key).is_some()) {
        let message = format!("a public rule has no `{key}`: it asks for no token");
        return Err(table.wrong_value(key, &message, "remove it, or the effect"));
    }
    if let Some(key) = ["route", "field"]
        .into_iter()
        .find(|key| table.get(key).is_some())
    {
        let message = format!("a rule with `{key}` can't be public");
        let remedy = "only HTTP methods and paths can; attach no authorizer to that API instead";
        return Err(table.wrong_value(key, &message, remedy));
    }
    Ok(Effect::Public)
}

fn condition(
    table: &Table<'_, '_>,
    template: &PathTemplate,
    data: &[String],
) -> Result<Option<Condition>, PolicyError> {
    let Some(source) = table.optional_text("when")? else {
        return Ok(None);
    };
    let fault = match Condition::parse(source, &Scope { template, data }) {
        Ok(condition) => return Ok(Some(condition)),
        Err(fault) => fault,
    };
    let at = table.position_in("when", source, fault.at);
    Err(PolicyError::at(
        table.source,
        at..at,
        fault.message,
        fault.remedy,
    ))
}

/// An empty list would be satisfied by nobody or by everybody, depending on the reader.
fn one_of(table: &Table<'_, '_>, key: &str) -> Result<Vec<String>, PolicyError> {
    let names = table.words(key)?;
    let fault = match names.as_deref() {
        Some([]) => Some("the list is empty"),
        Some(names) if names.iter().any(String::is_empty) => Some("a name in the list is empty"),
        _ => None,
    };
    if let Some(fault) = fault {
        let what = match key {
            "any_scope" => "scope",
            "groups" => "group",
            "clients" => "client",
            _ => "subject",
        };
        return Err(table.wrong_value(
            key,
            fault,
            &format!("name at least one {what}, or remove the key"),
        ));
    }
    Ok(names.unwrap_or_default())
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

fn scopes_of_some(table: &Table<'_, '_>) -> Result<Vec<String>, PolicyError> {
    one_of(table, "any_scope")?;
    scopes(table, "any_scope")
}
