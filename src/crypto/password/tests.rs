//! What the pool does with its memory, its work and its time.

use super::{Against, Costs, HashError, HashSettings, PasswordHasher, Turn, Verdict, Waiter};
use crate::crypto::Entropy;
use gatewright_authorizer::jwks::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const TODAY: HashSettings = HashSettings {
    memory_kib: 64,
    iterations: 2,
    parallelism: 1,
    slots: 2,
    queue: 100,
};

/// Every look at it is a millisecond later.
#[derive(Default)]
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now_us(&self) -> u64 {
        self.0.fetch_add(1000, Ordering::AcqRel)
    }
}

fn hasher(settings: HashSettings) -> PasswordHasher {
    PasswordHasher::new(settings, Entropy::system()).unwrap()
}

fn watched(settings: HashSettings) -> PasswordHasher {
    hasher(settings).watched_by(Arc::new(Ticking::default()), |_: Turn| {})
}

fn anybody() -> Waiter {
    Waiter::stranger("203.0.113.7", "ada")
}

/// A verification, and the work that it took.
async fn verified(
    passwords: &PasswordHasher,
    password: &str,
    against: Against,
) -> (Result<Verdict, HashError>, u64) {
    let before = passwords.work_done();
    let verdict = passwords
        .verify(&anybody(), password.to_owned(), against)
        .await;
    (verdict, passwords.work_done() - before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_attempts_works_in_the_memory_of_the_slots() {
    let passwords = hasher(TODAY);
    assert_eq!(passwords.held_kib(), 0, "nothing before it is needed");
    for _ in 0..3 {
        let attempts: Vec<_> = (0..40)
            .map(|number| {
                let (passwords, waiter) = (
                    passwords.clone(),
                    Waiter::stranger(&number.to_string(), "ada"),
                );
                tokio::spawn(async move {
                    let against = Against::Nobody;
                    passwords.verify(&waiter, "wrong".to_owned(), against).await
                })
            })
            .collect();
        for attempt in attempts {
            assert_eq!(attempt.await.unwrap(), Ok(Verdict::Wrong));
        }
        assert_eq!(passwords.held_kib(), 2 * 64);
    }
    assert_eq!(passwords.work_done(), 120 * 128);
    assert_eq!(passwords.waiting(), 0);
}

#[tokio::test]
async fn every_verification_is_the_work_of_the_costliest_hash() {
    let cheaper = HashSettings {
        memory_kib: 16,
        iterations: 1,
        ..TODAY
    };
    let costlier = HashSettings {
        memory_kib: 96,
        iterations: 3,
        parallelism: 2,
        ..TODAY
    };
    let mut stored = Vec::new();
    for settings in [cheaper, TODAY, costlier] {
        stored.push(hasher(settings).hash("right".to_owned()).await.unwrap());
    }
    let stale = [
        Verdict::RightButStale,
        Verdict::Right,
        Verdict::RightButStale,
    ];
    for (known, work) in [
        (&stored[..2], TODAY.costs().work()),
        (&stored[..], costlier.costs().work()),
    ] {
        let passwords = watched(TODAY);
        passwords.stored_costs(known.iter().filter_map(|hash| Costs::of(hash)));
        let (nobody, done) = verified(&passwords, "right", Against::Nobody).await;
        assert_eq!((nobody, done), (Ok(Verdict::Wrong), work));
        for (hash, right) in known.iter().zip(stale) {
            for (password, verdict) in [("right", right), ("wrong", Verdict::Wrong)] {
                let against = Against::Hash(hash.clone());
                let (judged, done) = verified(&passwords, password, against).await;
                assert_eq!(judged, Ok(verdict), "{hash}");
                assert!(done.abs_diff(work) < 8, "{hash}: {done}, not {work}");
            }
        }
    }
    // Costs that nobody told of are known once they were seen; those that are gone are forgotten.
    let passwords = hasher(TODAY);
    let against = Against::Hash(stored[2].clone());
    assert_eq!(
        verified(&passwords, "wrong", against).await.0,
        Ok(Verdict::Wrong)
    );
    let (_, done) = verified(&passwords, "wrong", Against::Nobody).await;
    assert_eq!(done, costlier.costs().work());
    assert_eq!(passwords.held_kib(), 96);
    passwords.stored_costs([]);
    let (_, done) = verified(&passwords, "wrong", Against::Nobody).await;
    assert_eq!((done, passwords.held_kib()), (TODAY.costs().work(), 64));
}

#[tokio::test]
async fn a_stored_hash_that_is_no_use_is_a_wrong_password() {
    let passwords = hasher(TODAY);
    for stored in [
        "",
        "secret",
        "$argon2id$v=19$m=64,t=2,p=1",
        "$argon2id$v=19$m=8388608,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
    ] {
        let (judged, done) = verified(&passwords, "right", Against::Hash(stored.to_owned())).await;
        assert_eq!(
            (judged, done),
            (Ok(Verdict::Wrong), TODAY.costs().work()),
            "{stored}"
        );
    }
    assert_eq!(passwords.held_kib(), 64);
}

#[tokio::test]
async fn a_throttled_attempt_takes_time_and_no_work() {
    let passwords = watched(TODAY);
    // How long it takes isn't known yet.
    let (verdict, done) = verified(&passwords, "right", Against::Throttled).await;
    assert_eq!((verdict, done), (Ok(Verdict::Wrong), TODAY.costs().work()));
    for _ in 0..50 {
        let (verdict, done) = verified(&passwords, "right", Against::Throttled).await;
        assert_eq!((verdict, done), (Ok(Verdict::Wrong), 0));
    }
    assert_eq!(passwords.waiting(), 0);
    // It has a place in the queue like any other, and is turned away like any other.
    let full = hasher(HashSettings {
        slots: 0,
        queue: 0,
        ..TODAY
    });
    for against in [Against::Nobody, Against::Throttled] {
        let judged = full.verify(&anybody(), "wrong".to_owned(), against).await;
        assert_eq!(judged, Err(HashError::Busy));
    }
    assert!(full.refuses(&anybody()) && !passwords.refuses(&anybody()));
}
