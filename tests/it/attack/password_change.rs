//! Holding on to an account whose password was changed to keep one out.

use super::steps::{
    asks_for_login, browser_of, give_password, is_no_grant, sessions_of, set_password, userinfo,
};
use crate::support::fixtures::{PASSWORD, authorize_url};
use crate::support::{Browser, on_both_databases};
use gatewright::store::{accounts, sessions, throttle};

const NEW: &str = "another password altogether";

on_both_databases! {
    async fn what_was_granted_in_the_same_second_does_not_survive(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let url = authorize_url("web", "openid", &[]);
        // Twice, for the second change falls into the second of the first.
        for (old, new) in [(PASSWORD, NEW), (NEW, PASSWORD)] {
            let browser = Browser::new(&app);
            browser.log_in(&url, "ada", old).await;
            let code = browser.get_once(&url).await.parameter("code").unwrap();
            let refresh = browser.get_once(&authorize_url("web", "openid offline_access", &[])).await;
            let refresh = app.redeem("web", &refresh.parameter("code").unwrap()).await.json();
            set_password(&app, &ada, new).await;
            is_no_grant(&app.redeem("web", &code).await);
            is_no_grant(&app.refresh("web", refresh["refresh_token"].as_str().unwrap()).await);
            let other = Browser::new(&app);
            assert!(other.log_in(&url, "ada", new).await.parameter("code").is_some());
        }
    }

    async fn a_session_ends_with_its_password(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        app.advance(1);
        set_password(&app, &ada, NEW).await;
        asks_for_login(&browser.get_once(&authorize_url("web", "openid", &[])).await);
    }

    async fn what_was_redeemed_as_the_password_changed_is_worth_nothing(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let tokens = app.tokens("web", "openid offline_access").await;
        let access_token = tokens["access_token"].as_str().unwrap();
        assert_eq!(userinfo(&app, access_token).await, 200);
        // The change has revoked what there was, and this family was written just after.
        set_password(&app, &ada, NEW).await;
        assert_eq!(userinfo(&app, access_token).await, 401);
        is_no_grant(&app.refresh("web", tokens["refresh_token"].as_str().unwrap()).await);
    }

    async fn a_login_under_way_does_not_outlive_the_password_it_gave(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let browser = Browser::new(&app);
        let page = browser.get(&authorize_url("web", "openid", &[])).await;
        let hash = app.issuer.passwords.hash(NEW.to_owned()).await.unwrap();
        // The change holds the counter that a login must pass after it has read the account.
        let mut tx = app.issuer.store.begin().await.unwrap();
        let bucket = app.issuer.master.login_bucket("subject", ada.subject.as_str());
        let count = throttle::STATEMENTS[0];
        let (now, until) = (app.now(), app.now() + 900);
        let params = vec![bucket.as_str().into(), now.into(), until.into()];
        let _: Option<(i64,)> = tx.fetch_optional(count, params).await.unwrap();
        let login = tokio::spawn(async move { give_password(&browser, &page, "ada", PASSWORD).await });
        for _ in 0..200 {
            app.issuer.store.ping().await.unwrap();
        }
        assert!(!login.is_finished());
        accounts::set_password(&mut tx, &ada.subject, &hash, app.now()).await.unwrap();
        sessions::end_subject(&mut tx, &ada.subject).await.unwrap();
        tx.commit().await.unwrap();
        let answer = login.await.unwrap();
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert_eq!(sessions_of(&app, &ada).await, 0);
    }
}
