//! What a rule is for: `methods` and `path` of HTTP, the `route` of a WebSocket API, or a `field` of GraphQL.

use super::table::Table;
use crate::policy::template::{CONNECT, ROOTS};
use crate::policy::{Method, Methods, PathTemplate, PolicyError};

pub(super) fn read(table: &Table<'_, '_>) -> Result<(Methods, PathTemplate), PolicyError> {
    let (route, field) = (table.optional_text("route")?, table.optional_text("field")?);
    let other = if route.is_some() { "route" } else { "field" };
    let also = ["methods", "path", "field"]
        .into_iter()
        .find(|key| *key != other && table.get(key).is_some());
    match (route, field, also) {
        (None, None, _) => Ok((methods(table)?, path(table)?)),
        (_, _, Some(also)) => {
            let message = format!("a rule with `{other}` has no `{also}`");
            let remedy = "write a rule of its own for each of methods and path, route, and field";
            Err(table.wrong_value(also, &message, remedy))
        }
        (Some(CONNECT), _, None) => Ok((Methods::only(Method::WebSocket), PathTemplate::connect())),
        (Some(_), _, None) => {
            let remedy = "write route = \"$connect\"; API Gateway authorizes no other route of a WebSocket API";
            Err(table.wrong_value("route", "not a route that is authorized", remedy))
        }
        (None, Some(name), None) => {
            let template = field_named(name)
                .map_err(|remedy| table.wrong_value("field", "not a GraphQL field", remedy))?;
            Ok((Methods::only(Method::GraphQl), template))
        }
    }
}

fn methods(table: &Table<'_, '_>) -> Result<Methods, PolicyError> {
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
    Ok(methods)
}

fn path(table: &Table<'_, '_>) -> Result<PathTemplate, PolicyError> {
    PathTemplate::parse(table.text("path")?)
        .map_err(|error| table.wrong_value("path", "not a path template", &error.to_string()))
}

/// `Type.field`, or `Query.*`. A wildcard on another type could not be denied without the schema.
fn field_named(text: &str) -> Result<PathTemplate, &'static str> {
    let form = "write Type.field, such as \"Query.orders\" or \"Mutation.*\"";
    let (of_type, field) = text.split_once('.').ok_or(form)?;
    let is_name = |text: &str| {
        text.len() <= 100
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
    };
    match (is_name(of_type), field) {
        (true, "*") if ROOTS.contains(&of_type) => Ok(PathTemplate::field(of_type, field)),
        (true, "*") => Err("only Query, Mutation and Subscription may have `*`; name the field"),
        (true, field) if is_name(field) => Ok(PathTemplate::field(of_type, field)),
        _ => Err(form),
    }
}
