//! `[context]`: which claims are passed on to the API, and what if one doesn't fit.

use super::table::Table;
use crate::policy::{OnOverflow, PassedOn, PolicyError};

/// What the answer's context holds anyway, and what API Gateway puts beside it.
const RESERVED: [&str; 14] = [
    "sub",
    "client_id",
    "iss",
    "exp",
    "scope",
    "reason",
    "rule",
    "missing",
    "request_id",
    "trace_id",
    "principalId",
    "integrationLatency",
    "usageIdentifierKey",
    "claims",
];
/// Most claims that are passed on.
const MAX_CLAIMS: usize = 32;

pub(super) fn read(table: &Table<'_, '_>) -> Result<PassedOn, PolicyError> {
    table.only(&["claims", "on_overflow"])?;
    let on_overflow = match table.optional_text("on_overflow")? {
        None | Some("drop") => OnOverflow::Drop,
        Some("error") => OnOverflow::Error,
        Some(_) => {
            let remedy = "write \"drop\" (the value is left out) or \"error\" (the call is denied)";
            let message = "unknown way to treat what doesn't fit";
            return Err(table.wrong_value("on_overflow", message, remedy));
        }
    };
    let names = table.words("claims")?.unwrap_or_default();
    let refuse = |message: String, remedy: &str| Err(table.wrong_value("claims", &message, remedy));
    if names.len() > MAX_CLAIMS {
        let remedy = "pass on what the API needs; it may look up the rest by sub";
        return refuse(format!("over {MAX_CLAIMS} claims"), remedy);
    }
    for name in &names {
        if RESERVED.contains(&name.as_str()) {
            let remedy = "leave it out: the context has it already, or the gateway uses the name";
            return refuse(format!("`{name}` is reserved"), remedy);
        }
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b));
        if name.is_empty() || name.len() > 128 || !plain {
            let remedy = "use letters, digits, `-`, `_`, `.`, `:` and `/`";
            return refuse(
                format!("{name:?} can't be the name of a context value"),
                remedy,
            );
        }
    }
    Ok(PassedOn {
        claims: names,
        on_overflow,
    })
}
