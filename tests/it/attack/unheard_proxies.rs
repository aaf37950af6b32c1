//! Forwarded headers from a peer that nobody lists: they count for nothing, and somebody hears of it.

use crate::support::administration::{administrator, open};
use crate::support::app::Options;
use crate::support::{TestApp, on_both_databases};
use gatewright::flows::untrusted_proxies::of_the_last_day;
use std::collections::BTreeMap;

const FORWARDED: [(&str, &str); 1] = [("x-forwarded-for", "198.51.100.1")];

/// Who was told of, by address.
async fn told(app: &TestApp) -> BTreeMap<String, bool> {
    let rows = app.recorded("forwarded_untrusted").await;
    rows.iter()
        .map(|row| {
            let fields = row.fields();
            let peer = fields["peer"].as_str().unwrap();
            assert_eq!(row.address.as_deref(), Some(peer));
            (peer.to_owned(), fields["private"] == true)
        })
        .collect()
}

on_both_databases! {
    async fn an_unlisted_proxy_is_told_of_once(app: TestApp) {
        for _ in 0..3 {
            for peer in ["10.0.3.7", "10.0.3.8", "10.9.0.1"] {
                app.seen_from(peer).get_with("/jwks.json", &FORWARDED).await;
            }
        }
        app.seen_from("203.0.113.9").get_with("/jwks.json", &[("forwarded", "for=192.0.2.1")]).await;
        app.seen_from("192.0.2.44").get("/jwks.json").await;
        let expected = [("10.0.3.7", true), ("10.9.0.1", true), ("203.0.113.9", false)];
        let expected = expected.map(|(peer, private)| (peer.to_owned(), private));
        assert_eq!(told(&app).await, BTreeMap::from(expected));
        assert_eq!(app.recorded("forwarded_untrusted").await.len(), 3);
    }

    async fn a_listed_proxy_is_believed_and_not_told_of(app: TestApp) {
        let options = Options { trusted_proxies: vec!["10.0.0.0/8".to_owned()], ..app.options.clone() };
        let app = app.reopened(options).await;
        app.seen_from("10.0.3.7").get_with("/jwks.json", &FORWARDED).await;
        assert_eq!(told(&app).await, BTreeMap::new());
    }

    async fn the_activity_page_names_the_sender_and_the_setting_until_it_is_listed(app: TestApp) {
        app.seen_from("10.0.3.7").get_with("/jwks.json", &FORWARDED).await;
        app.write_events().await;
        let browser = administrator(&app).await;
        let page = open(&browser, "/admin/activity").await;
        assert!(page.contains("id=\"untrusted-proxies\""), "{page}");
        assert!(page.contains("<bdi>10.0.3.7</bdi>") && page.contains("trusted_proxies"), "{page}");
        let (store, now) = (&app.issuer.store, app.now());
        let mut options = app.options.clone();
        options.settings.trusted_proxies = vec!["10.0.3.0/24".parse().unwrap()];
        let listed = app.reopened(options).await;
        let page = open(&browser.on(&listed), "/admin/activity").await;
        assert!(!page.contains("untrusted-proxies"), "{page}");
        // It's forgotten after a day, too.
        assert_eq!(of_the_last_day(store, &[], now).await.unwrap().len(), 1);
        assert!(of_the_last_day(store, &[], now + 26 * 3600).await.unwrap().is_empty());
    }

    /// One byte of a client's must not make its proxy forget whom it speaks for.
    async fn what_a_client_puts_before_its_address_hides_it_not(app: TestApp) {
        let options = Options { trusted_proxies: vec!["10.0.0.0/8".to_owned()], ..app.options.clone() };
        let app = app.reopened(options).await;
        let request = app
            .request(http::Method::GET, "/nothing", &[])
            .header("x-forwarded-for", http::HeaderValue::from_bytes(b"\xff, 198.51.100.1").unwrap())
            .body(axum::body::Body::empty())
            .unwrap();
        app.seen_from("10.0.3.7").send(request).await;
        let rows = app.recorded("request_refused").await;
        assert_eq!(rows.last().unwrap().address.as_deref(), Some("198.51.100.1"));
    }
}
