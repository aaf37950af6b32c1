//! A person's journey through the crate `openidconnect`, unpatched.

use super::{clock_of, network};
use crate::support::app::ISSUER;
use crate::support::fixtures::{PASSWORD, REDIRECT, public_client};
use crate::support::{Browser, on_both_databases};
use gatewright::domain::Client;
use gatewright_authorizer::jose::Algorithm;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdTokenVerifier, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreResponseMode, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, CsrfToken, IssuerUrl, LogoutRequest, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl,
    ProviderMetadataWithLogout, RedirectUrl, RequestTokenError, Scope, TokenResponse,
};

/// Ada logs in and agrees, if she is asked. The code that the client gets.
async fn log_in(
    browser: &Browser,
    url: &openidconnect::url::Url,
    state: &CsrfToken,
) -> AuthorizationCode {
    let path = &url.as_str()[ISSUER.len()..];
    let mut answer = browser.log_in(path, "ada", PASSWORD).await;
    if answer.body.contains("id=\"consent-form\"") {
        answer = browser
            .submit(&answer, "consent-form", &[("decision", "allow")])
            .await;
    }
    assert_eq!(
        answer.parameter("state").as_deref(),
        Some(state.secret().as_str())
    );
    assert_eq!(answer.parameter("iss").as_deref(), Some(ISSUER));
    AuthorizationCode::new(answer.parameter("code").unwrap())
}

on_both_databases! {
    async fn openidconnect_discovers_logs_in_refreshes_and_logs_out(app: TestApp) {
        app.register(&Client { first_party: false, ..public_client("web") }).await;
        let ada = app.add_person("ada").await;
        let http = network(&app);

        let issuer = IssuerUrl::new(ISSUER.to_owned()).unwrap();
        let provider = ProviderMetadataWithLogout::discover_async(issuer, &http).await.unwrap();
        let end_session = provider.additional_metadata().end_session_endpoint.clone().unwrap();
        let client = CoreClient::from_provider_metadata(provider, ClientId::new("web".to_owned()), None)
            .set_redirect_uri(RedirectUrl::new(REDIRECT.to_owned()).unwrap());

        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(["profile", "email", "offline_access", "orders:read"].map(|name| Scope::new(name.to_owned())))
            .set_pkce_challenge(challenge)
            .url();
        let browser = Browser::new(&app);
        let code = log_in(&browser, &url, &state).await;
        let tokens =
            client.exchange_code(code).unwrap().set_pkce_verifier(verifier).request_async(&http).await.unwrap();

        let now = clock_of(&app);
        let id_tokens: CoreIdTokenVerifier = client.id_token_verifier().set_time_fn(move || now.into());
        let id_token = tokens.id_token().unwrap();
        let claims = id_token.claims(&id_tokens, &nonce).unwrap();
        assert_eq!(claims.subject().as_str(), ada.subject.as_str());
        assert_eq!(claims.email().unwrap().as_str(), "ada@example.com");
        assert_eq!(claims.email_verified(), Some(true));
        let hash = AccessTokenHash::from_token(
            tokens.access_token(),
            id_token.signing_alg().unwrap(),
            id_token.signing_key(&id_tokens).unwrap(),
        )
        .unwrap();
        assert_eq!(claims.access_token_hash(), Some(&hash));
        assert!(id_token.claims(&id_tokens, &Nonce::new("another nonce".to_owned())).is_err());

        let subject = claims.subject().clone();
        let userinfo: CoreUserInfoClaims = client
            .user_info(tokens.access_token().clone(), Some(subject.clone()))
            .unwrap()
            .request_async(&http)
            .await
            .unwrap();
        assert_eq!(userinfo.name().unwrap().get(None).unwrap().as_str(), "ada the First");
        assert!(userinfo.updated_at().is_some());

        let first = tokens.refresh_token().unwrap();
        let fresh = client.exchange_refresh_token(first).unwrap().request_async(&http).await.unwrap();
        assert_ne!(fresh.refresh_token().unwrap().secret(), first.secret());
        let renewed = fresh.id_token().unwrap().claims(&id_tokens, |_: Option<&Nonce>| Ok(())).unwrap();
        assert_eq!(renewed.subject(), &subject);
        // The old token was the client's to keep only until it used the new one.
        client.exchange_refresh_token(fresh.refresh_token().unwrap()).unwrap().request_async(&http).await.unwrap();
        let replayed = client.exchange_refresh_token(first).unwrap().request_async(&http).await;
        let Err(RequestTokenError::ServerResponse(refused)) = replayed else { panic!("{replayed:?}") };
        assert_eq!(refused.error().as_ref(), "invalid_grant");

        let bye = "https://app.example.com/bye";
        let url = LogoutRequest::from(end_session)
            .set_id_token_hint(id_token)
            .set_client_id(ClientId::new("web".to_owned()))
            .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(bye.to_owned()).unwrap())
            .set_state(CsrfToken::new("good night".to_owned()))
            .http_get_url();
        let gone = browser.get(&url.as_str()[ISSUER.len()..]).await;
        assert_eq!(gone.location(), format!("{bye}?state=good%20night"));
        let (url, ..) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .set_pkce_challenge(PkceCodeChallenge::new_random_sha256().0)
            .url();
        assert!(browser.get(&url.as_str()[ISSUER.len()..]).await.body.contains("id=\"login-form\""));
    }

    async fn openidconnect_verifies_every_algorithm_that_discovery_names(app: TestApp) {
        app.add_person("ada").await;
        let http = network(&app);
        let issuer = IssuerUrl::new(ISSUER.to_owned()).unwrap();
        let provider = CoreProviderMetadata::discover_async(issuer, &http).await.unwrap();
        assert_eq!(provider.response_modes_supported(), Some(&vec![CoreResponseMode::Query, CoreResponseMode::FormPost]));
        let named = provider.id_token_signing_alg_values_supported().clone();
        assert_eq!(named.len(), 3, "{named:?}");
        for (alg, core) in [
            (Algorithm::Rs256, CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256),
            (Algorithm::Es256, CoreJwsSigningAlgorithm::EcdsaP256Sha256),
            (Algorithm::EdDsa, CoreJwsSigningAlgorithm::EdDsa),
        ] {
            assert!(named.contains(&core), "{named:?}");
            let id = format!("web-{alg}");
            app.register(&Client { id_token_alg: alg, ..public_client(&id) }).await;
            let client = CoreClient::from_provider_metadata(provider.clone(), ClientId::new(id), None)
                .set_redirect_uri(RedirectUrl::new(REDIRECT.to_owned()).unwrap());
            let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
            let (url, state, nonce) = client
                .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
                .set_pkce_challenge(challenge)
                .url();
            let code = log_in(&Browser::new(&app), &url, &state).await;
            let tokens =
                client.exchange_code(code).unwrap().set_pkce_verifier(verifier).request_async(&http).await.unwrap();
            let now = clock_of(&app);
            let id_tokens = client.id_token_verifier().set_allowed_algs([core]).set_time_fn(move || now.into());
            tokens.id_token().unwrap().claims(&id_tokens, &nonce).unwrap();
        }
    }

    async fn openidconnect_is_refused_without_the_verifier_of_its_challenge(app: TestApp) {
        app.with_ada_and_web().await;
        let http = network(&app);
        let issuer = IssuerUrl::new(ISSUER.to_owned()).unwrap();
        let provider = CoreProviderMetadata::discover_async(issuer, &http).await.unwrap();
        let client = CoreClient::from_provider_metadata(provider, ClientId::new("web".to_owned()), None)
            .set_redirect_uri(RedirectUrl::new(REDIRECT.to_owned()).unwrap());
        let (url, state, _) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .set_pkce_challenge(PkceCodeChallenge::new_random_sha256().0)
            .url();
        let code = log_in(&Browser::new(&app), &url, &state).await;
        let other = PkceCodeVerifier::new("a-verifier-that-made-no-challenge-at-all-of-ours".to_owned());
        let refused = client.exchange_code(code).unwrap().set_pkce_verifier(other).request_async(&http).await;
        let Err(RequestTokenError::ServerResponse(refused)) = refused else { panic!("{refused:?}") };
        assert_eq!(refused.error().as_ref(), "invalid_grant");
    }
}
