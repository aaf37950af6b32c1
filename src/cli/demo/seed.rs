//! What the demo starts with: a person, three clients, a policy, and tokens to paste.

use super::super::runtime::system_clock;
use crate::crypto::token::{ClientSecret, sha256};
use crate::domain::client::{AuthMethod, ClientType, GrantType, PkcePolicy};
use crate::domain::form::Form;
use crate::domain::redirect_uri::RedirectUri;
use crate::domain::resource::Audience;
use crate::domain::{Account, Client, ClientId, Scope, Secret, Subject};
use crate::flows::admin::{AdminError, administrators};
use crate::flows::authorize::{self, Next};
use crate::flows::client_auth::Presented;
use crate::flows::interaction::Interaction;
use crate::flows::login::{self, Attempt, Login};
use crate::flows::{FlowError, SharedIssuer, token};
use crate::http::pages::DemoStep;
use crate::store::clients::ClientSecretRecord;
use crate::store::{accounts, clients};
use gatewright_authorizer::jose::Algorithm;
use serde_json::{Map, Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

/// The audience of the sample API.
pub(super) const API: &str = "https://api.example.com";
/// The browser client.
pub(super) const WEB: &str = "demo-web";
/// The machine client.
const WORKER: &str = "demo-worker";
/// The client whose refresh token is printed.
const TERMINAL: &str = "demo-terminal";
const TERMINAL_REDIRECT: &str = "http://127.0.0.1/callback";
/// What the browser client asks for.
pub(super) const WEB_SCOPE: &str = "openid profile email offline_access orders:read";
const USERNAME: &str = "ada";

/// What was planted.
pub(super) struct Seed {
    pub username: &'static str,
    pub password: Secret,
    worker_secret: Secret,
    refresh_token: Secret,
    pub policy_file: PathBuf,
    pub policy: String,
}

/// The policy of the sample API.
pub(super) fn policy(issuer: &str) -> String {
    format!(
        r#"# Who may call which route of the sample API. The authorizer enforces it, and
# 'gatewright policy explain' says why a token may or may not call a route.

[[issuer]]
url = "{issuer}"
audiences = ["{API}"]
algorithms = ["ES256", "RS256"]

[response]
http_v2 = "iam"

[[rule]]
id = "orders-list"
methods = ["GET"]
path = "/orders"
scopes = ["orders:read"]

[[rule]]
id = "orders-read"
methods = ["GET", "HEAD"]
path = "/orders/{{id}}"
scopes = ["orders:read"]

[[rule]]
id = "orders-write"
methods = ["POST"]
path = "/orders"
scopes = ["orders:write"]
"#
    )
}

/// Plants everything anew; secrets are random each time.
pub(super) async fn plant(
    issuer: &SharedIssuer,
    policy_file: &Path,
    policy: String,
) -> Result<Seed, FlowError> {
    let now = system_clock()();
    let password: String = issuer.entropy.id()?;
    let account = plant_person(issuer, &password, now).await?;
    administers(issuer, false, now).await?;
    let worker_secret = ClientSecret::generate(&issuer.entropy)?;
    plant_clients(issuer, &worker_secret, now).await?;
    let refresh_token = first_refresh_token(issuer, &account, &password, now).await?;
    administers(issuer, true, now).await?;
    Ok(Seed {
        username: USERNAME,
        password: Secret::new(password),
        worker_secret: Secret::new(worker_secret.expose()),
        refresh_token: Secret::new(refresh_token),
        policy_file: policy_file.to_owned(),
        policy,
    })
}

async fn plant_person(
    issuer: &SharedIssuer,
    password: &str,
    now: i64,
) -> Result<Account, FlowError> {
    let Value::Object(claims) =
        json!({"name": "Ada Lovelace", "given_name": "Ada", "tenant": "analytical"})
    else {
        return Err(FlowError::Internal("claims are an object".to_owned()));
    };
    let hash = issuer
        .passwords
        .hash(password.to_owned())
        .await
        .map_err(|_| FlowError::Internal("the demo's password can't be hashed".to_owned()))?;
    let former = accounts::by_login(&issuer.store, USERNAME).await?;
    let mut tx = issuer.store.begin().await?;
    let account = if let Some((account, _)) = former {
        accounts::set_password(&mut tx, &account.subject, &hash, now).await?;
        Account {
            password_changed_at: now,
            ..account
        }
    } else {
        let account = Account {
            subject: Subject::new(issuer.entropy.id()?),
            username: USERNAME.to_owned(),
            email: Some("ada@example.com".to_owned()),
            email_verified: true,
            claims,
            disabled: false,
            password_changed_at: now,
            created_at: now,
            updated_at: now,
        };
        accounts::insert(&mut tx, &account, Some(&hash)).await?;
        account
    };
    tx.commit().await?;
    Ok(account)
}

/// Lets Ada see what happens, or no longer: the demo's own login is none of an administrator from a new device.
async fn administers(issuer: &SharedIssuer, administers: bool, now: i64) -> Result<(), FlowError> {
    administrators::set(issuer.admin("demo"), USERNAME, administers, now)
        .await
        .map(drop)
        .map_err(|error| match error {
            AdminError::Failed(error) => error,
            other => FlowError::Internal(other.to_string()),
        })
}

fn client(id: &str, name: &str, now: i64) -> Result<Client, FlowError> {
    let malformed = |what: &str| FlowError::Internal(format!("the demo's {what} is malformed"));
    Ok(Client {
        client_id: ClientId::new(id),
        name: name.to_owned(),
        client_type: ClientType::Public,
        auth_method: AuthMethod::None,
        redirect_uris: Vec::new(),
        post_logout_redirect_uris: Vec::new(),
        grants: [GrantType::AuthorizationCode, GrantType::RefreshToken].into(),
        scope: Scope::parse(WEB_SCOPE).map_err(|_| malformed("scope"))?,
        audiences: vec![Audience::parse(API).map_err(|_| malformed("audience"))?],
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
    })
}

async fn plant_clients(
    issuer: &SharedIssuer,
    secret: &ClientSecret,
    now: i64,
) -> Result<(), FlowError> {
    let uri = |text: &str| RedirectUri::parse(text).map_err(FlowError::Internal);
    let web = Client {
        redirect_uris: vec![uri(&issuer.endpoint("/demo/callback"))?],
        post_logout_redirect_uris: vec![uri(&issuer.endpoint("/"))?],
        ..client(WEB, "Order desk (demo)", now)?
    };
    let terminal = Client {
        redirect_uris: vec![uri(TERMINAL_REDIRECT)?],
        first_party: true,
        ..client(TERMINAL, "Terminal (demo)", now)?
    };
    let worker = Client {
        client_type: ClientType::Confidential,
        auth_method: AuthMethod::ClientSecretBasic,
        grants: [GrantType::ClientCredentials].into(),
        scope: Scope::parse("orders:read orders:write")
            .map_err(|_| FlowError::Internal("the demo's scope is malformed".to_owned()))?,
        ..client(WORKER, "Order worker (demo)", now)?
    };
    let mut tx = issuer.store.begin().await?;
    for client in [&web, &terminal, &worker] {
        clients::delete(&mut tx, &client.client_id).await?;
        clients::insert(&mut tx, client).await?;
    }
    let record = ClientSecretRecord {
        secret_id: issuer.entropy.id()?,
        digest: issuer.master.client_secret_digest(WORKER, secret.expose()),
        created_at: now,
        expires_at: None,
        last_used_at: None,
    };
    clients::add_secret(&mut tx, &worker.client_id, &record).await?;
    tx.commit().await?;
    issuer.clients.clear();
    Ok(())
}

/// Logs Ada in as a browser and a terminal would, so that there is a refresh token to paste.
async fn first_refresh_token(
    issuer: &SharedIssuer,
    account: &Account,
    password: &str,
    now: i64,
) -> Result<String, FlowError> {
    let refused =
        |what: &str| FlowError::Internal(format!("the demo's own login failed at {what}"));
    let attempt = Attempt {
        login: &account.username,
        password,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        device: None,
        former_session: None,
    };
    let Login::Succeeded { session, .. } = login::login(issuer, &attempt, now).await? else {
        return Err(refused("the password"));
    };
    let verifier = issuer.entropy.token()?;
    let challenge = sha256(&verifier);
    let request = format!(
        "response_type=code&client_id={TERMINAL}&scope=openid+offline_access+orders%3Aread\
         &redirect_uri={}&code_challenge_method=S256&code_challenge={challenge}",
        crate::domain::form::encode(TERMINAL_REDIRECT)
    );
    let form = Form::parse(request.as_bytes()).map_err(|_| refused("its request"))?;
    // As a terminal's own login goes: the request comes first, and then the password for it.
    let Ok(Next::Login(interaction, _)) = authorize::authorize(issuer, &form, None, now).await
    else {
        return Err(refused("its request"));
    };
    let interaction = Interaction {
        authenticated: Some(session.session_id.clone()),
        ..*interaction
    };
    let Ok(Next::Respond(response)) =
        authorize::resume(issuer, interaction, Some(&session), now).await
    else {
        return Err(refused("authorization"));
    };
    let code = response.parameters.iter().find(|(name, _)| *name == "code");
    let (_, code) = code.ok_or_else(|| refused("the code"))?;
    let body = format!(
        "grant_type=authorization_code&client_id={TERMINAL}&code={code}&code_verifier={verifier}&redirect_uri={}",
        crate::domain::form::encode(TERMINAL_REDIRECT)
    );
    let form = Form::parse(body.as_bytes()).map_err(|_| refused("its request"))?;
    let answer = token::token(
        issuer,
        &Presented {
            authorization: None,
            form: &form,
        },
        now,
    )
    .await
    .map_err(|_| refused("the token endpoint"))?;
    let answer: Value = serde_json::from_str(&answer)?;
    let token = answer.get("refresh_token").and_then(Value::as_str);
    Ok(token
        .ok_or_else(|| refused("the refresh token"))?
        .to_owned())
}

fn step(title: &str, explain: &str, command: String, expect: &str) -> DemoStep {
    DemoStep {
        title: title.to_owned(),
        explain: explain.to_owned(),
        command,
        expect: expect.to_owned(),
    }
}

impl Seed {
    /// What to paste, in order; each works as it stands.
    pub(super) fn steps(&self, url: &str) -> Vec<DemoStep> {
        let secret = self.worker_secret.expose();
        let refresh_token = self.refresh_token.expose();
        vec![
            step(
                "Get a token for a machine",
                "A service proves who it is with its client secret and asks for one scope.",
                format!(
                    "TOKEN=$(curl -s -u {WORKER}:{secret} -d grant_type=client_credentials -d scope=orders:read \
                     {url}/token | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/'); echo \"$TOKEN\""
                ),
                "a signed access token",
            ),
            step(
                "Call the API with it",
                "The gateway asks the authorizer, which verifies the token offline and applies the policy.",
                format!("curl -i -H \"Authorization: Bearer $TOKEN\" {url}/api/orders/7"),
                "200 and an order",
            ),
            step(
                "Call what its scope doesn't allow",
                "The same token has orders:read only; writing needs orders:write.",
                format!("curl -i -X POST -H \"Authorization: Bearer $TOKEN\" {url}/api/orders"),
                "403 and the reason: insufficient_scope",
            ),
            step(
                "Call without a token",
                "The gateway refuses before it asks anybody.",
                format!("curl -i {url}/api/orders/7"),
                "401",
            ),
            step(
                "Refresh a person's tokens",
                "Ada's refresh token is spent and replaced. Within ten seconds a retry gets the same answer; later \
                 it is a replay and ends the whole family.",
                format!(
                    "curl -s -d grant_type=refresh_token -d client_id={TERMINAL} -d refresh_token={refresh_token} \
                     {url}/token"
                ),
                "new tokens",
            ),
            step(
                "Revoke them",
                "Any refresh token of the family ends it; refreshing again is refused.",
                format!("curl -i -d client_id={TERMINAL} -d token={refresh_token} {url}/revoke"),
                "200, and the refresh above now fails with invalid_grant",
            ),
            step(
                "Look at the public keys",
                "Whoever verifies tokens fetches these, and nothing secret.",
                format!("curl -s {url}/jwks.json"),
                "the JWKS",
            ),
            step(
                "Log in without a browser",
                "What a browser does with two forms and a cookie: sign in, agree if asked, come back with a code.",
                self.login_by_hand(url),
                "Ada Lovelace is signed in",
            ),
        ]
    }

    fn login_by_hand(&self, url: &str) -> String {
        let (username, password) = (&self.username, self.password.expose());
        format!(
            r#"JAR=$(mktemp); get() {{ curl -sL -c "$JAR" -b "$JAR" "$@"; }}
field() {{ printf %s "$PAGE" | sed -n "s/.*name=\"$1\" value=\"\([^\"]*\)\".*/\1/p"; }}
PAGE=$(get {url}/demo/login)
PAGE=$(get -d csrf=$(field csrf) -d interaction=$(field interaction) -d login={username} -d password={password} {url}/login)
AGREE=$(printf %s "$PAGE" | sed -n 's/.*action="\(\/consent[^"]*\)".*/\1/p')
[ -z "$AGREE" ] || PAGE=$(get -d csrf=$(field csrf) -d decision=allow "{url}$AGREE")
PAGE=$(get "$(printf %s "$PAGE" | sed -n '/id="return-link"/s/.*href="\([^"]*\)".*/\1/p' | sed 's/&#38;/\&/g')")
printf %s "$PAGE" | sed -n '/<h1>/s/<[^>]*>//gp'"#
        )
    }
}
