//! One browser with several of our pages open: whoever is there now goes on, asked again if need be.

use crate::attack::steps::{asks_for_consent, asks_for_login, code_of, count};
use crate::support::fixtures::{PASSWORD, authorize_url, claims_of, public_client};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use gatewright::domain::{Account, Client};

fn third() -> Client {
    Client {
        first_party: false,
        ..public_client("third")
    }
}

/// Ada, logged in, with a consent page open; and Bob.
async fn open_page(app: &TestApp) -> (Browser, Answer, [Account; 2]) {
    let ada = app.with_ada_and_web().await;
    let bob = app.add_person("bob").await;
    app.register(&third()).await;
    let browser = Browser::new(app);
    let page = browser
        .log_in(&authorize_url("third", "openid", &[]), "ada", PASSWORD)
        .await;
    asks_for_consent(&page);
    (browser, page, [ada, bob])
}

/// Signs in anew in another tab.
async fn sign_in(browser: &Browser, login: &str) {
    let page = browser
        .get(&authorize_url("web", "openid", &[("prompt", "login")]))
        .await;
    code_of(
        &browser
            .submit(
                &page,
                "login-form",
                &[("login", login), ("password", PASSWORD)],
            )
            .await,
    );
}

async fn sign_out(browser: &Browser) {
    let page = browser.get("/logout").await;
    browser.submit(&page, "logout-form", &[]).await;
}

async fn answer(browser: &Browser, page: &Answer, decision: &str) -> Answer {
    browser
        .submit(page, "consent-form", &[("decision", decision)])
        .await
}

async fn subject_of(app: &TestApp, code: &str) -> String {
    let tokens = app.redeem("third", code).await.json();
    claims_of(tokens["id_token"].as_str().unwrap())["sub"]
        .as_str()
        .unwrap()
        .to_owned()
}

on_both_databases! {
    async fn a_new_sign_in_of_the_same_person_in_another_tab_is_no_dead_end(app: TestApp) {
        let (browser, page, [ada, _]) = open_page(&app).await;
        sign_in(&browser, "ada").await;
        let code = code_of(&answer(&browser, &page, "allow").await);
        assert_eq!(subject_of(&app, &code).await, ada.subject.as_str());
        // Back, and once more: as good as the first time.
        code_of(&answer(&browser, &page, "allow").await);
    }

    async fn another_person_is_asked_for_themselves(app: TestApp) {
        let (browser, page, [_, bob]) = open_page(&app).await;
        sign_in(&browser, "bob").await;
        let asked = answer(&browser, &page, "allow").await;
        asks_for_consent(&asked);
        assert!(asked.body.contains("id=\"answered-by-another\""), "{}", asked.body);
        assert!(asked.body.contains("bob the First") && !asked.body.contains("ada the First"), "{}", asked.body);
        assert_eq!(count(&app, "SELECT COUNT(*) FROM consent").await, 0);
        assert_eq!(app.events("consent_given").await, 0);
        let code = code_of(&answer(&browser, &asked, "allow").await);
        assert_eq!(subject_of(&app, &code).await, bob.subject.as_str());
        // One who has allowed it already isn't asked twice.
        let code = code_of(&answer(&browser, &page, "allow").await);
        assert_eq!(subject_of(&app, &code).await, bob.subject.as_str());
    }

    async fn a_sign_out_in_another_tab_asks_for_a_new_sign_in(app: TestApp) {
        let (browser, page, _) = open_page(&app).await;
        sign_out(&browser).await;
        let login = answer(&browser, &page, "allow").await;
        asks_for_login(&login);
        assert_eq!(count(&app, "SELECT COUNT(*) FROM consent").await, 0);
        let asked = browser.submit(&login, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await;
        asks_for_consent(&asked);
        code_of(&answer(&browser, &asked, "allow").await);
    }

    async fn a_refusal_needs_nobody_signed_in(app: TestApp) {
        let (browser, page, [ada, _]) = open_page(&app).await;
        sign_out(&browser).await;
        let refused = answer(&browser, &page, "deny").await;
        assert_eq!(refused.parameter("error").as_deref(), Some("access_denied"));
        let recorded = app.recorded("consent_refused").await.pop().unwrap();
        assert_eq!(recorded.subject.as_deref(), Some(ada.subject.as_str()));
    }

    async fn a_client_that_wants_a_new_sign_in_gets_one(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&third()).await;
        let browser = Browser::new(&app);
        let fresh = authorize_url("third", "openid", &[("prompt", "login")]);
        let page = browser.log_in(&fresh, "ada", PASSWORD).await;
        asks_for_consent(&page);
        // The password given in the other tab wasn't given for this request.
        sign_in(&browser, "ada").await;
        let login = answer(&browser, &page, "allow").await;
        asks_for_login(&login);
        let asked = browser.submit(&login, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await;
        asks_for_consent(&asked);
        code_of(&answer(&browser, &asked, "allow").await);
    }

    async fn sign_in_pages_in_two_tabs_both_lead_on(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&public_client("other")).await;
        let browser = Browser::new(&app);
        let one = browser.get(&authorize_url("web", "openid", &[])).await;
        let two = browser.get(&authorize_url("other", "openid", &[])).await;
        for page in [&two, &one] {
            code_of(&browser.submit(page, "login-form", &[("login", "ada"), ("password", PASSWORD)]).await);
        }
    }

    async fn a_page_of_the_version_before_is_answered(app: TestApp) {
        // Its interaction doesn't say who saw it; its token is bound to the session that it was shown in.
        let (browser, page, _) = open_page(&app).await;
        let form = crate::support::browser::form_of(&page, "consent-form");
        let (path, sealed) = form.action.split_once('=').unwrap();
        let sealed = gatewright::domain::form::decode(sealed.as_bytes()).unwrap();
        let cookie = browser.cookies.lock().unwrap().get(&app.state.cookies.browser.to_string()).unwrap().clone();
        let context = format!("interaction {cookie}");
        let key = &app.issuer.master.interactions;
        let mut begun: serde_json::Value = serde_json::from_slice(&key.open(&context, &sealed).unwrap()).unwrap();
        let interaction = begun["Authorization"].as_object_mut().unwrap();
        let viewer = interaction.remove("viewer").unwrap();
        for later in ["continued", "answered_by_another"] {
            interaction.remove(later).unwrap();
        }
        interaction["request"].as_object_mut().unwrap().remove("hint_unproven").unwrap();
        let sealed = key.seal(&app.issuer.entropy, &context, &serde_json::to_vec(&begun).unwrap()).unwrap();
        let purpose = format!("consent {}", viewer["session_id"].as_str().unwrap());
        let csrf = app.issuer.master.csrf_token(&cookie, &purpose, &sealed);
        let action = format!("{path}={}", gatewright::domain::form::encode(&sealed));
        let fields = [("csrf", &*csrf), ("decision", "allow")];
        code_of(&browser.post_once(&action, &fields, &[]).await);
        // In another session it's nobody's.
        sign_in(&browser, "bob").await;
        assert_eq!(browser.post_once(&action, &fields, &[]).await.status, 403);
    }
}
