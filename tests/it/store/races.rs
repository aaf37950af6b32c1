//! Many callers, two nodes, one winner (T8, T9; security cases 21 and 38; I1 and I3).

use crate::support::fixtures::{REDIRECT, public_client};
use crate::support::{TestApp, on_both_databases};
use gatewright::domain::grant::{CodeGrant, Grant};
use gatewright::domain::pkce::CodeChallenge;
use gatewright::domain::refresh::{RefreshTokenState, Rotation};
use gatewright::domain::{Account, ClientId, FamilyId, Scope, SessionId};
use gatewright::store::refresh_tokens::{self, FirstToken, Successor, rows};
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
        audiences: Some(vec![]),
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
    let (now, end) = (app.now(), app.now() + 1000);
    let first = FirstToken {
        digest,
        expires_at: end,
    };
    let mut tx = app.issuer.store.begin().await.unwrap();
    refresh_tokens::insert_family(&mut tx, grant, Some(&first), now, end)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// A family as version 0.1 began it.
async fn insert_row(app: &TestApp, grant: &Grant, digest: &str) {
    let (now, end) = (app.now(), app.now() + 1000);
    let mut tx = app.issuer.store.begin().await.unwrap();
    refresh_tokens::insert_family(&mut tx, grant, None, now, end)
        .await
        .unwrap();
    rows::insert_token(&mut tx, &grant.family_id, digest, now, end)
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
                let (digest, grant) = (digest.clone(), grant.clone());
                async move {
                    let next = format!("{digest} {racer}");
                    let successor = Successor {
                        presented_digest: &digest,
                        successor_digest: &next,
                        sealed_response: "sealed",
                        expires_at: now + 1000,
                    };
                    let of = (&grant.family_id, &grant.client_id);
                    refresh_tokens::rotate(&node.issuer.store, of, &successor, now).await.unwrap()
                }
            })
            .await;
            assert_eq!(outcomes.iter().filter(|outcome| **outcome == Rotation::Rotated).count(), 1);
            assert_eq!(refresh_tokens::live_leaves(&app.issuer.store, &grant.family_id).await.unwrap(), 1);
        }
    }

    /// One that version 0.1 began: some go on in rows, some go over to the family's.
    async fn a_refresh_token_in_a_row_of_its_own_is_spent_once(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let other = app.another_node().await;
        for round in 0..ROUNDS {
            let grant = grant(&app, &ada);
            let digest = format!("token {round}");
            insert_row(&app, &grant, &digest).await;
            let now = app.now();
            let outcomes = race(&app, &other, |node, racer| {
                let (digest, grant) = (digest.clone(), grant.clone());
                async move {
                    let next = format!("{digest} {racer}");
                    let successor = Successor {
                        presented_digest: &digest,
                        successor_digest: &next,
                        sealed_response: "sealed",
                        expires_at: now + 1000,
                    };
                    let goes_over = (racer % 4 < 2).then_some(33);
                    rows::rotate(&node.issuer.store, &grant, goes_over, &successor, now).await.unwrap()
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
                let grant = grant.clone();
                async move {
                    let mut tx = node.issuer.store.begin().await.unwrap();
                    let of = (&grant.family_id, &grant.client_id);
                    let ended = refresh_tokens::revoke_family(&mut tx, of, now, "test").await.unwrap();
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

        let rotate = async |family: &Grant, digest: &str, client: &str, at: i64| {
            let next = app.issuer.entropy.id().unwrap();
            let successor = Successor {
                presented_digest: digest,
                successor_digest: &next,
                sealed_response: "sealed",
                expires_at: at + 1000,
            };
            let of = (&family.family_id, &ClientId::new(client));
            refresh_tokens::rotate(store, of, &successor, at).await.unwrap() == Rotation::Rotated
        };
        let families: Vec<Grant> = (0..7).map(|_| grant(&app, &ada)).collect();
        for (at, family) in families.iter().enumerate().skip(1) {
            insert_leaf(&app, family, &format!("r{at}")).await;
        }
        claim(!rotate(&families[1], "r1", "other", now).await, "token: client");
        let end = |family: &Grant| vec![Param::from(now + 10), Param::from(family.family_id.as_str())];
        let sql = "UPDATE token_family SET live_expires_at = $1 WHERE family_id = $2";
        store.execute(sql, end(&families[2])).await.unwrap();
        claim(!rotate(&families[2], "r2", "web", now + 10).await, "token: end");
        let sql = "UPDATE token_family SET expires_at = $1 WHERE family_id = $2";
        store.execute(sql, end(&families[3])).await.unwrap();
        claim(!rotate(&families[3], "r3", "web", now + 10).await, "token: the family's end");
        claim(!rotate(&families[4], "r9", "web", now).await, "token: unknown");
        claim(!rotate(&families[1], "r4", "web", now).await, "token: another family's");
        claim(rotate(&families[4], "r4", "web", now + 9).await, "token: sound");
        claim(!rotate(&families[4], "r4", "web", now).await, "token: spent");

        for gone in &families[1..5] {
            let sql = "DELETE FROM token_family WHERE family_id = $1";
            store.execute(sql, vec![Param::from(gone.family_id.as_str())]).await.unwrap();
        }
        let (revoked, last) = (&families[5], &families[6]);
        let mut tx = store.begin().await.unwrap();
        let (of, others) = ((&revoked.family_id, &revoked.client_id), (&revoked.family_id, &ClientId::new("other")));
        claim(!refresh_tokens::revoke_family(&mut tx, others, now, "zeroth").await.unwrap(), "revoke: client");
        claim(refresh_tokens::revoke_family(&mut tx, of, now, "first").await.unwrap(), "revoke: sound");
        claim(!refresh_tokens::revoke_family(&mut tx, of, now + 5, "second").await.unwrap(), "revoke: again");
        let subject = refresh_tokens::revoke_subject(&mut tx, &ada.subject, now + 5, "all").await.unwrap();
        claim(subject == 1, "revoke: only the person's families that still lived");
        let web = ClientId::new("web");
        let none = refresh_tokens::revoke_subject_client(&mut tx, &ada.subject, &web, now + 6, "x");
        claim(none.await.unwrap() == 0, "revoke: only the client's families that still lived");
        tx.commit().await.unwrap();
        claim(!rotate(revoked, "r5", "web", now).await, "token: revoked");
        claim(!rotate(last, "r6", "web", now).await, "token: revoked with the person's others");
        // Why and when it ended is not overwritten.
        let sql = "SELECT revoked_at, revoked_reason FROM token_family WHERE family_id = $1";
        let row: (i64, String) =
            store.fetch_one(sql, vec![Param::from(revoked.family_id.as_str())]).await.unwrap();
        claim(row == (now, "first".to_owned()), "revoke: the first time and reason stay");
        let live = refresh_tokens::family_is_live(store, revoked.family_id.as_str()).await.unwrap();
        claim(!live, "live: revoked");
        assert!(faults.is_empty(), "missing: {faults:#?}");
    }

    async fn no_guard_of_a_row_of_version_0_1_can_be_missing(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        app.register(&public_client("other")).await;
        let store = &app.issuer.store;
        let now = app.now();
        let mut faults = Vec::new();
        let mut claim = |holds: bool, words: String| {
            if !holds {
                faults.push(words);
            }
        };
        let rotate = async |family: &Grant, digest: &str, goes_over: Option<i64>, at: i64| {
            let next = app.issuer.entropy.id().unwrap();
            let successor = Successor {
                presented_digest: digest,
                successor_digest: &next,
                sealed_response: "sealed",
                expires_at: at + 1000,
            };
            rows::rotate(store, family, goes_over, &successor, at).await.unwrap() == Rotation::Rotated
        };
        for goes_over in [None, Some(33)] {
            let name = |at: usize| format!("{goes_over:?} {at}");
            let families: Vec<Grant> = (0..6).map(|_| grant(&app, &ada)).collect();
            for (at, family) in families.iter().enumerate() {
                insert_row(&app, family, &name(at)).await;
            }
            let set = async |sql: &'static str, family: &Grant| {
                let params = vec![Param::from(now + 10), Param::from(family.family_id.as_str())];
                assert_eq!(store.execute(sql, params).await.unwrap(), 1);
            };
            let foreign = Grant { client_id: ClientId::new("other"), ..families[0].clone() };
            claim(!rotate(&foreign, &name(0), goes_over, now).await, name(0) + ": client");
            set("UPDATE refresh_token SET expires_at = $1 WHERE family_id = $2", &families[1]).await;
            claim(!rotate(&families[1], &name(1), goes_over, now + 10).await, name(1) + ": end");
            set("UPDATE token_family SET expires_at = $1 WHERE family_id = $2", &families[2]).await;
            claim(!rotate(&families[2], &name(2), goes_over, now + 10).await, name(2) + ": the family's end");
            set("UPDATE token_family SET revoked_at = $1 WHERE family_id = $2", &families[3]).await;
            claim(!rotate(&families[3], &name(3), goes_over, now).await, name(3) + ": revoked");
            set("UPDATE token_family SET live_digest = 'x', live_expires_at = $1 WHERE family_id = $2", &families[4]).await;
            claim(!rotate(&families[4], &name(4), goes_over, now).await, name(4) + ": gone over before");
            claim(!rotate(&families[5], "unknown", goes_over, now).await, name(5) + ": unknown");
            claim(rotate(&families[5], &name(5), goes_over, now).await, name(5) + ": sound");
            claim(!rotate(&families[5], &name(5), goes_over, now).await, name(5) + ": spent");
        }
        assert!(faults.is_empty(), "missing: {faults:#?}");
    }

    async fn a_family_has_one_live_leaf_whatever_the_code_does(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let store = &app.issuer.store;
        let (former, family) = (grant(&app, &ada), grant(&app, &ada));
        insert_row(&app, &former, "r1").await;
        insert_leaf(&app, &family, "f1").await;
        let mut tx = store.begin().await.unwrap();
        let second = rows::insert_token(&mut tx, &former.family_id, "r2", app.now(), app.now() + 10).await;
        assert!(matches!(second, Err(StoreError::Conflict)));
        drop(tx);
        // A row beside a family's own token counts for nothing.
        let mut tx = store.begin().await.unwrap();
        rows::insert_token(&mut tx, &family.family_id, "r3", app.now(), app.now() + 10).await.unwrap();
        tx.commit().await.unwrap();
        let found = refresh_tokens::find(store, "r3", None, &family.client_id).await.unwrap().unwrap();
        assert_eq!(found.state, RefreshTokenState::Spent);
        for family in [former, family] {
            assert_eq!(refresh_tokens::live_leaves(store, &family.family_id).await.unwrap(), 1);
        }
    }

    async fn a_family_of_nobody_is_a_conflict_and_no_failure(app: TestApp) {
        let ada = app.with_ada_and_web().await;
        let removed = Account { subject: gatewright::domain::Subject::new("removed"), ..ada };
        let mut tx = app.issuer.store.begin().await.unwrap();
        let family = grant(&app, &removed);
        let orphan = refresh_tokens::insert_family(&mut tx, &family, None, app.now(), app.now() + 10).await;
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
        insert_row(&app, &family, "r1").await;
        let other = grant(&app, &ada);
        insert_row(&app, &other, "taken").await;
        let successor =
            Successor { presented_digest: "r1", successor_digest: "taken", sealed_response: "", expires_at: now + 10 };
        assert!(rows::rotate(store, &family, None, &successor, now).await.is_err());
        let successor = Successor { successor_digest: "r2", ..successor };
        assert_eq!(rows::rotate(store, &family, None, &successor, now).await.unwrap(), Rotation::Rotated);
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
