//! What is said of a refusal is its one cause.

use crate::attack::steps::{OWN_PAGE, browser_of, exchange, give_password, hidden};
use crate::support::browser::form_of;
use crate::support::fixtures::{
    PASSWORD, REDIRECT, authorize_url, confidential_client, public_client,
};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use gatewright::domain::Client;
use gatewright::domain::client::PkcePolicy;
use gatewright::domain::redirect_uri::RedirectUri;

#[track_caller]
fn says(answer: &Answer, words: &str) {
    assert_eq!(
        answer.parameter("error_description").as_deref(),
        Some(words),
        "{}",
        answer.location()
    );
}

async fn recorded(app: &TestApp) -> serde_json::Value {
    let row = app.recorded("authorization_refused").await.pop().unwrap();
    row.fields()["unverified"].clone()
}

on_both_databases! {
    async fn a_login_that_is_too_old_is_not_called_nobody(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        app.advance(100);
        let silent = |more: &[(&str, &str)]| authorize_url("web", "openid", &[&[("prompt", "none")][..], more].concat());
        says(&app.get(&silent(&[])).await, "nobody is logged in, and prompt=none");
        says(&browser.get_once(&silent(&[("max_age", "1")])).await, "the login is older than max_age, and prompt=none");
        says(&browser.get_once(&silent(&[("max_age", "0")])).await, "max_age=0 asks for a new login, and prompt=none");
        let refused = app.recorded("authorization_refused").await;
        let browsers: Vec<_> = refused.iter().map(|row| row.fields()["browser"].clone()).collect();
        assert_eq!(browsers, ["no_cookie", "live", "live"]);
    }

    async fn a_page_names_the_parameter_that_it_is_about(app: TestApp) {
        app.with_ada_and_web().await;
        let uris = ["https://a.example/cb", "https://b.example/cb"].map(|uri| RedirectUri::parse(uri).unwrap());
        app.register(&Client { redirect_uris: uris.to_vec(), ..public_client("two") }).await;
        let url = authorize_url("web", "openid", &[]);
        let long = "s".repeat(4097);
        for (path, title, named, reason) in [
            (authorize_url("", "openid", &[("client_id", "")]), "No application named", "client_id is missing", "client_missing"),
            ("/authorize".to_owned(), "No application named", "client_id is missing", "client_missing"),
            (authorize_url("nobody", "openid", &[]), "Unknown application", "isn&#39;t registered", "unknown_client"),
            (authorize_url("two", "openid", &[("redirect_uri", "")]), "No return address", "redirect_uri is missing", "redirect_uri_missing"),
            (authorize_url("two", "openid", &[]), "Unregistered return address", "isn&#39;t registered for it", "redirect_uri"),
            (format!("{url}&client_id=web"), "Ambiguous request", "client_id", "client_id_twice"),
            (format!("{url}&redirect_uri=x"), "Ambiguous request", "redirect_uri", "redirect_uri_twice"),
            (authorize_url("web", "openid", &[("state", &long)]), "Request too long", "a state of", "state_too_long"),
            (authorize_url("web", "openid", &[("nonce", &long)]), "Request too long", "a nonce of", "nonce_too_long"),
        ] {
            let page = app.get(&path).await;
            page.is_page();
            assert!(page.body.contains(&format!("<h1>{title}</h1>")) && page.body.contains(named), "{reason} {}", page.body);
            assert_eq!(recorded(&app).await, reason);
        }
    }

    async fn a_description_names_what_is_wrong(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&Client { pkce: PkcePolicy::Optional, ..confidential_client("server") }).await;
        let long = "s ".repeat(2100);
        for (client, changes, words) in [
            ("web", vec![("scope", "openid \u{e4}")], "scope has a character that scopes can't have"),
            ("web", vec![("scope", "openid  email")], "scope has a space too many: put one between two tokens, and none at the ends"),
            ("web", vec![("scope", &*long)], "scope is over 4,096 bytes"),
            ("web", vec![("resource", "orders")], "resource must be an absolute URI without a fragment (RFC 8707)"),
            ("web", vec![("resource", "https://other.example.com")], "resource is not an audience of this client"),
            ("web", vec![("code_challenge", ""), ("code_challenge_method", "")], "code_challenge is missing: PKCE is required"),
            ("server", vec![("code_challenge", "")], "code_challenge_method came without a code_challenge"),
            ("web", vec![("id_token_hint", "x")], "id_token_hint is not a signed JWT in compact form"),
        ] {
            says(&app.get(&authorize_url(client, "openid", &changes)).await, words);
        }
        let tokens = app.tokens("web", "openid").await;
        let access = tokens["access_token"].as_str().unwrap();
        let hint = authorize_url("web", "openid", &[("id_token_hint", access)]);
        says(&app.get(&hint).await, "id_token_hint is a token of another type than an ID token");
        let (signed, _) = tokens["id_token"].as_str().unwrap().rsplit_once('.').unwrap();
        let forged = format!("{signed}.{}", "A".repeat(342));
        let hint = authorize_url("web", "openid", &[("id_token_hint", &forged)]);
        says(&app.get(&hint).await, "the signature of id_token_hint is wrong");
        // At the token endpoint, to whoever has the code.
        let code = app.code("web", "openid").await;
        for (change, words) in [
            (("redirect_uri", ""), "redirect_uri is missing, and the authorization request named one"),
            (("redirect_uri", "https://app.example.com/other"), "redirect_uri differs from the authorization request"),
            (("code_verifier", ""), "code_verifier is missing, and the authorization request had a code_challenge"),
            (("code_verifier", "x"), "code_verifier must be 43 to 128 characters of A-Z a-z 0-9 - . _ ~"),
        ] {
            let answer = exchange(&app, "web", &code, &[change]).await;
            assert_eq!(answer.json()["error_description"], words, "{change:?}");
        }
    }

    async fn a_page_that_leads_nowhere_says_why(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let page = browser.get(&authorize_url("web", "openid", &[])).await;
        let form = form_of(&page, "login-form");
        let (csrf, interaction) = (hidden(&form, "csrf"), hidden(&form, "interaction"));
        let fields = [("csrf", &*csrf), ("interaction", &*interaction), ("login", "ada"), ("password", PASSWORD)];
        let twice = [&fields[..], &[("login", "bob")]].concat();
        let cross = [("sec-fetch-site", "cross-site")];
        let path = format!("/continue?interaction={}", gatewright::domain::form::encode(&interaction));
        let seen = [
            (app.post("/login", &fields).await, 403, "without the cookie", "form_without_cookie"),
            (browser.post_once("/login", &fields, &cross).await, 403, "A page of another site sent it", "form_from_elsewhere"),
            (browser.post_once("/login", &twice, &OWN_PAGE).await, 403, "A field of it came twice", "parameter_twice"),
            (browser.post_once("/login", &fields[1..], &OWN_PAGE).await, 403, "or it was altered", "form_altered"),
            (browser.get_once("/login").await, 400, "a step on the way", "page_out_of_order"),
            (browser.get_once("/continue").await, 400, "a step on the way", "page_out_of_order"),
            (browser.get_once("/continue?interaction=%ff").await, 400, "not a well-formed request", "parameters_unreadable"),
            (app.get(&path).await, 400, "begun in another browser", "page_of_another_browser"),
        ];
        app.advance(1800);
        let late = (browser.get_once(&path).await, 400, "more than 30 minutes", "page_expired");
        let mut recorded = app.recorded("request_refused").await;
        let recorded: Vec<_> = recorded.drain(..).map(|row| row.fields()["reason"].clone()).collect();
        let expected: Vec<_> = seen.iter().chain([&late]).map(|(.., reason)| *reason).collect();
        assert_eq!(recorded, expected);
        for (answer, status, words, reason) in seen.iter().chain([&late]) {
            assert_eq!(answer.status.as_u16(), *status, "{reason}");
            assert!(answer.body.contains(words), "{reason}: {}", answer.body);
        }
    }

    async fn a_client_that_changed_during_a_sign_in_is_told(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let page = browser.get(&authorize_url("web", "openid orders:write", &[])).await;
        let less = gatewright::domain::Scope::parse("openid").unwrap();
        app.rewrite(&Client { scope: less, ..public_client("web") }).await;
        // Not that the page has expired.
        let answer = give_password(&browser, &page, "ada", "wrong").await;
        assert!(answer.location().starts_with(REDIRECT), "{}", answer.body);
        says(&answer, "scope goes beyond what this client may have");
    }
}
