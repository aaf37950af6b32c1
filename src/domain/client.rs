//! Clients (RFC 6749 §2): what an application registered and what it may do.

use super::id::ClientId;
use super::redirect_uri::{RedirectUri, VerifiedRedirectUri};
use super::resource::Audience;
use super::scope::Scope;
use super::text::unseen;
use gatewright_authorizer::jose::{Algorithm, JwkSet};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientType {
    /// It can.
    Confidential,
    /// It runs in a browser or on a device.
    Public,
}

/// How a client authenticates (OIDC Core §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Hash)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// Public clients: not at all.
    None,
    /// A secret, by HTTP Basic or in the body.
    ClientSecret,
    /// HTTP Basic.
    ClientSecretBasic,
    /// `client_secret` in the body.
    ClientSecretPost,
    /// A JWT signed with a registered key (RFC 7523).
    PrivateKeyJwt,
}

/// Grants that a client may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Hash)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 §4.1
    AuthorizationCode,
    /// RFC 6749 §4.4
    ClientCredentials,
    /// RFC 6749 §6
    RefreshToken,
}

/// Whether PKCE may be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PkcePolicy {
    /// Every authorization request carries a challenge.
    #[default]
    Required,
    /// A confidential client may leave it out.
    Optional,
}

macro_rules! names {
    ($type:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        impl $type {
            /// Every value, as it is written.
            pub const NAMES: &'static [&'static str] = &[$($text),+];
            /// The value as it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
        impl std::str::FromStr for $type {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(format!("{text:?} is not one of: {}", Self::NAMES.join(", "))),
                }
            }
        }
    };
}

names!(ClientType { Confidential = "confidential", Public = "public" });
names!(AuthMethod {
    None = "none",
    ClientSecret = "client_secret",
    ClientSecretBasic = "client_secret_basic",
    ClientSecretPost = "client_secret_post",
    PrivateKeyJwt = "private_key_jwt",
});
names!(GrantType {
    AuthorizationCode = "authorization_code",
    ClientCredentials = "client_credentials",
    RefreshToken = "refresh_token",
});
names!(PkcePolicy { Required = "required", Optional = "optional" });

/// One registered client, without its secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting by itself")]
pub struct Client {
    /// `client_id`
    pub client_id: ClientId,
    /// Shown on the consent page.
    pub name: String,
    /// Public or confidential.
    #[serde(rename = "type")]
    pub client_type: ClientType,
    /// `token_endpoint_auth_method`
    pub auth_method: AuthMethod,
    /// Where codes may be sent.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where a browser may go after logout.
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// `grant_types`
    pub grants: BTreeSet<GrantType>,
    /// The most it may ask for.
    pub scope: Scope,
    /// The APIs it may get tokens for.
    #[serde(default)]
    pub audiences: Vec<Audience>,
    /// PKCE demanded or not.
    #[serde(default)]
    pub pkce: PkcePolicy,
    /// The operator's own application: the user isn't asked for consent.
    #[serde(default)]
    pub first_party: bool,
    /// Whether a public client gets codes at a loopback address or a private-use scheme without anybody's act: any program
    /// of the person's machine may then get one (RFC 8252 §8.6).
    #[serde(default)]
    pub silent_authorization: bool,
    /// Algorithm of its access tokens.
    pub access_token_alg: Algorithm,
    /// Algorithm of its ID tokens (`id_token_signed_response_alg`).
    pub id_token_alg: Algorithm,
    /// Seconds that its access tokens live; the server's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_s: Option<i64>,
    /// Public keys for `private_key_jwt`, a JWK set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// The one algorithm that its assertions may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion_alg: Option<Algorithm>,
    /// Whether an assertion may name the token endpoint as its audience (OIDC Core §9), besides the issuer.
    #[serde(default)]
    pub assertion_accepts_token_endpoint: bool,
    /// Claims added to its access tokens.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// A disabled client gets nothing.
    #[serde(default)]
    pub disabled: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

impl Client {
    /// Whether it may use the grant.
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }

    /// The APIs that a request is for: those it names, else all of the client's.
    pub fn audiences_for<'a>(&'a self, named: &'a [Audience]) -> &'a [Audience] {
        if named.is_empty() {
            &self.audiences
        } else {
            named
        }
    }

    /// Byte-exact match among its own (RFC 9700 §4.1.3); for public clients the port of a loopback literal
    /// is free (RFC 8252 §7.3).
    pub fn verify_redirect_uri(&self, presented: &str) -> Option<VerifiedRedirectUri> {
        let any_loopback_port = self.client_type == ClientType::Public;
        self.redirect_uris
            .iter()
            .find_map(|registered| registered.verify(presented, any_loopback_port))
    }

    /// The same for `post_logout_redirect_uri` (OIDC RP-Initiated Logout §3).
    pub fn verify_post_logout_redirect_uri(&self, presented: &str) -> Option<VerifiedRedirectUri> {
        let any_loopback_port = self.client_type == ClientType::Public;
        self.post_logout_redirect_uris
            .iter()
            .find_map(|registered| registered.verify(presented, any_loopback_port))
    }

    /// Whether a person must act before a code goes to this address, for nothing else says which program asks: a public
    /// client proves nothing, and an address on the person's own machine is anybody's (RFC 8252 §8.6).
    pub fn needs_an_act(&self, to: &VerifiedRedirectUri) -> bool {
        self.client_type == ClientType::Public && to.is_native() && !self.silent_authorization
    }

    /// What contradicts itself or is unsafe, each with what to do. Empty for a sound client.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |holds: bool, words: &str| {
            if holds {
                faults.push(words.to_owned());
            }
        };
        let public = self.client_type == ClientType::Public;
        let code = self.may_use(GrantType::AuthorizationCode);
        fault(
            public && self.auth_method != AuthMethod::None,
            "a public client has no secret: use --auth-method none, or --type confidential",
        );
        fault(
            !public && self.auth_method == AuthMethod::None,
            "a confidential client must authenticate: give --auth-method client_secret_basic, \
             client_secret_post or private_key_jwt",
        );
        fault(
            public && self.may_use(GrantType::ClientCredentials),
            "client_credentials needs a client that can keep a secret: use --type confidential",
        );
        fault(
            public && self.pkce == PkcePolicy::Optional,
            "PKCE can be optional for confidential clients only: leave out --pkce optional",
        );
        fault(self.grants.is_empty(), "give at least one --grant");
        fault(
            code && self.redirect_uris.is_empty(),
            "authorization_code needs at least one --redirect-uri",
        );
        fault(
            self.may_use(GrantType::RefreshToken) && !code,
            "refresh_token needs --grant authorization_code beside it",
        );
        fault(
            self.auth_method == AuthMethod::PrivateKeyJwt && self.jwks.is_none(),
            "private_key_jwt needs the client's public keys: give --jwks FILE",
        );
        fault(
            self.access_token_alg == Algorithm::Ps256 || self.id_token_alg == Algorithm::Ps256,
            "tokens are signed with ES256, RS256 or EdDSA: choose one of them",
        );
        fault(
            self.access_token_s
                .is_some_and(|s| !(10..=86_400).contains(&s)),
            "access tokens live from 10 to 86400 seconds: choose a lifetime between",
        );
        if let Some(words) = name_fault(&self.name) {
            faults.push(words);
        }
        if let Some(jwks) = &self.jwks {
            match JwkSet::parse_usable(jwks.to_string().as_bytes()) {
                Err(error) => faults.push(format!("the JWK set is not usable: {error}")),
                // Whoever registers is there to correct it; and a private key has no business here.
                Ok(set) => faults.extend(
                    set.passed_over()
                        .iter()
                        .filter(|member| member.why.is_fault())
                        .map(|member| {
                            format!("the JWK set is not usable: {member}: correct or remove it")
                        }),
                ),
            }
        }
        faults
    }
}

/// Why a name can't be shown to people as it stands (security: letters that reorder or hide text).
pub fn name_fault(name: &str) -> Option<String> {
    if name.trim().is_empty() || name.chars().count() > 100 {
        return Some("give a name of 1 to 100 characters".to_owned());
    }
    unseen(name).map(|_| {
        format!("name {name:?}: remove control, zero-width and direction-changing characters")
    })
}
