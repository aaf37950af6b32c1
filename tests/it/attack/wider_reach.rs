//! A client that gets more later: no token reaches further than the person agreed to. Scope × API of every token is within
//! what consent pages showed.

use super::steps::{asks_for_consent, browser_of, code_of, exchange, is_no_grant, is_told};
use crate::support::app::ISSUER;
use crate::support::fixtures::{API, authorize_url, claims_of, confidential_client, public_client};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use gatewright::domain::resource::Audience;
use gatewright::domain::{Client, Scope};
use gatewright::store::Param;
use serde_json::{Value, json};

const OTHER: &str = "https://payments.example.com";
const THIRD: &str = "https://stock.example.com";
/// Not `openid`: userinfo's audience is out of these tests' way.
const SCOPE: &str = "orders:read offline_access";

fn audiences(of: &[&str]) -> Vec<Audience> {
    of.iter().map(|uri| Audience::parse(uri).unwrap()).collect()
}

fn client(first_party: bool, of: &[&str]) -> Client {
    Client {
        first_party,
        audiences: audiences(of),
        scope: Scope::parse("openid email offline_access orders:read invoices:read").unwrap(),
        ..public_client("third")
    }
}

/// Asks, agrees if a page asks, and gets the code.
async fn agreed(browser: &Browser, url: &str) -> String {
    let answer = browser.get_once(url).await;
    if answer.status == 303 {
        return code_of(&answer);
    }
    asks_for_consent(&answer);
    agree(browser, &answer).await
}

async fn agree(browser: &Browser, page: &Answer) -> String {
    let fields = [("decision", "allow")];
    code_of(&browser.submit(page, "consent-form", &fields).await)
}

fn request(scope: &str, more: &[(&str, &str)]) -> String {
    authorize_url("third", scope, more)
}

async fn refresh(app: &TestApp, tokens: &Value, more: &[(&str, &str)]) -> Answer {
    let mut fields = vec![
        ("grant_type", "refresh_token"),
        ("client_id", "third"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    fields.extend_from_slice(more);
    app.post("/token", &fields).await
}

#[track_caller]
fn audience_of(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    claims_of(answer.json()["access_token"].as_str().unwrap())["aud"].clone()
}

#[track_caller]
fn is_beyond(answer: &Answer) {
    assert_eq!(answer.error(), (400, "invalid_target".to_owned()));
}

/// As version 0.1 left them: grants without their APIs, consents as two lists.
async fn forget_what_is_new(app: &TestApp) {
    let store = &app.issuer.store;
    let sql = "UPDATE consent SET reach = NULL, reach_fingerprint = NULL";
    store.execute(sql, vec![]).await.unwrap();
    let sql = "SELECT family_id, grant_detail FROM token_family";
    let families: Vec<(String, String)> = store.fetch_all(sql, vec![]).await.unwrap();
    for (family, detail) in families {
        let mut detail: Value = serde_json::from_str(&detail).unwrap();
        detail.as_object_mut().unwrap().remove("audiences");
        let sql = "UPDATE token_family SET grant_detail = $1 WHERE family_id = $2";
        let params = vec![Param::from(detail.to_string()), Param::from(family)];
        store.execute(sql, params).await.unwrap();
    }
}

on_both_databases! {
    async fn an_api_that_the_client_gets_later_is_in_no_token_of_an_earlier_grant(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&client(false, &[API])).await;
        let browser = browser_of(&app, "ada").await;
        for first_party in [false, true] {
            app.rewrite(&client(first_party, &[API])).await;
            let mut tokens = app.redeem("third", &agreed(&browser, &request(SCOPE, &[])).await).await.json();
            app.rewrite(&client(first_party, &[API, OTHER])).await;
            for _ in 0..3 {
                let answer = refresh(&app, &tokens, &[]).await;
                assert_eq!(audience_of(&answer), API, "first party: {first_party}");
                tokens = answer.json();
                is_beyond(&refresh(&app, &tokens, &[("resource", OTHER)]).await);
                is_beyond(&refresh(&app, &tokens, &[("resource", API), ("resource", OTHER)]).await);
            }
            // A new authorization, for which a stranger's client asks anew, reaches both.
            let page = browser.get_once(&request(SCOPE, &[])).await;
            let code = if first_party {
                code_of(&page)
            } else {
                asks_for_consent(&page);
                assert!(page.body.contains(OTHER), "{}", page.body);
                agree(&browser, &page).await
            };
            assert_eq!(audience_of(&app.redeem("third", &code).await), json!([API, OTHER]));
            // That one doesn't lift the other.
            assert_eq!(audience_of(&refresh(&app, &tokens, &[]).await), API);
        }
    }

    async fn a_code_on_its_way_reaches_what_was_agreed_to(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&client(false, &[API])).await;
        let browser = browser_of(&app, "ada").await;
        for first_party in [false, true] {
            app.rewrite(&client(first_party, &[API])).await;
            let code = agreed(&browser, &request(SCOPE, &[])).await;
            app.rewrite(&client(first_party, &[API, OTHER])).await;
            is_beyond(&exchange(&app, "third", &code, &[("resource", OTHER)]).await);
            assert_eq!(audience_of(&app.redeem("third", &code).await), API, "first party: {first_party}");
        }
    }

    async fn userinfo_is_reached_only_where_openid_was_agreed_to(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&client(true, &[API])).await;
        let browser = browser_of(&app, "ada").await;
        let code = agreed(&browser, &request(SCOPE, &[])).await;
        is_beyond(&exchange(&app, "third", &code, &[("resource", ISSUER)]).await);
        let tokens = app.redeem("third", &code).await.json();
        is_beyond(&refresh(&app, &tokens, &[("resource", ISSUER)]).await);
        let code = agreed(&browser, &request("openid offline_access orders:read", &[])).await;
        let tokens = app.redeem("third", &code).await.json();
        assert_eq!(audience_of(&refresh(&app, &tokens, &[("resource", ISSUER)]).await), ISSUER);
    }

    async fn an_api_taken_from_the_client_is_in_no_token_any_more(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&client(true, &[API, OTHER])).await;
        let browser = browser_of(&app, "ada").await;
        for scope in [SCOPE, "openid offline_access orders:read"] {
            app.rewrite(&client(true, &[API, OTHER])).await;
            let tokens = app.redeem("third", &agreed(&browser, &request(scope, &[])).await).await.json();
            let with_userinfo = |apis: &[&str]| match (apis, scope == SCOPE) {
                ([one], true) => json!(one),
                (apis, true) => json!(apis),
                (apis, false) => json!([apis, &[ISSUER]].concat()),
            };
            app.rewrite(&client(true, &[OTHER])).await;
            let less = refresh(&app, &tokens, &[]).await;
            assert_eq!(audience_of(&less), with_userinfo(&[OTHER]));
            is_beyond(&refresh(&app, &less.json(), &[("resource", API)]).await);
            // An exchange of one for another is no narrowing: nothing is left of what was agreed to.
            app.rewrite(&client(true, &[THIRD])).await;
            let none = refresh(&app, &less.json(), &[]).await;
            if scope == SCOPE {
                is_no_grant(&none);
            } else {
                assert_eq!(audience_of(&none), ISSUER);
            }
        }
    }

    async fn consent_to_one_scope_at_one_api_is_not_consent_to_it_at_another(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&client(false, &[API, OTHER])).await;
        let browser = browser_of(&app, "ada").await;
        let url = |scope, resource| request(scope, &[("resource", resource)]);
        for (scope, resource) in [("orders:read", API), ("invoices:read", OTHER)] {
            let page = browser.get_once(&url(scope, resource)).await;
            asks_for_consent(&page);
            agree(&browser, &page).await;
            code_of(&browser.get_once(&url(scope, resource)).await);
        }
        for (scope, resource) in [("orders:read", OTHER), ("invoices:read", API), ("orders:read invoices:read", API)] {
            asks_for_consent(&browser.get_once(&url(scope, resource)).await);
            let quiet = [("resource", resource), ("prompt", "none")];
            is_told(&browser.get_once(&request(scope, &quiet)).await, "consent_required");
        }
        asks_for_consent(&browser.get_once(&request("orders:read", &[])).await);
        // Asked and answered, it is.
        agreed(&browser, &url("orders:read", OTHER)).await;
        code_of(&browser.get_once(&request("orders:read", &[])).await);
    }

    async fn a_consent_of_version_0_1_covers_what_it_leaves_no_doubt_about(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&client(false, &[API, OTHER])).await;
        let browser = browser_of(&app, "ada").await;
        let one_api = request("orders:read invoices:read", &[("resource", API)]);
        agreed(&browser, &one_api).await;
        forget_what_is_new(&app).await;
        code_of(&browser.get_once(&one_api).await);
        let both = request("orders:read", &[]);
        asks_for_consent(&browser.get_once(&both).await);
        agreed(&browser, &both).await;
        // Now two scopes, two APIs, and nobody knows which at which.
        forget_what_is_new(&app).await;
        asks_for_consent(&browser.get_once(&one_api).await);
        agreed(&browser, &one_api).await;
        code_of(&browser.get_once(&one_api).await);
        asks_for_consent(&browser.get_once(&request("invoices:read", &[("resource", OTHER)])).await);
    }

    /// A node of version 0.1 writes the row anew and leaves the new column as it was.
    async fn what_was_written_for_another_look_of_the_client_covers_nothing(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&client(false, &[API, OTHER])).await;
        let browser = browser_of(&app, "ada").await;
        let url = request("orders:read invoices:read", &[]);
        agreed(&browser, &url).await;
        code_of(&browser.get_once(&url).await);
        let sql = "UPDATE consent SET reach_fingerprint = 'another'";
        app.issuer.store.execute(sql, vec![]).await.unwrap();
        asks_for_consent(&browser.get_once(&url).await);
    }

    async fn a_grant_of_version_0_1_is_bounded_by_its_consent(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&client(false, &[API])).await;
        let browser = browser_of(&app, "ada").await;
        let tokens = app.redeem("third", &agreed(&browser, &request(SCOPE, &[])).await).await.json();
        forget_what_is_new(&app).await;
        app.rewrite(&client(false, &[API, OTHER])).await;
        is_beyond(&refresh(&app, &tokens, &[("resource", OTHER)]).await);
        let answer = refresh(&app, &tokens, &[]).await;
        assert_eq!(audience_of(&answer), API);
        // The person agrees to another scope at the new one: still not to this.
        agreed(&browser, &request("orders:read offline_access", &[("resource", API)])).await;
        agreed(&browser, &request("invoices:read", &[("resource", OTHER)])).await;
        assert_eq!(audience_of(&refresh(&app, &answer.json(), &[]).await), API);
    }

    async fn a_refresh_token_whose_grant_is_withdrawn_is_inactive(app: TestApp) {
        app.add_person("ada").await;
        let web = confidential_client("web");
        app.register(&web).await;
        let browser = Browser::new(&app);
        let url = authorize_url("web", SCOPE, &[]);
        let code = browser.log_in(&url, "ada", crate::support::fixtures::PASSWORD).await.parameter("code").unwrap();
        let secret = ("client_secret", crate::support::fixtures::SECRET);
        let tokens = exchange(&app, "web", &code, &[secret]).await.json();
        let is_active = async || {
            let token = tokens["refresh_token"].as_str().unwrap();
            app.post("/introspect", &[("client_id", "web"), secret, ("token", token)]).await.json()["active"].clone()
        };
        assert_eq!(is_active().await, true);
        app.rewrite(&Client { audiences: audiences(&[OTHER]), ..web.clone() }).await;
        assert_eq!(is_active().await, false);
        app.rewrite(&Client { scope: Scope::parse("orders:read").unwrap(), ..web.clone() }).await;
        assert_eq!(is_active().await, false);
        app.rewrite(&web).await;
        assert_eq!(is_active().await, true);
    }
}
