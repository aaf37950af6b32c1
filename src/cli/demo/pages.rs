//! The demo's own pages: a start page, and a client that logs in as any application would.

use super::seed::{API, WEB, WEB_SCOPE};
use super::{Demo, gateway};
use crate::crypto::entropy::NoEntropy;
use crate::crypto::token::sha256;
use crate::domain::form::encode;
use crate::flows::discovery::paths;
use crate::http::extract::Inbound;
use crate::http::headers::{PagePolicy, page};
use crate::http::page_error::{self, MALFORMED, OUT_OF_ORDER};
use crate::http::pages::{ApiCallLine, ClaimLine, DemoLink, DemoResultPage, DemoStep, StartPage};
use crate::http::redirect::see_other;
use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewright_authorizer::gateway::Incoming;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// What happens, for administrators.
pub(super) const ACTIVITY: &str = "/admin/activity";

/// Logins that may be under way at once.
const LOGINS_MAX: usize = 1000;

fn show(html: Result<String, askama::Error>) -> Response {
    match html {
        Ok(html) => page(StatusCode::OK, html, &PagePolicy::default()),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// `GET /`
pub(super) async fn start(State(demo): State<Demo>) -> Response {
    let url = &demo.app.issuer.url;
    let link = |label: &str, path: &str, explain: &str| DemoLink {
        label: label.to_owned(),
        href: path.to_owned(),
        explain: explain.to_owned(),
    };
    let start = StartPage {
        issuer: url,
        login_href: "/demo/login",
        user: demo.seed.username,
        password: demo.seed.password.expose(),
        steps: demo.seed.steps(url),
        links: vec![
            link(
                "Activity",
                ACTIVITY,
                "logins, tokens and denials as they happen; the user of this demo is an administrator",
            ),
            link(
                "Metadata",
                paths::OPENID_CONFIGURATION,
                "what every client library reads first",
            ),
            link(
                "Public keys",
                paths::JWKS,
                "what the authorizer verifies tokens with",
            ),
            link(
                "Sign out",
                paths::END_SESSION,
                "ends your session in this browser",
            ),
        ],
        policy: &demo.seed.policy,
    };
    show(start.render())
}

/// `GET /demo/login`: the client begins a login.
pub(super) async fn login(State(demo): State<Demo>, inbound: Inbound) -> Response {
    match begin(&demo) {
        Ok(location) => see_other(&location),
        Err(error) => page_error::failed(&error.into(), &inbound.request_id),
    }
}

fn begin(demo: &Demo) -> Result<String, NoEntropy> {
    let entropy = &demo.app.issuer.entropy;
    let (state, nonce, verifier) = (entropy.id()?, entropy.id()?, entropy.token()?);
    let location = format!(
        "{}?response_type=code&client_id={WEB}&redirect_uri={}&scope={}&state={state}&nonce={nonce}\
         &code_challenge={}&code_challenge_method=S256",
        paths::AUTHORIZATION,
        encode(&demo.app.issuer.endpoint("/demo/callback")),
        encode(WEB_SCOPE),
        sha256(&verifier),
    );
    if let Ok(mut logins) = demo.logins.lock() {
        if logins.len() >= LOGINS_MAX {
            logins.clear();
        }
        logins.insert(state, (verifier, nonce));
    }
    Ok(location)
}

/// `GET /demo/callback`: the client gets its code, redeems it and calls the API.
pub(super) async fn callback(State(demo): State<Demo>, inbound: Inbound) -> Response {
    let Ok(form) = &inbound.query else {
        return page_error::show(&MALFORMED, &inbound.request_id);
    };
    let issuer = demo.app.issuer.url.as_str();
    let known = form
        .get("state")
        .filter(|_| form.get("iss") == Some(issuer))
        .and_then(|state| demo.logins.lock().ok()?.remove(state));
    let Some((verifier, nonce)) = known else {
        return page_error::show(&OUT_OF_ORDER, &inbound.request_id);
    };
    let Some(code) = form.get("code") else {
        // The person refused, or something else stopped the login.
        return see_other("/");
    };
    let Some(tokens) = redeem(&demo, code, &verifier).await else {
        return page_error::show(&OUT_OF_ORDER, &inbound.request_id);
    };
    let text = |name: &str| tokens.get(name).and_then(Value::as_str).unwrap_or_default();
    let id_claims = claims(text("id_token"));
    if id_claims.get("nonce").and_then(Value::as_str) != Some(nonce.as_str()) {
        return page_error::show(&OUT_OF_ORDER, &inbound.request_id);
    }
    let access_token = text("access_token");
    let calls = try_calls(&demo, access_token, &inbound.request_id, inbound.now).await;
    let name = id_claims
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or(demo.seed.username);
    let result = DemoResultPage {
        user_display: name,
        start_href: "/",
        id_token_claims: lines(&id_claims),
        access_token,
        access_token_claims: lines(&claims(access_token)),
        calls,
        steps: next_steps(issuer, access_token, text("refresh_token")),
    };
    show(result.render())
}

async fn redeem(demo: &Demo, code: &str, verifier: &str) -> Option<Value> {
    let body = format!(
        "grant_type=authorization_code&client_id={WEB}&code={}&code_verifier={verifier}&redirect_uri={}",
        encode(code),
        encode(&demo.app.issuer.endpoint("/demo/callback")),
    );
    let request = Request::builder()
        .method(Method::POST)
        .uri(paths::TOKEN)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .ok()?;
    let response = demo.issuer_router.clone().oneshot(request).await.ok()?;
    let bytes = response.into_body().collect().await.ok()?.to_bytes();
    let tokens: Value = serde_json::from_slice(&bytes).ok()?;
    tokens.get("access_token").is_some().then_some(tokens)
}

/// The claims of a token that came straight from the token endpoint.
fn claims(token: &str) -> Value {
    token
        .split('.')
        .nth(1)
        .and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

fn lines(claims: &Value) -> Vec<ClaimLine> {
    let members = claims.as_object().cloned().unwrap_or_default();
    members
        .into_iter()
        .map(|(name, value)| ClaimLine {
            name,
            value: value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned),
        })
        .collect()
}

async fn try_calls(
    demo: &Demo,
    access_token: &str,
    request_id: &str,
    now: i64,
) -> Vec<ApiCallLine> {
    let headers = vec![("authorization".to_owned(), format!("Bearer {access_token}"))];
    let mut calls = Vec::new();
    for (method, path) in [
        ("GET", "/orders/7"),
        ("GET", "/orders"),
        ("POST", "/orders"),
    ] {
        let incoming = Incoming {
            method,
            path,
            query: "",
            headers: &headers,
            source_ip: "127.0.0.1",
            request_id: Some(request_id),
            trace: None,
        };
        let (status, body) = gateway::answer(demo, &incoming, now).await;
        let reason = body
            .get("reason")
            .or_else(|| body.get("message"))
            .and_then(Value::as_str);
        let allowed = status.is_success();
        calls.push(ApiCallLine {
            method: method.to_string(),
            path: format!("/api{path}"),
            status: status.as_u16(),
            verdict: if allowed { "Allowed" } else { "Denied" }.to_owned(),
            reason: if allowed {
                "the token's scope satisfies the rule".to_owned()
            } else {
                reason.unwrap_or_default().to_owned()
            },
        });
    }
    calls
}

fn next_steps(url: &str, access_token: &str, refresh_token: &str) -> Vec<DemoStep> {
    let step = |title: &str, explain: &str, command: String, expect: &str| DemoStep {
        title: title.to_owned(),
        explain: explain.to_owned(),
        command,
        expect: expect.to_owned(),
    };
    vec![
        step(
            "Call the API as this person",
            &format!("The token is meant for {API} and carries orders:read."),
            format!("curl -i -H 'Authorization: Bearer {access_token}' {url}/api/orders/7"),
            "200 and an order",
        ),
        step(
            "Ask who this is",
            "Userinfo tells what the granted scopes release.",
            format!("curl -s -H 'Authorization: Bearer {access_token}' {url}/userinfo"),
            "the person's claims",
        ),
        step(
            "Refresh the tokens",
            "The refresh token is spent and replaced.",
            format!(
                "curl -s -d grant_type=refresh_token -d client_id={WEB} -d refresh_token={refresh_token} {url}/token"
            ),
            "new tokens",
        ),
        step(
            "Revoke the tokens",
            "Nothing that descends from this login can be refreshed any more.",
            format!("curl -i -d client_id={WEB} -d token={refresh_token} {url}/revoke"),
            "200",
        ),
    ]
}
