//! Cookies of other applications on the same host, and of other issuers there.

use super::steps::{asks_for_login, code_of};
use crate::support::app::Options;
use crate::support::fixtures::{PASSWORD, authorize_url};
use crate::support::{Browser, TestApp, on_both_databases};
use crate::troubleshooting::explained;
use axum::body::Body;
use http::{HeaderValue, Method};

/// What other applications on the host may have set, byte for byte.
const FOREIGN: [&[u8]; 5] = [
    b"lang=fran\xc3\xa7ais",
    b"odd=\xff\xfe; plain=1",
    b"\xe9=1",
    b"json={\"a\":1}; =; ;;x",
    b"__Host-gatewright-sessions=1; __Host-gatewright-session-abcdefghijklmnop=x",
];

on_both_databases! {
    async fn no_cookie_of_another_application_stands_in_the_way_of_a_login(app: TestApp) {
        app.with_ada_and_web().await;
        let url = authorize_url("web", "openid", &[]);
        for foreign in FOREIGN {
            for first in [true, false] {
                let browser = Browser::new(&app);
                let page = browser.get(&url).await;
                let form = crate::support::browser::form_of(&page, "login-form");
                let mut fields: Vec<(&str, &str)> = form.hidden.iter().map(|(n, v)| (&**n, &**v)).collect();
                fields.extend([("login", "ada"), ("password", PASSWORD)]);
                let own = browser.cookie_header();
                let cookies = if first {
                    [foreign, b"; ", own.as_bytes()].concat()
                } else {
                    [own.as_bytes(), b"; ", foreign].concat()
                };
                let request = app
                    .request(Method::POST, &form.action, &crate::attack::steps::OWN_PAGE)
                    .header("cookie", HeaderValue::from_bytes(&cookies).unwrap())
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(Body::from(crate::support::app::form(&fields)))
                    .unwrap();
                let answer = app.send(request).await;
                assert_eq!(answer.status, 303, "{foreign:?} {}", answer.body);
                assert!(answer.location().starts_with("/continue?"), "{}", answer.location());
            }
        }
    }

    async fn two_cookies_of_ours_are_named_as_what_they_are(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let page = browser.get(&authorize_url("web", "openid", &[])).await;
        let planted = format!("{}=planted", app.state.cookies.browser);
        let form = crate::support::browser::form_of(&page, "login-form");
        let mut fields: Vec<(&str, &str)> = form.hidden.iter().map(|(n, v)| (&**n, &**v)).collect();
        fields.extend([("login", "ada"), ("password", PASSWORD)]);
        let cookies = format!("{planted}; {}", browser.cookie_header());
        let headers = [crate::attack::steps::OWN_PAGE[0], crate::attack::steps::OWN_PAGE[1], ("cookie", &*cookies)];
        let answer = app.post_with(&form.action, &fields, &headers).await;
        assert_eq!(answer.status, 403);
        let told = explained(&app, &answer).await;
        assert!(told.contains("two cookies of the name") && !told.contains("blocks cookies"), "{told}");
    }

    /// Their pages share a host, and browsers send each the cookies of all.
    async fn issuers_on_one_host_keep_their_logins_apart(app: TestApp) {
        let url = authorize_url("web", "openid", &[]);
        let mut jar = Browser::new(&app);
        let mut issuers = vec![app.clone()];
        for issuer in ["https://id.example.com/a", "https://id.example.com/b", "https://id.example.com:8443"] {
            let options = Options { issuer: issuer.to_owned(), ..Options::default() };
            issuers.push(TestApp::sqlite_with(options).await);
        }
        let path = |issuer: &TestApp| format!("{}{url}", issuer.state.base_path);
        for issuer in &issuers {
            issuer.with_ada_and_web().await;
            jar = jar.on(issuer);
            asks_for_login(&jar.get(&path(issuer)).await);
            code_of(&jar.log_in(&path(issuer), "ada", PASSWORD).await);
        }
        // Each login still stands, and so does a form that was open while another issuer gave out its own.
        for issuer in &issuers {
            jar = jar.on(issuer);
            code_of(&jar.get_once(&path(issuer)).await);
        }
        let page = jar.on(&issuers[1]).get(&format!("{}&prompt=login", path(&issuers[1]))).await;
        jar.on(&issuers[2]).get(&format!("{}&prompt=login", path(&issuers[2]))).await;
        let first = jar.on(&issuers[1]);
        code_of(&first.submit(&page, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await);
        let names = jar.cookies.lock().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names.len(), 12, "{names:?}");
        assert!(names.iter().all(|name| name.starts_with("__Host-gatewright-")), "{names:?}");
    }

    /// As an earlier version set it, whose names were the same for every issuer on a host.
    async fn a_login_of_the_version_before_goes_on(app: TestApp) {
        let issuer = "https://id.example.com/a".to_owned();
        let below = app.reopened(Options { issuer, ..app.options.clone() }).await;
        below.with_ada_and_web().await;
        let url = format!("/a{}", authorize_url("web", "openid", &[]));
        let browser = Browser::new(&below);
        code_of(&browser.log_in(&url, "ada", PASSWORD).await);
        {
            let mut jar = browser.cookies.lock().unwrap();
            let own = below.state.cookies.session.to_string();
            let session = jar.remove(&own).unwrap();
            jar.insert(app.state.cookies.session.to_string(), session);
        }
        code_of(&browser.get_once(&url).await);
        // Signing out ends it.
        let page = browser.get("/a/logout").await;
        browser.submit(&page, "logout-form", &[]).await;
        asks_for_login(&browser.get_once(&url).await);
    }
}
