//! Sending people from here to anywhere.

use super::steps::{browser_of, give_password};
use crate::support::fixtures::{PASSWORD, REDIRECT, authorize_url};
use crate::support::{Answer, Browser, on_both_databases};
use gatewright::domain::form::encode;

const ELSEWHERE: [&str; 11] = [
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https://evil.example/",
    "\t//evil.example",
    "/\t/evil.example",
    "\r\nLocation: https://evil.example",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "/continue/..//evil.example",
];

const NAMES: [&str; 9] = [
    "return_to",
    "returnTo",
    "next",
    "redirect",
    "redirect_url",
    "continue",
    "target_link_uri",
    "url",
    "RelayState",
];

#[track_caller]
fn stays_here(answer: &Answer) {
    if let Some(location) = answer.headers.get("location") {
        let location = location.to_str().unwrap();
        let ours = location.starts_with('/')
            && !location.starts_with("//")
            && !location.starts_with("/\\");
        assert!(ours || location.starts_with(REDIRECT), "{location}");
        assert!(!location.contains("evil.example"), "{location}");
    }
    assert!(!answer.body.contains("evil.example"), "{}", answer.body);
    assert!(answer.headers.get("refresh").is_none());
}

on_both_databases! {
    async fn no_parameter_says_where_to_go_next(app: TestApp) {
        app.with_ada_and_web().await;
        let url = authorize_url("web", "openid", &[]);
        let signed_in = browser_of(&app, "ada").await;
        let stranger = Browser::new(&app);
        for there in ELSEWHERE {
            let pairs: Vec<String> = NAMES.iter().map(|name| format!("{name}={}", encode(there))).collect();
            let extra = pairs.join("&");
            for browser in [&signed_in, &stranger] {
                for path in [format!("{url}&{extra}"), format!("/login?{extra}"), format!("/logout?{extra}"),
                    format!("/continue?{extra}"), format!("/consent?{extra}"), format!("/?{extra}"),
                    format!("/logout?post_logout_redirect_uri={}", encode(there)),
                    format!("/logout?client_id=web&post_logout_redirect_uri={}", encode(there))]
                {
                    let answer = browser.get_once(&path).await;
                    if !path.contains("post_logout") {
                        stays_here(&answer);
                    }
                    assert!(answer.headers.get("location").is_none_or(|to| to.to_str().unwrap().starts_with(REDIRECT)));
                }
            }
            // As fields of the login form, and beside the interaction it leads to.
            let browser = Browser::new(&app);
            let page = browser.get(&url).await;
            let form = crate::support::browser::form_of(&page, "login-form");
            let (csrf, interaction) =
                (crate::attack::steps::hidden(&form, "csrf"), crate::attack::steps::hidden(&form, "interaction"));
            let mut fields =
                vec![("csrf", &*csrf), ("interaction", &*interaction), ("login", "ada"), ("password", PASSWORD)];
            fields.extend(NAMES.iter().map(|name| (*name, there)));
            let answer = browser.post_once(&format!("/login?{extra}"), &fields, &crate::attack::steps::OWN_PAGE).await;
            assert!(answer.location().starts_with("/continue?interaction="), "{}", answer.location());
            let on = browser.get_once(&format!("{}&{extra}", answer.location())).await;
            stays_here(&on);
            assert!(on.location().starts_with(&format!("{REDIRECT}?code=")), "{}", on.location());
        }
    }

    async fn a_path_that_looks_like_a_host_is_no_redirect(app: TestApp) {
        app.with_ada_and_web().await;
        for path in [
            "//evil.example", "//evil.example/..", "//evil.example/%2e%2e", "/%2f%2fevil.example/", "/%5cevil.example",
            "/login/", "/authorize/", "/.//evil.example", "/logout//evil.example",
        ] {
            let answer = app.get(path).await;
            assert!(answer.headers.get("location").is_none(), "{path}");
            assert!([400, 404].contains(&answer.status.as_u16()), "{path} {}", answer.status);
        }
    }

    async fn a_failed_login_stays_here(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let page = browser.get(&authorize_url("web", "openid", &[])).await;
        for there in ELSEWHERE.into_iter().take(4) {
            let answer = give_password(&browser, &page, there, "wrong").await;
            assert_eq!(answer.status, 422);
            assert!(answer.headers.get("location").is_none());
        }
    }
}
