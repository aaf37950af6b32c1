//! Making tokens: RFC 9068 access tokens, OIDC ID tokens, the token response.

use super::{FlowError, Issuer};
use crate::crypto::jwt::{self, TokenType};
use crate::crypto::token::{half_sha256, sha256};
use crate::domain::claims;
use crate::domain::client::GrantType;
use crate::domain::event::Happening;
use crate::domain::grant::Grant;
use crate::domain::resource::Audience;
use crate::domain::{Account, Client, Scope};
use serde::Serialize;
use serde_json::{Map, Value};

/// Token response (RFC 6749 §5.1, OIDC Core §3.1.3.3).
#[derive(Serialize)]
pub(super) struct TokenResponse<'a> {
    pub access_token: String,
    pub token_type: &'static str,
    pub expires_in: i64,
    pub scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

/// One audience is a string, several are an array (RFC 7519 §4.1.3).
#[derive(Serialize)]
#[serde(untagged)]
enum AudienceClaim<'a> {
    One(&'a str),
    Several(&'a [&'a str]),
}

impl<'a> AudienceClaim<'a> {
    fn of(audiences: &'a [&'a str]) -> Self {
        match audiences {
            [one] => Self::One(one),
            several => Self::Several(several),
        }
    }
}

#[derive(Serialize)]
struct AccessTokenClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: AudienceClaim<'a>,
    client_id: &'a str,
    iat: i64,
    exp: i64,
    jti: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_id: Option<&'a str>,
    #[serde(flatten)]
    custom: Map<String, Value>,
}

#[derive(Serialize)]
struct IdTokenClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    auth_time: i64,
    sid: &'a str,
    at_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(flatten)]
    released: Map<String, Value>,
}

/// What an access token opens.
pub(super) struct Access<'a> {
    pub scope: &'a Scope,
    /// Empty for the default, which is `own`.
    pub resources: &'a [Audience],
    /// The client's APIs; of a person's grant, those that the person agreed to.
    pub own: &'a [Audience],
}

/// What an access token is about.
pub(super) struct AccessTokenContent<'a> {
    pub client: &'a Client,
    pub access: &'a Access<'a>,
    /// The person, if there is one.
    pub person: Option<(&'a Account, &'a Grant)>,
}

/// An access token that was just signed.
pub(super) struct IssuedToken {
    pub access_token: String,
    /// Seconds that it lives.
    pub expires_in: i64,
    pub jti: String,
}

/// The answer to a code or a refresh token, and what it's recorded as once it has been given.
pub(super) struct PersonResponse {
    pub body: String,
    pub issued: Happening,
}

impl Issuer {
    /// What an access token is recorded as.
    pub(super) fn issued(
        &self,
        grant: GrantType,
        content: &AccessTokenContent<'_>,
        jti: &str,
    ) -> Happening {
        let Access {
            scope,
            resources,
            own,
        } = content.access;
        let audiences = self.audiences(own, resources, scope);
        Happening::TokenIssued {
            grant,
            client_id: content.client.client_id.clone(),
            subject: content.person.map(|(account, _)| account.subject.clone()),
            scope: (*scope).clone(),
            audience: audiences.into_iter().map(str::to_owned).collect(),
            jti_digest: sha256(jti),
            grant_id: content.person.map(|(_, grant)| grant.family_id.clone()),
        }
    }

    /// The audience of a token: what was asked for; else `own`, and the issuer where userinfo is meant to be called.
    pub(super) fn audiences<'a>(
        &'a self,
        own: &'a [Audience],
        resources: &'a [Audience],
        scope: &Scope,
    ) -> Vec<&'a str> {
        if !resources.is_empty() {
            return resources.iter().map(Audience::as_str).collect();
        }
        let mut audiences: Vec<&str> = own.iter().map(Audience::as_str).collect();
        if audiences.is_empty()
            || scope.contains("openid") && !audiences.contains(&self.url.as_str())
        {
            audiences.push(&self.url);
        }
        audiences
    }

    /// The part of a scope that means something to the audience a token is for.
    pub(super) fn scope_for_audience(&self, access: &Access<'_>) -> Scope {
        let audiences = if access.resources.is_empty() {
            access.own
        } else {
            access.resources
        };
        if audiences.is_empty() {
            return access.scope.clone();
        }
        self.scopes.narrow(access.scope, audiences)
    }

    /// Signs an access token.
    pub(super) fn access_token(
        &self,
        content: &AccessTokenContent<'_>,
        now: i64,
    ) -> Result<IssuedToken, FlowError> {
        let client = content.client;
        let lifetime = client
            .access_token_s
            .unwrap_or(self.settings.access_token_s);
        let access = content.access;
        let audiences = self.audiences(access.own, access.resources, access.scope);
        let mut custom = client.claims.clone();
        if let Some((account, _)) = content.person {
            custom.extend(claims::custom(account));
        }
        let scope = access.scope.to_string();
        let jti = self.entropy.id()?;
        let claims = AccessTokenClaims {
            iss: &self.url,
            sub: content
                .person
                .map_or(client.client_id.as_str(), |(account, _)| {
                    account.subject.as_str()
                }),
            aud: AudienceClaim::of(&audiences),
            client_id: client.client_id.as_str(),
            iat: now,
            exp: now + lifetime,
            jti: &jti,
            scope: &scope,
            auth_time: content.person.map(|(_, grant)| grant.auth_time),
            grant_id: content.person.map(|(_, grant)| grant.family_id.as_str()),
            custom,
        };
        let keyring = self.keyring.load();
        let key = keyring.signer(client.access_token_alg).ok_or_else(|| {
            FlowError::Internal(format!("no active {} key", client.access_token_alg))
        })?;
        let access_token = jwt::sign(key, TokenType::AccessToken, &claims)?;
        Ok(IssuedToken {
            access_token,
            expires_in: lifetime,
            jti,
        })
    }

    /// Signs an ID token beside its access token.
    pub(super) fn id_token(
        &self,
        client: &Client,
        account: &Account,
        grant: &Grant,
        scope: &Scope,
        access_token: &str,
        now: i64,
    ) -> Result<String, FlowError> {
        let claims = IdTokenClaims {
            iss: &self.url,
            sub: account.subject.as_str(),
            aud: client.client_id.as_str(),
            iat: now,
            exp: now + self.settings.id_token_s,
            auth_time: grant.auth_time,
            sid: grant.session_id.as_str(),
            at_hash: half_sha256(access_token),
            nonce: grant.nonce.as_deref(),
            released: claims::released(account, scope),
        };
        let keyring = self.keyring.load();
        let key = keyring
            .signer(client.id_token_alg)
            .ok_or_else(|| FlowError::Internal(format!("no active {} key", client.id_token_alg)))?;
        Ok(jwt::sign(key, TokenType::IdToken, &claims)?)
    }

    /// The whole answer to a code or a refresh token, as the bytes to send.
    pub(super) fn person_response(
        &self,
        (grant_type, client): (GrantType, &Client),
        account: &Account,
        grant: &Grant,
        asked: &Access<'_>,
        refresh_token: Option<&str>,
        now: i64,
    ) -> Result<PersonResponse, FlowError> {
        let scope = self.scope_for_audience(asked);
        let access = Access {
            scope: &scope,
            ..*asked
        };
        let content = AccessTokenContent {
            client,
            access: &access,
            person: Some((account, grant)),
        };
        let IssuedToken {
            access_token,
            expires_in,
            jti,
        } = self.access_token(&content, now)?;
        let issued = self.issued(grant_type, &content, &jti);
        let id_token = if scope.contains("openid") {
            Some(self.id_token(client, account, grant, &scope, &access_token, now)?)
        } else {
            None
        };
        let response = TokenResponse {
            access_token,
            token_type: "Bearer",
            expires_in,
            scope: scope.to_string(),
            refresh_token,
            id_token,
        };
        Ok(PersonResponse {
            body: serde_json::to_string(&response)?,
            issued,
        })
    }
}
