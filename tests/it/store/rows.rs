//! What the tables promise by themselves: counters, unique rows, one signer.

use crate::support::fixtures::public_client;
use crate::support::{TestApp, on_both_databases};
use gatewright::flows::keys;
use gatewright::store::{Param, StoreError, accounts, clients, settings, signing_keys, throttle};
use gatewright_authorizer::jose::Algorithm;

on_both_databases! {
    async fn attempts_are_counted_in_a_window(app: TestApp) {
        let store = &app.issuer.store;
        let now = app.now();
        let count = async |bucket, at| throttle::count(store, bucket, at, 900).await.unwrap();
        for expected in 1..=3 {
            assert_eq!(count("ada", now + expected).await, expected);
        }
        assert_eq!(count("bob", now).await, 1);
        throttle::uncount(store, "ada").await.unwrap();
        assert_eq!(count("ada", now + 4).await, 3);
        // The window began with the first and is not prolonged.
        assert_eq!(count("ada", now + 900).await, 4);
        assert_eq!(count("ada", now + 901).await, 1);
        assert_eq!(count("ada", now + 902).await, 2);
        throttle::clear(store, "ada").await.unwrap();
        assert_eq!(count("ada", now + 903).await, 1);
        for _ in 0..3 {
            throttle::uncount(store, "ada").await.unwrap();
            throttle::uncount(store, "nobody").await.unwrap();
        }
        assert_eq!(count("ada", now + 904).await, 1, "never below none");
    }

    async fn parallel_attempts_are_each_counted(app: TestApp) {
        let nodes = [app.clone(), app.another_node().await];
        let racers: Vec<_> = (0..50)
            .map(|racer| {
                let node = nodes[racer % 2].clone();
                tokio::spawn(async move {
                    throttle::count(&node.issuer.store, "ada", node.now(), 900).await.unwrap()
                })
            })
            .collect();
        let mut counts = Vec::new();
        for racer in racers {
            counts.push(racer.await.unwrap());
        }
        counts.sort_unstable();
        assert_eq!(counts, (1..=50).collect::<Vec<i64>>());
    }

    async fn members_of_a_bucket_are_counted_once_and_not_themselves(app: TestApp) {
        let store = &app.issuer.store;
        let now = app.now();
        for member in ["a", "b", "c", "a"] {
            throttle::add_member(store, "address", member, now + 900).await.unwrap();
        }
        throttle::add_member(store, "another", "d", now + 900).await.unwrap();
        let others = async |member, at| throttle::other_members(store, "address", member, at).await.unwrap();
        assert_eq!(others("a", now).await, 2);
        assert_eq!(others("x", now).await, 3);
        assert_eq!(others("x", now + 900).await, 0);
    }

    async fn there_is_one_active_and_one_pending_key_an_algorithm(app: TestApp) {
        let store = &app.issuer.store;
        let all = signing_keys::all(store).await.unwrap();
        let active = all.iter().find(|key| key.algorithm == "ES256").unwrap();
        let mut tx = store.begin().await.unwrap();
        let second = signing_keys::KeyRecord { kid: "second".to_owned(), ..active.clone() };
        assert!(!signing_keys::insert(&mut tx, &second).await.unwrap());
        let pending = signing_keys::KeyRecord { kid: "p1".to_owned(), state: "pending".to_owned(), ..active.clone() };
        assert!(signing_keys::insert(&mut tx, &pending).await.unwrap());
        let pending = signing_keys::KeyRecord { kid: "p2".to_owned(), ..pending };
        assert!(!signing_keys::insert(&mut tx, &pending).await.unwrap());
        tx.commit().await.unwrap();
        for state in ["active", "pending"] {
            let sql = "UPDATE signing_key SET state = $1 WHERE algorithm = 'ES256'";
            let forced = store.execute(sql, vec![Param::from(state)]).await;
            assert!(matches!(forced, Err(StoreError::Conflict)), "{forced:?}");
        }
    }

    async fn two_nodes_that_rotate_at_once_make_one_key(app: TestApp) {
        let other = app.another_node().await;
        for round in 0..4 {
            let rotate = async |app: &TestApp| {
                let issuer = &app.issuer;
                let times = (300, app.now());
                keys::rotate(&issuer.store, &issuer.master, &issuer.events, Algorithm::Es256, times).await.unwrap()
            };
            let (one, two, three) = tokio::join!(rotate(&app), rotate(&other), rotate(&app));
            assert_eq!((&one.kid, &one.kid), (&two.kid, &three.kid));
            assert_eq!([&one, &two, &three].iter().filter(|key| key.created).count(), 1);
            // And one promotes it, though both see its time come.
            app.set_clock(one.activates_at);
            let (here, there) =
                tokio::join!(keys::tick(&app.issuer, app.now()), keys::tick(&other.issuer, app.now()));
            here.unwrap();
            there.unwrap();
            let all = signing_keys::all(&app.issuer.store).await.unwrap();
            let in_state = |state: &str| {
                all.iter().filter(|key| key.algorithm == "ES256" && key.state == state).count()
            };
            assert_eq!((in_state("active"), in_state("pending")), (1, 0), "round {round}");
            assert!(all.iter().any(|key| key.kid == one.kid && key.state == "active"));
            assert_eq!(app.events("key_activated").await, round + 1);
        }
    }

    async fn a_pending_key_takes_over_in_its_time_only(app: TestApp) {
        let store = &app.issuer.store;
        let issuer = &app.issuer;
        let pending =
            keys::rotate(store, &issuer.master, &issuer.events, Algorithm::Es256, (300, app.now())).await.unwrap();
        let promote = async |at| {
            let mut tx = store.begin().await.unwrap();
            let promoted = signing_keys::promote(&mut tx, "ES256", at, at + 360).await.unwrap();
            tx.commit().await.unwrap();
            promoted
        };
        assert_eq!(promote(pending.activates_at - 1).await, None);
        let (new, old) = promote(pending.activates_at).await.unwrap();
        assert_eq!(new, pending.kid);
        assert!(old.is_some());
        assert_eq!(promote(pending.activates_at + 1).await, None, "nothing is pending, nothing retires");
        assert_eq!(signing_keys::forget_expired(store, pending.activates_at + 359, 9_999_999_999).await.unwrap(), 0);
        assert_eq!(signing_keys::forget_expired(store, pending.activates_at + 360, 9_999_999_999).await.unwrap(), 1);
        assert_eq!(signing_keys::forget_expired(store, pending.activates_at + 999, 9_999_999_999).await.unwrap(), 0);
    }

    async fn names_and_ids_are_taken_once(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let store = &app.issuer.store;
        let mut tx = store.begin().await.unwrap();
        let twin = gatewright::domain::Account {
            subject: gatewright::domain::Subject::new("other"),
            email: None,
            ..ada.clone()
        };
        assert!(matches!(accounts::insert(&mut tx, &twin, None).await, Err(StoreError::Conflict)));
        drop(tx);
        let mut tx = store.begin().await.unwrap();
        let twin = gatewright::domain::Account { username: "eve".to_owned(), email: ada.email.clone(), ..twin };
        assert!(matches!(accounts::insert(&mut tx, &twin, None).await, Err(StoreError::Conflict)));
        drop(tx);
        let mut tx = store.begin().await.unwrap();
        assert!(matches!(clients::insert(&mut tx, &public_client("web")).await, Err(StoreError::Conflict)));
        drop(tx);
        let mut tx = store.begin().await.unwrap();
        settings::put_if_absent(&mut tx, "master_key_id", "another").await.unwrap();
        tx.commit().await.unwrap();
        let kept = settings::get(store, "master_key_id").await.unwrap();
        assert_eq!(kept.as_deref(), Some(app.issuer.master.id()));
    }

    async fn a_rehash_never_undoes_a_changed_password(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let store = &app.issuer.store;
        let mut tx = store.begin().await.unwrap();
        accounts::set_password(&mut tx, &ada.subject, "new hash", app.now()).await.unwrap();
        tx.commit().await.unwrap();
        accounts::rehash(store, &ada.subject, ("old hash", "old hash with new costs"), app.now()).await.unwrap();
        let (_, hash) = accounts::by_login(store, "ada").await.unwrap().unwrap();
        assert_eq!(hash.as_deref(), Some("new hash"));
    }

    async fn an_account_takes_its_grants_along(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        app.tokens("web", "openid offline_access").await;
        let mut tx = app.issuer.store.begin().await.unwrap();
        assert!(accounts::delete(&mut tx, &ada.subject).await.unwrap());
        tx.commit().await.unwrap();
        for sql in [
            "SELECT COUNT(*) FROM token_family",
            "SELECT COUNT(*) FROM refresh_token",
            "SELECT COUNT(*) FROM browser_session",
        ] {
            assert_eq!(app.issuer.store.fetch_one::<(i64,)>(sql, vec![]).await.unwrap().0, 0, "{sql}");
        }
    }
}
