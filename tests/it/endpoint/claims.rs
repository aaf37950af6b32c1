//! Claims come from the record, by scope, with the right types.

use crate::support::fixtures::{claims_of, header_of, machine_client, public_client};
use crate::support::on_both_databases;
use gatewright::domain::{Client, claims::check_claim};
use gatewright_authorizer::jose::Algorithm;
use serde_json::{Value, json};

on_both_databases! {
    async fn each_scope_releases_its_claims_and_no_others(app: TestApp) {
        app.with_ada_and_web().await;
        for (scope, expected) in [
            ("openid", json!({})),
            ("openid email", json!({"email": "ada@example.com", "email_verified": true})),
            ("openid phone", json!({"phone_number": "+44 20 7946 0000"})),
            ("openid address", json!({"address": {"country": "GB"}})),
            ("openid profile", json!({
                "name": "ada the First", "preferred_username": "ada", "updated_at": crate::support::database::EPOCH,
            })),
        ] {
            let tokens = app.tokens("web", scope).await;
            let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
            let userinfo = app.get_with("/userinfo", &[("authorization", &bearer)]).await.json();
            let mut released = userinfo.as_object().unwrap().clone();
            assert!(released.remove("sub").is_some());
            assert_eq!(released.remove("tenant"), Some(json!("acme")));
            assert_eq!(Value::Object(released), expected, "{scope}");
            let posted = app.post_with("/userinfo", &[], &[("authorization", &bearer)]).await;
            assert_eq!(posted.json(), userinfo);
            let token = tokens["access_token"].as_str().unwrap();
            assert_eq!(app.post("/userinfo", &[("access_token", token)]).await.json(), userinfo);
        }
    }

    async fn a_clients_claims_are_at_the_top_level_of_its_access_tokens(app: TestApp) {
        let Value::Object(claims) = json!({"region": "eu", "limits": {"rps": 10}}) else { unreachable!() };
        app.register(&Client { claims, ..machine_client("worker") }).await;
        let answer = app.machine_token("worker", &[]).await.json();
        let claims = claims_of(answer["access_token"].as_str().unwrap());
        assert_eq!(claims["region"], "eu");
        assert_eq!(claims["limits"]["rps"], 10);
    }

    async fn each_client_chooses_its_algorithms(app: TestApp) {
        app.add_person("ada").await;
        for (id, algorithm) in [("a", Algorithm::Es256), ("b", Algorithm::Rs256), ("c", Algorithm::EdDsa)] {
            app.register(&Client {
                access_token_alg: algorithm,
                id_token_alg: algorithm,
                ..public_client(id)
            }).await;
            let tokens = app.tokens(id, "openid").await;
            for name in ["access_token", "id_token"] {
                assert_eq!(header_of(tokens[name].as_str().unwrap())["alg"], algorithm.as_str());
            }
            let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
            assert_eq!(app.get_with("/userinfo", &[("authorization", &bearer)]).await.status, 200);
        }
    }

    async fn an_access_token_lives_as_long_as_its_client_says(app: TestApp) {
        app.register(&Client { access_token_s: Some(60), ..machine_client("worker") }).await;
        let answer = app.machine_token("worker", &[]).await.json();
        assert_eq!(answer["expires_in"], 60);
        let claims = claims_of(answer["access_token"].as_str().unwrap());
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    }
}

#[test]
fn nobody_sets_a_claim_that_the_server_sets() {
    for name in [
        "iss",
        "sub",
        "aud",
        "exp",
        "scope",
        "client_id",
        "cnf",
        "act",
        "grant_id",
        "email_verified",
        "nonce",
    ] {
        assert!(check_claim(name, &json!("x")).is_err(), "{name}");
    }
    assert!(check_claim("tenant", &json!("acme")).is_ok());
    assert!(check_claim("address", &json!("a string")).is_err());
    assert!(check_claim("name", &json!(7)).is_err());
    assert!(check_claim("phone_number_verified", &json!("true")).is_err());
}
