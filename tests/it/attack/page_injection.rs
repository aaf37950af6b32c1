//! What pages let in and out: their policy, framing, escaping.

use super::steps::{browser_of, give_password, rewrite_account};
use crate::support::fixtures::{PASSWORD, authorize_url, public_client};
use crate::support::{Answer, Browser, on_both_databases};
use gatewright::domain::redirect_uri::RedirectUri;
use gatewright::domain::{Account, Client};
use std::collections::BTreeMap;

const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&</title><script>";

fn policy_of(page: &Answer) -> BTreeMap<String, String> {
    let csp = page
        .header("content-security-policy")
        .unwrap_or_else(|| panic!("no policy: {}", page.body));
    csp.split(';')
        .map(|directive| {
            let (name, sources) = directive.trim().split_once(' ').unwrap();
            (name.to_owned(), sources.trim().to_owned())
        })
        .collect()
}

#[track_caller]
pub fn is_protected(page: &Answer, form_action: &str) {
    let policy = policy_of(page);
    for (directive, sources) in [
        ("default-src", "'none'"),
        ("style-src", "'self'"),
        ("frame-ancestors", "'none'"),
        ("base-uri", "'none'"),
        ("form-action", form_action),
    ] {
        assert_eq!(
            policy.get(directive).map(String::as_str),
            Some(sources),
            "{directive}"
        );
    }
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
        ("strict-transport-security", "max-age=63072000"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    let body = page.body.to_lowercase();
    for inline in [
        " style=",
        " onload=",
        " onerror=alert",
        " onclick=",
        "javascript:",
        "<base",
        "<iframe",
        "<object",
    ] {
        assert!(!body.contains(inline), "{inline} in {}", page.body);
    }
    match policy.get("script-src") {
        None => assert!(!body.contains("<script"), "{}", page.body),
        Some(source) => {
            let nonce = source
                .strip_prefix("'nonce-")
                .unwrap()
                .strip_suffix('\'')
                .unwrap();
            assert!(nonce.len() >= 20, "{nonce}");
            assert_eq!(page.body.matches("<script").count(), 1);
            assert!(
                page.body.contains(&format!("<script nonce=\"{nonce}\">")),
                "{}",
                page.body
            );
        }
    }
}

on_both_databases! {
    async fn every_page_forbids_what_it_does_not_need(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&Client { first_party: false, ..public_client("third") }).await;
        let url = authorize_url("web", "openid", &[]);
        let browser = Browser::new(&app);
        let login = browser.get(&url).await;
        is_protected(&login, "'self'");
        is_protected(&give_password(&browser, &login, "ada", "wrong").await, "'self'");
        let browser = browser_of(&app, "ada").await;
        is_protected(&browser.get(&authorize_url("third", "openid", &[])).await, "'self'");
        is_protected(&browser.get("/logout").await, "'self'");
        let bye = "/logout?client_id=web&post_logout_redirect_uri=https%3A%2F%2Fapp.example.com%2Fbye";
        is_protected(&browser.get(bye).await, "'self'");
        is_protected(&Browser::new(&app).get("/logout").await, "'self'");
        for path in ["/", "/nowhere", "/authorize", "/continue", "/login", "/consent", "/authorize?client_id=%00"] {
            is_protected(&app.get(path).await, "'self'");
        }
        for path in ["/login", "/consent"] {
            is_protected(&app.post(path, &[]).await, "'self'");
        }
        for number in 0..16 {
            let browser = Browser::new(&app);
            let page = browser.get(&url).await;
            let answer = give_password(&browser, &page, &format!("user{number}"), "wrong").await;
            is_protected(&answer, "'self'");
        }
    }

    async fn the_page_that_posts_itself_runs_one_script_of_ours(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        let url = authorize_url("web", "openid", &[("response_mode", "form_post")]);
        let pages = [browser.get(&url).await, browser.get(&url).await];
        for page in &pages {
            is_protected(page, "'self' https:");
        }
        let nonces = pages.map(|page| policy_of(&page)["script-src"].clone());
        assert_ne!(nonces[0], nonces[1]);
    }

    /// Where the client redirects to is its own affair, and no form of ours has to lead there.
    async fn a_form_leads_nowhere_but_here_and_to_applications_of_the_device(app: TestApp) {
        app.with_ada_and_web().await;
        for (number, (uri, source, posted)) in [
            ("https://app.example.com:8443/cb?x=y", "'self'", "'self' https:"),
            ("http://127.0.0.1:8080/cb", "'self'", "'self' http: https:"),
            ("http://[::1]:8080/cb", "'self'", "'self' http: https:"),
            ("com.example.app:/cb", "'self' com.example.app:", "'self' com.example.app:"),
            ("com.example.app:cb;script-src", "'self' com.example.app:", "'self' com.example.app:"),
        ]
        .into_iter()
        .enumerate()
        {
            let id = format!("client{number}");
            let redirect_uris = vec![RedirectUri::parse(uri).unwrap()];
            app.register(&Client { redirect_uris, silent_authorization: true, ..public_client(&id) }).await;
            let asked = authorize_url(&id, "openid", &[("redirect_uri", uri)]);
            let browser = Browser::new(&app);
            let page = browser.get(&asked).await;
            is_protected(&page, source);
            let there = browser.submit(&page, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await;
            assert!(there.location().starts_with(uri), "{}", there.location());
            if uri.starts_with("http") {
                is_protected(&there, "'self'");
                // Without a form before, at once.
                assert_eq!(browser.get_once(&asked).await.status, 303);
            } else {
                assert_eq!(there.status, 303);
            }
            let form_post = authorize_url(&id, "openid", &[("redirect_uri", uri), ("response_mode", "form_post")]);
            is_protected(&browser.get(&form_post).await, posted);
        }
    }

    async fn the_page_that_leads_on_keeps_the_code_to_itself(app: TestApp) {
        app.with_ada_and_web().await;
        let state = "\"><script>alert(1)</script>&#34;'; url=https://evil.example";
        let browser = Browser::new(&app);
        let asked = authorize_url("web", "openid", &[("state", state)]);
        let page = browser.log_in(&asked, "ada", PASSWORD).await;
        is_protected(&page, "'self'");
        assert_eq!(page.status, 200);
        assert!(page.body.contains("id=\"return-page\""), "{}", page.body);
        assert_eq!(page.parameter("state").as_deref(), Some(state));
        assert!(page.location().starts_with("https://app.example.com/cb?code="), "{}", page.location());
        for raw in ["<script", "<form", "url=https://evil.example"] {
            assert!(!page.body.contains(raw), "{raw} in {}", page.body);
        }
    }

    async fn names_are_shown_and_never_obeyed(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        // Not a name that registration accepts; nor would the pages trust it if it did.
        let third = Client { name: HOSTILE.to_owned(), first_party: false, ..public_client("third") };
        app.register(&third).await;
        let mut claims = ada.claims.clone();
        claims.insert("name".to_owned(), HOSTILE.into());
        rewrite_account(&app, &Account { claims, ..ada }).await;

        let url = authorize_url("third", "openid", &[("login_hint", HOSTILE)]);
        let browser = Browser::new(&app);
        let login = browser.get(&url).await;
        let again = give_password(&browser, &login, HOSTILE, HOSTILE).await;
        let consent = browser.submit(&again, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await;
        assert!(consent.body.contains("consent-form"), "{}", consent.body);
        let logout = browser.get("/logout?client_id=third&state=%22%3E%3Cscript%3E").await;
        for page in [&login, &again, &consent, &logout] {
            for raw in ["<img", "<script", "\"'&<", "</title><", "x onerror=alert(1)>"] {
                assert!(!page.body.contains(raw), "{raw} in {}", page.body);
            }
            assert_eq!(page.body.matches("</title>").count(), 1);
            assert!(page.body.contains("&#60;img") || page.body.contains("&lt;img"), "{}", page.body);
        }
        assert!(!again.body.contains("value=\"\" autocomplete=\"username\""), "what was typed is kept");
    }

    async fn an_overlong_hint_names_nobody(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let hint = "canary".repeat(5000);
        let url = authorize_url("web", "openid", &[("login_hint", &hint)]);
        let page = browser.get(&url).await;
        assert!(!page.body.contains("canary"));
        // The way back stays short enough to be taken.
        let answer = give_password(&browser, &page, "ada", PASSWORD).await;
        assert!(answer.location().len() < 2048, "{}", answer.location().len());
    }
}

#[test]
fn a_name_that_deceives_the_eye_is_refused_at_registration() {
    let named = |name: &str| {
        Client {
            name: name.to_owned(),
            ..public_client("web")
        }
        .faults()
    };
    for name in [
        "",
        " ",
        "My\u{202e}knaB",
        "My\u{202a}Bank",
        "My\u{2066}Bank",
        "My\u{2069}Bank",
        "My\u{200e}Bank",
        "My\u{200f}Bank",
        "My\u{061c}Bank",
        "My\u{200b}Bank",
        "My\u{200c}Bank",
        "My\u{200d}Bank",
        "My\u{2060}Bank",
        "My\u{feff}Bank",
        "My\u{00ad}Bank",
        "My\u{180e}Bank",
        "My\u{2028}Bank",
        "My\u{e0041}Bank",
        "My\u{fe0f}Bank",
        "My\u{115f}Bank",
        "My\u{3164}Bank",
        "My\u{ffa0}Bank",
        "My\u{2800}Bank",
        "My\u{034f}Bank",
        "My\nBank",
        "My\u{1b}[31mBank",
        "My\0Bank",
        &"a".repeat(101),
    ] {
        assert_eq!(named(name).len(), 1, "{name:?}");
    }
    for name in [
        "My Bank",
        "Caf\u{e9} \u{2013} Z\u{fc}rich",
        "\u{5d1}\u{5e0}\u{5e7}",
        "\u{94f6}\u{884c}",
        "A&B <x>",
    ] {
        assert_eq!(named(name), Vec::<String>::new(), "{name:?}");
    }
}
