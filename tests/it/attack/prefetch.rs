//! Browsers that fetch a page before anybody asked for it: nothing is spent, issued or ended.

use super::steps::{browser_of, code_of, count, sessions_of};
use crate::support::fixtures::authorize_url;
use crate::support::{Answer, on_both_databases};

const PREFETCHES: [(&str, &str); 7] = [
    ("sec-purpose", "prefetch"),
    ("sec-purpose", "prefetch;prerender"),
    ("sec-purpose", "prefetch;anonymous-client-ip"),
    ("purpose", "prefetch"),
    ("purpose", "Prefetch"),
    ("x-purpose", "preview"),
    ("x-moz", "prefetch"),
];

#[track_caller]
fn did_nothing(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("vary").unwrap().contains("Sec-Purpose"));
    for name in ["location", "set-cookie"] {
        assert!(answer.headers.get(name).is_none(), "{name}");
    }
}

on_both_databases! {
    async fn a_prefetch_does_nothing(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let browser = browser_of(&app, "ada").await;
        let (cookies, url) = (browser.cookie_header(), authorize_url("web", "openid", &[]));
        let codes = count(&app, "SELECT COUNT(*) FROM authorization_code").await;
        for (name, value) in PREFETCHES {
            for path in [&*url, "/logout", "/continue", "/login", "/consent", "/admin", "/admin/activity"] {
                did_nothing(&app.get_with(path, &[(name, value), ("cookie", &cookies)]).await);
            }
        }
        assert_eq!(count(&app, "SELECT COUNT(*) FROM authorization_code").await, codes);
        assert_eq!(sessions_of(&app, &ada).await, 1);
        // Documents may be fetched by whoever wants them, and other purposes are none of these.
        for path in ["/jwks.json", "/.well-known/openid-configuration", "/assets/favicon.svg", "/health/live"] {
            assert_eq!(app.get_with(path, &[("sec-purpose", "prefetch")]).await.status, 200, "{path}");
        }
        for (name, value) in [("sec-purpose", "navigate"), ("purpose", "unprefetched"), ("x-other", "prefetch")] {
            code_of(&app.get_with(&url, &[(name, value), ("cookie", &cookies)]).await);
        }
        code_of(&browser.get_once(&url).await);
        let refused = app.recorded("request_refused").await;
        let told = refused.iter().filter(|row| row.fields().get("reason").is_some_and(|reason| reason == "prefetch"));
        assert_ne!(told.count(), 0);
    }
}
