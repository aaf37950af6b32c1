//! The memory of used proofs, and who can make it forget.

use super::*;

const HONEST: UsedProof<'_> = UsedProof {
    issuer: "https://issuer.example",
    client: "app",
    subject: "alice",
    key: "alice's key",
    jti: "captured",
    until: 60,
};

/// The books agree with each other.
fn audit(cache: &ReplayCache) {
    let memory = cache.0.lock().unwrap();
    let count = memory.proofs.len();
    assert_eq!((memory.by_end.len(), memory.by_key.len()), (count, count));
    assert_eq!(memory.ranks.len(), memory.shares.len());
    for (parent, _, part) in &memory.ranks {
        let share = memory.shares[part];
        assert!(memory.ranks.contains(&(*parent, share.rank(), *part)));
    }
    let clients = memory.ranks.range((EVERYBODY, LOWEST, 0)..);
    let of_all = clients.take_while(|(parent, ..)| *parent == EVERYBODY);
    assert_eq!(
        of_all.map(|(_, (proofs, _), _)| proofs).sum::<usize>(),
        count
    );
}

#[test]
fn a_proof_is_used_once_until_it_is_over() {
    let cache = ReplayCache::default();
    let b = UsedProof { jti: "b", ..HONEST };
    let of_another_key = UsedProof {
        key: "kex",
        ..HONEST
    };
    for proof in [HONEST, b, of_another_key] {
        assert!(cache.first_use(&proof, 0));
    }
    let later = UsedProof {
        until: 119,
        ..HONEST
    };
    assert!(!cache.first_use(&later, 59));
    assert_eq!(cache.len(), 3);
    assert!(cache.first_use(&later, 60));
    assert_eq!(cache.len(), 1, "what is over is forgotten");
    audit(&cache);
}

#[test]
fn the_same_proof_is_the_same_whoever_brings_it() {
    let cache = ReplayCache::default();
    assert!(cache.first_use(&HONEST, 0));
    let of_another_client = UsedProof {
        client: "another",
        subject: "bob",
        ..HONEST
    };
    assert!(!cache.first_use(&of_another_client, 0));
}

#[test]
fn a_key_forgets_its_own_and_first_what_ends_first() {
    let cache = ReplayCache::default();
    assert!(cache.first_use(
        &UsedProof {
            until: 90,
            ..HONEST
        },
        0
    ));
    for at in 0..MAX_PROOFS_OF_KEY {
        let jti = at.to_string();
        let until = 60 + i64::from(at > 0);
        assert!(cache.first_use(
            &UsedProof {
                jti: &jti,
                until,
                ..HONEST
            },
            0
        ));
    }
    assert_eq!(cache.len(), MAX_PROOFS_OF_KEY);
    assert!(!cache.first_use(&HONEST, 0), "it would live longest");
    assert!(!cache.first_use(&UsedProof { jti: "1", ..HONEST }, 0));
    assert!(
        cache.first_use(&UsedProof { jti: "0", ..HONEST }, 0),
        "the price of the bound"
    );
    audit(&cache);
}

/// What an attacker can vary for each proof of a flood.
type Flood = fn(&str) -> UsedProof<'_>;

#[test]
fn nobody_makes_another_ones_proof_good_again() {
    let floods: [(&str, Flood); 5] = [
        ("one key", |jti| UsedProof {
            client: "evil",
            key: "k",
            jti,
            ..HONEST
        }),
        ("a key for each", |key| UsedProof {
            client: "evil",
            key,
            jti: "j",
            ..HONEST
        }),
        ("a subject for each", |subject| UsedProof {
            client: "evil",
            subject,
            key: subject,
            ..HONEST
        }),
        ("keys of another user of the same client", |key| UsedProof {
            subject: "mallory",
            key,
            ..HONEST
        }),
        ("ending later", |jti| UsedProof {
            client: "evil",
            key: "k",
            jti,
            until: 90,
            ..HONEST
        }),
    ];
    for (name, flood) in floods {
        let cache = ReplayCache::default();
        assert!(cache.first_use(&HONEST, 0));
        for at in 0..2 * MAX_PROOFS {
            let text = at.to_string();
            assert!(cache.first_use(&flood(&text), 0), "{name}");
        }
        assert!(!cache.first_use(&HONEST, 59), "{name}");
        audit(&cache);
    }
}

#[test]
fn a_flood_by_one_client_leaves_the_half_to_another() {
    let cache = ReplayCache::default();
    let jtis: Vec<String> = (0..MAX_PROOFS / 2).map(|at| at.to_string()).collect();
    for jti in &jtis {
        assert!(cache.first_use(&UsedProof { jti, ..HONEST }, 0));
    }
    for key in (0..2 * MAX_PROOFS).map(|at| at.to_string()) {
        let theirs = UsedProof {
            client: "evil",
            key: &key,
            ..HONEST
        };
        assert!(cache.first_use(&theirs, 0));
    }
    assert_eq!(cache.len(), MAX_PROOFS);
    for jti in &jtis {
        assert!(!cache.first_use(&UsedProof { jti, ..HONEST }, 0), "{jti}");
    }
}

#[test]
fn among_equals_the_oldest_goes() {
    fn of(subject: &str) -> UsedProof<'_> {
        UsedProof {
            subject,
            key: subject,
            ..HONEST
        }
    }
    let cache = ReplayCache::default();
    for at in 0..=MAX_PROOFS {
        assert!(cache.first_use(&of(&at.to_string()), 0));
    }
    assert!(!cache.first_use(&of(&MAX_PROOFS.to_string()), 0));
    assert!(!cache.first_use(&of("1"), 0));
    assert!(cache.first_use(&of("0"), 0), "the price of the bound");
    audit(&cache);
}

mod property {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Three clients of up to three subjects with any number of keys: what an honest key of a fourth client has
        /// used stays used, wherever in the flood it was.
        #[test]
        fn within_its_share_an_honest_key_loses_nothing(
            seed in any::<u64>(),
            honest in 1..=MAX_PROOFS / 4,
            keys in 1..40_000_u64,
        ) {
            let cache = ReplayCache::default();
            let mut used = Vec::new();
            let flood = 2 * MAX_PROOFS;
            let every = (flood / honest).max(1);
            let mut random = seed;
            for at in 0..flood {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let pick = random >> 33;
                let (client, subject) = ((pick % 3).to_string(), (pick % 7 % 3).to_string());
                let (key, jti) = ((pick % keys).to_string(), at.to_string());
                let until = 30 + i64::try_from(pick % 60).unwrap();
                let theirs = UsedProof { client: &client, subject: &subject, key: &key, jti: &jti, until, ..HONEST };
                cache.first_use(&theirs, 0);
                if at % every == 0 && used.len() < honest {
                    let own = UsedProof { jti: &jti, ..HONEST };
                    let first = cache.first_use(&own, 0);
                    prop_assert!(first);
                    used.push(jti);
                }
            }
            prop_assert!(cache.len() <= MAX_PROOFS);
            for jti in &used {
                let first = cache.first_use(&UsedProof { jti, ..HONEST }, 0);
                prop_assert!(!first, "forgotten: {}", jti);
            }
            audit(&cache);
        }
    }
}
