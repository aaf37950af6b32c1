//! PKCE left out, weakened, or answered wrongly.

use super::steps::{code_of, exchange, is_no_grant, is_told};
use crate::support::fixtures::{
    CHALLENGE, PASSWORD, REDIRECT, SECRET, VERIFIER, authorize_url, confidential_client,
    public_client,
};
use crate::support::{Answer, Browser, TestApp, on_both_databases};
use gatewright::crypto::token::sha256;
use gatewright::domain::Client;
use gatewright::domain::client::PkcePolicy;

const WITHOUT: [(&str, &str); 2] = [("code_challenge", ""), ("code_challenge_method", "")];

async fn exchange_at_server(app: &TestApp, code: &str, verifier: Option<&str>) -> Answer {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", "server"),
        ("client_secret", SECRET),
        ("code", code),
        ("redirect_uri", REDIRECT),
    ];
    fields.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    app.post("/token", &fields).await
}

async fn code_without_challenge(app: &TestApp) -> String {
    let browser = Browser::new(app);
    code_of(
        &browser
            .log_in(
                &authorize_url("server", "openid", &WITHOUT),
                "ada",
                PASSWORD,
            )
            .await,
    )
}

on_both_databases! {
    async fn a_request_without_challenge_is_refused(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&confidential_client("server")).await;
        // Not a registration that passes the checks; it is refused all the same.
        app.register(&Client { pkce: PkcePolicy::Optional, ..public_client("careless") }).await;
        for client_id in ["web", "server", "careless"] {
            let only_method = [("code_challenge", "")];
            for changes in [WITHOUT.as_slice(), &only_method] {
                is_told(&app.get(&authorize_url(client_id, "openid", changes)).await, "invalid_request");
            }
            let empty = format!("{}&code_challenge=", authorize_url(client_id, "openid", &only_method));
            is_told(&app.get(&empty).await, "invalid_request");
        }
    }

    async fn a_weak_challenge_is_refused(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&Client { pkce: PkcePolicy::Optional, ..confidential_client("server") }).await;
        let short = &CHALLENGE[1..];
        let long = format!("{CHALLENGE}A");
        let padded = format!("{short}=");
        let plus = format!("{short}+");
        let slash = format!("{short}/");
        let dot = format!("{short}.");
        let space = format!("{short} ");
        let wide = format!("{}\u{e4}", &CHALLENGE[2..]);
        for client_id in ["web", "server"] {
            for method in ["plain", "s256", "S512", "S256 ", ""] {
                let url = authorize_url(client_id, "openid", &[("code_challenge_method", method)]);
                is_told(&app.get(&url).await, "invalid_request");
            }
            for challenge in [short, &long, &padded, &plus, &slash, &dot, &space, &wide, "x"] {
                let url = authorize_url(client_id, "openid", &[("code_challenge", challenge)]);
                is_told(&app.get(&url).await, "invalid_request");
            }
        }
        let plain = [("code_challenge", ""), ("code_challenge_method", "plain")];
        is_told(&app.get(&authorize_url("server", "openid", &plain)).await, "invalid_request");
    }

    async fn a_code_is_worthless_without_its_verifier(app: TestApp) {
        app.with_ada_and_web().await;
        let code = app.code("web", "openid").await;
        let wrong = VERIFIER.replace('d', "e");
        let longest = "a".repeat(129);
        let charset = format!("{}!", &VERIFIER[1..]);
        let space = format!("{VERIFIER} ");
        let padded = format!("{VERIFIER}=");
        for verifier in ["", &wrong, &VERIFIER[1..], &longest, &charset, &space, &padded, CHALLENGE, "x"] {
            is_no_grant(&exchange(&app, "web", &code, &[("code_verifier", verifier)]).await);
        }
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", "web"),
            ("code", &*code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", ""),
        ];
        is_no_grant(&app.post("/token", &fields).await);
        // None of that spent the code.
        assert_eq!(app.redeem("web", &code).await.status, 200);
    }

    async fn a_verifier_of_the_wrong_form_is_no_verifier_though_its_hash_fits(app: TestApp) {
        app.with_ada_and_web().await;
        for (verifier, status) in [
            ("v".repeat(42), 400),
            ("v".repeat(43), 200),
            ("v".repeat(128), 200),
            ("v".repeat(129), 400),
            (format!("{}~._-", "v".repeat(40)), 200),
            (format!("{} ", "v".repeat(43)), 400),
            (format!("{}+", "v".repeat(43)), 400),
            (format!("{}\u{e4}", "v".repeat(43)), 400),
        ] {
            let browser = Browser::new(&app);
            let url = authorize_url("web", "openid", &[("code_challenge", &sha256(&verifier))]);
            let code = code_of(&browser.log_in(&url, "ada", PASSWORD).await);
            let answer = exchange(&app, "web", &code, &[("code_verifier", &verifier)]).await;
            assert_eq!(answer.status, status, "{verifier}: {}", answer.body);
        }
    }

    async fn a_verifier_without_a_challenge_is_a_downgrade(app: TestApp) {
        app.with_ada_and_web().await;
        app.register(&Client { pkce: PkcePolicy::Optional, ..confidential_client("server") }).await;
        let code = code_without_challenge(&app).await;
        for verifier in [VERIFIER, "x"] {
            is_no_grant(&exchange_at_server(&app, &code, Some(verifier)).await);
        }
        assert_eq!(exchange_at_server(&app, &code, None).await.status, 200);
        // And the other way round: a challenge sent must be answered, optional or not.
        let browser = Browser::new(&app);
        let answer = browser.log_in(&authorize_url("server", "openid", &[]), "ada", PASSWORD).await;
        let code = code_of(&answer);
        is_no_grant(&exchange_at_server(&app, &code, None).await);
        assert_eq!(exchange_at_server(&app, &code, Some(VERIFIER)).await.status, 200);
    }
}
