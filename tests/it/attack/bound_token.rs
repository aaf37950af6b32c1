//! Tokens that are bound to a key, presented without it.

use super::steps::userinfo;
use crate::support::app::ISSUER;
use crate::support::fixtures::claims_of;
use crate::support::on_both_databases;
use gatewright::crypto::jwt::{self, TokenType};
use gatewright_authorizer::jose::Algorithm;
use serde_json::json;

on_both_databases! {
    async fn a_bound_token_is_no_bearer_token(app: TestApp) {
        app.with_ada_and_web().await;
        let tokens = app.tokens("web", "openid").await;
        let access = tokens["access_token"].as_str().unwrap();
        let mut claims = claims_of(access);
        let keyring = app.issuer.keyring.load();
        let key = keyring.signer(Algorithm::Es256).unwrap();
        let unbound = jwt::sign(key, TokenType::AccessToken, &claims).unwrap();
        assert_eq!(userinfo(&app, &unbound).await, 200);
        for cnf in [json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), json!({}), json!(null)] {
            claims["cnf"] = cnf;
            let bound = jwt::sign(key, TokenType::AccessToken, &claims).unwrap();
            let bearer = format!("Bearer {bound}");
            let answer = app.get_with("/userinfo", &[("authorization", &bearer)]).await;
            assert_eq!(answer.status, 401);
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer error=\"invalid_token\""));
        }
        // Nor is another scheme taken for Bearer.
        for scheme in ["DPoP", "Basic", "Bearer:", "Bear"] {
            let header = format!("{scheme} {access}");
            let answer = app.get_with("/userinfo", &[("authorization", &header)]).await;
            assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, Some("Bearer")), "{scheme}");
        }
        assert_eq!(claims_of(access)["iss"], ISSUER);
    }
}
