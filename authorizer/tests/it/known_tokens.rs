//! Tokens that were verified before: quick, but never better than a first look would be.

use std::sync::Arc;

use gatewright_authorizer::jwks::JwksState;
use gatewright_authorizer::verifier::{MAX_TOKENS, Verification};
use gatewright_authorizer::{Credentials, Reason, Verifier};
use serde_json::json;

use crate::support::issuer::{Issuer, pass, settle, verifier};
use crate::support::signer::shared;
use crate::support::{NOW, Signer, claims};

async fn look(verifier: &Verifier, token: &str, now: i64) -> Verification {
    verifier.examine(&Credentials::bearer(token), now).await
}

fn published(signers: &[&Signer]) -> (Arc<Issuer>, Verifier) {
    let issuer = Arc::new(Issuer::default());
    issuer.publish_keys_of(signers);
    let verifier = verifier(&issuer);
    (issuer, verifier)
}

#[tokio::test(start_paused = true)]
async fn a_repeated_token_is_known_and_says_the_same() {
    let (_, verifier) = published(&[shared()]);
    let token = shared().sign(&claims("orders:read"));
    let first = look(&verifier, &token, NOW).await;
    let second = look(&verifier.clone(), &token, NOW).await;
    assert_eq!(first.outcome, second.outcome);
    assert!(first.outcome.is_ok());
    assert_eq!((first.known, second.known), (false, true));
    assert_eq!(first.jwks, Some(JwksState::Fetched));
    assert_eq!(second.jwks, Some(JwksState::Fresh));
}

#[tokio::test(start_paused = true)]
async fn a_known_token_ends_when_it_ends() {
    let (_, verifier) = published(&[shared()]);
    let token = shared().sign(&claims("orders:read"));
    assert!(look(&verifier, &token, NOW).await.outcome.is_ok());
    assert!(look(&verifier, &token, NOW + 304).await.known);
    for _ in 0..2 {
        let late = look(&verifier, &token, NOW + 305).await;
        assert_eq!(
            late.outcome,
            Err(Reason::Expired),
            "exp and the leeway are over"
        );
    }
    assert_eq!(verifier.known_tokens(), 0, "and it's forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_known_token_is_not_valid_before_its_time_either() {
    let (_, verifier) = published(&[shared()]);
    let mut claims = claims("orders:read");
    claims["nbf"] = json!(NOW);
    let token = shared().sign(&claims);
    assert!(look(&verifier, &token, NOW).await.outcome.is_ok());
    assert_eq!(
        look(&verifier, &token, NOW - 6).await.outcome,
        Err(Reason::NotYetValid),
        "the clock was set back"
    );
}

#[tokio::test(start_paused = true)]
async fn a_removed_key_takes_its_known_tokens_along() {
    let other = Signer::ed25519("key-2");
    let (issuer, verifier) = published(&[shared(), &other]);
    let [removed, kept] = [shared(), &other].map(|signer| signer.sign(&claims("a")));
    for token in [&removed, &kept] {
        assert!(look(&verifier, token, NOW).await.outcome.is_ok());
    }
    issuer.publish_keys_of(&[&other]);
    pass(601).await;
    let last = look(&verifier, &removed, NOW).await;
    assert!(last.known, "the last answer of the old set");
    assert_eq!(last.jwks, Some(JwksState::Refreshing));
    settle().await;
    assert_eq!(
        look(&verifier, &removed, NOW).await.outcome,
        Err(Reason::KeyUnknown)
    );
    assert!(look(&verifier, &kept, NOW).await.outcome.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_exchanged_under_its_kid_takes_its_known_tokens_along() {
    let (issuer, verifier) = published(&[shared()]);
    let token = shared().sign(&claims("a"));
    assert!(look(&verifier, &token, NOW).await.outcome.is_ok());
    issuer.publish_keys_of(&[&Signer::es256("key-1")]);
    pass(601).await;
    assert!(look(&verifier, &token, NOW).await.known);
    settle().await;
    assert_eq!(
        look(&verifier, &token, NOW).await.outcome,
        Err(Reason::SignatureInvalid)
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_document_again_keeps_what_is_known() {
    let (issuer, verifier) = published(&[shared()]);
    let token = shared().sign(&claims("a"));
    assert!(look(&verifier, &token, NOW).await.outcome.is_ok());
    pass(601).await;
    assert!(look(&verifier, &token, NOW).await.known);
    settle().await;
    assert_eq!(issuer.fetches(), 2);
    let after = look(&verifier, &token, NOW).await;
    assert_eq!((after.known, after.jwks), (true, Some(JwksState::Fresh)));
}

#[tokio::test(start_paused = true)]
async fn past_the_stale_bound_a_known_token_is_a_fault_like_any_other() {
    let (issuer, verifier) = published(&[shared()]);
    let token = shared().sign(&claims("a"));
    assert!(look(&verifier, &token, NOW).await.outcome.is_ok());
    issuer.cut();
    pass(4201).await;
    let looked = look(&verifier, &token, NOW).await;
    assert_eq!(looked.outcome, Err(Reason::KeysUnavailable));
    assert_eq!(looked.jwks, Some(JwksState::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_token_with_another_signature_is_another_token() {
    let signer = Signer::ed25519("ed");
    let (_, verifier) = published(&[&signer]);
    let token = signer.sign(&claims("a"));
    assert!(look(&verifier, &token, NOW).await.outcome.is_ok());
    let (input, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{input}.{}", crate::support::b64([7; 64]));
    let padded = format!("{token}=");
    for _ in 0..2 {
        assert_eq!(
            look(&verifier, &forged, NOW).await.outcome,
            Err(Reason::SignatureInvalid)
        );
        assert_eq!(
            look(&verifier, &padded, NOW).await.outcome,
            Err(Reason::TokenMalformed)
        );
    }
    assert_eq!(verifier.known_tokens(), 1, "failures are never kept");
}

#[tokio::test(start_paused = true)]
async fn the_memory_is_bounded_and_keeps_what_is_used() {
    let signer = Signer::ed25519("ed");
    let (_, verifier) = published(&[&signer]);
    let token = |at: usize| {
        let mut claims = claims("a");
        claims["jti"] = json!(format!("t-{at}"));
        signer.sign(&claims)
    };
    let favourite = token(0);
    assert!(look(&verifier, &favourite, NOW).await.outcome.is_ok());
    for at in 1..MAX_TOKENS + 300 {
        assert!(!look(&verifier, &token(at), NOW).await.known);
        assert!(look(&verifier, &favourite, NOW).await.known, "after {at}");
    }
    assert_eq!(verifier.known_tokens(), MAX_TOKENS);

    let mut large = claims("a");
    large["x"] = json!("x".repeat(4000));
    let large = signer.sign(&large);
    for _ in 0..2 {
        let looked = look(&verifier, &large, NOW).await;
        assert!(looked.outcome.is_ok() && !looked.known, "too large to keep");
    }
}
