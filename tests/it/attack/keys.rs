//! Signing keys and the JWKS: security cases 62 to 65.

use crate::support::app::{ISSUER, Options};
use crate::support::database::{self, EPOCH};
use crate::support::fixtures::{API, SECRET, claims_of, machine_client};
use crate::support::{TestApp, on_both_databases};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewright::crypto::jwt::{self, TokenType};
use gatewright::crypto::{Keyring, MasterKeys, SigningKey, signing_key};
use gatewright::flows::{Settings, keys};
use gatewright::store::signing_keys::{self, KeyRecord};
use gatewright::store::{Param, Store};
use gatewright_authorizer::jose::{Algorithm, JwkSet};
use gatewright_authorizer::token::{self, TokenRules};
use serde_json::Value;
use std::collections::BTreeSet;

const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

async fn jwks(app: &TestApp) -> Vec<Value> {
    app.get("/jwks.json").await.json()["keys"]
        .as_array()
        .unwrap()
        .clone()
}

async fn rotate(app: &TestApp, algorithm: Algorithm) -> keys::PendingKey {
    let issuer = &app.issuer;
    let times = (issuer.settings.jwks_max_age_s, app.now());
    keys::rotate(
        &issuer.store,
        &issuer.master,
        &issuer.events,
        algorithm,
        times,
    )
    .await
    .unwrap()
}

/// RFC 7638, from nothing but the JWK.
fn thumbprint(jwk: &Value) -> String {
    let members: &[&str] = match jwk["kty"].as_str().unwrap() {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        other => panic!("{other}"),
    };
    let pairs: Vec<String> = members
        .iter()
        .map(|name| format!("\"{name}\":{}", jwk[name]))
        .collect();
    URL_SAFE_NO_PAD.encode(digest(
        &SHA256,
        format!("{{{}}}", pairs.join(",")).as_bytes(),
    ))
}

async fn corrupt(store: &Store, state: &str) {
    let sql =
        "UPDATE signing_key SET sealed_private = 'AAAA' WHERE algorithm = 'ES256' AND state = $1";
    assert_eq!(
        store.execute(sql, vec![Param::from(state)]).await.unwrap(),
        1
    );
}

async fn run(app: &TestApp, sql: &'static str) {
    let changed = app.issuer.store.execute(sql, vec![]).await.unwrap();
    assert!(changed > 0, "{sql}");
}

/// A token that says what a genuine one says, signed with another key.
fn resigned(token: &Value, key: &SigningKey) -> String {
    let claims = claims_of(token["access_token"].as_str().unwrap());
    jwt::sign(key, TokenType::AccessToken, &claims).unwrap()
}

on_both_databases! {
    async fn the_jwks_is_public_and_cacheable(app: TestApp) {
        for algorithm in keys::ALGORITHMS {
            rotate(&app, algorithm).await;
        }
        app.tick().await;
        let answer = app.get("/jwks.json").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let tag = answer.header("etag").unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'));
        let keys = jwks(&app).await;
        assert_eq!(keys.len(), 6);
        for key in &keys {
            let members = key.as_object().unwrap();
            assert!(PRIVATE.iter().all(|name| !members.contains_key(*name)), "{key}");
            assert_eq!(key["use"], "sig");
        }
        let unchanged = app.get_with("/jwks.json", &[("if-none-match", &tag)]).await;
        assert_eq!((unchanged.status.as_u16(), unchanged.body.as_str()), (304, ""));
        assert_eq!(app.get_with("/jwks.json", &[("if-none-match", "\"other\"")]).await.status, 200);
        // Every node serves the same document.
        assert_eq!(app.another_node().await.get("/jwks.json").await.body, answer.body);
    }

    async fn every_kid_is_a_thumbprint_and_never_comes_back(app: TestApp) {
        let mut seen = BTreeSet::new();
        for _ in 0..3 {
            rotate(&app, Algorithm::Es256).await;
            rotate(&app, Algorithm::EdDsa).await;
            app.tick().await;
            for key in jwks(&app).await {
                let kid = key["kid"].as_str().unwrap().to_owned();
                assert_eq!(kid, thumbprint(&key));
                seen.insert(kid);
            }
            app.advance(2000);
            app.tick().await;
        }
        assert_eq!(seen.len(), 3 + 2 * 3);
        // A key that was ever used, even one that is gone, is not taken in again.
        let store = &app.issuer.store;
        let all = signing_keys::all(store).await.unwrap();
        let gone = all.iter().find(|key| key.state == "gone").unwrap();
        assert_eq!(gone.sealed_private, "", "a key that is gone has no private half");
        let mut tx = store.begin().await.unwrap();
        let again = signing_keys::KeyRecord { state: "pending".to_owned(), ..gone.clone() };
        assert!(!signing_keys::insert(&mut tx, &again).await.unwrap());
    }

    async fn a_key_brought_back_is_refused(app: TestApp) {
        let issuer = &app.issuer;
        let private = gatewright::crypto::signing_key::generate(Algorithm::Es256, &issuer.entropy).unwrap();
        let import = || keys::import(&issuer.store, &issuer.master, &issuer.events, &private, (300, app.now()));
        let first = import().await.unwrap();
        assert!(first.created);
        assert_eq!(import().await.unwrap().kid, first.kid);
        assert!(keys::retire(&issuer.store, &issuer.events, &first.kid, app.now()).await.unwrap());
        let error = import().await.unwrap_err().to_string();
        assert!(error.contains(&first.kid) && error.contains("used before"), "{error}");
    }

    async fn an_active_key_is_not_withdrawn(app: TestApp) {
        let issuer = &app.issuer;
        for key in signing_keys::all(&issuer.store).await.unwrap() {
            assert!(!keys::retire(&issuer.store, &issuer.events, &key.kid, app.now()).await.unwrap());
        }
        assert!(!keys::retire(&issuer.store, &issuer.events, "no such key", app.now()).await.unwrap());
    }

    async fn a_key_that_cannot_be_opened_stops_the_start(app: TestApp) {
        let store = &app.issuer.store;
        let before = signing_keys::all(store).await.unwrap();
        let active = before.iter().find(|key| key.algorithm == "ES256").unwrap();
        // Under another master key.
        let other = MasterKeys::derive(b"another master key for the tests").unwrap();
        let error = keys::load(store, &other).await.unwrap_err().to_string();
        assert!(error.contains("can't be opened") && error.contains(other.id()), "{error}");
        let error = keys::check_master_key(store, &other).await.unwrap_err().to_string();
        assert!(error.contains(other.id()) && error.contains(database::master().id()), "{error}");
        // Damaged.
        corrupt(store, "active").await;
        let error = keys::load(store, &app.issuer.master).await.unwrap_err().to_string();
        assert!(error.contains(&active.kid), "{error}");
        // No new key was made in its place, now or by the first steps of a start.
        keys::ensure_first_keys(store, &app.issuer.master, &app.issuer.events, app.now()).await.unwrap();
        let kids = |keys: &[signing_keys::KeyRecord]| keys.iter().map(|key| key.kid.clone()).collect::<Vec<_>>();
        assert_eq!(kids(&before), kids(&signing_keys::all(store).await.unwrap()));
    }

    async fn a_private_half_under_another_kid_is_refused(app: TestApp) {
        // Whoever can write to the database can't swap keys: the kid is sealed in.
        let store = &app.issuer.store;
        let pending = rotate(&app, Algorithm::Es256).await;
        let sql = "UPDATE signing_key
                      SET sealed_private = (SELECT sealed_private FROM signing_key WHERE kid = $1)
                    WHERE algorithm = 'ES256' AND state = 'active'";
        assert_eq!(store.execute(sql, vec![Param::from(&pending.kid)]).await.unwrap(), 1);
        assert!(keys::load(store, &app.issuer.master).await.is_err());
    }

    async fn a_foreign_public_key_is_never_published_nor_believed(app: TestApp) {
        app.register(&machine_client("worker")).await;
        app.with_ada_and_web().await;
        let issuer = &app.issuer;
        let published = jwks(&app).await;
        let private = signing_key::generate(Algorithm::Es256, &issuer.entropy).unwrap();
        let foreign = SigningKey::parse(Algorithm::Es256, &private).unwrap();
        // Sealed, but by another master key; and, of a key that is ours, with its sealed half.
        let other = MasterKeys::derive(b"another master key for the tests").unwrap();
        let context = format!("signing_key.sealed_private {} sign", foreign.kid());
        let sealed = other.signing_keys.seal(&issuer.entropy, &context, private.expose()).unwrap();
        let ours = signing_keys::all(&issuer.store).await.unwrap().remove(0).sealed_private;
        let person = app.tokens("web", "openid").await;
        let machine = app.machine_token("worker", &[]).await.json();
        let genuine = format!("Bearer {}", person["access_token"].as_str().unwrap());
        assert_eq!(app.get_with("/userinfo", &[("authorization", &genuine)]).await.status, 200);
        let bearer = format!("Bearer {}", resigned(&person, &foreign));
        let forged = resigned(&machine, &foreign);
        let introspected = async |token: &str| {
            let fields = [("token", token), ("client_id", "worker"), ("client_secret", SECRET)];
            app.post("/introspect", &fields).await.json()["active"].clone()
        };
        assert_eq!(introspected(machine["access_token"].as_str().unwrap()).await, true);
        for (state, sealed_private) in [("retiring", ""), ("retiring", &*sealed), ("retiring", &*ours), ("of another version", &*sealed)] {
            let record = KeyRecord {
                kid: foreign.kid().to_owned(),
                algorithm: "ES256".to_owned(),
                state: state.to_owned(),
                public_jwk: foreign.public_jwk().to_string(),
                sealed_private: sealed_private.to_owned(),
                created_at: app.now(),
                activates_at: app.now(),
                retired_at: None,
                gone_at: None,
                public_seal: Some(other.row_seal("signing_key", &[foreign.kid(), "ES256", &foreign.public_jwk().to_string()])),
                hints_until: None,
            };
            let mut tx = issuer.store.begin().await.unwrap();
            assert!(signing_keys::insert(&mut tx, &record).await.unwrap());
            tx.commit().await.unwrap();
            app.tick().await;
            assert_eq!(jwks(&app).await, published, "{state}");
            assert_eq!(app.get_with("/userinfo", &[("authorization", &bearer)]).await.status, 401, "{state}");
            assert_eq!(introspected(&forged).await, false, "{state}");
            // A node that starts does as well.
            assert_eq!(jwks(&app.another_node().await).await, published, "{state}");
            run(&app, "DELETE FROM signing_key WHERE state NOT IN ('active', 'pending')").await;
            app.tick().await;
        }
        let rejected = app.recorded("key_rejected").await;
        assert_eq!(rejected.len(), 1, "told once in an hour");
        assert_eq!(rejected[0].fields()["kid"], foreign.kid());
    }

    async fn the_public_half_of_our_key_cant_be_exchanged_or_added_to(app: TestApp) {
        let pending = rotate(&app, Algorithm::Es256).await;
        app.set_clock(pending.activates_at);
        app.tick().await;
        let issuer = &app.issuer;
        let all = signing_keys::all(&issuer.store).await.unwrap();
        let retiring = all.iter().find(|key| key.state == "retiring").unwrap();
        let is_published = |keyring: &Keyring| String::from_utf8_lossy(keyring.jwks()).contains(&retiring.kid);
        assert!(is_published(&keys::load(&issuer.store, &issuer.master).await.unwrap()));
        let other = all.iter().find(|key| key.state == "active" && key.algorithm == "ES256").unwrap();
        let public: Value = serde_json::from_str(&retiring.public_jwk).unwrap();
        let with = |name: &str, value: &str| {
            let mut public = public.clone();
            public[name] = Value::from(value);
            public.to_string()
        };
        for public_jwk in [
            other.public_jwk.clone(),
            with("alg", "RS256"),
            with("kid", "another"),
            with("x5u", "https://evil.example/"),
            "nonsense".to_owned(),
        ] {
            let change = "UPDATE signing_key SET public_jwk = $2 WHERE kid = $1";
            issuer.store.execute(change, vec![Param::from(&retiring.kid), Param::from(&public_jwk)]).await.unwrap();
            let keyring = keys::load(&issuer.store, &issuer.master).await.unwrap();
            assert!(!is_published(&keyring), "{public_jwk}");
            assert_eq!(keyring.rejected()[0].kid, retiring.kid);
        }
    }

    async fn a_key_that_is_gone_stays_gone_and_its_public_half_can_be_told_to_be_ours(app: TestApp) {
        let pending = rotate(&app, Algorithm::Es256).await;
        // As a node of the version before wrote it.
        run(&app, "UPDATE signing_key SET public_seal = NULL WHERE state = 'active'").await;
        app.tick().await;
        app.set_clock(pending.activates_at);
        app.tick().await;
        app.advance(86_400);
        app.tick().await;
        let issuer = &app.issuer;
        let gone = || async {
            let all = signing_keys::all(&issuer.store).await.unwrap();
            all.into_iter().find(|key| key.algorithm == "ES256" && key.kid != pending.kid).unwrap()
        };
        let before = gone().await;
        assert_eq!(before.state, "gone");
        let public = keys::sealed_public(&issuer.master, &before).unwrap();
        assert_eq!(public["kid"], before.kid.as_str());
        let published = jwks(&app).await;
        run(&app, "UPDATE signing_key SET state = 'retiring', gone_at = 2000000000 WHERE state = 'gone'").await;
        app.tick().await;
        assert_eq!(jwks(&app).await, published);
        run(&app, "UPDATE signing_key SET state = 'gone', public_jwk = '{\"kty\":\"EC\"}' WHERE state = 'retiring'").await;
        assert_eq!(keys::sealed_public(&issuer.master, &gone().await), None);
        run(&app, "UPDATE signing_key SET public_seal = NULL WHERE state = 'gone'").await;
        assert_eq!(keys::sealed_public(&issuer.master, &gone().await), None);
    }

    async fn a_damaged_pending_key_never_takes_over(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let pending = rotate(&app, Algorithm::Es256).await;
        app.tick().await;
        corrupt(&app.issuer.store, "pending").await;
        assert!(keys::load(&app.issuer.store, &app.issuer.master).await.is_err());
        app.set_clock(pending.activates_at + 1);
        for _ in 0..3 {
            assert!(keys::tick(&app.issuer, app.now()).await.is_err());
        }
        let rejected = app.recorded("key_rejected").await;
        assert_eq!(rejected.len(), 1, "told once in an hour");
        assert_eq!(rejected[0].fields()["kid"], pending.kid.as_str());
        let all = signing_keys::all(&app.issuer.store).await.unwrap();
        assert_eq!(all.iter().filter(|key| key.state == "active").count(), keys::ALGORITHMS.len());
        assert!(all.iter().all(|key| key.kid != pending.kid || key.state == "pending"));
        assert_eq!(app.machine_token("worker", &[]).await.status, 200);
        // Withdrawn, the way is free again.
        assert!(keys::retire(&app.issuer.store, &app.issuer.events, &pending.kid, app.now()).await.unwrap());
        assert!(rotate(&app, Algorithm::Es256).await.created);
        app.tick().await;
    }

    async fn a_new_key_waits_until_every_cache_has_seen_it(app: TestApp) {
        app.register(&machine_client("worker")).await;
        let pending = rotate(&app, Algorithm::Es256).await;
        assert!(pending.activates_at >= app.now() + 2 * app.issuer.settings.jwks_max_age_s);
        app.tick().await;
        assert!(jwks(&app).await.iter().any(|key| key["kid"] == pending.kid));
        let signer = |token: &Value| {
            crate::support::fixtures::header_of(token["access_token"].as_str().unwrap())["kid"].clone()
        };
        app.set_clock(pending.activates_at - 1);
        app.tick().await;
        assert_ne!(signer(&app.machine_token("worker", &[]).await.json()), pending.kid.as_str());
        app.advance(1);
        app.tick().await;
        assert_eq!(signer(&app.machine_token("worker", &[]).await.json()), pending.kid.as_str());
    }

    async fn a_retired_key_stays_for_the_longest_token(app: TestApp) {
        let long = gatewright::domain::Client { access_token_s: Some(7200), ..machine_client("worker") };
        app.register(&long).await;
        let pending = rotate(&app, Algorithm::Es256).await;
        app.set_clock(pending.activates_at - 1);
        app.tick().await;
        let last = app.machine_token("worker", &[]).await.json();
        let last = last["access_token"].as_str().unwrap();
        let old = crate::support::fixtures::header_of(last)["kid"].as_str().unwrap().to_owned();
        app.advance(1);
        app.tick().await;
        app.advance(7200 + 59);
        app.tick().await;
        assert!(jwks(&app).await.iter().any(|key| key["kid"] == old.as_str()));
        app.advance(1);
        app.tick().await;
        assert!(jwks(&app).await.iter().all(|key| key["kid"] != old.as_str()));
    }
}

/// An offline verifier's cache: fetched when `max-age` is over, never before.
struct Cache {
    node: TestApp,
    keys: Option<(i64, JwkSet)>,
}

impl Cache {
    async fn keys(&mut self, now: i64) -> &JwkSet {
        let stale = self
            .keys
            .as_ref()
            .is_none_or(|(fresh_until, _)| *fresh_until <= now);
        if stale {
            let answer = self.node.get("/jwks.json").await;
            let max_age: i64 = answer
                .header("cache-control")
                .unwrap()
                .split_once("max-age=")
                .unwrap()
                .1
                .parse()
                .unwrap();
            self.keys = Some((
                now + max_age,
                JwkSet::parse(answer.body.as_bytes()).unwrap(),
            ));
        }
        &self.keys.as_ref().unwrap().1
    }
}

/// Two nodes, one of which learns everything a second late; a token a second from each in turn; three caches that
/// were filled at different moments; every token is verified every second of its life.
async fn a_verifier_at_1_hz_sees_no_failure_over_3_rotations(app: TestApp) {
    const LIFE: i64 = 20;
    let client = gatewright::domain::Client {
        access_token_s: Some(LIFE),
        ..machine_client("worker")
    };
    app.register(&client).await;
    let late = app.another_node().await;
    let rules = TokenRules::new(ISSUER, vec![API.to_owned()], vec![Algorithm::Es256]);
    let mut caches: Vec<Cache> = [&app, &late, &app]
        .into_iter()
        .map(|node| Cache {
            node: node.clone(),
            keys: None,
        })
        .collect();
    let mut outstanding: Vec<(i64, String)> = Vec::new();
    let mut signers = BTreeSet::new();
    let max_age = app.issuer.settings.jwks_max_age_s;
    let period = 2 * max_age + 17;
    for second in 0..3 * period + max_age {
        if second % period == 5 && second < 3 * period {
            rotate(&app, Algorithm::Es256).await;
        }
        let now = app.now();
        keys::tick(&app.issuer, now).await.unwrap();
        let node = if second % 2 == 0 { &app } else { &late };
        let token = node.machine_token("worker", &[]).await.json();
        let token = token["access_token"].as_str().unwrap().to_owned();
        signers.insert(
            crate::support::fixtures::header_of(&token)["kid"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
        outstanding.push((now + LIFE, token));
        outstanding.retain(|(ends, _)| *ends > now);
        for (index, cache) in caches.iter_mut().enumerate() {
            if second < 7 * i64::try_from(index).unwrap() {
                continue;
            }
            let keys = cache.keys(now).await;
            for (_, token) in &outstanding {
                let verified = token::verify(token, keys, &rules, now);
                assert!(
                    verified.is_ok(),
                    "second {second}, cache {index}: {verified:?}"
                );
            }
        }
        keys::tick(&late.issuer, now).await.unwrap();
        app.advance(1);
    }
    assert_eq!(signers.len(), 4, "three rotations were seen");
}

fn short_lived() -> Options {
    let settings = Settings {
        jwks_max_age_s: 30,
        access_token_s: 20,
        id_token_s: 20,
        ..Settings::default()
    };
    Options {
        settings,
        ..Options::default()
    }
}

#[tokio::test]
async fn a_verifier_at_1_hz_sees_no_failure_over_3_rotations_sqlite() {
    a_verifier_at_1_hz_sees_no_failure_over_3_rotations(TestApp::sqlite_with(short_lived()).await)
        .await;
}

#[tokio::test]
async fn a_verifier_at_1_hz_sees_no_failure_over_3_rotations_postgres() {
    if let Some(app) = TestApp::postgres_with(short_lived()).await {
        a_verifier_at_1_hz_sees_no_failure_over_3_rotations(app).await;
    }
}

#[tokio::test]
async fn a_rotation_on_schedule_happens_once() {
    let settings = Settings {
        rotate_every_days: 30,
        ..Settings::default()
    };
    let app = TestApp::sqlite_with(Options {
        settings,
        ..Options::default()
    })
    .await;
    let other = app.another_node().await;
    app.set_clock(EPOCH + 30 * 86_400 - 1);
    app.tick().await;
    assert_eq!(jwks(&app).await.len(), 3);
    app.advance(1);
    let (one, two) = tokio::join!(
        keys::tick(&app.issuer, app.now()),
        keys::tick(&other.issuer, other.now())
    );
    one.unwrap();
    two.unwrap();
    app.tick().await;
    assert_eq!(jwks(&app).await.len(), 6, "one pending key an algorithm");
}
