//! The lines that scripts and the README rely on, byte for byte.

use super::program::on_either;

on_either! {
    async fn the_contract_lines_work_as_written(program) {
        let program = program.with("GATEWRIGHT_ISSUER", "http://127.0.0.1:8080").with("GATEWRIGHT_LISTEN", "127.0.0.1:8080");
        let ada = program.shell(
            r#"printf 'correct horse battery staple' | gatewright user create ada --email ada@example.com --password-stdin --claim name='"Ada Lovelace"' --json"#,
        ).json();
        assert_eq!(ada["username"], "ada");
        assert_eq!(ada["claims"]["name"], "Ada Lovelace");
        assert!(!ada["sub"].as_str().unwrap().is_empty());

        let web = program.shell(
            r#"gatewright client create web --type public --redirect-uri http://127.0.0.1:7000/cb --grant authorization_code --grant refresh_token \
                 --scope "openid profile email offline_access orders:read" --audience https://api.example.com --json"#,
        ).json();
        assert_eq!((web["client_id"].as_str(), web.get("client_secret")), (Some("web"), None));
        assert_eq!((web["access_token_alg"].as_str(), web["id_token_alg"].as_str()), (Some("ES256"), Some("RS256")));

        let site = program.shell(
            r#"gatewright client create site --type confidential --auth-method client_secret_basic --redirect-uri https://app.example.com/cb \
                 --grant authorization_code --grant refresh_token --scope "openid email offline_access" --first-party --pkce optional --json"#,
        ).json();
        assert_eq!((site["first_party"].as_bool(), site["pkce"].as_str()), (Some(true), Some("optional")));

        let worker = program.shell(
            r#"gatewright client create worker --type confidential --grant client_credentials --scope "orders:read orders:write" \
                 --audience https://api.example.com --access-token-alg ES256 --json"#,
        ).json();
        assert_eq!(worker["client_id"], "worker");
        assert!(worker["client_secret"].as_str().unwrap().starts_with("gws_"));

        let rotated = program.shell("gatewright key rotate --json").json();
        let keys = rotated["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 3);
        assert!(keys.iter().all(|key| key["state"] == "pending" && key["created"] == true), "{rotated}");
    }
}
