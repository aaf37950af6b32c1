//! A machine's journey, and what becomes of a person's tokens, through the crate `oauth2`, unpatched.

use super::network;
use crate::support::app::ISSUER;
use crate::support::fixtures::{SECRET, machine_client};
use crate::support::on_both_databases;
use oauth2::basic::{BasicClient, BasicTokenType};
use oauth2::{
    AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, IntrospectionUrl, RefreshToken,
    RequestTokenError, RevocationUrl, Scope, StandardRevocableToken, TokenIntrospectionResponse,
    TokenResponse, TokenUrl,
};

type Machine = BasicClient<EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;

fn client(id: &str) -> Machine {
    BasicClient::new(ClientId::new(id.to_owned()))
        .set_token_uri(TokenUrl::new(format!("{ISSUER}/token")).unwrap())
        .set_introspection_url(IntrospectionUrl::new(format!("{ISSUER}/introspect")).unwrap())
        .set_revocation_url(RevocationUrl::new(format!("{ISSUER}/revoke")).unwrap())
}

on_both_databases! {
    async fn oauth2_gets_a_machine_token_introspects_and_revokes_it(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let http = network(&app);
        for authentication in [AuthType::BasicAuth, AuthType::RequestBody] {
            let worker =
                client("worker").set_client_secret(ClientSecret::new(SECRET.to_owned())).set_auth_type(authentication);
            let tokens = worker
                .exchange_client_credentials()
                .add_scope(Scope::new("orders:read".to_owned()))
                .request_async(&http)
                .await
                .unwrap();
            assert_eq!(tokens.token_type(), &BasicTokenType::Bearer);
            assert_eq!(tokens.expires_in().unwrap().as_secs(), 300);
            assert!(tokens.refresh_token().is_none());

            let token = tokens.access_token();
            let seen = worker.introspect(token).request_async(&http).await.unwrap();
            assert!(seen.active());
            assert_eq!(seen.client_id().unwrap().as_str(), "worker");
            assert_eq!(seen.scopes().unwrap(), &[Scope::new("orders:read".to_owned())]);

            let revocable = StandardRevocableToken::AccessToken(token.clone());
            worker.revoke_token(revocable).unwrap().request_async(&http).await.unwrap();
            assert!(!worker.introspect(token).request_async(&http).await.unwrap().active());
        }
    }

    async fn oauth2_is_told_what_is_wrong(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let http = network(&app);
        let stranger = client("worker").set_client_secret(ClientSecret::new("guessed".to_owned()));
        let refused = stranger.exchange_client_credentials().request_async(&http).await;
        let Err(RequestTokenError::ServerResponse(refused)) = refused else { panic!("{refused:?}") };
        assert_eq!(refused.error().as_ref(), "invalid_client");

        let worker = client("worker").set_client_secret(ClientSecret::new(SECRET.to_owned()));
        let greedy = worker.exchange_client_credentials().add_scope(Scope::new("orders:burn".to_owned()));
        let Err(RequestTokenError::ServerResponse(refused)) = greedy.request_async(&http).await else {
            panic!("a scope beyond the client's was granted")
        };
        assert_eq!(refused.error().as_ref(), "invalid_scope");
    }

    async fn oauth2_refreshes_and_a_revoked_family_stays_dead(app: TestApp) {
        app.with_ada_and_web().await;
        let http = network(&app);
        let web = client("web").set_auth_type(AuthType::RequestBody);
        let tokens = app.tokens("web", "openid offline_access orders:read").await;
        let first = RefreshToken::new(tokens["refresh_token"].as_str().unwrap().to_owned());
        let fresh = web.exchange_refresh_token(&first).request_async(&http).await.unwrap();
        // The answer was lost on the way: the same again.
        let retried = web.exchange_refresh_token(&first).request_async(&http).await.unwrap();
        let successor = fresh.refresh_token().unwrap();
        assert_eq!(retried.refresh_token().unwrap().secret(), successor.secret());

        let revocable = StandardRevocableToken::RefreshToken(successor.clone());
        web.revoke_token(revocable).unwrap().request_async(&http).await.unwrap();
        for dead in [&first, successor] {
            let refused = web.exchange_refresh_token(dead).request_async(&http).await;
            let Err(RequestTokenError::ServerResponse(refused)) = refused else { panic!("{refused:?}") };
            assert_eq!(refused.error().as_ref(), "invalid_grant");
        }
    }
}
