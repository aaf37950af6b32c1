//! The fields of a client as an administrator gives them, and how they are put together.

use super::apply_claims;
use crate::domain::client::{AuthMethod, ClientType, GrantType, PkcePolicy};
use crate::domain::redirect_uri::RedirectUri;
use crate::domain::resource::Audience;
use crate::domain::{Client, ClientId, Scope};
use gatewright_authorizer::jose::Algorithm;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What to set; `None` leaves a field as it is. A list replaces the whole list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientChange {
    /// Shown on the consent page.
    pub name: Option<String>,
    /// Public or confidential.
    pub client_type: Option<ClientType>,
    /// How it authenticates; without it, what suits the type and the keys.
    pub auth_method: Option<AuthMethod>,
    /// Redirect URIs, not yet checked.
    pub redirect_uris: Option<Vec<String>>,
    /// Post-logout redirect URIs, not yet checked.
    pub post_logout_redirect_uris: Option<Vec<String>>,
    /// Grants.
    pub grants: Option<Vec<GrantType>>,
    /// Scope tokens between spaces, not yet checked.
    pub scope: Option<String>,
    /// Audiences, not yet checked.
    pub audiences: Option<Vec<String>>,
    /// PKCE demanded or not.
    pub pkce: Option<PkcePolicy>,
    /// Whether consent is skipped.
    pub first_party: Option<bool>,
    /// Whether codes go to a loopback address or a private-use scheme without anybody's act.
    pub silent_authorization: Option<bool>,
    /// Algorithm of access tokens.
    pub access_token_alg: Option<Algorithm>,
    /// Algorithm of ID tokens.
    pub id_token_alg: Option<Algorithm>,
    /// Lifetime of access tokens in seconds; `Some(None)` for the server's default.
    pub access_token_s: Option<Option<i64>>,
    /// Its public keys, a JWK set.
    pub jwks: Option<Value>,
    /// The one algorithm of its assertions; `Some(None)` for any.
    pub assertion_alg: Option<Option<Algorithm>>,
    /// Whether an assertion may name the token endpoint.
    pub assertion_accepts_token_endpoint: Option<bool>,
    /// Claims to set in its access tokens; `null` removes one.
    pub claims: Vec<(String, Value)>,
}

/// A client before anything was said about it.
pub(super) fn blank(client_id: ClientId, now: i64) -> Client {
    Client {
        name: client_id.as_str().to_owned(),
        client_id,
        client_type: ClientType::Confidential,
        auth_method: AuthMethod::ClientSecret,
        redirect_uris: Vec::new(),
        post_logout_redirect_uris: Vec::new(),
        grants: BTreeSet::new(),
        scope: Scope::default(),
        audiences: Vec::new(),
        pkce: PkcePolicy::Required,
        first_party: false,
        silent_authorization: false,
        access_token_alg: Algorithm::Es256,
        id_token_alg: Algorithm::Rs256,
        access_token_s: None,
        jwks: None,
        assertion_alg: None,
        assertion_accepts_token_endpoint: false,
        claims: Map::new(),
        disabled: false,
        created_at: now,
        updated_at: now,
    }
}

/// Whether a client authenticates with a secret.
pub(super) fn uses_secret(client: &Client) -> bool {
    matches!(
        client.auth_method,
        AuthMethod::ClientSecret | AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost
    )
}

fn set<T: Clone>(field: &mut T, given: Option<&T>) {
    if let Some(value) = given {
        field.clone_from(value);
    }
}

/// Parses a list, each distinct entry once.
fn parse_each<T: PartialEq>(
    given: &[String],
    parse: impl Fn(&str) -> Result<T, String>,
    faults: &mut Vec<String>,
) -> Vec<T> {
    let mut parsed = Vec::new();
    for text in given {
        match parse(text) {
            Ok(value) if parsed.contains(&value) => {}
            Ok(value) => parsed.push(value),
            Err(fault) => faults.push(fault),
        }
    }
    parsed
}

impl ClientChange {
    /// Applies the change and says everything that is wrong with the outcome.
    pub(super) fn apply(&self, client: &mut Client) -> Vec<String> {
        let mut faults = Vec::new();
        set(&mut client.name, self.name.as_ref());
        set(&mut client.client_type, self.client_type.as_ref());
        set(&mut client.pkce, self.pkce.as_ref());
        set(&mut client.first_party, self.first_party.as_ref());
        set(
            &mut client.silent_authorization,
            self.silent_authorization.as_ref(),
        );
        set(&mut client.access_token_alg, self.access_token_alg.as_ref());
        set(&mut client.id_token_alg, self.id_token_alg.as_ref());
        set(&mut client.access_token_s, self.access_token_s.as_ref());
        set(&mut client.assertion_alg, self.assertion_alg.as_ref());
        set(
            &mut client.assertion_accepts_token_endpoint,
            self.assertion_accepts_token_endpoint.as_ref(),
        );
        self.apply_lists(client, &mut faults);
        self.apply_authentication(client);
        apply_claims(&mut client.claims, &self.claims, &mut faults);
        // A list that could not be read is told once, not also as missing.
        let unreadable = |field: &str| faults.iter().any(|fault| fault.starts_with(field));
        let redirects_unreadable = unreadable("redirect URI");
        let missing_redirect = |fault: &String| fault.contains("--redirect-uri");
        let further = client
            .faults()
            .into_iter()
            .filter(|fault| !(redirects_unreadable && missing_redirect(fault)));
        faults.extend(further.collect::<Vec<_>>());
        faults
    }

    fn apply_lists(&self, client: &mut Client, faults: &mut Vec<String>) {
        if let Some(given) = &self.redirect_uris {
            client.redirect_uris = parse_each(given, RedirectUri::parse, faults);
        }
        if let Some(given) = &self.post_logout_redirect_uris {
            client.post_logout_redirect_uris = parse_each(given, RedirectUri::parse, faults);
        }
        if let Some(given) = &self.audiences {
            client.audiences = parse_each(given, Audience::parse_new, faults);
        }
        if let Some(given) = &self.grants {
            client.grants = given.iter().copied().collect();
        }
        if let Some(given) = &self.scope {
            let text = given.split_whitespace().collect::<Vec<_>>().join(" ");
            match Scope::parse(&text) {
                Ok(scope) => client.scope = scope,
                Err(_) => faults.push(format!(
                    "scope {given:?}: use tokens of printable ASCII without '\"' and '\\', between spaces, such as \
                     \"openid orders:read\""
                )),
            }
        }
    }

    /// A type or keys without a method bring the method that suits them.
    fn apply_authentication(&self, client: &mut Client) {
        set(&mut client.jwks, self.jwks.clone().map(Some).as_ref());
        if let Some(method) = self.auth_method {
            client.auth_method = method;
        } else if client.client_type == ClientType::Public {
            client.auth_method = AuthMethod::None;
        } else if self.jwks.is_some() {
            client.auth_method = AuthMethod::PrivateKeyJwt;
        } else if client.auth_method == AuthMethod::None {
            client.auth_method = AuthMethod::ClientSecret;
        }
    }
}
