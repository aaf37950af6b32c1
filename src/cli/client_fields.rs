//! The options that describe a client, for `client create` and `client update`, and how a client is printed.

use super::args::{algorithm, claim, list, one_of, read_file, signing_algorithm};
use super::error::CliError;
use super::out;
use crate::domain::Client;
use crate::domain::client::{AuthMethod, ClientType, GrantType, PkcePolicy};
use crate::domain::redirect_uri::RedirectUri;
use crate::domain::resource::Audience;
use crate::flows::admin::ClientChange;
use gatewright_authorizer::jose::Algorithm;
use serde_json::Value;
use std::path::PathBuf;

/// Options that describe a client.
#[derive(Debug, clap::Args)]
pub struct ClientFields {
    /// Name shown on the consent page [default: NAME]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Whether it can keep a secret [default: confidential]
    #[arg(long = "type", value_name = "TYPE", value_parser = one_of::<ClientType>(ClientType::NAMES))]
    client_type: Option<ClientType>,
    /// How it authenticates.
    #[arg(
        long,
        value_name = "METHOD",
        value_parser = one_of::<AuthMethod>(AuthMethod::NAMES),
        help = "How it authenticates; client_secret is Basic or body [default: what suits type and keys]"
    )]
    auth_method: Option<AuthMethod>,
    /// Where codes may be sent; repeat for several
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Option<Vec<String>>,
    /// Where a browser may go after signing out; repeat for several
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Option<Vec<String>>,
    /// Grant that it may use; repeat for several
    #[arg(long = "grant", value_name = "GRANT", value_parser = one_of::<GrantType>(GrantType::NAMES))]
    grants: Option<Vec<GrantType>>,
    /// The most it may ask for, in one text: "openid email orders:read"
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// API that it may get tokens for, an absolute URI; repeat for several
    #[arg(long = "audience", value_name = "URI")]
    audiences: Option<Vec<String>>,
    /// Your own application: people aren't asked for consent
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    first_party: Option<bool>,
    /// A public client on people's own machines gets codes without a click: any program there may then get one
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    silent_authorization: Option<bool>,
    /// Whether PKCE may be left out, by confidential clients only [default: required]
    #[arg(long, value_name = "POLICY", value_parser = one_of::<PkcePolicy>(PkcePolicy::NAMES))]
    pkce: Option<PkcePolicy>,
    /// Algorithm of its access tokens [default: ES256]
    #[arg(long, value_name = "ALG", value_parser = signing_algorithm())]
    access_token_alg: Option<Algorithm>,
    /// Algorithm of its ID tokens [default: RS256]
    #[arg(long, value_name = "ALG", value_parser = signing_algorithm())]
    id_token_alg: Option<Algorithm>,
    /// How long its access tokens live, or "default" for the server's setting
    #[arg(long, value_name = "SECONDS", value_parser = lifetime)]
    access_token_lifetime: Option<Lifetime>,
    /// Its public keys.
    #[arg(
        long,
        value_name = "FILE",
        help = "Its public keys for private_key_jwt: a file with a JWK set"
    )]
    jwks: Option<PathBuf>,
    /// The one algorithm that its assertions may use [default: any that its keys are for]
    #[arg(long, value_name = "ALG", value_parser = algorithm(&["ES256", "RS256", "PS256", "EdDSA"]))]
    assertion_alg: Option<Algorithm>,
    /// Let its assertions name the token endpoint as their audience, besides the issuer
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    assertion_accepts_token_endpoint: Option<bool>,
    /// Claim in its access tokens, the value as JSON: --claim tier='"gold"'; null removes one; repeat for several
    #[arg(long = "claim", value_name = "NAME=JSON", value_parser = claim)]
    claims: Vec<(String, Value)>,
}

/// Seconds, or the server's default.
#[derive(Clone, Copy, Debug)]
struct Lifetime(Option<i64>);

fn lifetime(text: &str) -> Result<Lifetime, String> {
    if text == "default" {
        return Ok(Lifetime(None));
    }
    let seconds = text
        .parse()
        .map_err(|_| "give a number of seconds, or \"default\"".to_owned())?;
    Ok(Lifetime(Some(seconds)))
}

impl ClientFields {
    /// What these options ask for.
    ///
    /// # Errors
    /// [`CliError::Usage`] if the key file can't be read.
    pub fn change(&self) -> Result<ClientChange, CliError> {
        let jwks = match &self.jwks {
            None => None,
            Some(path) => Some(serde_json::from_str(&read_file(path)?).map_err(|error| {
                CliError::usage(format!(
                    "{} is not JSON ({error}): give a JWK set, {{\"keys\": […]}}",
                    path.display()
                ))
            })?),
        };
        Ok(ClientChange {
            name: self.name.clone(),
            client_type: self.client_type,
            auth_method: self.auth_method,
            redirect_uris: list(self.redirect_uris.as_ref()),
            post_logout_redirect_uris: list(self.post_logout_redirect_uris.as_ref()),
            grants: self.grants.clone(),
            scope: self.scope.clone(),
            audiences: list(self.audiences.as_ref()),
            pkce: self.pkce,
            first_party: self.first_party,
            silent_authorization: self.silent_authorization,
            access_token_alg: self.access_token_alg,
            id_token_alg: self.id_token_alg,
            access_token_s: self.access_token_lifetime.map(|lifetime| lifetime.0),
            jwks,
            assertion_alg: self.assertion_alg.map(Some),
            assertion_accepts_token_endpoint: self.assertion_accepts_token_endpoint,
            claims: self.claims.clone(),
        })
    }
}

/// A client for people, one field a line.
pub fn describe(client: &Client) -> String {
    let join = |items: Vec<&str>| items.join(" ");
    let yes = |holds: bool| if holds { "yes" } else { "" }.to_owned();
    let claims = client
        .claims
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    out::details(&[
        ("client id", client.client_id.to_string()),
        ("name", client.name.clone()),
        ("type", client.client_type.as_str().to_owned()),
        ("authenticates by", client.auth_method.as_str().to_owned()),
        (
            "grants",
            join(client.grants.iter().map(|grant| grant.as_str()).collect()),
        ),
        (
            "redirect URIs",
            join(
                client
                    .redirect_uris
                    .iter()
                    .map(RedirectUri::as_str)
                    .collect(),
            ),
        ),
        (
            "after logout",
            join(
                client
                    .post_logout_redirect_uris
                    .iter()
                    .map(RedirectUri::as_str)
                    .collect(),
            ),
        ),
        ("scope", client.scope.to_string()),
        (
            "audiences",
            join(client.audiences.iter().map(Audience::as_str).collect()),
        ),
        ("PKCE", client.pkce.as_str().to_owned()),
        ("first party", yes(client.first_party)),
        ("silent", yes(client.silent_authorization)),
        ("access tokens", client.access_token_alg.to_string()),
        ("ID tokens", client.id_token_alg.to_string()),
        (
            "access token life",
            client
                .access_token_s
                .map_or_else(String::new, |s| format!("{s} seconds")),
        ),
        ("claims", claims.collect::<Vec<_>>().join(" ")),
        ("disabled", yes(client.disabled)),
        ("created", out::rfc3339(client.created_at)),
        ("updated", out::rfc3339(client.updated_at)),
    ])
}
