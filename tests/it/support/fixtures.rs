//! Clients and people for tests, and the shortest ways to tokens.

use super::app::{Answer, TestApp, form};
use super::browser::Browser;
use gatewright::crypto::refresh_token::RefreshToken;
use gatewright::crypto::token::sha256;
use gatewright::domain::client::{AuthMethod, Client, ClientType, GrantType, PkcePolicy};
use gatewright::domain::redirect_uri::RedirectUri;
use gatewright::domain::resource::Audience;
use gatewright::domain::{Account, ClientId, FamilyId, Scope, Subject};
use gatewright::store::clients::ClientSecretRecord;
use gatewright::store::{accounts, clients};
use gatewright_authorizer::jose::Algorithm;
use serde_json::{Map, Value};

pub const PASSWORD: &str = "correct horse battery staple";
pub const REDIRECT: &str = "https://app.example.com/cb";
pub const API: &str = "https://api.example.com";
pub const SECRET: &str = "gws_a-secret-for-tests-with-enough-entropy-in-it";
/// A verifier and what S256 makes of it.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A public client for people, with refresh tokens and one API.
pub fn public_client(id: &str) -> Client {
    Client {
        client_id: ClientId::new(id),
        name: format!("The {id} app"),
        client_type: ClientType::Public,
        auth_method: AuthMethod::None,
        redirect_uris: vec![RedirectUri::parse(REDIRECT).unwrap()],
        post_logout_redirect_uris: vec![RedirectUri::parse("https://app.example.com/bye").unwrap()],
        grants: [GrantType::AuthorizationCode, GrantType::RefreshToken].into(),
        scope: Scope::parse(
            "openid profile email address phone offline_access orders:read orders:write",
        )
        .unwrap(),
        audiences: vec![Audience::parse(API).unwrap()],
        pkce: PkcePolicy::Required,
        first_party: true,
        silent_authorization: false,
        access_token_alg: Algorithm::Es256,
        id_token_alg: Algorithm::Rs256,
        access_token_s: None,
        jwks: None,
        assertion_alg: None,
        assertion_accepts_token_endpoint: false,
        claims: Map::new(),
        disabled: false,
        created_at: super::database::EPOCH,
        updated_at: super::database::EPOCH,
    }
}

/// The same with a secret.
pub fn confidential_client(id: &str) -> Client {
    Client {
        client_type: ClientType::Confidential,
        auth_method: AuthMethod::ClientSecret,
        ..public_client(id)
    }
}

/// A machine client: client credentials only.
pub fn machine_client(id: &str) -> Client {
    Client {
        redirect_uris: vec![],
        post_logout_redirect_uris: vec![],
        grants: [GrantType::ClientCredentials].into(),
        scope: Scope::parse("orders:read orders:write").unwrap(),
        ..confidential_client(id)
    }
}

impl TestApp {
    /// Registers a client; a confidential one gets [`SECRET`].
    pub async fn register(&self, client: &Client) {
        let mut tx = self.issuer.store.begin().await.unwrap();
        clients::insert(&mut tx, client).await.unwrap();
        if client.client_type == ClientType::Confidential {
            let id = client.client_id.as_str();
            let secret = ClientSecretRecord {
                secret_id: format!("secret-of-{id}"),
                digest: self.issuer.master.client_secret_digest(id, SECRET),
                created_at: self.now(),
                expires_at: None,
                last_used_at: None,
            };
            clients::add_secret(&mut tx, &client.client_id, &secret)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        self.forget_caches();
    }

    /// Rewrites a client.
    pub async fn rewrite(&self, client: &Client) {
        let mut tx = self.issuer.store.begin().await.unwrap();
        assert!(
            clients::update(&mut tx, client, client.updated_at)
                .await
                .unwrap()
        );
        tx.commit().await.unwrap();
        self.forget_caches();
    }

    /// Adds a person whose password is [`PASSWORD`].
    pub async fn add_person(&self, username: &str) -> Account {
        let Value::Object(claims) = serde_json::json!({
            "name": format!("{username} the First"),
            "tenant": "acme",
            "address": {"country": "GB"},
            "phone_number": "+44 20 7946 0000",
        }) else {
            unreachable!()
        };
        let account = Account {
            subject: Subject::new(self.issuer.entropy.id().unwrap()),
            username: username.to_owned(),
            email: Some(format!("{username}@example.com")),
            email_verified: true,
            claims,
            disabled: false,
            password_changed_at: super::database::EPOCH,
            created_at: super::database::EPOCH,
            updated_at: super::database::EPOCH,
        };
        let hash = self
            .issuer
            .passwords
            .hash(PASSWORD.to_owned())
            .await
            .unwrap();
        let mut tx = self.issuer.store.begin().await.unwrap();
        accounts::insert(&mut tx, &account, Some(&hash))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        account
    }

    /// Ada, and the public first-party client `web`.
    pub async fn with_ada_and_web(&self) -> Account {
        self.register(&public_client("web")).await;
        self.add_person("ada").await
    }

    /// Ada logs in to `client_id` in a fresh browser; the code that comes back.
    pub async fn code(&self, client_id: &str, scope: &str) -> String {
        let browser = Browser::new(self);
        let answer = browser
            .log_in(&authorize_url(client_id, scope, &[]), "ada", PASSWORD)
            .await;
        answer
            .parameter("code")
            .unwrap_or_else(|| panic!("no code: {} {}", answer.status, answer.location()))
    }

    /// Redeems a code of a public client.
    pub async fn redeem(&self, client_id: &str, code: &str) -> Answer {
        self.post(
            "/token",
            &[
                ("grant_type", "authorization_code"),
                ("client_id", client_id),
                ("code", code),
                ("redirect_uri", REDIRECT),
                ("code_verifier", VERIFIER),
            ],
        )
        .await
    }

    /// Tokens of Ada for a public client.
    pub async fn tokens(&self, client_id: &str, scope: &str) -> Value {
        let code = self.code(client_id, scope).await;
        let answer = self.redeem(client_id, &code).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// Refreshes for a public client.
    pub async fn refresh(&self, client_id: &str, refresh_token: &str) -> Answer {
        self.post(
            "/token",
            &[
                ("grant_type", "refresh_token"),
                ("client_id", client_id),
                ("refresh_token", refresh_token),
            ],
        )
        .await
    }

    /// The family that a refresh token names.
    pub fn family_of(&self, client_id: &str, refresh_token: &str) -> FamilyId {
        let token = RefreshToken::presented(refresh_token);
        let lineage = token.lineage(&self.issuer.master, &ClientId::new(client_id));
        lineage.unwrap().family_id
    }

    /// An access token of a machine client.
    pub async fn machine_token(&self, client_id: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", SECRET),
        ];
        all.extend_from_slice(fields);
        self.post("/token", &all).await
    }

    /// How many events of a kind there are.
    pub async fn events(&self, kind: &str) -> usize {
        self.recorded(kind).await.len()
    }
}

/// An authorization request with PKCE, `state` and `nonce`. Later fields replace earlier ones of their name; an
/// empty value removes one.
pub fn authorize_url(client_id: &str, scope: &str, changes: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", REDIRECT),
        ("scope", scope),
        ("state", "the state"),
        ("nonce", "the nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        if !value.is_empty() {
            fields.push((name, value));
        }
    }
    format!("/authorize?{}", form(&fields))
}

/// The claims of a JWT, unverified.
pub fn claims_of(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload)
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The header of a JWT, unverified.
pub fn header_of(token: &str) -> Value {
    use base64::Engine;
    let header = token.split('.').next().unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(header)
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn the_challenge_is_the_verifiers() {
    assert_eq!(sha256(VERIFIER), CHALLENGE);
}
