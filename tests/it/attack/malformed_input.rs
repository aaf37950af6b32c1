//! Text that is no text: security case 114.

use crate::support::app::ISSUER;
use crate::support::fixtures::{REDIRECT, SECRET, authorize_url, machine_client};
use crate::support::on_both_databases;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// NUL, no UTF-8, an overlong slash, a surrogate as UTF-8, stray percent signs.
const BROKEN: [&str; 9] = [
    "%00",
    "a%00b",
    "%ff",
    "%c0%af",
    "%ed%a0%80",
    "%zz",
    "%",
    "%4",
    "%u0041",
];

on_both_databases! {
    async fn a_body_that_is_no_form_is_an_invalid_request(app: TestApp) {
        app.register(&machine_client("worker")).await;
        app.with_ada_and_web().await;
        for path in ["/token", "/revoke", "/introspect"] {
            for broken in BROKEN {
                for body in [
                    format!("grant_type={broken}&client_id=worker&client_secret={SECRET}&token=x"),
                    format!("client_id={broken}&client_secret={SECRET}&grant_type=client_credentials&token=x"),
                    format!("client_id=worker&client_secret={broken}&grant_type=client_credentials&token=x"),
                    format!("client_id=worker&client_secret={SECRET}&token={broken}"),
                    format!("client_id=worker&client_secret={SECRET}&token=x&{broken}=y"),
                ] {
                    let answer = app.post_raw(path, &body, &[]).await;
                    assert_eq!(answer.error(), (400, "invalid_request".to_owned()), "{path} {body}");
                }
            }
            for (kind, body) in [
                ("application/json", r#"{"grant_type":"client_credentials","x":"\ud800"}"#),
                ("application/json", "{}"),
                ("text/plain", "grant_type=client_credentials"),
                ("multipart/form-data; boundary=x", "--x--"),
            ] {
                let request = app
                    .request(http::Method::POST, path, &[("content-type", kind)])
                    .body(body.to_owned().into())
                    .unwrap();
                assert_eq!(app.send(request).await.error(), (400, "invalid_request".to_owned()), "{path} {kind}");
            }
            // Bytes that are no text at all.
            let request = app
                .request(http::Method::POST, path, &[("content-type", "application/x-www-form-urlencoded")])
                .body(b"token=\xff\xfe\x00".to_vec().into())
                .unwrap();
            assert_eq!(app.send(request).await.error(), (400, "invalid_request".to_owned()));
        }
    }

    async fn a_page_says_so_and_sends_nobody_anywhere(app: TestApp) {
        app.with_ada_and_web().await;
        for broken in BROKEN {
            for field in ["state", "nonce", "scope", "client_id", "redirect_uri", "login_hint", "x"] {
                app.get(&format!("{}&{field}={broken}", authorize_url("web", "openid", &[(field, "")]))).await.is_page();
            }
            app.get(&format!("/logout?state={broken}")).await.is_page();
            app.get(&format!("/continue?interaction={broken}")).await.is_page();
            let answer = app.post_raw("/login", &format!("login={broken}&password=x"), &[]).await;
            assert_eq!(answer.status, 403);
            let answer = app.post_raw("/consent", &format!("decision={broken}"), &[]).await;
            assert_eq!(answer.status, 403);
        }
    }

    async fn a_jwt_may_carry_what_a_form_may_not(app: TestApp) {
        // JSON can name NUL, which PostgreSQL's text can't hold: still no failure of ours.
        app.with_ada_and_web().await;
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"k"}"#);
        for sub in [r"a\u0000b", r"\u0000", r"\ud800", r"\udc00\ud800", "\u{202e}", r"\u001b[31m", "' OR 1=1 --"] {
            let payload = URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"{sub}","sub":"{sub}","aud":"{ISSUER}","jti":"{sub}"}}"#));
            let token = format!("{header}.{payload}.AAAA");
            for path in ["/token", "/revoke", "/introspect"] {
                let answer = app
                    .post(path, &[
                        ("grant_type", "client_credentials"),
                        ("client_assertion", &token),
                        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                    ])
                    .await;
                assert_eq!(answer.error(), (401, "invalid_client".to_owned()), "{path} {sub}");
            }
            let bearer = format!("Bearer {token}");
            assert_eq!(app.get_with("/userinfo", &[("authorization", &bearer)]).await.status, 401);
            let hint = authorize_url("web", "openid", &[("id_token_hint", &token)]);
            app.get(&hint).await.is_redirect_with(REDIRECT, "invalid_request", Some("the state"), ISSUER);
            assert_eq!(app.post("/revoke", &[("client_id", "web"), ("token", &token)]).await.status, 200);
            let logout = format!("/logout?id_token_hint={token}");
            assert_eq!(app.get(&logout).await.status, 200);
        }
    }

    async fn a_header_that_is_no_text_fails_nobody(app: TestApp) {
        app.with_ada_and_web().await;
        for name in ["authorization", "cookie", "origin", "sec-fetch-site", "if-none-match", "content-type", "user-agent"] {
            for path in ["/token", "/userinfo", "/jwks.json", "/authorize", "/logout", "/introspect"] {
                for method in [http::Method::GET, http::Method::POST] {
                    let value = http::HeaderValue::from_bytes(b"\xff\xfe\x80").unwrap();
                    let request = app.request(method, path, &[]).header(name, value).body("".into()).unwrap();
                    let answer = app.send(request).await;
                    assert!(answer.status.as_u16() < 500, "{name} {path} {}", answer.status);
                }
            }
        }
    }
}
