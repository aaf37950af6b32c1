//! SQL metacharacters are letters like others: security case 118.

use crate::support::app::basic;
use crate::support::fixtures::{
    PASSWORD, REDIRECT, SECRET, VERIFIER, authorize_url, machine_client,
};
use crate::support::{Browser, TestApp, on_both_databases};
use gatewright::store::{accounts, clients};

const HOSTILE: [&str; 14] = [
    "'",
    "''",
    "\"",
    "\\",
    "%",
    "_",
    "$1",
    "; --",
    "' OR '1'='1",
    "'; DROP TABLE account; --",
    "ad_",
    "ada%",
    "\u{2019} OR 1=1",
    "/*x*/||(SELECT password_hash FROM account)",
];

/// Everything that a row could have been changed in, counted.
async fn rows(app: &TestApp) -> Vec<i64> {
    let mut counts = Vec::new();
    for sql in [
        "SELECT COUNT(*) FROM account",
        "SELECT COUNT(*) FROM client",
        "SELECT COUNT(*) FROM client_secret",
        "SELECT COUNT(*) FROM token_family",
        "SELECT COUNT(*) FROM refresh_token",
        "SELECT COUNT(*) FROM signing_key",
        "SELECT COUNT(*) FROM browser_session",
    ] {
        counts.push(
            app.issuer
                .store
                .fetch_one::<(i64,)>(sql, vec![])
                .await
                .unwrap()
                .0,
        );
    }
    counts
}

on_both_databases! {
    async fn the_token_endpoints_take_every_field_literally(app: TestApp) {
        app.register(&machine_client("worker")).await;
        app.with_ada_and_web().await;
        let before = rows(&app).await;
        for text in HOSTILE {
            let base = |grant| vec![("client_id", "web"), ("grant_type", grant)];
            let code = [("code", text), ("redirect_uri", REDIRECT), ("code_verifier", VERIFIER)];
            let mut requests = vec![
                ("/token", vec![("grant_type", "client_credentials"), ("client_id", text), ("client_secret", SECRET)]),
                ("/token", vec![("grant_type", "client_credentials"), ("client_id", "worker"), ("client_secret", text)]),
                ("/token", vec![("grant_type", text), ("client_id", "worker"), ("client_secret", SECRET)]),
                ("/token", [base("refresh_token"), vec![("refresh_token", text)]].concat()),
                ("/token", [base("authorization_code"), code.to_vec()].concat()),
                ("/revoke", vec![("client_id", "web"), ("token", text), ("token_type_hint", text)]),
                ("/introspect", vec![("client_id", "worker"), ("client_secret", SECRET), ("token", text)]),
            ];
            for field in ["scope", "resource", "client_assertion_type"] {
                let own = [("client_id", "worker"), ("client_secret", SECRET), ("grant_type", "client_credentials")];
                requests.push(("/token", [own.to_vec(), vec![(field, text)]].concat()));
            }
            for (path, fields) in requests {
                let answer = app.post(path, &fields).await;
                assert!(answer.status.as_u16() < 500, "{path} {fields:?} {}", answer.body);
                assert!(answer.status != 200 || path != "/token", "{fields:?} {}", answer.body);
            }
            let header = basic(text, text);
            let grant = [("grant_type", "client_credentials")];
            assert_eq!(app.post_with("/token", &grant, &[("authorization", &header)]).await.status, 401);
        }
        assert_eq!(rows(&app).await, before);
    }

    async fn state_and_nonce_come_back_byte_for_byte(app: TestApp) {
        app.with_ada_and_web().await;
        for text in HOSTILE {
            let browser = Browser::new(&app);
            let url = authorize_url("web", "openid", &[("state", text), ("nonce", text), ("login_hint", text)]);
            let answer = browser.log_in(&url, "ada", PASSWORD).await;
            assert_eq!(answer.parameter("state").as_deref(), Some(text));
            let tokens = app.redeem("web", &answer.parameter("code").unwrap()).await.json();
            let claims = crate::support::fixtures::claims_of(tokens["id_token"].as_str().unwrap());
            assert_eq!(claims["nonce"], text);
        }
    }

    async fn a_login_name_is_no_pattern(app: TestApp) {
        app.with_ada_and_web().await;
        for (at, text) in HOSTILE.into_iter().enumerate() {
            let from = app.seen_from(&format!("198.51.100.{at}"));
            let browser = Browser::new(&from);
            let answer = browser.log_in(&authorize_url("web", "openid", &[]), text, PASSWORD).await;
            assert_eq!(answer.status, 422, "{text}");
            let cookie = format!("__Host-gatewright-session={}", text.replace([';', '\u{2019}'], ""));
            let answer = app.get_with(&authorize_url("web", "openid", &[]), &[("cookie", &cookie)]).await;
            assert!(answer.body.contains("login-form"));
        }
        // With both words hostile, and a password of the same kind.
        let browser = Browser::new(&app);
        let answer = browser.log_in(&authorize_url("web", "openid", &[]), "ada' --", "' OR '1'='1").await;
        assert_eq!(answer.status, 422);
        assert!(app.code("web", "openid").await.starts_with("gwc_"));
    }

    async fn a_cursor_is_a_value(app: TestApp) {
        app.register(&machine_client("worker")).await;
        app.with_ada_and_web().await;
        for text in HOSTILE {
            let people = accounts::page(&app.issuer.store, text, 10).await.unwrap();
            assert_eq!(people.len(), usize::from("ada" > text), "{text}");
            let known = clients::page(&app.issuer.store, text, 10).await.unwrap();
            let expected = ["web", "worker"].iter().filter(|id| **id > text).count();
            assert_eq!(known.len(), expected, "{text}");
        }
    }
}
