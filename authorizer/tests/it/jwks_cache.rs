//! faults.md F23–F27: the issuer's keys in bad weather. Time is paused and moved by hand.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gatewright_authorizer::Reason;
use gatewright_authorizer::jwks::KeyCache;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::Signer;
use crate::support::issuer::{Issuer, cache, pass, settle, warm};

async fn knows(cache: &KeyCache, kid: &str) -> bool {
    cache.keys(kid).await.unwrap().keys.has_kid(kid)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_share_one_fetch() {
    let issuer = Arc::new(Issuer::default());
    issuer.publish(&["a"]);
    *issuer.delay.lock().unwrap() = Duration::from_millis(300);
    let cache = cache(&issuer);
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            tokio::spawn({
                let cache = cache.clone();
                async move { knows(&cache, "a").await }
            })
        })
        .collect();
    for caller in callers {
        assert!(caller.await.unwrap());
    }
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_cut_the_fetch_off() {
    let issuer = Arc::new(Issuer::default());
    issuer.publish(&["a"]);
    *issuer.delay.lock().unwrap() = Duration::from_millis(300);
    let cache = cache(&issuer);
    for _ in 0..20 {
        assert!(
            tokio::time::timeout(Duration::from_millis(1), cache.keys("a"))
                .await
                .is_err()
        );
    }
    assert!(knows(&cache, "a").await);
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn past_freshness_keys_are_refreshed_while_they_are_used() {
    let (issuer, cache) = warm(&["a"]).await;
    pass(599).await;
    assert!(knows(&cache, "a").await);
    settle().await;
    assert_eq!(issuer.fetches(), 1, "still fresh");
    *issuer.delay.lock().unwrap() = Duration::from_millis(500);
    pass(2).await;
    let before = Instant::now();
    assert!(knows(&cache, "a").await);
    assert_eq!(
        before.elapsed(),
        Duration::ZERO,
        "nobody waits for the refresh"
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(issuer.fetches(), 2);
    assert!(knows(&cache, "a").await);
    settle().await;
    assert_eq!(issuer.fetches(), 2, "fresh again");
}

#[tokio::test(start_paused = true)]
async fn max_age_is_honoured_within_bounds() {
    for (max_age, fresh_s) in [(0, 30), (10, 30), (120, 120), (86_400, 3600)] {
        let issuer = Arc::new(Issuer::default());
        issuer.publish_for(&["a"], Some(max_age));
        let cache = cache(&issuer);
        assert!(knows(&cache, "a").await);
        pass(fresh_s - 1).await;
        assert!(knows(&cache, "a").await);
        settle().await;
        assert_eq!(
            issuer.fetches(),
            1,
            "max-age {max_age} is fresh for {fresh_s} s"
        );
        pass(2).await;
        assert!(knows(&cache, "a").await);
        settle().await;
        assert_eq!(
            issuer.fetches(),
            2,
            "max-age {max_age} is fresh for {fresh_s} s only"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn f23_a_warm_cache_outlives_an_outage_for_a_bounded_time() {
    let (issuer, cache) = warm(&["a"]).await;
    issuer.cut();
    for _ in 0..41 {
        pass(100).await;
        assert!(knows(&cache, "a").await);
        settle().await;
    }
    pass(100).await;
    assert_eq!(
        cache.keys("a").await.unwrap_err(),
        Reason::KeysUnavailable,
        "600 s fresh and 3600 s stale are over"
    );
    assert!(Reason::KeysUnavailable.is_fault());
    issuer.publish(&["a"]);
    pass(30).await;
    assert!(knows(&cache, "a").await, "and it recovers");
}

#[tokio::test(start_paused = true)]
async fn f24_a_cold_cache_fails_quickly_and_recovers() {
    let issuer = Arc::new(Issuer::default());
    issuer.cut();
    *issuer.delay.lock().unwrap() = Duration::from_hours(1);
    let cache = cache(&issuer);
    let before = Instant::now();
    assert_eq!(cache.keys("a").await.unwrap_err(), Reason::KeysUnavailable);
    assert!(
        before.elapsed() < Duration::from_secs(2),
        "{:?}",
        before.elapsed()
    );
    for _ in 0..100 {
        assert_eq!(cache.keys("a").await.unwrap_err(), Reason::KeysUnavailable);
    }
    assert_eq!(issuer.fetches(), 1, "it backs off");
    *issuer.delay.lock().unwrap() = Duration::ZERO;
    issuer.publish(&["a"]);
    pass(2).await;
    assert!(knows(&cache, "a").await);
}

#[tokio::test(start_paused = true)]
async fn failures_back_off_up_to_half_a_minute() {
    let issuer = Arc::new(Issuer::default());
    issuer.cut();
    let cache = cache(&issuer);
    for _ in 0..600 {
        assert_eq!(cache.keys("a").await.unwrap_err(), Reason::KeysUnavailable);
        pass(1).await;
    }
    let fetches = issuer.fetches();
    assert!(
        (20..=30).contains(&fetches),
        "{fetches} fetches in ten minutes"
    );
}

#[tokio::test(start_paused = true)]
async fn f25_a_bad_answer_never_replaces_a_good_set() {
    let twins = json!({"keys": [Signer::es256("b").jwk(), Signer::ed25519("b").jwk()]}).to_string();
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(10_000_000));
    let many: Vec<Value> = (0..101)
        .map(|at| Signer::es256(&format!("k{at}")).jwk())
        .collect();
    let bodies = [
        "<html>Bad gateway</html>".to_owned(),
        String::new(),
        "{}".to_owned(),
        "{\"keys\":[{\"kty\":\"EC\"".to_owned(),
        twins,
        json!({ "keys": many }).to_string(),
        huge,
    ];
    for body in bodies {
        let (issuer, cache) = warm(&["a"]).await;
        issuer.answer_with(body.as_bytes(), None);
        pass(700).await;
        for _ in 0..3 {
            assert!(knows(&cache, "a").await);
            settle().await;
            pass(40).await;
        }
        assert!(issuer.fetches() >= 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_panics_is_a_failure_like_any_other() {
    let (issuer, cache) = warm(&["a"]).await;
    *issuer.answer.lock().unwrap() = None;
    pass(700).await;
    assert!(knows(&cache, "a").await);
    settle().await;
    issuer.publish(&["a", "b"]);
    pass(40).await;
    assert!(knows(&cache, "b").await, "and the next fetch goes out");
}

#[tokio::test(start_paused = true)]
async fn f26_a_herd_of_unknown_kids_costs_one_fetch_per_cool_down() {
    let (issuer, cache) = warm(&["a"]).await;
    *issuer.delay.lock().unwrap() = Duration::from_millis(200);
    pass(20).await;
    for round in 0..60 {
        let herd: Vec<_> = (0..167)
            .map(|at| {
                let cache = cache.clone();
                let kid = format!("bogus-{round}-{at}");
                tokio::spawn(async move { knows(&cache, &kid).await })
            })
            .collect();
        let before = Instant::now();
        assert!(knows(&cache, "a").await);
        assert_eq!(before.elapsed(), Duration::ZERO, "known kids never wait");
        for bogus in herd {
            assert!(!bogus.await.unwrap());
        }
        pass(1).await;
    }
    let fetches = issuer.fetches() - 1;
    assert!((5..=8).contains(&fetches), "{fetches} fetches in a minute");
    assert_eq!(issuer.most_under_way.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn f27_a_real_rotation_gets_through_the_herd() {
    for offset in 0..11 {
        let (issuer, cache) = warm(&["a"]).await;
        *issuer.delay.lock().unwrap() = Duration::from_millis(200);
        pass(30).await;
        for at in 0..offset {
            assert!(!knows(&cache, &format!("bogus-{at}")).await);
            pass(1).await;
        }
        issuer.publish(&["a", "b"]);
        let rotated = Instant::now();
        let mut at = 0;
        while !knows(&cache, "b").await {
            at += 1;
            assert!(!knows(&cache, &format!("later-{at}")).await);
            pass(1).await;
            assert!(
                rotated.elapsed() < Duration::from_secs(15),
                "not accepted within 15 s"
            );
        }
        assert!(knows(&cache, "a").await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kid_during_an_outage_is_our_fault_once_the_set_is_stale() {
    let (issuer, cache) = warm(&["a"]).await;
    issuer.cut();
    pass(20).await;
    assert!(
        !knows(&cache, "b").await,
        "the set is fresh: the issuer doesn't publish it"
    );
    pass(700).await;
    assert_eq!(cache.keys("b").await.unwrap_err(), Reason::KeysUnavailable);
    assert_eq!(cache.keys("b").await.unwrap_err(), Reason::KeysUnavailable);
    assert!(knows(&cache, "a").await);
}

#[tokio::test(start_paused = true)]
async fn a_removed_key_stops_verifying_at_the_next_refresh() {
    let (issuer, cache) = warm(&["a", "b"]).await;
    issuer.publish(&["b"]);
    pass(601).await;
    assert!(knows(&cache, "a").await, "the last answer of the old set");
    settle().await;
    assert!(!knows(&cache, "a").await);
}

#[tokio::test(start_paused = true)]
async fn warming_fetches_once() {
    let issuer = Arc::new(Issuer::default());
    issuer.publish(&["a"]);
    let cache = cache(&issuer);
    cache.warm().await.unwrap();
    cache.warm().await.unwrap();
    assert!(knows(&cache, "a").await);
    assert_eq!(issuer.fetches(), 1);
}
