//! An issuer in bad weather, and time that the test moves.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatewright_authorizer::Verifier;
use gatewright_authorizer::jose::Algorithm;
use gatewright_authorizer::jwks::{
    BoxFuture, CacheSettings, Clock, FetchError, FetchKeys, Fetched, KeyCache,
};
use gatewright_authorizer::policy::IssuerRules;
use serde_json::{Value, json};
use tokio::time::{Instant, advance};

use super::{AUDIENCE, ISSUER, Signer};

/// An issuer whose answers the test changes at will.
#[derive(Default)]
pub struct Issuer {
    pub answer: Mutex<Option<Result<Fetched, FetchError>>>,
    pub delay: Mutex<Duration>,
    pub fetches: AtomicUsize,
    under_way: AtomicUsize,
    pub most_under_way: AtomicUsize,
}

impl FetchKeys for Issuer {
    fn fetch(&self) -> BoxFuture<'_, Result<Fetched, FetchError>> {
        Box::pin(async {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_under_way.fetch_max(now, Ordering::SeqCst);
            let delay = *self.delay.lock().unwrap();
            tokio::time::sleep(delay).await;
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            let answer = self.answer.lock().unwrap().clone();
            answer.unwrap_or_else(|| panic!("the fetch panics"))
        })
    }
}

impl Issuer {
    pub fn publish(&self, kids: &[&str]) {
        self.publish_for(kids, None);
    }

    pub fn publish_for(&self, kids: &[&str], max_age_s: Option<u64>) {
        let keys: Vec<Value> = kids.iter().map(|kid| Signer::es256(kid).jwk()).collect();
        self.answer_with(json!({ "keys": keys }).to_string().as_bytes(), max_age_s);
    }

    pub fn publish_keys_of(&self, signers: &[&Signer]) {
        let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
        self.answer_with(json!({ "keys": keys }).to_string().as_bytes(), None);
    }

    pub fn answer_with(&self, body: &[u8], max_age_s: Option<u64>) {
        *self.answer.lock().unwrap() = Some(Ok(Fetched {
            body: body.to_vec(),
            max_age_s,
        }));
    }

    pub fn cut(&self) {
        *self.answer.lock().unwrap() = Some(Err(FetchError("connection refused".to_owned())));
    }

    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

/// Follows Tokio's paused time.
pub struct Paused(pub Instant);

impl Clock for Paused {
    fn now_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap()
    }
}

pub fn cache(issuer: &Arc<Issuer>) -> KeyCache {
    let fetch: Arc<dyn FetchKeys> = Arc::<Issuer>::clone(issuer);
    KeyCache::new(
        ISSUER,
        fetch,
        Arc::new(Paused(Instant::now())),
        CacheSettings::default(),
    )
}

/// A verifier of the usual issuer, whose keys are these.
pub fn verifier(issuer: &Arc<Issuer>) -> Verifier {
    let rules = IssuerRules::new(
        ISSUER,
        vec![AUDIENCE.to_owned()],
        vec![Algorithm::Es256, Algorithm::EdDsa],
    );
    let clock: Arc<dyn Clock> = Arc::new(Paused(Instant::now()));
    let fetch = |_: &IssuerRules| -> Arc<dyn FetchKeys> { Arc::<Issuer>::clone(issuer) };
    Verifier::new(&[rules], Path::new(""), fetch, &clock).unwrap()
}

pub async fn warm(kids: &[&str]) -> (Arc<Issuer>, KeyCache) {
    let issuer = Arc::new(Issuer::default());
    issuer.publish(kids);
    let cache = cache(&issuer);
    cache.keys(kids[0]).await.unwrap();
    assert_eq!(issuer.fetches(), 1);
    (issuer, cache)
}

pub async fn pass(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
}

/// Lets background fetches finish.
pub async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}
