//! Planted, shared, doubled and damaged cookies and sealed requests.

use super::steps::{
    asks_for_login, browser_of, code_of, give_password, hidden, session_cookie, sessions_of,
};
use crate::support::app::Options;
use crate::support::browser::form_of;
use crate::support::fixtures::{PASSWORD, authorize_url, public_client};
use crate::support::{Answer, Browser, on_both_databases};
use gatewright::domain::Client;
use gatewright::domain::form::encode;

fn set_cookies(answer: &Answer) -> Vec<String> {
    answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

on_both_databases! {
    async fn a_planted_session_cookie_is_never_adopted(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let url = authorize_url("web", "openid", &[]);
        let attacker = browser_of(&app, "ada").await;
        let theirs = session_cookie(&app, &attacker).unwrap();
        for planted in ["planted-by-the-attacker-with-43-characters--", &theirs] {
            let victim = Browser::new(&app);
            victim.cookies.lock().unwrap().insert(app.state.cookies.session.to_string(), planted.to_owned());
            let page = victim.get(&authorize_url("web", "openid", &[("prompt", "login")])).await;
            code_of(&victim.submit(&page, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await);
            assert_ne!(session_cookie(&app, &victim).as_deref(), Some(planted));
            let probe = Browser::new(&app);
            probe.cookies.lock().unwrap().insert(app.state.cookies.session.to_string(), planted.to_owned());
            asks_for_login(&probe.get_once(&url).await);
        }
        assert_eq!(sessions_of(&app, &ada).await, 2);
    }

    async fn an_interaction_belongs_to_its_browser(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&Client { first_party: false, ..public_client("third") }).await;
        let url = authorize_url("third", "openid", &[]);
        let owner = Browser::new(&app);
        let page = owner.get(&url).await;
        let sealed = hidden(&form_of(&page, "login-form"), "interaction");
        let begun = format!("/continue?interaction={}", encode(&sealed));
        let proven = give_password(&owner, &page, "ada", PASSWORD).await.location().to_owned();
        let (stranger, neighbour) = (Browser::new(&app), browser_of(&app, "ada").await);
        for browser in [&stranger, &neighbour] {
            for path in [&begun, &proven] {
                let answer = browser.get_once(path).await;
                answer.is_page();
                assert!(answer.headers.get("set-cookie").is_none());
            }
        }
        // Damaged, swapped for another sealed text of ours, or none.
        let device = owner.cookies.lock().unwrap().get(&app.state.cookies.device.to_string()).unwrap().clone();
        let flipped = format!("{}{}", if sealed.starts_with('A') { 'B' } else { 'A' }, &sealed[1..]);
        let damaged = [&flipped, &sealed[..sealed.len() - 1], &sealed[..8], &device, "", "x", "\u{e4}", "../../x"];
        for text in damaged {
            owner.get_once(&format!("/continue?interaction={}", encode(text))).await.is_page();
        }
        for path in ["/continue", "/continue?interaction", "/continue?interaction=%00", "/continue?interaction=%ff"] {
            owner.get_once(path).await.is_page();
        }
        crate::attack::steps::asks_for_consent(&owner.get_once(&proven).await);
    }

    async fn an_interaction_and_a_session_are_the_same_at_every_node(app: TestApp) {
        app.with_ada_and_web().await;
        let other = app.another_node().await;
        let url = authorize_url("web", "openid", &[]);
        let here = Browser::new(&app);
        let page = here.get(&url).await;
        let there = here.on(&other);
        code_of(&there.submit(&page, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await);
        let here = there.on(&app);
        code_of(&here.get_once(&url).await);
        let page = here.get("/logout").await;
        here.on(&other).submit(&page, "logout-form", &[]).await;
        asks_for_login(&here.get_once(&url).await);
    }

    async fn a_sealed_device_is_no_other_cookie(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        let names = app.state.cookies;
        let device = browser.cookies.lock().unwrap().get(&names.device.to_string()).unwrap().clone();
        let session = session_cookie(&app, &browser).unwrap();
        let probe = Browser::new(&app);
        for (name, value) in [(names.session, &device), (names.device, &session), (names.browser, &session)] {
            probe.cookies.lock().unwrap().insert(name.to_string(), value.clone());
        }
        asks_for_login(&probe.get_once(&authorize_url("web", "openid", &[])).await);
        // The session's public name isn't its cookie.
        let tokens = app.tokens("web", "openid").await;
        let claims = crate::support::fixtures::claims_of(tokens["id_token"].as_str().unwrap());
        for guess in [claims["sid"].as_str().unwrap(), ada.subject.as_str()] {
            probe.cookies.lock().unwrap().insert(names.session.to_string(), guess.to_owned());
            asks_for_login(&probe.get_once(&authorize_url("web", "openid", &[])).await);
        }
    }

    async fn cookies_are_locked_to_this_host(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let page = browser.get_once(&authorize_url("web", "openid", &[])).await;
        let login = give_password(&browser, &page, "ada", PASSWORD).await;
        let cookies = [set_cookies(&page), set_cookies(&login)].concat();
        assert_eq!(cookies.len(), 3, "{cookies:?}");
        for cookie in &cookies {
            let mut attributes: Vec<&str> = cookie.split("; ").collect();
            let pair = attributes.remove(0);
            attributes.retain(|attribute| *attribute != "Max-Age=31536000");
            assert!(pair.starts_with("__Host-gatewright-"), "{cookie}");
            assert_eq!(attributes, ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"], "{cookie}");
        }
        let page = browser.get("/logout").await;
        let logout = browser.submit(&page, "logout-form", &[]).await;
        assert_eq!(
            set_cookies(&logout),
            ["__Host-gatewright-session=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0"]
        );
        // Browsers keep neither Secure nor the prefix from plain http, which only a loopback issuer has.
        let issuer = "http://127.0.0.1:8080".to_owned();
        let loopback = app.reopened(Options { issuer, ..app.options.clone() }).await;
        let browser = Browser::new(&loopback);
        let page = browser.get_once(&authorize_url("web", "openid", &[])).await;
        let [cookie] = &set_cookies(&page)[..] else { panic!("one cookie") };
        assert!(cookie.starts_with("gatewright-browser-"), "{cookie}");
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
        assert!(page.header("strict-transport-security").is_none());
    }

    async fn a_cookie_that_came_twice_is_none(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        let url = authorize_url("web", "openid", &[]);
        let name = app.state.cookies.session;
        let value = session_cookie(&app, &browser).unwrap();
        code_of(&app.get_with(&url, &[("cookie", &format!("{name}={value}"))]).await);
        for cookie in [
            format!("{name}={value}; {name}={value}"),
            format!("{name}=planted; {name}={value}"),
            format!("{name}={value}; {name}="),
            format!("{name}={value};{name}=planted"),
            format!("{name}=\"{value}\""),
            format!("{}={value}", name.to_string().to_lowercase()),
            format!("x{name}={value}"),
        ] {
            asks_for_login(&app.get_with(&url, &[("cookie", &cookie)]).await);
        }
        let pair = format!("{name}={value}");
        asks_for_login(&app.get_with(&url, &[("cookie", &pair), ("cookie", &pair)]).await);
    }
}
