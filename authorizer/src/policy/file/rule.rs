//! `[[rule]]`: who may make which calls.

use super::table::Table;
use crate::policy::{Effect, Method, Methods, PathTemplate, PolicyError, Rule};
use crate::token::Scopes;

pub(super) fn read(table: &Table<'_, '_>) -> Result<Rule, PolicyError> {
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
