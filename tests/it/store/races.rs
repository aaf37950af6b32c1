//! Many callers, two nodes, one winner (T8, T9; security cases 21 and 38; I1 and I3).

use crate::support::fixtures::{REDIRECT, public_client};
use crate::support::{TestApp, on_both_databases};
use gatewright::domain::grant::{CodeGrant, Grant};
use gatewright::domain::pkce::CodeChallenge;
use gatewright::domain::refresh::Rotation;
use gatewright::domain::{Account, ClientId, FamilyId, Scope, SessionId};
use gatewright::store::refresh_tokens::{self, Successor};
use gatewright::store::{Param, StoreError, clients, codes};
use std::future::Future;
use std::sync::Arc;
use tokio::sync::Barrier;

const RACERS: usize = 50;
const ROUNDS: usize = 20;

fn grant(app: &TestApp, ada: &Account) -> Grant {
    Grant {
        family_id: FamilyId::new(app.issuer.entropy.id().unwrap()),
        client_id: ClientId::new("web"),
        subject: ada.subject.clone(),
        scope: Scope::parse("openid offline_access").unwrap(),
        resources: vec![],
        registered_redirect_uri: REDIRECT.to_owned(),
        auth_time: app.now(),
        session_id: SessionId::new("sid"),
        nonce: None,
        password_changed_at: ada.password_changed_at,
    }
}

fn code(grant: Grant) -> CodeGrant {
    CodeGrant {
        grant,
        redirect_uri: REDIRECT.to_owned(),
        redirect_uri_named: true,
        code_challenge: CodeChallenge::parse(crate::support::fixtures::CHALLENGE),
    }
}

/// Runs one body per racer, on two nodes in turn, all let off at once.
async fn race<F, T>(app: &TestApp, other: &TestApp, act: impl Fn(TestApp, usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let barrier = Arc::new(Barrier::new(RACERS));
    let racers: Vec<_> = (0..RACERS)
        .map(|racer| {
            let node = if racer % 2 == 0 { app } else { other };
            let (act, barrier) = (act(node.clone(), racer), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                act.await
            })
        })
        .collect();
    let mut outcomes = Vec::with_capacity(RACERS);
    for racer in racers {
        outcomes.push(racer.await.unwrap());
    }
    outcomes
}

async fn insert_leaf(app: &TestApp, grant: &Grant, digest: &str) {
    let mut tx = app.issuer.store.begin().await.unwrap();
    refresh_tokens::insert_family(&mut tx, grant, app.now(), app.now() + 1000)
        .await
        .unwrap();
    refresh_tokens::insert_token(
        &mut tx,
        &grant.family_id,
        digest,
        app.now(),
        app.now() + 1000,
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

on_both_databases! {
    async fn a_code_is_spent_once(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let other = app.another_node().await;
        for round in 0..ROUNDS {
            let digest = format!("code {round}");
            codes::insert(&app.issuer.store, &digest, &code(grant(&app, &ada)), app.now(), app.now() + 60).await.unwrap();
            let now = app.now();
            let won = race(&app, &other, |node, _| {
                let digest = digest.clone();
                async move {
                    let mut tx = node.issuer.store.begin().await.unwrap();
                    let spent = codes::redeem(&mut tx, &digest, &ClientId::new("web"), now, now + 1000).await.unwrap();
                    tx.commit().await.unwrap();
                    spent.is_some()
                }
            })
            .await;
            assert_eq!(won.iter().filter(|won| **won).count(), 1, "round {round}");
        }
    }

    async fn a_refresh_token_is_spent_once(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let other = app.another_node().await;
        for round in 0..ROUNDS {
            let grant = grant(&app, &ada);
            let digest = format!("token {round}");
            insert_leaf(&app, &grant, &digest).await;
            let now = app.now();
            let outcomes = race(&app, &other, |node, racer| {
                let digest = digest.clone();
                async move {
                    let next = format!("{digest} {racer}");
                    let successor = Successor {
                        presented_digest: &digest,
                        successor_digest: &next,
                        sealed_response: "sealed",
                        expires_at: now + 1000,
                    };
                    refresh_tokens::rotate(&node.issuer.store, &ClientId::new("web"), &successor, now).await.unwrap()
                }
            })
            .await;
            assert_eq!(outcomes.iter().filter(|outcome| **outcome == Rotation::Rotated).count(), 1);
            assert_eq!(refresh_tokens::live_leaves(&app.issuer.store, &grant.family_id).await.unwrap(), 1);
        }
    }

    async fn a_code_exchanged_at_once_by_many_gives_one_answer_and_no_live_token(app: TestApp) {
        app.with_ada_and_web().await;
        let other = app.another_node().await;
        for _ in 0..4 {
            let code = app.code("web", "openid offline_access").await;
            let answers = race(&app, &other, |node, _| {
                let code = code.clone();
                async move { node.redeem("web", &code).await }
            })
            .await;
            let (granted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
            assert_eq!(granted.len(), 1);
            assert!(refused.iter().all(|answer| answer.error() == (400, "invalid_grant".to_owned())));
            let token = granted[0].json()["refresh_token"].as_str().unwrap().to_owned();
            assert_eq!(app.refresh("web", &token).await.error(), (400, "invalid_grant".to_owned()));
        }
        let live = "SELECT COUNT(*) FROM token_family WHERE revoked_at IS NULL";
        assert_eq!(app.issuer.store.fetch_one::<(i64,)>(live, vec![]).await.unwrap().0, 0);
        assert_eq!(app.events("code_replayed").await, 4, "one event a family");
    }

    async fn an_assertion_is_used_once(app: TestApp) {
        let other = app.another_node().await;
        for round in 0..ROUNDS {
            let jti = format!("jti {round}");
            let now = app.now();
            let first = race(&app, &other, |node, _| {
                let jti = jti.clone();
                async move {
                    clients::use_assertion(&node.issuer.store, &ClientId::new("web"), &jti, now + 60).await.unwrap()
                }
            })
            .await;
            assert_eq!(first.iter().filter(|first| **first).count(), 1);
        }
    }

    async fn a_family_is_revoked_once(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let other = app.another_node().await;
        for round in 0..ROUNDS {
            let grant = grant(&app, &ada);
            insert_leaf(&app, &grant, &format!("token {round}")).await;
            let now = app.now();
            let ended = race(&app, &other, |node, _| {
                let family = grant.family_id.clone();
                async move {
                    let mut tx = node.issuer.store.begin().await.unwrap();
                    let ended = refresh_tokens::revoke_family(&mut tx, &family, now, "test").await.unwrap();
                    tx.commit().await.unwrap();
                    ended
                }
            })
            .await;
            assert_eq!(ended.iter().filter(|ended| **ended).count(), 1);
        }
    }

    async fn no_guard_of_a_spend_can_be_missing(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        app.register(&public_client("other")).await;
        let store = &app.issuer.store;
        let now = app.now();
        // All of them, so that one run shows every guard that is missing.
        let mut faults = Vec::new();
        let mut claim = |holds: bool, words: &'static str| {
            if !holds {
                faults.push(words);
            }
        };
        let spend = async |digest: &str, client: &str, at: i64| {
            let mut tx = store.begin().await.unwrap();
            let spent = codes::redeem(&mut tx, digest, &ClientId::new(client), at, at + 1000).await.unwrap();
            tx.commit().await.unwrap();
            spent.is_some()
        };
        for (number, (client, at)) in [("other", now), ("web", now + 60), ("web", now + 59)].into_iter().enumerate() {
            let digest = format!("c{number}");
            codes::insert(store, &digest, &code(grant(&app, &ada)), now, now + 60).await.unwrap();
            let right = client == "web" && at < now + 60;
            claim(spend(&digest, client, at).await == right, ["code: client", "code: end", "code: sound"][number]);
        }
        claim(!spend("c9", "web", now).await, "code: unknown");
        claim(!spend("c2", "web", now).await, "code: spent");

        let rotate = async |digest: &str, client: &str, at: i64| {
            let next = app.issuer.entropy.id().unwrap();
            let successor = Successor {
                presented_digest: digest,
                successor_digest: &next,
                sealed_response: "sealed",
                expires_at: at + 1000,
            };
            let rotation = refresh_tokens::rotate(store, &ClientId::new(client), &successor, at).await.unwrap();
            rotation == Rotation::Rotated
        };
        for digest in ["r1", "r2", "r3", "r4"] {
            insert_leaf(&app, &grant(&app, &ada), digest).await;
        }
        claim(!rotate("r1", "other", now).await, "token: client");
        let end = vec![Param::from(now + 10)];
        store.execute("UPDATE refresh_token SET expires_at = $1 WHERE token_digest = 'r2'", end.clone()).await.unwrap();
        claim(!rotate("r2", "web", now + 10).await, "token: end");
        let sql = "UPDATE token_family SET expires_at = $1
                    WHERE family_id = (SELECT family_id FROM refresh_token WHERE token_digest = 'r3')";
        store.execute(sql, end).await.unwrap();
        claim(!rotate("r3", "web", now + 10).await, "token: the family's end");
        claim(!rotate("r9", "web", now).await, "token: unknown");
        claim(rotate("r4", "web", now + 9).await, "token: sound");
        claim(!rotate("r4", "web", now).await, "token: spent");
        store.execute("DELETE FROM token_family", vec![]).await.unwrap();

        let revoked = grant(&app, &ada);
        insert_leaf(&app, &revoked, "r5").await;
        insert_leaf(&app, &grant(&app, &ada), "r6").await;
        let mut tx = store.begin().await.unwrap();
        claim(refresh_tokens::revoke_family(&mut tx, &revoked.family_id, now, "first").await.unwrap(), "revoke: sound");
        let again = refresh_tokens::revoke_family(&mut tx, &revoked.family_id, now + 5, "second").await.unwrap();
        claim(!again, "revoke: again");
        let subject = refresh_tokens::revoke_subject(&mut tx, &ada.subject, now + 5, "all").await.unwrap();
        claim(subject == 1, "revoke: only the person's families that still lived");
        let web = ClientId::new("web");
        let none = refresh_tokens::revoke_subject_client(&mut tx, &ada.subject, &web, now + 6, "x");
        claim(none.await.unwrap() == 0, "revoke: only the client's families that still lived");
        tx.commit().await.unwrap();
        claim(!rotate("r5", "web", now).await, "token: revoked");
        claim(!rotate("r6", "web", now).await, "token: revoked with the person's others");
        // Why and when it ended is not overwritten.
        let sql = "SELECT revoked_at, revoked_reason FROM token_family WHERE family_id = $1";
        let row: (i64, String) =
            store.fetch_one(sql, vec![Param::from(revoked.family_id.as_str())]).await.unwrap();
        claim(row == (now, "first".to_owned()), "revoke: the first time and reason stay");
        let live = refresh_tokens::family_is_live(store, revoked.family_id.as_str()).await.unwrap();
        claim(!live, "live: revoked");
        assert!(faults.is_empty(), "missing: {faults:#?}");
    }

    async fn a_family_has_one_live_leaf_whatever_the_code_does(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let family = grant(&app, &ada);
        insert_leaf(&app, &family, "r1").await;
        let mut tx = app.issuer.store.begin().await.unwrap();
        let second = refresh_tokens::insert_token(&mut tx, &family.family_id, "r2", app.now(), app.now() + 10).await;
        assert!(matches!(second, Err(StoreError::Conflict)));
        drop(tx);
        assert_eq!(refresh_tokens::live_leaves(&app.issuer.store, &family.family_id).await.unwrap(), 1);
    }

    async fn a_family_of_nobody_is_a_conflict_and_no_failure(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let removed = Account { subject: gatewright::domain::Subject::new("removed"), ..ada };
        let mut tx = app.issuer.store.begin().await.unwrap();
        let family = grant(&app, &removed);
        let orphan = refresh_tokens::insert_family(&mut tx, &family, app.now(), app.now() + 10).await;
        assert!(matches!(orphan, Err(StoreError::Conflict)));
    }

    /// A transaction that fails after the spend leaves no trace of it.
    async fn a_spend_that_does_not_commit_did_not_happen(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let store = &app.issuer.store;
        let now = app.now();
        codes::insert(store, "c1", &code(grant(&app, &ada)), now, now + 60).await.unwrap();
        let web = ClientId::new("web");
        let mut tx = store.begin().await.unwrap();
        assert!(codes::redeem(&mut tx, "c1", &web, now, now + 60).await.unwrap().is_some());
        drop(tx);
        let mut tx = store.begin().await.unwrap();
        assert!(codes::redeem(&mut tx, "c1", &web, now, now + 60).await.unwrap().is_some());
        tx.commit().await.unwrap();

        // A rotation whose successor can't be stored spends nothing.
        let family = grant(&app, &ada);
        insert_leaf(&app, &family, "r1").await;
        let other = grant(&app, &ada);
        insert_leaf(&app, &other, "taken").await;
        let successor =
            Successor { presented_digest: "r1", successor_digest: "taken", sealed_response: "", expires_at: now + 10 };
        assert!(refresh_tokens::rotate(store, &web, &successor, now).await.is_err());
        let successor = Successor { successor_digest: "r2", ..successor };
        assert_eq!(refresh_tokens::rotate(store, &web, &successor, now).await.unwrap(), Rotation::Rotated);
    }

    /// The operator's default is not ours to rely on: under another isolation the losers of a race would fail.
    async fn the_losers_of_a_race_lose_under_any_default_isolation(app: TestApp) {
        if app.url.starts_with("postgres") {
            for setting in ["serializable", "repeatable read"] {
                let sql = format!(
                    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''{setting}''',
                     current_database()); END $$"
                );
                app.issuer.store.execute(Box::leak(sql.into_boxed_str()), vec![]).await.unwrap();
            }
        }
        app.with_ada_and_web().await;
        let token = app.tokens("web", "openid offline_access").await["refresh_token"].as_str().unwrap().to_owned();
        let nodes = [app.another_node().await, app.another_node().await];
        let answers = race(&nodes[0], &nodes[1], |node, _| {
            let token = token.clone();
            async move { node.refresh("web", &token).await }
        })
        .await;
        for answer in &answers {
            assert_eq!((answer.status.as_u16(), &answer.body), (200, &answers[0].body));
        }
    }
}
