//! Where keys come from besides a plain fetch, and what the log is told of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gatewright_authorizer::jwks::{
    CacheSettings, Clock, FetchKeys, FoundKeys, JwksState, KeyCache,
};
use gatewright_authorizer::policy::{IssuerRules, JwksRules, JwksUri};
use gatewright_authorizer::{Credentials, Reason, Verifier};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::decision_log::logged;
use crate::support::issuer::{Issuer, Paused, cache, pass, settle, verifier, warm};
use crate::support::signer::shared;
use crate::support::{AUDIENCE, ISSUER, NOW, Signer, block_on, claims, set};

async fn state(cache: &KeyCache, kid: &str) -> JwksState {
    cache.keys(kid).await.unwrap().state
}

fn pinned(issuer: &Arc<Issuer>, signers: &[&Signer]) -> KeyCache {
    let fetch: Arc<dyn FetchKeys> = Arc::<Issuer>::clone(issuer);
    let clock = Arc::new(Paused(Instant::now()));
    KeyCache::pinned(ISSUER, set(signers), fetch, clock, CacheSettings::default())
}

#[tokio::test(start_paused = true)]
async fn each_state_has_its_word() {
    let issuer = Arc::new(Issuer::default());
    issuer.publish(&["a"]);
    let cache = cache(&issuer);
    assert_eq!(state(&cache, "a").await, JwksState::Fetched);
    assert_eq!(state(&cache, "a").await, JwksState::Fresh);
    issuer.cut();
    pass(601).await;
    assert_eq!(state(&cache, "a").await, JwksState::Refreshing);
    settle().await;
    assert_eq!(state(&cache, "a").await, JwksState::Stale, "backing off");
    issuer.publish(&["a"]);
    pass(2).await;
    assert_eq!(state(&cache, "a").await, JwksState::Refreshing);
    settle().await;
    assert_eq!(state(&cache, "a").await, JwksState::Fresh);
    assert_eq!(state(&cache, "new").await, JwksState::Fresh, "cooling down");
    pass(11).await;
    assert_eq!(state(&cache, "new").await, JwksState::Fetched);
}

#[tokio::test(start_paused = true)]
async fn pinned_keys_need_no_fetch_until_they_are_old() {
    let issuer = Arc::new(Issuer::default());
    issuer.publish_keys_of(&[shared()]);
    let cache = pinned(&issuer, &[shared()]);
    pass(599).await;
    assert_eq!(state(&cache, "key-1").await, JwksState::Pinned);
    settle().await;
    assert_eq!(issuer.fetches(), 0);
    pass(2).await;
    assert_eq!(state(&cache, "key-1").await, JwksState::Refreshing);
    settle().await;
    assert_eq!(issuer.fetches(), 1);
    assert_eq!(state(&cache, "key-1").await, JwksState::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_kid_that_is_not_pinned_is_asked_for() {
    let issuer = Arc::new(Issuer::default());
    let newer = Signer::es256("key-2");
    issuer.publish_keys_of(&[&newer]);
    let cache = pinned(&issuer, &[shared()]);
    let FoundKeys { keys, state } = cache.keys("key-2").await.unwrap();
    assert_eq!(state, JwksState::Fetched);
    assert!(keys.has_kid("key-2") && !keys.has_kid("key-1"));
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn pinned_keys_outlive_an_outage_as_long_as_others_do() {
    let issuer = Arc::new(Issuer::default());
    issuer.cut();
    let cache = pinned(&issuer, &[shared()]);
    assert!(!cache.keys("key-2").await.unwrap().keys.has_kid("key-2"));
    pass(4000).await;
    assert_eq!(state(&cache, "key-1").await, JwksState::Refreshing);
    settle().await;
    pass(201).await;
    assert_eq!(
        cache.keys("key-1").await.unwrap_err(),
        Reason::KeysUnavailable
    );
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_the_process_slept_through_is_made_again_while_it_is_awake() {
    let (issuer, cache) = warm(&["a"]).await;
    *issuer.delay.lock().unwrap() = Duration::from_millis(100);
    pass(601).await;
    for round in 0..3 {
        assert_eq!(state(&cache, "a").await, JwksState::Refreshing);
        settle().await;
        issuer.publish(&["a", &format!("rotated-{round}")]);
        pass(600).await; // frozen with the fetch under way, and thawed past its time
        let found = cache.keys("a").await.unwrap();
        assert_eq!(found.state, JwksState::Fetched, "this caller waits");
        assert!(found.keys.has_kid(&format!("rotated-{round}")));
        pass(601).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_frozen_fetch_is_no_reason_to_fail_or_to_back_off() {
    let (issuer, cache) = warm(&["a"]).await;
    *issuer.delay.lock().unwrap() = Duration::from_hours(10);
    pass(601).await;
    assert_eq!(state(&cache, "a").await, JwksState::Refreshing);
    settle().await;
    pass(7200).await;
    settle().await; // the connection didn't survive, and the fetch timed out
    *issuer.delay.lock().unwrap() = Duration::from_millis(100);
    assert_eq!(
        state(&cache, "a").await,
        JwksState::Fetched,
        "long past the stale bound, and the issuer is well"
    );
    assert_eq!(issuer.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_random_kids_cost_few_fetches_and_good_tokens_nothing() {
    let issuer = Arc::new(Issuer::default());
    issuer.publish_keys_of(&[shared()]);
    let verifier = verifier(&issuer);
    let good = shared().sign(&claims("orders:read"));
    assert!(verifier.verify(&good, NOW).await.is_ok());
    let (_, rest) = good.split_once('.').unwrap();
    for at in 0..10_000 {
        let mut header = shared().header();
        header["kid"] = json!(format!("random-{at}"));
        let bogus = format!("{}.{rest}", crate::support::b64(header.to_string()));
        assert_eq!(verifier.verify(&bogus, NOW).await, Err(Reason::KeyUnknown));
        let load = verifier.examine(&Credentials::bearer(&good), NOW).await;
        assert!(load.outcome.is_ok() && load.known);
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    let fetches = issuer.fetches();
    assert!(
        (9..=12).contains(&fetches),
        "{fetches} fetches in 100 seconds"
    );
    assert_eq!(verifier.known_tokens(), 1);
}

/// A policy directory with one file of pinned keys.
struct Directory(PathBuf);

impl Directory {
    fn with(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gatewright-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("jwks.json"), text).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn verifier_in(
    directory: &Directory,
    issuer: &Arc<Issuer>,
    uri: Option<JwksUri>,
) -> Result<Verifier, String> {
    let rules = IssuerRules {
        jwks: JwksRules {
            uri,
            pinned: Some("jwks.json".into()),
            ..JwksRules::default()
        },
        ..IssuerRules::new(
            ISSUER,
            vec![AUDIENCE.to_owned()],
            gatewright_authorizer::jose::Algorithm::ALL.to_vec(),
        )
    };
    let clock: Arc<dyn Clock> = Arc::new(Paused(Instant::now()));
    let fetch = |_: &IssuerRules| -> Arc<dyn FetchKeys> { Arc::<Issuer>::clone(issuer) };
    Verifier::new(&[rules], &directory.0, fetch, &clock).map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_verifier_reads_pinned_keys_from_beside_the_policy_file() {
    let document = json!({"keys": [shared().jwk()]}).to_string();
    let directory = Directory::with("pinned", &document);
    let newer = Signer::es256("key-2");
    let good = shared().sign(&claims("a"));
    let rotated = newer.sign(&claims("a"));
    for (uri, outcome, fetches) in [
        (None, Err(Reason::KeyUnknown), 0),
        (Some(JwksUri::Discover), Ok(()), 1),
    ] {
        let issuer = Arc::new(Issuer::default());
        issuer.publish_keys_of(&[shared(), &newer]);
        let verifier = verifier_in(&directory, &issuer, uri).unwrap();
        let looked = verifier.examine(&Credentials::bearer(&good), NOW).await;
        assert_eq!(looked.jwks, Some(JwksState::Pinned));
        assert!(looked.outcome.is_ok());
        assert_eq!(issuer.fetches(), 0, "none at a cold start");
        assert_eq!(verifier.verify(&rotated, NOW).await.map(|_| ()), outcome);
        assert_eq!(issuer.fetches(), fetches);
    }
}

#[tokio::test(start_paused = true)]
async fn pinned_keys_that_cannot_be_used_refuse_to_start() {
    let issuer = Arc::new(Issuer::default());
    for (name, text, words) in [
        ("empty", "{\"keys\":[]}", "holds no key"),
        ("html", "<html>", "no JSON object"),
    ] {
        let directory = Directory::with(name, text);
        let error = verifier_in(&directory, &issuer, None).err().unwrap();
        assert!(error.contains(words), "{error}");
        assert!(
            error.contains("jwks.json of https://issuer.example"),
            "{error}"
        );
        assert!(error.contains("save the document"), "{error}");
    }
    let gone = Directory::with("gone", "");
    std::fs::remove_file(gone.0.join("jwks.json")).unwrap();
    let error = verifier_in(&gone, &issuer, None).err().unwrap();
    assert!(error.contains("beside the policy file"), "{error}");
}

#[test]
fn the_log_names_issuer_key_and_cause_once_for_each_document() {
    let mut odd = Signer::es256("odd").jwk();
    odd["alg"] = json!(null);
    let text = logged(|| {
        block_on(async {
            let issuer = Arc::new(Issuer::default());
            let keys = json!({"keys": [odd, shared().jwk()]}).to_string();
            issuer.answer_with(keys.as_bytes(), None);
            let cache = cache(&issuer);
            assert!(cache.keys("key-1").await.unwrap().keys.has_kid("key-1"));
            // The set is fresh, and the next fetch of it is far away; what can't be read is a failure of this issuer.
            issuer.answer_with(b"{", None);
            let another = KeyCache::new(
                "https://another.example",
                Arc::<Issuer>::clone(&issuer),
                Arc::new(Paused(Instant::now())),
                CacheSettings::default(),
            );
            another.keys("key-1").await.unwrap_err();
        });
    });
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["level"] == "WARN")
        .collect();
    let [odd, unreadable] = lines.as_slice() else {
        panic!("{text}")
    };
    assert_eq!(odd["fields"]["issuer"], ISSUER);
    assert_eq!(odd["fields"]["passed_over"], 1);
    assert_eq!(
        odd["fields"]["members"],
        "the key \"odd\": its alg is missing or malformed"
    );
    assert_eq!(unreadable["fields"]["issuer"], "https://another.example");
    let error = unreadable["fields"]["error"].as_str().unwrap();
    assert!(
        error.contains("no JSON object with a list of keys"),
        "{error}"
    );
}
