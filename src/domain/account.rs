//! Accounts: the people who log in.

use super::id::Subject;
use super::text::{mixes_scripts, unseen};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;

/// Longest password that is hashed, in bytes after NFC.
pub const PASSWORD_MAX_BYTES: usize = 1024;
/// Shortest password that is accepted, in characters (NIST SP 800-63B §5.1.1.2).
pub const PASSWORD_MIN_CHARS: usize = 8;

/// One account, without its password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// `sub`
    pub subject: Subject,
    /// The name typed at login, in canonical form.
    pub username: String,
    /// `email`
    pub email: Option<String>,
    /// `email_verified`
    pub email_verified: bool,
    /// Other claims, standard and custom, at the top level.
    pub claims: Map<String, Value>,
    /// A disabled account cannot log in, and its grants are dead.
    pub disabled: bool,
    /// Unix seconds; codes and sessions from before are dead.
    pub password_changed_at: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds; `updated_at`.
    pub updated_at: i64,
}

/// The form in which user names and addresses are stored and compared: NFKC, lower case, no outer space.
pub fn canonical_login(text: &str) -> String {
    text.trim().nfkc().flat_map(char::to_lowercase).collect()
}

impl Account {
    /// How the person knows themselves: their name, else their user name.
    pub fn display_name(&self) -> &str {
        self.claims
            .get("name")
            .and_then(Value::as_str)
            .filter(|name| !name.trim().is_empty())
            .unwrap_or(&self.username)
    }
}

/// The form in which passwords are hashed: NFC (RFC 8265 §4.2), nothing trimmed.
pub fn canonical_password(text: &str) -> String {
    text.nfc().collect()
}

/// Checks a new user name.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn check_username(canonical: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '@');
    if canonical.is_empty()
        || canonical.chars().count() > 128
        || !canonical.chars().all(allowed)
        || unseen(canonical).is_some()
    {
        return Err(format!(
            "user name {canonical:?}: use 1 to 128 letters, digits, '-', '_', '.', '+' or '@'"
        ));
    }
    one_script("user name", canonical)?;
    Ok(())
}

/// Checks the form of an address; only a delivered message proves it.
///
/// # Errors
/// A sentence that says what is expected.
pub fn check_email(canonical: &str) -> Result<(), String> {
    let sound = canonical.len() <= 254
        && canonical.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && domain.contains('.') && !domain.contains('@')
        })
        && !canonical.chars().any(char::is_whitespace)
        && unseen(canonical).is_none();
    if !sound {
        return Err(format!(
            "email {canonical:?}: give an address such as ada@example.com, without invisible characters"
        ));
    }
    canonical
        .split(['@', '.'])
        .try_for_each(|part| one_script("email", part))
}

/// One letter of another script passes for a letter of this one.
fn one_script(what: &str, text: &str) -> Result<(), String> {
    if mixes_scripts(text) {
        return Err(format!(
            "{what} {text:?}: write it in one script; it mixes letters that look alike"
        ));
    }
    Ok(())
}

/// The most used passwords that have at least [`PASSWORD_MIN_CHARS`] characters.
const COMMON: &str = include_str!("common_passwords.txt");

/// Checks a new password: length and being common; no composition rules (NIST SP 800-63B §5.1.1.2).
///
/// # Errors
/// A sentence that says why; never the password.
pub fn check_password(canonical: &str, username: &str) -> Result<(), String> {
    if canonical.len() > PASSWORD_MAX_BYTES {
        return Err(format!(
            "the password is over {PASSWORD_MAX_BYTES} bytes: choose a shorter one"
        ));
    }
    if canonical.chars().count() < PASSWORD_MIN_CHARS {
        return Err(format!(
            "the password is under {PASSWORD_MIN_CHARS} characters: choose a longer one, such as a few words"
        ));
    }
    let lower = canonical.to_lowercase();
    if COMMON.lines().any(|common| common == lower) || lower == username {
        return Err(
            "the password is among the first that anybody would try: choose another".to_owned(),
        );
    }
    Ok(())
}
