//! A parameter without a value is one that wasn't sent (RFC 6749 §3.1, §3.2), at every endpoint.

use crate::attack::steps::{asks_for_login, browser_of, code_of, hidden, is_told};
use crate::support::browser::form_of;
use crate::support::fixtures::{
    PASSWORD, REDIRECT, SECRET, VERIFIER, authorize_url, claims_of, confidential_client,
    machine_client, public_client,
};
use crate::support::on_both_databases;
use gatewright::domain::Client;
use gatewright::domain::client::PkcePolicy;

/// Every parameter of an authorization request that may be left out, blank.
const BLANK: &str = "&state=&nonce=&response_mode=&prompt=&max_age=&login_hint=&id_token_hint=&acr_values=&ui_locales=\
                     &display=&request=&request_uri=&claims=&resource=&resource=";

on_both_databases! {
    async fn blank_parameters_of_an_authorization_request_were_not_sent(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        let plain = authorize_url("web", "openid", &[("state", ""), ("nonce", "")]);
        let answer = browser.get_once(&format!("{plain}{BLANK}")).await;
        let code = code_of(&answer);
        assert_eq!(answer.parameter("state"), None);
        assert!(!answer.location().contains("state"), "{}", answer.location());
        let tokens = app.redeem("web", &code).await.json();
        assert!(claims_of(tokens["id_token"].as_str().unwrap()).get("nonce").is_none());
        // Posted, and handed on as a GET, likewise.
        let blank = BLANK.replace("&resource=&resource=", "&resource=");
        let body = format!("{}{blank}", plain.split_once('?').unwrap().1);
        let answer = app.post_raw("/authorize", &body, &[("sec-fetch-site", "cross-site")]).await;
        assert!(!answer.location().contains("state"), "{}", answer.location());
        asks_for_login(&app.get(answer.location()).await);
        // What must be there is missing, whether it's blank or not sent.
        for (blank, error) in [
            ("response_type", "invalid_request"),
            ("scope", "invalid_scope"),
            ("code_challenge", "invalid_request"),
            ("code_challenge_method", "invalid_request"),
        ] {
            let url = authorize_url("web", "openid", &[(blank, "")]);
            let words = browser.get_once(&url).await.parameter("error_description");
            let answer = browser.get_once(&format!("{url}&{blank}=")).await;
            is_told(&answer, error);
            assert_eq!(answer.parameter("error_description"), words);
        }
    }

    async fn a_blank_redirect_uri_is_the_only_one_that_is_registered(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        let blank = |scope| format!("{}&redirect_uri=", authorize_url("web", scope, &[("redirect_uri", "")]));
        let answer = browser.get_once(&blank("orders:read")).await;
        assert!(answer.location().starts_with(REDIRECT), "{}", answer.location());
        let code = code_of(&answer);
        let fields = [
            ("grant_type", "authorization_code"), ("client_id", "web"), ("code", &*code),
            ("redirect_uri", ""), ("code_verifier", VERIFIER), ("client_secret", ""), ("scope", ""), ("resource", ""),
        ];
        assert_eq!(app.post("/token", &fields).await.status, 200);
        // OpenID Connect wants it named.
        browser.get_once(&blank("openid")).await.is_page();
    }

    async fn a_blank_challenge_is_none(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&Client { pkce: PkcePolicy::Optional, ..confidential_client("server") }).await;
        let browser = browser_of(&app, "ada").await;
        let url = authorize_url("server", "openid", &[("code_challenge", ""), ("code_challenge_method", "")]);
        let code = code_of(&browser.get_once(&format!("{url}&code_challenge=&code_challenge_method=")).await);
        let fields = [
            ("grant_type", "authorization_code"), ("client_id", "server"), ("client_secret", SECRET),
            ("code", &*code), ("redirect_uri", REDIRECT), ("code_verifier", ""),
        ];
        assert_eq!(app.post("/token", &fields).await.status, 200);
    }

    async fn blank_parameters_of_other_endpoints_were_not_sent(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&machine_client("worker")).await;
        let token = app.machine_token("worker", &[("scope", ""), ("resource", ""), ("code", ""), ("refresh_token", "")]).await;
        assert_eq!(token.status, 200, "{}", token.body);
        let access = token.json()["access_token"].as_str().unwrap().to_owned();
        for path in ["/introspect", "/revoke"] {
            let fields = [("client_id", "worker"), ("client_secret", SECRET), ("token_type_hint", ""), ("token", "")];
            assert_eq!(app.post(path, &fields).await.error(), (400, "invalid_request".to_owned()));
            let fields = [("client_id", "worker"), ("client_secret", SECRET), ("token_type_hint", ""), ("token", &*access)];
            assert_eq!(app.post(path, &fields).await.status, 200);
        }
        let tokens = app.tokens("web", "openid").await;
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        let header = [("authorization", &*bearer)];
        assert_eq!(app.get_with("/userinfo?access_token=", &header).await.status, 200);
        assert_eq!(app.post_with("/userinfo", &[("access_token", "")], &header).await.status, 200);

        // A blank token of the form is no token; a blank field of the search is no condition.
        let browser = browser_of(&app, "ada").await;
        let page = browser.get("/logout?client_id=&state=&post_logout_redirect_uri=&id_token_hint=").await;
        assert_eq!(page.status, 200);
        let asked = browser.post_once("/logout", &[("csrf", "")], &[]).await;
        assert!(asked.body.contains("id=\"logout-form\""), "{}", asked.body);
        let form = form_of(&browser.get(&authorize_url("web", "openid", &[("prompt", "login")])).await, "login-form");
        let (csrf, interaction) = (hidden(&form, "csrf"), hidden(&form, "interaction"));
        let fields = [("csrf", &*csrf), ("interaction", &interaction), ("login", ""), ("password", PASSWORD)];
        assert_eq!(browser.post_once(&form.action, &fields, &[]).await.status, 422);
    }

    async fn a_parameter_that_came_twice_is_refused_though_one_is_blank(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&machine_client("worker")).await;
        let browser = browser_of(&app, "ada").await;
        let url = authorize_url("web", "openid", &[("state", "")]);
        for pair in ["state=x&state=", "state=&state=x", "state=&state=", "nonce="] {
            let answer = browser.get_once(&format!("{url}&{pair}")).await;
            assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"), "{pair}");
            let named = pair.split('=').next().unwrap();
            let words = format!("{named} was sent more than once");
            assert_eq!(answer.parameter("error_description"), Some(words), "{pair}");
        }
        let body = format!("grant_type=client_credentials&client_id=worker&client_secret=&client_secret={SECRET}");
        let answer = app.post_raw("/token", &body, &[]).await;
        assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
        assert_eq!(answer.json()["error_description"], "client_secret was sent more than once");
        app.register(&public_client("other")).await;
        browser.get_once("/logout?state=&state=").await.is_page();
    }
}
