//! Nodes are stateless: whichever gets the next request goes on.

use crate::support::fixtures::{PASSWORD, authorize_url};
use crate::support::{Browser, on_both_databases};

on_both_databases! {
    async fn a_login_begun_on_one_node_ends_on_others(app: TestApp) {
        app.with_ada_and_web().await;
        let (second, third) = (app.another_node().await, app.another_node().await);
        let browser = Browser::new(&app);
        let url = authorize_url("web", "openid offline_access", &[]);
        let page = browser.get(&url).await;
        let browser = browser.on(&second);
        let fields = [("login", "ada"), ("password", PASSWORD)];
        let code = browser.submit(&page, "login-form", &fields).await.parameter("code").unwrap();
        let tokens = third.redeem("web", &code).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(app.refresh("web", &refresh).await.status, 200);
        let session = browser.on(&third).get(&url).await;
        assert!(session.parameter("code").is_some());
    }
}
