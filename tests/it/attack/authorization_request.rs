//! Malformed and hostile authorization requests.

use super::steps::{asks_for_login, browser_of, code_of, exchange, is_told};
use crate::support::app::ISSUER;
use crate::support::browser::form_of;
use crate::support::fixtures::{REDIRECT, authorize_url, claims_of, machine_client, public_client};
use crate::support::on_both_databases;
use axum::body::Body;
use gatewright::domain::Client;
use http::{Method, Request};
use serde_json::Value;

/// Parameters that mean something, by which a request could say two things.
const ONCE: [&str; 17] = [
    "response_type",
    "scope",
    "state",
    "nonce",
    "response_mode",
    "prompt",
    "max_age",
    "login_hint",
    "id_token_hint",
    "acr_values",
    "ui_locales",
    "code_challenge",
    "code_challenge_method",
    "display",
    "request",
    "request_uri",
    "claims",
];

fn percent_encoded(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

on_both_databases! {
    async fn an_unknown_client_gets_a_page_that_echoes_nothing(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&machine_client("worker")).await;
        app.register(&Client { disabled: true, ..public_client("gone") }).await;
        let long = "w".repeat(65);
        for id in ["canary-client", "WEB", "web ", "web\u{200b}", "' OR 1=1 --", &long, "worker", "gone"] {
            let changes = [
                ("state", "canary-state"),
                ("login_hint", "canary-hint"),
                ("redirect_uri", "https://canary.example/cb"),
            ];
            let answer = app.get(&authorize_url(id, "openid", &changes)).await;
            answer.is_page();
            assert!(!answer.body.contains("canary"), "{}", answer.body);
        }
        // What the record tells apart, the page doesn't: no such client, a disabled one, one for machines.
        let mut pages = Vec::new();
        for id in ["nobody", "gone", "worker"] {
            let answer = app.get(&authorize_url(id, "openid", &[])).await;
            let request_id = answer.header("x-request-id").unwrap();
            pages.push((answer.status, answer.body.replace(request_id, "ID")));
        }
        assert!(pages.iter().all(|page| *page == pages[0]), "{pages:?}");
        let told: Vec<Value> = app
            .recorded("authorization_refused")
            .await
            .iter()
            .map(|row| row.fields()["unverified"].clone())
            .collect();
        assert_eq!(told[told.len() - 3..], ["unknown_client", "client_disabled", "grant_not_permitted"]);

        for nameless in ["/authorize", "/authorize?client_id="] {
            let answer = app.get(nameless).await;
            answer.is_page();
            assert!(answer.body.contains("No application named"), "{}", answer.body);
            let refused = app.recorded("authorization_refused").await;
            assert_eq!(refused.last().unwrap().fields()["unverified"], "client_missing");
        }
        app.get("/authorize?client_id=web%00").await.is_page();
        app.get("/authorize?client_id=%ff").await.is_page();
        app.get("/authorize?client_id=%zz").await.is_page();
    }

    async fn another_response_type_gives_no_token(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        for kind in [
            "token", "id_token", "code token", "code id_token", "id_token token", "none", "CODE", "code code", " code",
        ] {
            let answer = browser.get_once(&authorize_url("web", "openid", &[("response_type", kind)])).await;
            is_told(&answer, "unsupported_response_type");
            for telltale in ["access_token", "id_token", "#", "eyJ", "token_type"] {
                assert!(!answer.location().contains(telltale), "{kind}: {}", answer.location());
            }
        }
        let missing = authorize_url("web", "openid", &[("response_type", "")]);
        is_told(&browser.get_once(&missing).await, "invalid_request");
        is_told(&browser.get_once(&format!("{missing}&response_type=")).await, "invalid_request");
        let fragment = authorize_url("web", "openid", &[("response_mode", "fragment")]);
        is_told(&browser.get_once(&fragment).await, "invalid_request");
    }

    async fn a_parameter_that_came_twice_is_not_chosen_from(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        for name in ONCE {
            let url = authorize_url("web", "openid", &[]);
            let encoded = percent_encoded(name);
            for pair in [format!("{name}=a&{name}=a"), format!("{name}=a&{encoded}=b")] {
                let answer = browser.get_once(&format!("{url}&{pair}")).await;
                is_told(&answer, "invalid_request");
            }
        }
        let url = authorize_url("web", "openid", &[]);
        for name in ["client_id", "redirect_uri"] {
            let value = if name == "client_id" { "web" } else { "https%3A%2F%2Fapp.example.com%2Fcb" };
            let encoded = percent_encoded(name);
            browser.get_once(&format!("{url}&{name}={value}")).await.is_page();
            browser.get_once(&format!("{url}&{encoded}={value}")).await.is_page();
            browser.get_once(&format!("{url}&{name}=")).await.is_page();
            let body = format!("{}&{encoded}={value}", url.split_once('?').unwrap().1);
            app.post_raw("/authorize", &body, &[]).await.is_page();
        }
    }

    async fn a_scope_that_the_client_may_not_have_is_refused(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        for scope in [
            "admin", "openid admin", "openid orders:read:all", "OPENID", "openid\"", "openid a\\b", "openid \u{7f}",
            "openid\tprofile", "openid\nprofile", "openid  profile", " openid", "openid ", "\u{f6}penid",
            "openid \u{1f600}", "openid,profile",
        ] {
            let answer = browser.get_once(&authorize_url("web", scope, &[])).await;
            is_told(&answer, "invalid_scope");
        }
        is_told(&browser.get_once(&authorize_url("web", "", &[("scope", "")])).await, "invalid_scope");
    }

    async fn state_and_nonce_come_back_byte_for_byte(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        let printable: String = (' '..='~').collect();
        let long = printable.repeat(22)[..2048].to_owned();
        let unicode = "\u{e4}\u{1f600}+%20 &=?#".repeat(60);
        for value in [&long, &unicode] {
            let url = authorize_url("web", "openid", &[("state", value), ("nonce", value)]);
            let answer = browser.get_once(&url).await;
            assert_eq!(answer.parameter("state").as_ref(), Some(value));
            let tokens = app.redeem("web", &code_of(&answer)).await.json();
            assert_eq!(claims_of(tokens["id_token"].as_str().unwrap())["nonce"].as_str(), Some(value.as_str()));
        }
        // Through the login form, sealed, and in the form that posts itself.
        let other = crate::support::Browser::new(&app);
        let changes = [("state", &*long), ("nonce", &*long), ("response_mode", "form_post")];
        let url = authorize_url("web", "openid", &changes);
        let answer = other.log_in(&url, "ada", crate::support::fixtures::PASSWORD).await;
        assert!(form_of(&answer, "form-post").hidden.contains(&("state".to_owned(), long.clone())));

        for name in ["state", "nonce"] {
            for length in [4097, 60_000] {
                let huge = "s".repeat(length);
                let url = authorize_url("web", "openid", &[(name, &huge)]);
                browser.get_once(&url).await.is_page();
                app.post_raw("/authorize", url.split_once('?').unwrap().1, &[]).await.is_page();
            }
        }
    }

    async fn state_splits_no_header_and_brings_no_script(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        for state in [
            "a\r\nSet-Cookie: x=y",
            "a\n\n<html>",
            "\"><script>alert(1)</script>",
            "' autofocus onfocus='alert(1)",
            "&quot;><img src=x onerror=alert(1)>",
            "</form></main><form action=https://evil.example>",
        ] {
            let answer = browser.get_once(&authorize_url("web", "openid", &[("state", state)])).await;
            assert_eq!(answer.parameter("state").as_deref(), Some(state));
            assert!(answer.location().bytes().all(|b| b.is_ascii_graphic()), "{}", answer.location());
            assert!(!answer.location().contains(['<', '>', '"', '\'']), "{}", answer.location());
            assert!(answer.headers.get("set-cookie").is_none());

            for (kind, expected) in [("code", "code"), ("token", "error")] {
                let changes = [("state", state), ("response_mode", "form_post"), ("response_type", kind)];
                let answer = browser.get_once(&authorize_url("web", "openid", &changes)).await;
                assert_eq!(answer.status, 200);
                assert_eq!(answer.body.matches("<script").count(), 1, "{}", answer.body);
                assert_eq!(answer.body.matches("<form").count(), 1, "{}", answer.body);
                for raw in ["<img", "<html>\n\n", "onfocus='", "evil.example>"] {
                    assert!(!answer.body.contains(raw), "{raw} in {}", answer.body);
                }
                let form = form_of(&answer, "form-post");
                assert_eq!(form.action, REDIRECT);
                assert!(form.hidden.iter().any(|(name, value)| name == "state" && value == state));
                assert!(form.hidden.iter().any(|(name, _)| name == expected));
                assert!(form.hidden.contains(&("iss".to_owned(), ISSUER.to_owned())));
            }
        }
    }

    async fn a_request_object_is_neither_read_nor_fetched(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        trap.set_nonblocking(true).unwrap();
        let local = format!("http://{}/object", trap.local_addr().unwrap());
        for uri in [local.as_str(), "urn:ietf:params:oauth:request_uri:made-up", "file:///etc/passwd", "x"] {
            let answer = browser.get_once(&authorize_url("web", "openid", &[("request_uri", uri)])).await;
            is_told(&answer, "request_uri_not_supported");
        }
        assert_eq!(trap.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        // {"alg":"none"} . {"client_id":"web","redirect_uri":"https://evil.example/cb","response_type":"code"}
        let unsigned = "eyJhbGciOiJub25lIn0.eyJjbGllbnRfaWQiOiJ3ZWIiLCJyZWRpcmVjdF91cmkiOiJodHRwczovL2V2aWwuZXhhb\
                        XBsZS9jYiIsInJlc3BvbnNlX3R5cGUiOiJjb2RlIn0.";
        for object in [unsigned, "x"] {
            let answer = browser.get_once(&authorize_url("web", "openid", &[("request", object)])).await;
            is_told(&answer, "request_not_supported");
            assert!(!answer.location().contains("evil"), "{}", answer.location());
        }
    }

    async fn the_issuer_is_named_in_every_answer_whatever_host_was_called(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        let cookies = browser.cookie_header();
        let ask = |path: String| {
            let request = Request::builder()
                .method(Method::GET)
                .uri(path)
                .header("host", "evil.example")
                .header("x-forwarded-host", "evil.example")
                .header("forwarded", "host=evil.example;proto=http")
                .header("cookie", &cookies)
                .body(Body::empty())
                .unwrap();
            app.send(request)
        };
        let metadata = ask("/.well-known/openid-configuration".to_owned()).await;
        assert_eq!(metadata.json()["issuer"], ISSUER);
        assert!(!metadata.body.contains("evil"), "{}", metadata.body);
        for changes in [
            vec![],
            vec![("prompt", "none"), ("max_age", "0")],
            vec![("response_type", "token")],
            vec![("scope", "admin")],
            vec![("code_challenge", "short")],
        ] {
            let answer = ask(authorize_url("web", "openid", &changes)).await;
            assert_eq!(answer.status, 303, "{}", answer.body);
            assert_eq!(answer.parameter("iss").as_deref(), Some(ISSUER));
            assert!(answer.location().starts_with(REDIRECT));
        }
        // Our own redirects stay relative, and pages name no host at all.
        let login = ask(authorize_url("web", "openid", &[("prompt", "login")])).await;
        asks_for_login(&login);
        assert!(!login.body.contains("evil"), "{}", login.body);
        let tokens = app.redeem("web", &code_of(&ask(authorize_url("web", "openid", &[])).await)).await.json();
        assert_eq!(claims_of(tokens["id_token"].as_str().unwrap())["iss"], ISSUER);
    }

    async fn a_post_from_another_site_goes_on_as_a_get_of_our_own(app: TestApp) {
        app.with_ada_and_web().await;
        let url = authorize_url("web", "openid", &[("state", "a\r\nb//evil.example")]);
        let body = url.split_once('?').unwrap().1;
        let answer = app.post_raw("/authorize", body, &[("sec-fetch-site", "cross-site"), ("origin", "null")]).await;
        assert_eq!(answer.status, 303);
        assert!(answer.location().starts_with("/authorize?"), "{}", answer.location());
        asks_for_login(&app.get(answer.location()).await);
        let twice = format!("{body}&client_id=web");
        app.post_raw("/authorize", &twice, &[("sec-fetch-site", "cross-site")]).await.is_page();
    }

    async fn a_scope_taken_from_the_client_while_its_page_was_open_is_not_granted(app: TestApp) {
        app.with_ada_and_web().await;
        let web = public_client("web");
        let browser = crate::support::Browser::new(&app);
        let page = browser.get(&authorize_url("web", "openid orders:write", &[])).await;
        let less = gatewright::domain::Scope::parse("openid").unwrap();
        app.rewrite(&Client { scope: less, ..web.clone() }).await;
        let password = crate::support::fixtures::PASSWORD;
        let fields = [("login", "ada"), ("password", password)];
        is_told(&browser.submit(&page, "login-form", &fields).await, "invalid_scope");

        app.rewrite(&web).await;
        let code = app.code("web", "openid orders:write").await;
        let less = gatewright::domain::Scope::parse("openid").unwrap();
        app.rewrite(&Client { scope: less, ..web.clone() }).await;
        crate::attack::steps::is_no_grant(&exchange(&app, "web", &code, &[]).await);

        app.rewrite(&web).await;
        let browser = crate::support::Browser::new(&app);
        let page = browser.get(&authorize_url("web", "openid", &[])).await;
        app.rewrite(&Client { redirect_uris: vec![], ..web.clone() }).await;
        browser.submit(&page, "login-form", &fields).await.is_page();
    }
}
