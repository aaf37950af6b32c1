//! Getting at what only administrators may see (security cases 93, 95, 96, 107).

use super::page_injection::is_protected;
use super::steps::{
    OWN_PAGE, asks_for_login, browser_of, give_password, hidden, session_cookie, sessions_of,
};
use crate::support::administration::{administrator, make_administrator, open, recorded_at};
use crate::support::app::ISSUER;
use crate::support::browser::form_of;
use crate::support::fixtures::{API, PASSWORD, confidential_client, machine_client, public_client};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use gatewright::crypto::jwt::{self, TokenType};
use gatewright::domain::client::Client;
use gatewright::domain::event::{Decision, Happening};
use gatewright::domain::form::encode;
use gatewright::domain::resource::Audience;
use gatewright::domain::{Account, ClientId, Scope};
use gatewright::flows::admin::administrators;
use gatewright::store::accounts;
use serde_json::json;

const PAGES: [&str; 4] = [
    "/admin/activity",
    "/admin/activity?range=week",
    "/admin/events?kind=login_failed",
    "/admin/events/some-event",
];
const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&</title><script>alert(2)</script>";

#[track_caller]
fn is_refused(answer: &Answer) {
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert!(answer.body.contains("id=\"error-page\""), "{}", answer.body);
}

async fn call(app: &TestApp, query: &str, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    app.get_with(
        &format!("/admin/api/events{query}"),
        &[("authorization", &bearer)],
    )
    .await
}

/// A client that may ask for tokens of the admin API.
fn for_events(client: Client) -> Client {
    let scope = format!("{} gatewright:events", client.scope);
    Client {
        scope: Scope::parse(&scope).unwrap(),
        audiences: vec![
            Audience::parse(API).unwrap(),
            Audience::parse(ISSUER).unwrap(),
        ],
        ..client
    }
}

async fn machine(app: &TestApp, fields: &[(&str, &str)]) -> String {
    let answer = app.machine_token("auditor", fields).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

on_both_databases! {
    async fn nobody_and_no_ordinary_person_gets_in(app: TestApp) {
        app.with_ada_and_web().await;
        let person = browser_of(&app, "ada").await;
        for page in PAGES {
            asks_for_login(&app.get(page).await);
            is_refused(&person.get(page).await);
            is_protected(&app.get(page).await, "'self'");
            is_protected(&person.get(page).await, "'self'");
            // Nor do they after a login that was asked for by the page itself.
            let answer = Browser::new(&app).log_in(page, "ada", PASSWORD).await;
            is_refused(&answer);
        }
        let refused = app.recorded("access_refused").await;
        assert!(refused.len() >= PAGES.len() && refused.iter().all(|row| row.subject.is_some()));
    }

    async fn whom_the_database_alone_calls_an_administrator_is_none(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let grace = app.add_person("grace").await;
        make_administrator(&app, &grace).await;
        let person = browser_of(&app, "ada").await;
        let subject = || vec![ada.subject.as_str().into()];
        let store = &app.issuer.store;
        for plant in [
            "INSERT INTO administrator (subject, granted_at) VALUES ($1, 1)",
            "UPDATE administrator SET seal = 'x' WHERE subject = $1",
            // Another's.
            "UPDATE administrator SET granted_at = (SELECT a.granted_at FROM administrator a WHERE a.subject <> $1), seal = (SELECT a.seal FROM administrator a WHERE a.subject <> $1) WHERE subject = $1",
        ] {
            assert_eq!(store.execute(plant, subject()).await.unwrap(), 1, "{plant}");
            for page in PAGES {
                is_refused(&person.get(page).await);
            }
        }
        let admin = app.issuer.admin("test");
        assert_eq!(administrators::unsealed(admin).await.unwrap(), std::slice::from_ref(&ada.subject));
        assert_eq!(administrators::all(admin).await.unwrap(), [grace.subject]);
        let login = browser_of(&app, "ada").await;
        drop(login);
        let succeeded = app.recorded("login_succeeded").await.pop().unwrap();
        assert_eq!(succeeded.fields()["administrator"], false);
        // Who has the master key may say so.
        make_administrator(&app, &ada).await;
        assert_eq!(browser_of(&app, "ada").await.get(PAGES[0]).await.status, 200);
        assert!(administrators::unsealed(admin).await.unwrap().is_empty());
    }

    async fn an_old_login_must_be_proven_anew_and_gets_a_new_session(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = administrator(&app).await;
        app.advance(900);
        open(&browser, "/admin/activity").await;
        let former = session_cookie(&app, &browser).unwrap();
        app.advance(1);
        for page in PAGES {
            asks_for_login(&browser.get(page).await);
        }
        let page = browser.get("/admin/events?kind=login_succeeded&user=grace").await;
        assert!(page.body.contains("value=\"grace\"") && page.body.contains("readonly"), "{}", page.body);
        let wrong = give_password(&browser, &page, "grace", "not the password").await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.body.contains("readonly"));
        asks_for_login(&browser.get("/admin/activity").await);
        let answer = browser.submit(&wrong, "login-form", &[("login", "grace"), ("password", PASSWORD)]).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("id=\"events\"") && answer.body.contains("login_succeeded"), "{}", answer.body);
        let now = session_cookie(&app, &browser).unwrap();
        assert_ne!(now, former);
        browser.cookies.lock().unwrap().insert(app.state.cookies.session.to_string(), former);
        asks_for_login(&browser.get("/admin/activity").await);
    }

    async fn a_login_for_a_page_leads_nowhere_else(app: TestApp) {
        app.with_ada_and_web().await;
        let grace = app.add_person("grace").await;
        make_administrator(&app, &grace).await;
        // Whatever the address asks for besides, the way back is one of our own.
        for evil in [
            "/admin/activity?return_to=//evil.example",
            "/admin/activity?range=day&next=https:evil.example",
            "/admin/events?user=//evil.example",
            "/admin/events?route=%0d%0aLocation:%20//evil.example",
        ] {
            let browser = Browser::new(&app);
            let page = browser.get(evil).await;
            asks_for_login(&page);
            let proven = give_password(&browser, &page, "grace", PASSWORD).await;
            assert!(proven.location().starts_with("/continue?interaction="), "{}", proven.location());
            let back = browser.get_once(proven.location()).await;
            assert_eq!(back.status, 303);
            assert!(back.location().starts_with("/admin/") && !back.location().contains("//"), "{}", back.location());
        }
    }

    async fn a_visit_is_bound_to_its_browser_and_proves_nothing_by_itself(app: TestApp) {
        app.with_ada_and_web().await;
        let grace = app.add_person("grace").await;
        make_administrator(&app, &grace).await;
        let browser = Browser::new(&app);
        let page = browser.get("/admin/activity").await;
        let sealed = hidden(&form_of(&page, "login-form"), "interaction");
        // Skipping the password only leads to the form again.
        let skipped = browser.get(&format!("/continue?interaction={}", encode(&sealed))).await;
        asks_for_login(&skipped);
        let elsewhere = Browser::new(&app);
        elsewhere.get("/admin/activity").await;
        elsewhere.get_once(&format!("/continue?interaction={}", encode(&sealed))).await.is_page();
        // It doesn't pass for a client's request: nobody consents to anything with it.
        let ada = browser_of(&app, "ada").await;
        let fields = [("csrf", "x"), ("decision", "allow")];
        let consent = ada.post_once(&format!("/consent?interaction={}", encode(&sealed)), &fields, &OWN_PAGE).await;
        assert_eq!(consent.status, 403);
        // A form of another site is refused, and counts no attempt.
        let form = form_of(&page, "login-form");
        let fields = [("interaction", &*sealed), ("login", "grace"), ("password", PASSWORD)];
        assert_eq!(browser.post_once(&form.action, &fields, &OWN_PAGE).await.status, 403);
        let cross_site = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
        let csrf = hidden(&form, "csrf");
        let fields = [("csrf", &*csrf), ("interaction", &*sealed), ("login", "grace"), ("password", PASSWORD)];
        assert_eq!(browser.post_once(&form.action, &fields, &cross_site).await.status, 403);
        assert_eq!(sessions_of(&app, &grace).await, 0);
    }

    async fn whoever_is_no_administrator_any_more_sees_nothing_more(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = administrator(&app).await;
        let actor = app.issuer.admin("cli");
        let changed = gatewright::flows::admin::administrators::set(actor, "grace", false, app.now()).await.unwrap();
        assert!(changed.none_left);
        assert_eq!(changed.ended.sessions, 1, "a session ends with what it may do");
        asks_for_login(&browser.get("/admin/activity").await);
        is_refused(&Browser::new(&app).log_in("/admin/activity", "grace", PASSWORD).await);
        assert_eq!(app.recorded("administration").await.len(), 1);
    }

    async fn pages_are_protected_and_take_no_form(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = administrator(&app).await;
        for page in ["/admin/activity", "/admin/events", "/admin/events?kind=x", "/admin/events/nothing"] {
            is_protected(&browser.get(page).await, "'self'");
        }
        for page in PAGES {
            assert_eq!(browser.post_once(page, &[], &OWN_PAGE).await.status, 405, "{page}");
        }
        let origin = [("origin", "https://evil.example"), ("cookie", &*browser.cookie_header())];
        for path in ["/admin/activity", "/admin/events", "/admin/api/events"] {
            let answer = app.get_with(path, &origin).await;
            assert!(answer.header("access-control-allow-origin").is_none(), "{path}");
        }
    }

    async fn names_in_events_are_shown_and_never_obeyed(app: TestApp) {
        app.with_ada_and_web().await;
        let browser = administrator(&app).await;
        let decided = Happening::AccessDecided {
            decision: Decision::Deny,
            reason: Some(HOSTILE.to_owned()),
            rule: Some(HOSTILE.to_owned()),
            missing: Some(vec![HOSTILE.to_owned()]),
            api: None,
            stage: None,
            call: None,
            connection: None,
            answer: None,
            method: Some(HOSTILE.to_owned()),
            route: Some(HOSTILE.repeat(20)),
            issuer: None,
            client_id: Some(ClientId::new(HOSTILE)),
            subject_digest: None,
            jti_digest: None,
            kid: None,
            jwks: None,
            config: None,
            us: None,
            shipped_by: None,
        };
        recorded_at(&app, app.now(), decided);
        let alert = Happening::AlertOpened {
            alert_id: HOSTILE.to_owned(),
            rule: HOSTILE.to_owned(),
            summary: HOSTILE.to_owned(),
        };
        recorded_at(&app, app.now(), alert);
        let act = Happening::Administration {
            what: HOSTILE.to_owned(),
            target: HOSTILE.to_owned(),
            actor: HOSTILE.to_owned(),
            before: Some(serde_json::json!({HOSTILE: HOSTILE})),
            after: None,
        };
        recorded_at(&app, app.now(), act);
        app.write_events().await;
        app.advance(60);
        let id = |rows: &[gatewright::store::events::EventRow]| format!("/admin/events/{}", rows[0].event_id);
        let search = format!("/admin/events?user={0}&client={0}&label={0}&kind={0}&since={0}", encode(HOSTILE));
        let pages = [
            browser.get("/admin/activity").await,
            browser.get("/admin/events").await,
            browser.get(&search).await,
            browser.get(&id(&app.recorded("access_decided").await)).await,
            browser.get(&id(&app.recorded("alert_opened").await)).await,
            browser.get(&id(&app.recorded("administration").await)).await,
        ];
        for page in &pages {
            assert!(page.body.contains("&#60;img") || page.body.contains("&lt;img"), "{}", page.body);
            for raw in ["<img", "<script", "</title><"] {
                assert!(!page.body.contains(raw), "{raw} in {}", page.body);
            }
            assert_eq!(page.body.matches("</title>").count(), 1);
            assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'; style-src 'self'"));
        }
    }

    async fn the_api_takes_a_token_that_is_meant_for_it_and_no_other(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&for_events(machine_client("auditor"))).await;
        app.register(&for_events(public_client("console"))).await;
        assert_eq!(app.get("/admin/api/events").await.status, 401);
        assert_eq!(app.get("/admin/api/events").await.header("www-authenticate"), Some("Bearer"));

        let good = machine(&app, &[("resource", ISSUER), ("scope", "gatewright:events")]).await;
        let answer = call(&app, "", &good).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"));

        let elsewhere = machine(&app, &[("resource", API), ("scope", "gatewright:events")]).await;
        let refused = call(&app, "", &elsewhere).await;
        assert_eq!(refused.error(), (401, "invalid_token".to_owned()));
        let without = machine(&app, &[("resource", ISSUER), ("scope", "orders:read")]).await;
        let refused = call(&app, "", &without).await;
        assert_eq!(refused.error(), (403, "insufficient_scope".to_owned()));
        assert!(refused.header("www-authenticate").unwrap().contains("scope=\"gatewright:events\""));

        // A person's: only an administrator's.
        let tokens = app.tokens("console", "openid gatewright:events").await;
        let (access, id_token) = (tokens["access_token"].as_str().unwrap(), tokens["id_token"].as_str().unwrap());
        assert_eq!(call(&app, "", access).await.error(), (403, "insufficient_scope".to_owned()));
        assert_eq!(call(&app, "", id_token).await.error(), (401, "invalid_token".to_owned()));
        let ada = app.issuer.admin("cli");
        gatewright::flows::admin::administrators::set(ada, "ada", true, app.now()).await.unwrap();
        let tokens = app.tokens("console", "openid gatewright:events").await;
        assert_eq!(call(&app, "", tokens["access_token"].as_str().unwrap()).await.status, 200);
        // A session is no token, nor is a token in the query.
        let browser = administrator(&app).await;
        assert_eq!(browser.get("/admin/api/events").await.status, 401);
        assert_eq!(app.get(&format!("/admin/api/events?access_token={good}")).await.status, 400);
        // Revoked, expired, or the client disabled.
        app.advance(301);
        assert_eq!(call(&app, "", &good).await.error(), (401, "invalid_token".to_owned()));
        let good = machine(&app, &[("resource", ISSUER), ("scope", "gatewright:events")]).await;
        app.rewrite(&Client { disabled: true, ..for_events(machine_client("auditor")) }).await;
        assert_eq!(call(&app, "", &good).await.error(), (401, "invalid_token".to_owned()));
        let refused = app.recorded("access_refused").await;
        assert!(refused.iter().any(|row| row.detail.contains("admin_api") && row.detail.contains("not_an_administrator")));
    }

    async fn nothing_but_an_access_token_opens_the_api(app: TestApp) {
        app.register(&for_events(machine_client("auditor"))).await;
        let now = app.now();
        let claims = json!({
            "iss": ISSUER, "aud": ISSUER, "sub": "auditor", "client_id": "auditor", "scope": "gatewright:events",
            "iat": now, "exp": now + 300, "jti": "one-of-ours",
        });
        let keyring = app.issuer.keyring.load();
        // Both have everything that is asked of one, the signature included; only what they are differs.
        let of = |typ| jwt::sign(&keyring.active()[0], typ, &claims).unwrap();
        assert_eq!(call(&app, "", &of(TokenType::AccessToken)).await.status, 200);
        let refused = call(&app, "", &of(TokenType::IdToken)).await;
        assert_eq!(refused.error(), (401, "invalid_token".to_owned()));
    }

    async fn a_disabled_administrators_token_opens_nothing(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        app.register(&for_events(public_client("console"))).await;
        let actor = app.issuer.admin("cli");
        gatewright::flows::admin::administrators::set(actor, "ada", true, app.now()).await.unwrap();
        let tokens = app.tokens("console", "openid gatewright:events").await;
        let token = tokens["access_token"].as_str().unwrap();
        assert_eq!(call(&app, "", token).await.status, 200);
        // Behind the back of what would revoke the token.
        let ada = accounts::by_subject(&app.issuer.store, &ada.subject).await.unwrap().unwrap();
        let mut tx = app.issuer.store.begin().await.unwrap();
        accounts::update(&mut tx, &Account { disabled: true, ..ada.clone() }, ada.updated_at).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(call(&app, "", token).await.error(), (401, "invalid_token".to_owned()));
    }

    async fn a_cursor_belongs_to_its_search(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&for_events(machine_client("auditor"))).await;
        app.register(&confidential_client("other")).await;
        let token = machine(&app, &[("resource", ISSUER), ("scope", "gatewright:events")]).await;
        for _ in 0..5 {
            app.get("/userinfo").await;
            machine(&app, &[("resource", ISSUER)]).await;
        }
        app.write_events().await;
        let first = call(&app, "?kind=token_issued&limit=2", &token).await.json();
        assert_eq!(first["events"].as_array().unwrap().len(), 2);
        let cursor = encode(first["next"].as_str().unwrap());
        let second = call(&app, &format!("?kind=token_issued&limit=2&cursor={cursor}"), &token).await.json();
        assert_ne!(first["events"], second["events"]);
        let flipped = if cursor.starts_with('A') { "B" } else { "A" };
        let forged = format!("{flipped}{}", &cursor[1..]);
        for wrong in [
            format!("?kind=token_issued&cursor={forged}"),
            format!("?kind=login_failed&cursor={cursor}"),
            "?cursor=x".to_owned(),
            "?cursor=%27%3B+DROP+TABLE+event%3B--".to_owned(),
            "?limit=0".to_owned(),
            "?limit=1001".to_owned(),
            "?kind=nothing".to_owned(),
            "?user=nobody".to_owned(),
            "?colour=red".to_owned(),
            "?kind=token_issued&kind=login_failed".to_owned(),
            "?since=%zz".to_owned(),
            "?user=%00".to_owned(),
        ] {
            assert_eq!(call(&app, &wrong, &token).await.error(), (400, "invalid_request".to_owned()), "{wrong}");
        }
        // What looks like SQL is text.
        for literal in ["?client=%27+OR+1%3D1--", "?address=%25", "?label=%27%22%3B"] {
            assert_eq!(call(&app, literal, &token).await.json()["events"], serde_json::json!([]), "{literal}");
        }
    }
}
