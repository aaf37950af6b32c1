//! How a password is read and how a person is printed.

use super::error::CliError;
use super::out;
use crate::domain::account::PASSWORD_MAX_BYTES;
use crate::domain::{Account, Secret};
use serde_json::{Value, json};
use std::io::Read as _;

/// Reads the password from standard input: all of it, without the line end that `echo` adds.
///
/// # Errors
/// [`CliError::Usage`] if it isn't one line of text.
pub fn password_from_stdin() -> Result<Secret, CliError> {
    // Room for the longest password before it is brought into canonical form.
    let most = 4 * PASSWORD_MAX_BYTES;
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| {
            CliError::Failed(format!(
                "standard input can't be read ({error}): pipe the password in"
            ))
        })?;
    if bytes.len() > most {
        return Err(CliError::usage(format!(
            "the password is over {PASSWORD_MAX_BYTES} bytes: choose a shorter one"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        CliError::usage("the password is not UTF-8: convert it, for browsers send UTF-8")
    })?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(CliError::usage(
            "no password came on standard input: pipe it in, such as printf '%s' \"$PASSWORD\" | gatewright …",
        ));
    }
    if password.contains(['\n', '\r', '\0']) {
        return Err(CliError::usage(
            "the password has a line break, which no login form can send: give one line",
        ));
    }
    Ok(Secret::new(password))
}

/// A person as JSON, by the names of their claims where there are such.
pub fn record(account: &Account, administrator: bool) -> Value {
    json!({
        "sub": account.subject,
        "username": account.username,
        "email": account.email,
        "email_verified": account.email_verified,
        "claims": account.claims,
        "disabled": account.disabled,
        "administrator": administrator,
        "password_changed_at": account.password_changed_at,
        "created_at": account.created_at,
        "updated_at": account.updated_at,
    })
}

/// A person for people, one field a line.
pub fn describe(account: &Account, administrator: bool) -> String {
    let claims = account
        .claims
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let email = account.email.as_ref().map_or_else(String::new, |email| {
        let verified = if account.email_verified {
            "verified"
        } else {
            "not verified"
        };
        format!("{email} ({verified})")
    });
    out::details(&[
        ("user name", account.username.clone()),
        ("sub", account.subject.to_string()),
        ("email", email),
        ("claims", claims.collect::<Vec<_>>().join(" ")),
        (
            "disabled",
            if account.disabled { "yes" } else { "" }.to_owned(),
        ),
        (
            "administrator",
            if administrator { "yes" } else { "" }.to_owned(),
        ),
        ("created", out::rfc3339(account.created_at)),
        ("updated", out::rfc3339(account.updated_at)),
    ])
}

/// Says that nobody is left who may see everything.
pub fn nobody_administers() {
    out::note(
        "nobody is an administrator now, so nobody can open /admin/activity: see 'gatewright user update --administrator \
         true'",
    );
}
