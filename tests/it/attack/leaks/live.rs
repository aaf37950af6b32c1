//! Whole flows with everything that goes wrong in them, and each secret that they have.

use super::canaries::Canaries;
use crate::support::app::basic;
use crate::support::browser::form_of;
use crate::support::database::MASTER;
use crate::support::fixtures::{
    PASSWORD, REDIRECT, SECRET, VERIFIER, authorize_url, machine_client,
};
use crate::support::{Browser, TestApp};
use serde_json::Value;

pub fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap().to_owned()
}

/// Whole flows, with everything that goes wrong in them.
pub async fn live(app: &TestApp) -> Canaries {
    const WRONG: &str = "canary-wrong-password-7f3a";
    const SWAPPED: &str = "canary-secret-as-client-id-7f3a";
    const STRAY: &str = "canary-stray-value-7f3a";
    // As long as a proof is, and nothing that the issuer asks for.
    const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCJ9.Y2FuYXJ5LW9mLWEtcHJvb2Y.Y2FuYXJ5LXNpZ25hdHVyZQ";
    let mut canaries = Canaries::default();
    for (name, secret) in [
        ("password", PASSWORD),
        ("a wrong password", WRONG),
        ("verifier", VERIFIER),
        ("client secret", SECRET),
        ("a secret in the wrong place", SWAPPED),
        ("a stray value", STRAY),
        ("DPoP proof", PROOF),
    ] {
        canaries.add(name, secret);
    }
    app.register(&machine_client("worker")).await;
    app.with_ada_and_web().await;

    // A browser, a wrong password, a password typed as the name, then the right one.
    let browser = Browser::new(app);
    let url = authorize_url("web", "openid profile offline_access orders:read", &[]);
    for (login, password) in [("ada", WRONG), (WRONG, "x"), ("eve\n\u{1b}[31m\"}", WRONG)] {
        assert_eq!(browser.log_in(&url, login, password).await.status, 422);
    }
    let form = form_of(&browser.get(&url).await, "login-form");
    for (name, value) in &form.hidden {
        canaries.add(name, value);
    }
    let answer = browser.log_in(&url, "ada", PASSWORD).await;
    for (name, value) in browser.cookies.lock().unwrap().iter() {
        canaries.add(name, value);
    }
    let code = answer.parameter("code").unwrap();
    canaries.add("code", &code);

    // The code: badly, well, again.
    let redeem = |verifier: &'static str| {
        let (app, code) = (app.clone(), code.clone());
        async move {
            let fields = [
                ("grant_type", "authorization_code"),
                ("client_id", "web"),
                ("code", &code),
                ("redirect_uri", REDIRECT),
                ("code_verifier", verifier),
            ];
            app.post("/token", &fields).await
        }
    };
    assert_eq!(redeem(STRAY).await.status, 400);
    let tokens = redeem(VERIFIER).await.json();
    for kind in ["access_token", "refresh_token", "id_token"] {
        canaries.add(kind, &text(&tokens, kind));
    }
    let access = text(&tokens, "access_token");
    let refresh = text(&tokens, "refresh_token");
    let bearer = format!("Bearer {access}");
    assert_eq!(
        app.get_with("/userinfo", &[("authorization", &bearer)])
            .await
            .status,
        200
    );
    let next = app.refresh("web", &refresh).await.json();
    for kind in ["access_token", "refresh_token"] {
        canaries.add(kind, &text(&next, kind));
    }
    assert_eq!(app.refresh("web", &refresh).await.status, 200);
    assert_eq!(app.refresh("worker", &refresh).await.status, 401);

    // Another's refresh token, which comes again when its successor has been used.
    let stolen = app.tokens("web", "openid offline_access").await;
    let mut chain = vec![stolen];
    for _ in 0..2 {
        let last = text(chain.last().unwrap(), "refresh_token");
        chain.push(app.refresh("web", &last).await.json());
    }
    let first = text(&chain[0], "refresh_token");
    assert_eq!(app.refresh("web", &first).await.status, 400);
    for tokens in &chain {
        for kind in ["access_token", "refresh_token"] {
            canaries.add(kind, &text(tokens, kind));
        }
    }

    // In the wrong place.
    for path in [
        "/token",
        "/introspect",
        "/revoke",
        "/userinfo",
        "/authorize",
        "/logout",
        "/nothing",
    ] {
        let query =
            format!("{path}?client_secret={SECRET}&access_token={access}&code={code}&x={STRAY}");
        app.get(&query).await;
        app.post(&query, &[("token", &access), ("password", PASSWORD)])
            .await;
        let headers = [
            ("x-other", STRAY),
            ("user-agent", STRAY),
            ("referer", STRAY),
            ("dpop", PROOF),
            ("authorization", &bearer),
        ];
        app.get_with(path, &headers).await;
        app.post_with(
            path,
            &[("client_id", "worker"), ("client_secret", SECRET)],
            &headers,
        )
        .await;
    }
    for header in [
        basic(SWAPPED, "worker"),
        basic("worker", STRAY),
        format!("Basic {STRAY}"),
        format!("Bearer {STRAY}"),
    ] {
        let grant = [("grant_type", "client_credentials")];
        assert_eq!(
            app.post_with("/token", &grant, &[("authorization", &header)])
                .await
                .status,
            401
        );
    }
    let assertion = [
        ("client_assertion", STRAY),
        ("client_assertion_type", STRAY),
        ("client_id", SWAPPED),
    ];
    app.post("/token", &assertion).await;

    // The rest of the endpoints, and a database that fails in the middle.
    let machine = app.machine_token("worker", &[]).await.json();
    canaries.add("machine token", &text(&machine, "access_token"));
    for token in [&access, &refresh, &text(&machine, "access_token")] {
        let fields = [
            ("client_id", "worker"),
            ("client_secret", SECRET),
            ("token", token),
        ];
        assert_eq!(app.post("/introspect", &fields).await.status, 200);
        assert_eq!(app.post("/revoke", &fields).await.status, 200);
    }
    let store = &app.issuer.store;
    store
        .execute(
            "ALTER TABLE token_family RENAME TO token_family_away",
            vec![],
        )
        .await
        .unwrap();
    assert_eq!(
        app.refresh("web", &text(&next, "refresh_token"))
            .await
            .status,
        500
    );
    assert_eq!(
        app.post("/revoke", &[("client_id", "web"), ("token", &refresh)])
            .await
            .status,
        500
    );
    store
        .execute(
            "ALTER TABLE token_family_away RENAME TO token_family",
            vec![],
        )
        .await
        .unwrap();
    app.refresh("web", &text(&next, "refresh_token")).await;
    assert_eq!(redeem(VERIFIER).await.status, 400);
    assert_eq!(app.refresh("web", &refresh).await.status, 400);

    let hint = text(&tokens, "id_token");
    browser
        .get(&format!("/logout?id_token_hint={hint}&state={STRAY}"))
        .await;
    let page = browser.get(&url).await;
    browser
        .submit(
            &page,
            "login-form",
            &[("login", "ada"), ("password", PASSWORD)],
        )
        .await;
    for (name, value) in browser.cookies.lock().unwrap().iter() {
        canaries.add(name, value);
    }
    canaries.add("master key", std::str::from_utf8(&MASTER).unwrap());
    canaries
}
