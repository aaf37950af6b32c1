//! The operations that an `OpenAPI` description names.

use crate::cli::args::read_file;
use crate::cli::error::CliError;
use gatewright_authorizer::policy::{Method, PathTemplate};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Deserialize)]
struct Description {
    paths: BTreeMap<String, BTreeMap<String, Value>>,
}

/// What API Gateway's own extension calls every method.
const ANY: &str = "x-amazon-apigateway-any-method";

/// Methods and paths of a file in YAML or JSON.
///
/// # Errors
/// [`CliError::Usage`] for what is no description, or has a path that no rule could cover.
pub(super) fn operations(file: &Path) -> Result<Vec<(Method, PathTemplate)>, CliError> {
    let text = read_file(file)?;
    let is_json = file
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let description: Result<Description, String> = if is_json {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    } else {
        serde_saphyr::from_str(&text).map_err(|error| error.to_string())
    };
    let description = description.map_err(|error| {
        CliError::usage(format!(
            "{}: no OpenAPI description ({error}): give a file in YAML or JSON that has `paths`",
            file.display()
        ))
    })?;
    let mut operations = Vec::new();
    for (path, item) in description.paths {
        let template = PathTemplate::parse(&path).map_err(|error| {
            CliError::usage(format!(
                "{}: the path {path} can't be that of a rule: {error}",
                file.display()
            ))
        })?;
        let methods = Method::ALL
            .into_iter()
            .filter(|method| named(&item, *method));
        operations.extend(methods.map(|method| (method, template.clone())));
    }
    Ok(operations)
}

fn named(item: &BTreeMap<String, Value>, method: Method) -> bool {
    item.contains_key(ANY) || item.contains_key(&method.as_str().to_ascii_lowercase())
}
