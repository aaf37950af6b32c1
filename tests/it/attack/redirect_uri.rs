//! Redirect URIs that look like a registered one.

use super::steps::{asks_for_login, code_of, exchange, is_no_grant};
use crate::support::fixtures::{PASSWORD, authorize_url, confidential_client, public_client};
use crate::support::{Browser, on_both_databases};
use gatewright::domain::Client;
use gatewright::domain::redirect_uri::RedirectUri;

/// Each differs from `https://app.example.com/cb`; most would be the same, or another host, to some parser.
const ALMOST: [&str; 62] = [
    "",
    "https://app.example.com",
    "https://app.example.com/",
    "https://app.example.com/cb/",
    "https://app.example.com/cb//",
    "https://app.example.com//cb",
    "https://app.example.com/cbx",
    "https://app.example.com/c",
    "https://app.example.com/CB",
    "https://app.example.com/cB",
    "https://APP.example.com/cb",
    "https://app.example.COM/cb",
    "HTTPS://app.example.com/cb",
    "http://app.example.com/cb",
    "//app.example.com/cb",
    "/cb",
    "https:app.example.com/cb",
    "https:/app.example.com/cb",
    "https:///app.example.com/cb",
    "https://app.example.com:443/cb",
    "https://app.example.com:/cb",
    "https://app.example.com:8443/cb",
    "https://app.example.com./cb",
    "https://app.example.com/cb?",
    "https://app.example.com/cb?x",
    "https://app.example.com/cb?x=1",
    "https://app.example.com/cb#",
    "https://app.example.com/cb#x",
    "https://app.example.com/cb;v=1",
    "https://app.example.com/%63b",
    "https://app.example.com/c%62",
    "https://app.example.com/cb%2f",
    "https://app.example.com/%2e/cb",
    "https://app.example.com/%2e%2e/cb",
    "https://app.example.com/./cb",
    "https://app.example.com/x/../cb",
    "https://app.example.com/cb/.",
    "https://app.example.com/cb/..",
    "https://app.example.com/cb/..;/",
    "https://app.example.com/..;/cb",
    "https://app.example.com\\cb",
    "https:\\\\app.example.com\\cb",
    "https://app.example.com/cb\t",
    "\thttps://app.example.com/cb",
    "https://app.exa\tmple.com/cb",
    "https://app.example.com/cb ",
    " https://app.example.com/cb",
    "https://app.example.com/cb\n",
    "https://app.example.com/cb\r\nX: y",
    "https://app\u{ff0e}example.com/cb",
    "https://app.example.com/cb\u{200b}",
    "https://\u{430}pp.example.com/cb",
    "https://app.example.com.evil.example/cb",
    "https://evil.example/https://app.example.com/cb",
    "https://app@evil.example/cb",
    "https://app.example.com@evil.example/cb",
    "https://a@b@evil.example/cb",
    "https://app\\@evil.example/",
    "https://app.example.com:pw@evil.example/cb",
    "https://user@app.example.com/cb",
    "javascript:alert(1)//https://app.example.com/cb",
    "https://app.example.com/cb https://evil.example/",
];

fn native(uris: &[&str]) -> Client {
    let redirect_uris = uris
        .iter()
        .map(|uri| RedirectUri::parse(uri).unwrap())
        .collect();
    Client {
        redirect_uris,
        ..public_client("native")
    }
}

fn at(redirect_uri: &str) -> String {
    authorize_url("native", "openid", &[("redirect_uri", redirect_uri)])
}

on_both_databases! {
    async fn one_byte_more_or_less_is_another_redirect_uri(app: TestApp) {
        app.with_ada_and_web().await;
        let base = authorize_url("web", "openid", &[("redirect_uri", "")]);
        for uri in ALMOST {
            let encoded = gatewright::domain::form::encode(uri);
            let answer = app.get(&format!("{base}&redirect_uri={encoded}")).await;
            answer.is_page();
            assert!(!answer.body.contains("evil"), "{uri}: {}", answer.body);
        }
        for raw in [
            "https://app.example.com/cb%00",
            "https://app.example.com/cb%ff",
            "https://app.example.com/cb%zz",
            "https://app.example.com/cb%c0%af",
        ] {
            app.get(&format!("{base}&redirect_uri={raw}")).await.is_page();
        }
        asks_for_login(&app.get(&authorize_url("web", "openid", &[])).await);
    }

    async fn only_the_port_of_a_loopback_literal_is_free(app: TestApp) {
        app.add_person("ada").await;
        app.register(&native(&["http://127.0.0.1/cb", "http://[::1]/six?a=b"])).await;
        for uri in [
            "http://127.0.0.1/cb",
            "http://127.0.0.1:1/cb",
            "http://127.0.0.1:80/cb",
            "http://127.0.0.1:51004/cb",
            "http://127.0.0.1:65535/cb",
            "http://[::1]:51004/six?a=b",
        ] {
            asks_for_login(&app.get(&at(uri)).await);
        }
        for uri in [
            "http://127.0.0.1:51004",
            "http://127.0.0.1:51004/",
            "http://127.0.0.1:51004/cb/",
            "http://127.0.0.1:51004/CB",
            "http://127.0.0.1:51004/other",
            "http://127.0.0.1:51004/cb?x",
            "http://127.0.0.1:51004/cb#",
            "http://127.0.0.1:51004/six?a=b",
            "http://[::1]:51004/six",
            "http://[::1]:51004/six?a=c",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:080/cb",
            "http://127.0.0.1:+80/cb",
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:99999999999999999999/cb",
            "http://127.0.0.1:51004:80/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.1:80\\@evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://user@127.0.0.1:51004/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1.:51004/cb",
            "http://localhost:51004/cb",
            "http://127.1:51004/cb",
            "http://127.0.0.2:51004/cb",
            "http://2130706433:51004/cb",
            "http://0x7f.0.0.1:51004/cb",
            "http://0177.0.0.1:51004/cb",
            "http://0.0.0.0:51004/cb",
            "http://[::ffff:127.0.0.1]:51004/cb",
            "http://[0:0:0:0:0:0:0:1]:51004/six?a=b",
            "http://[::1%25lo]:51004/six?a=b",
            "https://127.0.0.1:51004/cb",
            "HTTP://127.0.0.1:51004/cb",
        ] {
            app.get(&at(uri)).await.is_page();
        }
        // The code is for the port it was asked at.
        let browser = Browser::new(&app);
        let uri = "http://127.0.0.1:51004/cb";
        let answer = browser.log_in(&at(uri), "ada", PASSWORD).await;
        assert!(answer.location().starts_with("http://127.0.0.1:51004/cb?code="), "{}", answer.location());
        let code = code_of(&answer);
        for other in ["http://127.0.0.1:51005/cb", "http://127.0.0.1/cb"] {
            is_no_grant(&exchange(&app, "native", &code, &[("redirect_uri", other)]).await);
        }
        assert_eq!(exchange(&app, "native", &code, &[("redirect_uri", uri)]).await.status, 200);
    }

    async fn a_server_side_client_has_no_free_port(app: TestApp) {
        let uri = RedirectUri::parse("http://127.0.0.1:8080/cb").unwrap();
        app.register(&Client { redirect_uris: vec![uri], ..confidential_client("native") }).await;
        asks_for_login(&app.get(&at("http://127.0.0.1:8080/cb")).await);
        app.get(&at("http://127.0.0.1:8081/cb")).await.is_page();
        app.get(&at("http://127.0.0.1/cb")).await.is_page();
    }

    async fn a_redirect_uri_is_left_out_only_where_it_could_be_no_other(app: TestApp) {
        app.register(&native(&["https://a.example/cb", "https://b.example/cb"])).await;
        app.register(&public_client("web")).await;
        app.get(&authorize_url("native", "orders:read", &[("redirect_uri", "")])).await.is_page();
        app.get(&authorize_url("native", "openid", &[("redirect_uri", "")])).await.is_page();
        for scope in ["openid", "orders:read openid", "openid profile"] {
            app.get(&authorize_url("web", scope, &[("redirect_uri", "")])).await.is_page();
        }
        asks_for_login(&app.get(&authorize_url("web", "orders:read", &[("redirect_uri", "")])).await);
    }
}
