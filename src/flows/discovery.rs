//! Discovery (OIDC Discovery 1.0, RFC 8414): exactly what works, no more.

use super::scopes::ScopeDirectory;
use crate::domain::scope::OPENID_SCOPES;
use serde_json::{Value, json};

/// Paths of the endpoints below the issuer.
pub mod paths {
    /// Authorization endpoint.
    pub const AUTHORIZATION: &str = "/authorize";
    /// Token endpoint.
    pub const TOKEN: &str = "/token";
    /// Userinfo endpoint.
    pub const USERINFO: &str = "/userinfo";
    /// Introspection endpoint.
    pub const INTROSPECTION: &str = "/introspect";
    /// Revocation endpoint.
    pub const REVOCATION: &str = "/revoke";
    /// JWKS.
    pub const JWKS: &str = "/jwks.json";
    /// End-session endpoint.
    pub const END_SESSION: &str = "/logout";
    /// OIDC Discovery.
    pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
    /// RFC 8414.
    pub const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
}

/// The metadata document.
pub fn metadata(issuer: &str, scopes: &ScopeDirectory) -> Value {
    let endpoint = |path: &str| format!("{issuer}{path}");
    let mut known: Vec<&str> = OPENID_SCOPES.to_vec();
    known.extend(scopes.names());
    let secret_and_key = json!([
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt"
    ]);
    let with_none = json!([
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "none"
    ]);
    let signing = json!(["ES256", "RS256", "PS256", "EdDSA"]);
    json!({
        "issuer": issuer,
        "authorization_endpoint": endpoint(paths::AUTHORIZATION),
        "token_endpoint": endpoint(paths::TOKEN),
        "userinfo_endpoint": endpoint(paths::USERINFO),
        "jwks_uri": endpoint(paths::JWKS),
        "introspection_endpoint": endpoint(paths::INTROSPECTION),
        "revocation_endpoint": endpoint(paths::REVOCATION),
        "end_session_endpoint": endpoint(paths::END_SESSION),
        "scopes_supported": known,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
        "token_endpoint_auth_methods_supported": with_none,
        "token_endpoint_auth_signing_alg_values_supported": signing,
        "introspection_endpoint_auth_methods_supported": secret_and_key,
        "introspection_endpoint_auth_signing_alg_values_supported": signing,
        "revocation_endpoint_auth_methods_supported": with_none,
        "revocation_endpoint_auth_signing_alg_values_supported": signing,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent"],
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "sid", "at_hash",
            "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username",
            "profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
            "email", "email_verified", "address", "phone_number", "phone_number_verified",
        ],
    })
}
