//! Claims about a person (OIDC Core §5) and where they go.

use super::account::Account;
use super::scope::Scope;
use super::text::unseen;
use serde_json::{Map, Value};

/// Claims of the `profile` scope that an account may carry (OIDC Core §5.4).
const PROFILE: [&str; 13] = [
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
];

/// Claims that the server sets itself, in any token; nobody else may.
const RESERVED: [&str; 41] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "azp",
    "nonce",
    "auth_time",
    "acr",
    "amr",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "scope",
    "scp",
    "client_id",
    "cnf",
    "act",
    "may_act",
    "events",
    "typ",
    "alg",
    "kid",
    "grant_id",
    "token_type",
    "active",
    "username",
    "sub_jwk",
    "sub_id",
    "toe",
    "txn",
    "vct",
    "email",
    "email_verified",
    "updated_at",
    "token_use",
    "authorization_details",
    "claims",
];

/// Checks a custom or profile claim that an administrator sets: the name isn't the server's, and a standard
/// claim has the type that OIDC Core §5.1 gives it.
///
/// # Errors
/// A sentence that says what to do.
pub fn check_claim(name: &str, value: &Value) -> Result<(), String> {
    if name.is_empty() || name.len() > 128 || unseen(name).is_some() {
        return Err(format!(
            "claim {name:?}: give a name of 1 to 128 printable characters"
        ));
    }
    if RESERVED.contains(&name) {
        let remedy = match name {
            "email" | "email_verified" => "use --email and --email-verified",
            _ => "choose another name",
        };
        return Err(format!("claim {name:?} is set by the server: {remedy}"));
    }
    let (right, expected) = match name {
        "address" => (value.is_object(), "an object"),
        "phone_number_verified" => (value.is_boolean(), "true or false"),
        "phone_number" => (value.is_string(), "a string"),
        _ if PROFILE.contains(&name) => (value.is_string(), "a string"),
        _ => (true, ""),
    };
    if !right {
        return Err(format!(
            "claim {name:?} must be {expected}; it is given as JSON, e.g. --claim name='\"Ada\"'"
        ));
    }
    if is_standard(name) && !is_shown(value) {
        return Err(format!(
            "claim {name:?} is shown to people: remove control, zero-width and direction-changing characters"
        ));
    }
    Ok(())
}

/// Whether all of a value can be seen. An address has lines (OIDC Core §5.1.1).
fn is_shown(value: &Value) -> bool {
    match value {
        Value::String(text) => unseen(text).is_none(),
        Value::Object(members) => members.values().all(|member| match member {
            Value::String(text) => text.lines().all(|line| unseen(line).is_none()),
            other => is_shown(other),
        }),
        Value::Array(items) => items.iter().all(is_shown),
        _ => true,
    }
}

fn is_standard(name: &str) -> bool {
    PROFILE.contains(&name) || matches!(name, "address" | "phone_number" | "phone_number_verified")
}

/// Claims that the granted scope releases from the account's record (OIDC Core §5.4), for ID tokens and
/// userinfo: `profile`, `email`, `address`, `phone`, and the custom ones.
pub fn released(account: &Account, scope: &Scope) -> Map<String, Value> {
    let mut claims = custom(account);
    let mut take = |name: &str| {
        if let Some(value) = account.claims.get(name) {
            claims.insert(name.to_owned(), value.clone());
        }
    };
    if scope.contains("profile") {
        for name in PROFILE {
            take(name);
        }
    }
    if scope.contains("address") {
        take("address");
    }
    if scope.contains("phone") {
        take("phone_number");
        take("phone_number_verified");
    }
    if scope.contains("profile") {
        claims
            .entry("preferred_username")
            .or_insert_with(|| Value::from(account.username.as_str()));
        claims.insert("updated_at".to_owned(), Value::from(account.updated_at));
    }
    if scope.contains("email")
        && let Some(email) = &account.email
    {
        claims.insert("email".to_owned(), Value::from(email.as_str()));
        claims.insert(
            "email_verified".to_owned(),
            Value::from(account.email_verified),
        );
    }
    claims
}

/// Custom claims of the account: in every token that names the person, whatever the scope.
pub fn custom(account: &Account) -> Map<String, Value> {
    account
        .claims
        .iter()
        .filter(|(name, _)| !is_standard(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
